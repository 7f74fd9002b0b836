"""A model's words about a profile: what is true passes, all else is replaced and counted, and what the model read is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from footpath.llm.claims.checker import Checker
from footpath.llm.claims.narrator import LINES, Narrator
from footpath.llm.claims.profile import Profile, profile
from footpath.llm.gateway.backends import Capabilities, Completion, Letters, Message, Sending
from footpath.llm.gateway.gateway import Gateway, GatewaySettings
from tests.llm.log_by_hand import log_by_hand


class Parrot:
    """A back end that answers with the text that it was given, and keeps what it was asked."""

    identity = "parrot"
    is_remote = False

    def __init__(self, text: str) -> None:
        self.text = text
        self.asked: list[Sequence[Message]] = []
        self.fields: Mapping[str, int] = {}

    def capabilities(self, sending: Sending) -> Capabilities:
        return Capabilities("parrot", "1", True, False, None, None)

    def complete(self, messages: Sequence[Message], *, sending: Sending, **how: Any) -> Completion:
        self.asked.append(messages)
        self.fields = sending.fields
        return Completion(self.text, 1, 1)

    def choose(self, messages: Sequence[Message], letters: Sequence[str], *, sending: Sending) -> Letters:
        raise NotImplementedError

    def count_tokens(self, messages: Sequence[Message]) -> tuple[int, bool]:
        return 1, True


@pytest.fixture(scope="module")
def checker() -> Checker:
    return Checker(log_by_hand())


def told(checker: Checker, *sentences: str) -> tuple[Profile, Narrator, Parrot]:
    import json

    parrot = Parrot(json.dumps({"sentences": list(sentences)}))
    narrator = Narrator(Gateway(GatewaySettings(cache=None), backend=parrot), checker)
    return profile(checker, user="a", narrate=narrator.narrate, read=narrator.read), narrator, parrot


def test_a_true_sentence_is_shown_and_a_false_one_is_replaced_by_what_was_computed(checker: Checker) -> None:
    found, _, _ = told(checker, "There were 5 acts by user a.", "There were 7 acts by user a.")
    assert found.told is not None
    true, false = found.told.lines
    assert (true.text, true.source, true.refused) == ("There were 5 acts by user a.", "sentence", "")
    assert (false.text, false.source) == ("There were 5 acts by user a.", "template")
    assert "the log says otherwise" in false.refused
    assert found.told.refused == 1
    assert str(found.told.note()).startswith("1 of 2 sentences were refused")


def test_a_cause_and_an_empty_phrase_are_not_shown(checker: Checker) -> None:
    found, _, _ = told(checker, "User a bought once because the price fell.", "A loyal and happy customer.")
    assert found.told is not None
    assert [line.text for line in found.told.lines] == ["", ""]
    assert "'because'" in found.told.lines[0].refused
    assert found.told.refused == 2


def test_the_model_reads_a_few_lines_and_what_they_hold_is_declared(checker: Checker) -> None:
    _, _, parrot = told(checker, "There were 5 acts by user a.")
    (messages,) = parrot.asked
    assert str(messages[0]["content"]).count("<data>") - 1 == LINES  # the rule names the mark once
    assert parrot.fields["claims"] == LINES
    assert parrot.fields["user.id"] == 1
    assert parrot.fields["item.category"] == 2


def test_without_an_answer_the_profile_stands_and_says_why(checker: Checker) -> None:
    narrator = Narrator(Gateway(GatewaySettings(cache=None), backend=Parrot("no JSON here")), checker)
    found = profile(checker, user="a", narrate=narrator.narrate, read=narrator.read)
    assert len(found.traits) > LINES
    assert found.told is not None
    assert found.told.lines == ()
    assert narrator.answer is not None
    assert "it holds no JSON object" in narrator.answer.why
