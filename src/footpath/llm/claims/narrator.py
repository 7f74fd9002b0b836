"""A profile in a language model's words: it is given lines that were computed, and what it writes is read and checked like anybody's prose.

No sentence is shown for the model's sake: it must read into claims, and all of them must be true; else what was computed stands instead,
and the refusal is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import BaseModel, Field

from footpath.llm.claims.checker import Checker
from footpath.llm.claims.claims import Claim
from footpath.llm.claims.profile import Profile
from footpath.llm.gateway.quoting import RULE, quoted
from footpath.llm.statements.statements import Reader

if TYPE_CHECKING:
    from footpath.llm.gateway.gateway import Answer, Gateway

LINES: Final = 3
"""Lines of a profile that the model reads: more would cost a small one more than they tell."""
SENTENCES: Final = 2
_SHORTEST_SENTENCE: Final = 12
_LONGEST_SENTENCE: Final = 200
_MOST_TOKENS: Final = 200
_FIELDS: Final = {"item": "item.title", "category": "item.category", "brand": "item.brand", "query": "event.query"}
_LANGUAGES: Final = {"en": "English", "zh": "Chinese"}


class Written(BaseModel):
    """What the model writes."""

    sentences: Annotated[
        list[Annotated[str, Field(min_length=_SHORTEST_SENTENCE, max_length=_LONGEST_SENTENCE)]], Field(min_length=1, max_length=SENTENCES)
    ]


@dataclass
class Narrator:
    """Asks a model to put a profile into a few sentences. answer: what the gateway said, once it was asked."""

    gateway: Gateway
    checker: Checker
    lang: Literal["en", "zh"] = "en"
    answer: Answer[Written] | None = field(default=None, init=False)

    def narrate(self, profile: Profile) -> list[tuple[str, Sequence[Claim]]]:
        """Sentences of the model, without claims of its own: `read` finds them. Empty where there is none, and `answer.why` says why."""
        traits = profile.traits[:LINES]
        lines = [trait.text.zh if self.lang == "zh" else str(trait.text) for trait in traits]
        if not lines:
            return []
        fields: dict[str, list[str]] = {"claims": lines}
        for trait in traits:
            name = _FIELDS.get(str(trait.verdict.claim.arguments.get("by")))
            if name is not None and isinstance(trait.verdict.value, tuple):
                fields.setdefault(name, []).extend(trait.verdict.value)
        if profile.scope.user is not None:
            fields["user.id"] = [profile.scope.user]
        told = "\n".join(quoted(line) for line in lines)
        prompt = (
            f"{RULE}\nSay what matters most in these lines in at most {SENTENCES} short sentences, in {_LANGUAGES[self.lang]}. "
            f"Repeat figures and names exactly, add none, and give no reasons. Answer as JSON.\n{told}"
        )
        self.answer = self.gateway.ask(prompt, Written, purpose="profile in words", fields=fields, max_tokens=_MOST_TOKENS)
        if self.answer.value is None:
            return []
        return [(" ".join(text.split()), ()) for text in self.answer.value.sentences if text.strip()]

    @property
    def read(self) -> Callable[[str], Sequence[Claim]]:
        """The claims of a sentence that can be judged; none of one that cannot."""
        reader = Reader.of(self.checker)

        def claims(sentence: str) -> Sequence[Claim]:
            judged = reader.judge(sentence, self.lang)
            return () if judged.verdict == "not checkable" else judged.claims

        return claims
