"""The plan language: what a question can be turned into, and nothing else. A plan is data; whoever proposed it, it is checked and computed.

A plan asks for a claim (`footpath.llm.claims.claims`), for cells of an analysis of the catalog, or says that nothing can be asked and why.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from footpath.errors import ConfigError
from footpath.llm.claims.claims import Claim, claim_from_dict, claim_to_dict

Asks = Literal["value", "which", "relative", "gap", "more", "less", "fewest"]
"""What of a claim answers.

value: as computed. which: of a comparison, the label of the side with more (or fewer). relative: of a ratio, less one. gap: the size of a
difference. more, less: of a drift, the name whose share rose or fell most. fewest: the last of a whole list, or the quietest hour or
weekday.
"""

MOST_TEXT: Final = 300


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ClaimPlan(_Strict):
    """Compute a claim that states nothing. labels: of `which`, how the two sides are called. fewer: the side with fewer is asked for."""

    kind: Literal["claim"] = "claim"
    claim: dict[str, Any]
    asks: Asks = "value"
    labels: tuple[Annotated[str, Field(max_length=MOST_TEXT)], ...] = Field(default=(), max_length=2)
    fewer: bool = False

    @model_validator(mode="after")
    def _holds_together(self) -> ClaimPlan:
        try:
            claim = claim_from_dict(self.claim)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        if claim.states:
            raise ValueError("the claim of a plan states nothing: its value is what is asked")
        needs = {"which": "compare", "relative": "compare", "gap": "compare", "more": "drift", "less": "drift"}.get(self.asks)
        if self.asks == "fewest" and claim.predicate not in ("top", "rhythm"):
            raise ValueError(f"fewest is asked of a list or a rhythm, not of {claim.predicate}")
        if needs is not None and claim.predicate != needs:
            raise ValueError(f"{self.asks!r} is asked of {needs}, not of {claim.predicate}")
        if self.asks == "which" and len(set(self.labels)) != 2:
            raise ValueError("which of two needs two different labels")
        return self

    def asked(self) -> Claim:
        """The canonical claim."""
        return claim_from_dict(self.claim)


class AnalysisPlan(_Strict):
    """Run an analysis of the catalog with default options, but for those given, and read a cell."""

    kind: Literal["analysis"] = "analysis"
    analysis: Annotated[str, Field(max_length=60)]
    cell: Annotated[str, Field(max_length=120)]
    options: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_in_the_catalog(self) -> AnalysisPlan:
        from footpath.analysis import catalog

        try:
            known = catalog.entry(self.analysis).options
        except ConfigError as error:
            raise ValueError(str(error)) from None
        for name in self.options:
            if name not in known:
                raise ValueError(f"{self.analysis} has no option {name!r}")
        return self


class RefusalPlan(_Strict):
    """Nothing is computed. reason, in words for the reader, in both languages. close: names that are written nearly alike."""

    kind: Literal["refusal"] = "refusal"
    reason: str
    reason_zh: str = ""
    close: tuple[str, ...] = ()


Plan = ClaimPlan | AnalysisPlan | RefusalPlan
_PLANS: Final[TypeAdapter[Plan]] = TypeAdapter(Annotated[Plan, Field(discriminator="kind")])


def plan_of(claim: Claim, asks: Asks = "value", *, labels: tuple[str, ...] = (), fewer: bool = False) -> ClaimPlan:
    return ClaimPlan(claim=claim_to_dict(claim), asks=asks, labels=labels, fewer=fewer)


def plan_from_dict(given: Mapping[str, Any]) -> Plan:
    """The plan that a mapping describes, as a program or a model wrote it. Raises ConfigError for anything else."""
    try:
        return _PLANS.validate_python(dict(given))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ConfigError(f"this is no plan: {'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}") from None


def plan_to_dict(plan: Plan) -> dict[str, Any]:
    """Plain types; what is at its default is left out."""
    return {"kind": plan.kind} | plan.model_dump(exclude_defaults=True, mode="json")
