"""The questions and sentences that judge the planner and the parser."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def questions() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "questions" / "make.py"
    spec = importlib.util.spec_from_file_location("questions_make", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_both_halves_hold_thirty_questions_in_each_language_and_fifty_that_can_be_answered(questions: ModuleType) -> None:
    for name in questions.QUESTIONS:
        rows = list(questions.read(name))
        assert Counter(row["lang"] for row in rows) == {"en": 30, "zh": 30}
        assert sum(row["answerable"] for row in rows) == 50


def test_the_fresh_set_holds_eighty_questions_in_each_language_and_its_halves_alternate(questions: ModuleType) -> None:
    rows = list(questions.read(questions.FRESH))
    assert Counter(row["lang"] for row in rows) == {"en": 80, "zh": 80}
    assert Counter(row["data"] for row in rows) == {"shop": 110, "ml-100k": 50}
    assert sum(row["answerable"] for row in rows) == 125
    assert [row["half"] for row in rows] == ["a", "b"] * 80


def test_where_several_answers_are_right_each_has_a_source_of_its_own_and_the_first_is_the_answer(questions: ModuleType) -> None:
    for row in questions.read(questions.FRESH):
        if "answers" in row:
            assert len(row["answers"]) == len(row["sources"]) > 1
            assert row["answer"] == row["answers"][0]
            assert row["note"]
        elif row["answerable"]:
            assert ("sql" in row) != ("cell" in row)


def test_sentences_are_as_many_as_stated_and_no_text_stands_twice(questions: ModuleType) -> None:
    checkable, hard = (list(questions.read(name)) for name in questions.SENTENCES)
    assert Counter((row["lang"], row["true"]) for row in checkable) == {(lang, true): 50 for lang in ("en", "zh") for true in (True, False)}
    assert Counter(row["true"] for row in hard) == {True: 120, False: 150, None: 30}
    asked = [row["question"] for name in (*questions.QUESTIONS, questions.FRESH) for row in questions.read(name)]
    texts = [row["text"] for row in checkable + hard] + asked
    assert len(set(texts)) == len(texts) == 780


@pytest.mark.real
@pytest.mark.slow
def test_the_log_gives_every_stored_answer_and_truth(questions: ModuleType, real_data: Path, tmp_path: Path) -> None:
    assert list(questions.wrong(questions.stores(real_data / "ml-100k", tmp_path))) == []
