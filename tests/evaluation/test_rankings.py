"""Lists out of the whole catalogue beside what was relevant."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from footpath.errors import ConfigError, DataError, NotFittedError
from footpath.evaluation.rankings import judge, rank
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.split import Holdout
from footpath.sequences.vocabulary import Vocabulary

LETTERS = Vocabulary.build("abcdefgh")
TRAIN = SequenceDataset.from_lists(["aab", "abc", "d"], LETTERS)

Make = Callable[..., Holdout]


def letters(indexes: np.ndarray) -> str:
    return "".join(id or "-" for id in LETTERS.decode(indexes))


def test_hits_are_the_listed_relevant_items(scripted: type, make_holdout: Make) -> None:
    model = scripted({"0": ["c", "d", "e"], "1": ["f", "a", "b"]}).fit(TRAIN)
    found = rank(model, make_holdout(LETTERS, ["a", "h"], ["dg", "fb"]), 3, trained_on=TRAIN)
    assert [letters(row) for row in found.items] == ["cde", "fab"]
    assert found.hits.tolist() == [[False, True, False], [True, False, True]]
    assert found.n_relevant.tolist() == [2, 2]


def test_a_relevant_item_counts_once_however_often_it_is_given(scripted: type, make_holdout: Make) -> None:
    model = scripted({"0": ["c", "d"]}).fit(TRAIN)
    found = rank(model, make_holdout(LETTERS, ["a"], ["ccdcd"]), 2, trained_on=TRAIN)
    assert found.n_relevant.tolist() == [2]
    assert letters(np.sort(found.relevant)) == letters(np.sort(LETTERS.encode(["c", "d"])))


def test_a_history_is_listed_only_where_repeats_are_allowed(scripted: type, make_holdout: Make) -> None:
    model = scripted({"0": ["a", "b", "c"]}).fit(TRAIN)
    holdout = make_holdout(LETTERS, ["a"], ["b"])
    assert letters(rank(model, holdout, 2, trained_on=TRAIN).items[0]) == "bc"
    assert letters(rank(model, holdout, 2, trained_on=TRAIN, repeat=True).items[0]) == "ab"


def test_frequencies_are_those_of_the_events_fitted_on(scripted: type, make_holdout: Make) -> None:
    found = rank(scripted().fit(TRAIN), make_holdout(LETTERS, ["a"], ["b"]), 1, trained_on=TRAIN)
    expected = dict.fromkeys("abcdefgh", 0) | {"a": 3, "b": 2, "c": 1, "d": 1}
    assert {id: int(found.item_frequency[LETTERS.index(id)]) for id in "abcdefgh"} == expected
    assert found.item_frequency[0] == 0


def test_a_list_longer_than_the_catalogue_is_short(scripted: type, make_holdout: Make) -> None:
    model = scripted({"0": ["b", "c"]}).fit(TRAIN)
    found = rank(model, make_holdout(LETTERS, ["a"], ["b"]), 20, trained_on=TRAIN)
    assert found.items.shape == (1, 20)
    assert found.lengths.tolist() == [7]
    assert found.hits.sum() == 1


def test_nothing_in_a_short_list_hits_an_unknown_answer(scripted: type, make_holdout: Make) -> None:
    found = rank(scripted().fit(TRAIN), make_holdout(LETTERS, ["a"], ["z"]), 20, trained_on=TRAIN)
    assert not found.hits.any()


def test_ties_are_seen_among_the_listed_and_at_the_bar(scripted: type, make_holdout: Make) -> None:
    lists = {"none": list("abcdefg"), "bar": list("ab"), "inside": ["a"], "all": []}
    model = scripted(lists).fit(TRAIN)
    found = rank(model, make_holdout(LETTERS, ["h"] * 4, ["a"] * 4, list(lists)), 3, trained_on=TRAIN)
    assert found.ties.tolist() == [[False, False, False], [False, False, True], [False, True, True], [True, True, True]]
    assert found.tied.tolist() == [False, True, True, True]
    assert found.flat.tolist() == [False, False, False, True]


def test_the_end_of_a_short_list_ties_with_nothing(scripted: type, make_holdout: Make) -> None:
    found = rank(scripted({"0": list("abcdefg")}).fit(TRAIN), make_holdout(LETTERS, ["h"], ["a"]), 12, trained_on=TRAIN)
    assert not found.tied.any()
    flat = rank(scripted().fit(TRAIN), make_holdout(LETTERS, ["h"], ["a"]), 12, trained_on=TRAIN)
    assert flat.flat.tolist() == [True]


def test_a_cut_list_is_the_list_of_that_length(scripted: type, make_holdout: Make) -> None:
    model = scripted({"0": list("cdbe"), "1": list("ea")}).fit(TRAIN)
    holdout = make_holdout(LETTERS, ["a", "h"], ["de", "ag"])
    cut, short = rank(model, holdout, 6, trained_on=TRAIN).top(3), rank(model, holdout, 3, trained_on=TRAIN)
    for name in ("items", "hits", "ties", "relevant", "offsets"):
        np.testing.assert_array_equal(getattr(cut, name), getattr(short, name))


@pytest.mark.parametrize("k", [0, 4])
def test_a_list_cannot_be_cut_to_what_it_is_not(scripted: type, make_holdout: Make, k: int) -> None:
    found = rank(scripted().fit(TRAIN), make_holdout(LETTERS, ["a"], ["b"]), 3, trained_on=TRAIN)
    with pytest.raises(ConfigError, match=f"3 places; they cannot be cut to {k}"):
        found.top(k)


def test_a_model_that_is_not_fitted_is_not_ranked(scripted: type, make_holdout: Make) -> None:
    with pytest.raises(NotFittedError, match="Scripted is not fitted"):
        rank(scripted(), make_holdout(LETTERS, ["a"], ["b"]), 3, trained_on=TRAIN)


def test_events_of_another_catalogue_are_refused(scripted: type, make_holdout: Make) -> None:
    other = SequenceDataset.from_lists(["ab"])
    with pytest.raises(ConfigError, match="trained_on knows 2 items and the holdout 8"):
        rank(scripted().fit(TRAIN), make_holdout(LETTERS, ["a"], ["b"]), 3, trained_on=other)


def test_as_many_lists_as_histories_are_judged(make_holdout: Make) -> None:
    with pytest.raises(DataError, match="2 histories needs as many lists, got 1"):
        judge(np.ones((1, 3), np.int32), make_holdout(LETTERS, ["a", "b"], ["c", "d"]), TRAIN)
