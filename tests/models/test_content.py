from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from planted_logs import clusters

from footpath.errors import ConfigError
from footpath.models.content import ContentBased
from footpath.models.item_text import Whitening, unit_rows
from footpath.recommender import recommend
from footpath.sequences.dataset import ItemFeatures, SequenceDataset


def described(titles: dict[str, str], rows: list[list[str]], **features: dict[str, object]) -> SequenceDataset:
    plain = SequenceDataset.from_lists([list(titles), *rows])
    ids = [None, *plain.vocabulary.ids.to_pylist()]

    def column(values: dict[str, object], nothing: object) -> list[object]:
        return [values.get(id, nothing) if id else nothing for id in ids]

    items = ItemFeatures(
        column(titles, ""),
        column(features.get("texts", {}), ""),
        column(features.get("categories", {}), ""),
        column(features.get("attributes", {}), ()),
    )
    return dataclasses.replace(plain.between(1, len(rows) + 1), item_features=items)


def test_a_chinese_title_finds_its_like() -> None:
    log = described({"1": "苹果手机壳", "2": "华为手机壳", "3": "有机绿茶", "4": "绿茶茶包"}, [["1"], ["3"]])
    found = recommend(ContentBased().fit(log), log, 1)
    assert [found.items(0), found.items(1)] == [["2"], ["4"]]


def test_an_item_without_events_is_recommended_for_its_words() -> None:
    log = clusters()
    history = SequenceDataset.from_lists([["c2-0", "c2-1"]], log.vocabulary)
    model = ContentBased().fit(log)
    assert "c2-cold" in recommend(model, history, 7).items(0)
    assert model.score(history)[0, log.vocabulary.index("c1-cold")] < 0


def test_an_attribute_is_not_a_word() -> None:
    log = described({"a": "soap", "b": "", "c": "red soap"}, [["b"]], attributes={"a": ("red",), "b": ("red",)})
    scores = ContentBased().fit(log).score(log)[0]
    assert scores[log.vocabulary.index("a")] > 0 > scores[log.vocabulary.index("c")]


def test_a_shared_category_counts() -> None:
    log = described({"a": "one", "b": "two", "c": "three"}, [["a"]], categories={"a": "home.tea", "b": "home.tea", "c": "office"})
    assert recommend(ContentBased().fit(log), log, 1).items(0) == ["b"]


def test_scores_are_cosines_with_the_recency_weighted_mean() -> None:
    log = described({"a": "x", "b": "y", "c": "x y"}, [["a", "b"]])
    scores = ContentBased(half_life_events=1).fit(log).score(log)[0]
    # x and y are equally rare, so that a = (1, 0), b = (0, 1), c = (1, 1) / sqrt 2, and the profile is (0.5, 1) before its length is taken
    profile = np.array([0.5, 1]) / np.sqrt(1.25)
    for id, vector in {"a": [1, 0], "b": [0, 1], "c": [np.sqrt(0.5)] * 2}.items():
        assert scores[log.vocabulary.index(id)] == pytest.approx(float(profile @ vector), abs=1e-6)


def test_rare_words_weigh_more_than_common_ones() -> None:
    log = described({"a": "rare common", "b": "rare", "c": "common", "d": "common"}, [["a"]])
    assert recommend(ContentBased().fit(log), log, 1).items(0) == ["b"]


def test_vectors_alone_decide_where_nothing_is_written() -> None:
    log = clusters()
    vectors = np.random.default_rng(0).normal(size=(log.n_items, 4)).astype(np.float32)
    vectors[log.vocabulary.index("c3-4")] = vectors[log.vocabulary.index("c0-1")]
    assert log.item_features is not None
    wordless = dataclasses.replace(log.item_features, titles=[""] * log.n_items, vectors=vectors)
    model = ContentBased().fit(dataclasses.replace(log, item_features=wordless))
    histories = SequenceDataset.from_lists([["c0-1"], []], log.vocabulary)
    found = recommend(model, histories, 1)
    assert [found.items(0), found.items(1)] == [["c3-4"], ["c0-7"]]
    assert found.scores[0, 0] == pytest.approx(1, abs=1e-5)
    again = ContentBased().restore(model.items, model.state())
    assert again.score(histories).tobytes() == model.score(histories).tobytes()


def test_vectors_are_added_to_words_by_their_weight() -> None:
    log = described({"a": "x", "b": "x y", "c": "z"}, [["a"]])
    assert log.item_features is not None
    vectors = np.random.default_rng(1).normal(size=(4, 2)).astype(np.float32)
    features = dataclasses.replace(log.item_features, vectors=vectors)
    words = ContentBased().fit(log).score(log)[0]
    white = unit_rows(Whitening.of_sample(np.concatenate([np.zeros((1, 2), np.float32), vectors[1:]])).apply(vectors))
    cosines = white @ white[log.vocabulary.index("a")]
    scores = ContentBased(vector_weight=0.25).fit(dataclasses.replace(log, item_features=features)).score(log)[0]
    for id in ("a", "b"):
        place = log.vocabulary.index(id)
        assert scores[place] == pytest.approx(words[place] + 0.25 * cosines[place], abs=1e-5)
    assert scores[log.vocabulary.index("c")] == pytest.approx(0.25 * cosines[log.vocabulary.index("c")], abs=1e-5)


def test_a_weight_of_vectors_below_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"vector_weight must be at least 0 and finite, got -1"):
        ContentBased(vector_weight=-1)


def test_a_log_without_an_item_table_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"content needs an item table .* this log has none"):
        ContentBased().fit(SequenceDataset.from_lists([["a", "b"]]))


def test_an_item_table_without_a_word_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"empty for all 2 items"):
        ContentBased().fit(described({"a": "", "b": "..."}, [["a", "b"]]))
