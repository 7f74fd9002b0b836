"""Plans that a language model proposes where no rule finds one: a choice of what is asked, over what was read in the question.

The model fills in what kind of figure is wanted; users, items, dates and numbers are those that `reading` found, so that it can name no
other. A proposal counts only if every piece of the question has a place in it and it says nothing more, and only for figures in which the
order of the words does not matter: shares, comparisons and what follows what can be turned round by a wrong proposal, and are not taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from footpath.llm.ask.names import Names
from footpath.llm.ask.narrowing import RefusedError, composed, scope_of, unknown
from footpath.llm.ask.plans import Plan, plan_of
from footpath.llm.ask.reading import Found, Kind, Reading
from footpath.llm.claims.claims import Claim, Predicate, Scope
from footpath.llm.gateway.quoting import RULE, quoted

if TYPE_CHECKING:
    from footpath.llm.gateway.gateway import Gateway

Wanted = Literal["number of times", "number of users", "number of sessions", "number of days", "when first", "when last", "busiest hour",
                 "busiest weekday", "days since the last", "average value", "repeat rate", "cannot say"]  # fmt: skip


class Draft(BaseModel):
    """What a question wants, in one of a few words."""

    model_config = ConfigDict(extra="forbid")

    wanted: Wanted


_MEANT: Final[dict[str, tuple[Predicate, dict[str, Any], frozenset[str]]]] = {
    "number of times": ("count", {"of": "acts"}, frozenset({"count", "often"})),
    "number of users": ("count", {"of": "users"}, frozenset({"count", "users"})),
    "number of sessions": ("count", {"of": "sessions"}, frozenset({"count"})),
    "number of days": ("count", {"of": "days"}, frozenset({"count", "days"})),
    "when first": ("first", {"by": "time"}, frozenset({"first", "when", "appear"})),
    "when last": ("last", {"by": "time"}, frozenset({"last", "when", "appear"})),
    "busiest hour": ("rhythm", {"by": "hour"}, frozenset({"busiest", "top", "which", "when"})),
    "busiest weekday": ("rhythm", {"by": "weekday"}, frozenset({"busiest", "top", "which", "when"})),
    "days since the last": ("recency", {}, frozenset({"since", "last", "inactive", "days"})),
    "average value": ("mean", {"of": "value"}, frozenset({"mean", "score"})),
    "repeat rate": ("repeat_rate", {"by": "item"}, frozenset({"repeat", "share"})),
}
"""For each choice the claim, and the words that ask for it: one of the first must be in the question, and no other."""
_NEEDS: Final[dict[str, tuple[tuple[Kind, str], ...]]] = {
    "number of users": (("unit", "users"), ("ask", "users")), "number of sessions": (("unit", "sessions"),),
    "number of days": (("unit", "days"), ("ask", "days")), "busiest hour": (("unit", "hours"),), "busiest weekday": (("unit", "weekdays"),),
    "when first": (("ask", "first"),), "when last": (("ask", "last"),), "days since the last": (("ask", "since"), ("ask", "inactive")),
    "average value": (("ask", "mean"), ("ask", "score")), "repeat rate": (("ask", "repeat"),), "number of times": (("ask", "often"),),
}  # fmt: skip
_MOST_TOKENS: Final = 24


@dataclass(frozen=True)
class Proposal:
    """What a model was asked and what became of it. outcome: `not asked`, `no answer`, `accepted`, or `refused` by the check."""

    outcome: Literal["not asked", "no answer", "accepted", "refused"]
    wanted: str = ""
    why: str = ""
    plan: Plan | None = None
    cpu_seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        told: dict[str, Any] = {"outcome": self.outcome}
        return told | {name: value for name, value in (("wanted", self.wanted), ("why", self.why)) if value}


NOT_ASKED: Final = Proposal("not asked")


def propose(reading: Reading, names: Names, gateway: Gateway) -> Proposal:
    """Ask a model what a question wants, and check what it says. It is not asked where a word was not understood: no check could follow."""
    if not reading.content or reading.of("refuse", "both", "only", "topic") or unknown(reading, names) is not None:
        return NOT_ASKED
    fields = {"question": [reading.text]}
    options = "; ".join(_MEANT)
    prompt = (
        f"{RULE}\nA question about a log of what users did:\n{quoted(reading.text)}\n"
        f"Which figure does it want? One of: {options}; cannot say. Answer as JSON."
    )
    said = gateway.ask(prompt, Draft, purpose="plan of a question", fields=fields, max_tokens=_MOST_TOKENS)
    if said.value is None:
        return Proposal("no answer", why=said.why, cpu_seconds=said.cpu_seconds)
    wanted = said.value.wanted
    if wanted == "cannot say":
        return Proposal("no answer", wanted, cpu_seconds=said.cpu_seconds)
    try:
        plan = checked(wanted, reading, names)
    except RefusedError as error:
        return Proposal("refused", wanted, str(error), cpu_seconds=said.cpu_seconds)
    return Proposal("accepted", wanted, "", plan, said.cpu_seconds)


def checked(wanted: str, reading: Reading, names: Names) -> Plan:
    """The plan of a proposal in which every piece of the question has its place. Raises RefusedError where one has none, or is not said."""
    from footpath.llm.ask.narrowing import refuse

    predicate, arguments, cues = _MEANT[wanted]
    pieces = composed(reading, names)
    if not any(piece.is_(kind, value) for piece in pieces for kind, value in _NEEDS[wanted]):
        raise refuse("the question does not ask for the {wanted}", "问题并没有问这个指标：{wanted}", wanted=wanted)
    asks = [piece for piece in pieces if piece.kind == "ask"]
    for piece in asks:
        if piece.value not in cues:
            raise refuse("{text!r} has no place in this plan", "“{text}”在这个计划中没有位置", text=piece.text)
    left = [piece for piece in pieces if piece.kind not in ("ask", "times") and not _is_target(piece, wanted)]
    if any(piece.kind in ("not", "per", "and", "or", "different", "number", "compare", "suffix") for piece in left):
        raise refuse("the question says more than this plan", "问题的内容超出了这个计划")
    if wanted == "average value":
        left = [*left, Found("act", "rating", 0, 0, "rating")]
    scope: Scope = scope_of(left, names, users=wanted == "number of users")
    if wanted == "number of times" and not scope.event_types and not any(piece.kind == "act" for piece in left):
        raise refuse("the question names no kind of act", "问题没有说明是哪种行为")
    return plan_of(Claim(predicate, scope, arguments))


def _is_target(piece: Found, wanted: str) -> bool:
    return any(piece.kind == "unit" and piece.is_(kind, value) for kind, value in _NEEDS[wanted])
