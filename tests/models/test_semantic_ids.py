"""Semantic ids: digits of alike items, trees of codes, and what is said when they fail."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from planted_logs import N_CLUSTERS, clusters, ring

from footpath.errors import ConfigError
from footpath.events.readers import read_events
from footpath.models.semantic_ids import (
    IdReader,
    Trie,
    cooccurrence_vectors,
    encode,
    last_digits,
    report_arrays,
    report_of,
    residual_kmeans,
    semantic_ids,
)
from footpath.sequences.dataset import ItemFeatures, SequenceDataset
from footpath.sequences.splits import split
from footpath.sequences.vocabulary import Vocabulary


def described(histories: Sequence[Sequence[str]], titles: dict[str, str], vectors: dict[str, list[float]] | None = None) -> SequenceDataset:
    """A log of these histories, whose items have these titles, and vectors where they are given."""
    vocabulary = Vocabulary.build(list(titles))
    ids = [id or "" for id in vocabulary.decode(np.arange(len(vocabulary), dtype=np.int32))]
    n = len(ids)
    found = None
    if vectors is not None:
        width = len(next(iter(vectors.values())))
        found = np.array([vectors.get(id, [0.0] * width) for id in ids], np.float32)
    features = ItemFeatures([titles.get(id, "") for id in ids], [""] * n, [""] * n, [()] * n, found)
    return SequenceDataset.from_lists(histories, vocabulary, item_features=features)


def codes_by_id(log: SequenceDataset, codes: np.ndarray) -> dict[str, tuple[int, ...]]:
    ids = log.vocabulary.decode(np.arange(1, len(codes), dtype=np.int32))
    return {str(id): tuple(row) for id, row in zip(ids, codes[1:].tolist(), strict=True)}


def test_two_levels_find_the_groups_and_the_places_within_them() -> None:
    centres = np.array([[100.0, 0.0], [-100.0, 0.0], [0.0, 100.0]], np.float32)
    places = np.array([[0.0, 3.0], [3.0, 0.0], [0.0, -3.0], [-3.0, 0.0]], np.float32)
    vectors = (centres[:, None] + places + np.random.default_rng(1).normal(0, 0.01, (5, 3, 4, 2))).astype(np.float32).reshape(-1, 2)
    digits = encode(vectors, residual_kmeans(vectors, 2, 4, np.random.default_rng(0)))
    digits3 = encode(vectors, residual_kmeans(vectors, 1, 3, np.random.default_rng(0)))[:, 0].reshape(5, 3, 4)
    assert [len(np.unique(digits3[:, group])) for group in range(3)] == [1, 1, 1]
    assert len(np.unique(digits3)) == 3
    assert len(np.unique(digits, axis=0)) == 12
    by_item = digits.reshape(5, 12, 2)
    assert (by_item == by_item[:1]).all()


def test_each_digit_is_the_nearest_centroid_of_what_those_before_leave_over() -> None:
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(200, 5)).astype(np.float32)
    centroids = residual_kmeans(vectors, 3, 7, rng)
    found = encode(vectors, centroids)
    for vector, digits in zip(vectors, found, strict=True):
        rest = vector.astype(np.float64)
        for digit, table in zip(digits, centroids, strict=True):
            distances = [float(((rest - row) ** 2).sum()) for row in table]
            assert distances[digit] == pytest.approx(min(distances))
            rest = rest - table[digit]


def test_more_levels_leave_less_over() -> None:
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(500, 4)).astype(np.float32)
    centroids = residual_kmeans(vectors, 3, 8, rng)
    digits = encode(vectors, centroids)
    rest, left = vectors, []
    for level, table in enumerate(centroids):
        rest = rest - table[digits[:, level]]
        left.append(float((rest**2).sum() / (vectors**2).sum()))
    assert 0.6 > left[0] > left[1] > left[2] > 0


def test_what_is_not_known_of_a_vector_is_not_compared() -> None:
    table = np.array([[0.0, 0.0], [1.0, 9.0]], np.float32)
    vector = np.array([[0.9, 0.0]], np.float32)
    assert encode(vector, [table])[0, 0] == 0  # squared distances 0.81 and 81.01
    assert encode(vector, [table], np.array([[True, False]]))[0, 0] == 1  # 0.81 and 0.01


def test_as_many_centroids_as_distinct_vectors_where_these_are_fewer() -> None:
    vectors = np.array([[1.0, 0.0]] * 4 + [[0.0, 1.0]] * 3, np.float32)
    first, second = residual_kmeans(vectors, 2, 5, np.random.default_rng(0))
    assert sorted(first.tolist()) == [[0.0, 1.0], [1.0, 0.0]]
    assert len(second) == 1  # nothing is left over


def test_no_cluster_stays_empty() -> None:
    vectors = np.concatenate([np.zeros((500, 2)), np.random.default_rng(0).normal(5, 1, (100, 2))]).astype(np.float32)
    (table,) = residual_kmeans(vectors, 1, 40, np.random.default_rng(0))
    assert len(np.unique(encode(vectors, [table]))) == 40


def test_the_last_digit_counts_items_that_share_the_others_by_falling_popularity() -> None:
    digits = np.array([[0, 0], [1, 1], [0, 0], [1, 1], [1, 1], [0, 0]])
    counts = np.array([0, 2, 9, 5, 2, 9], np.float32)
    assert last_digits(digits, counts).tolist() == [0, 1, 0, 0, 2, 1]


def test_the_tree_of_four_codes_by_hand() -> None:
    codes = np.array([[0, 0], [2, 0], [0, 5], [0, 1], [2, 7]])
    trie = Trie.of(codes, np.array([1, 2, 3, 4]))
    assert [digits.tolist() for digits in trie.digits] == [[0, 2], [1, 5, 0, 7]]
    assert [parents.tolist() for parents in trie.parents] == [[0, 0], [0, 0, 1, 1]]
    assert [firsts.tolist() for firsts in trie.firsts] == [[0, 2], [0, 2, 4]]
    assert trie.items.tolist() == [3, 2, 1, 4]
    assert trie.paths.tolist() == [[-1, -1], [1, 2], [0, 1], [0, 0], [1, 3]]


def test_a_tree_of_equal_codes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"2 items have 1 codes"):
        Trie.of(np.array([[0], [3], [3]]), np.array([1, 2]))


@pytest.mark.parametrize("ids_from", ["text", "cooccurrence", "text+cooccurrence"])
def test_items_of_a_cluster_share_their_first_digit(ids_from: str) -> None:
    log = clusters()
    ids = semantic_ids(log, ids_from=ids_from, levels=2, codes=N_CLUSTERS)  # type: ignore[arg-type]
    codes = codes_by_id(log, ids.codes)
    firsts = [{codes[f"c{cluster}-{i}"][0] for i in range(8)} for cluster in range(N_CLUSTERS)]
    assert [len(found) for found in firsts] == [1, 1, 1, 1]
    assert len(set.union(*firsts)) == N_CLUSTERS


@pytest.mark.parametrize("ids_from", ["text", "text+cooccurrence"])
def test_an_item_without_events_gets_the_digits_of_its_text(ids_from: str) -> None:
    log = clusters()
    codes = codes_by_id(log, semantic_ids(log, ids_from=ids_from, levels=2, codes=N_CLUSTERS).codes)  # type: ignore[arg-type]
    assert [codes[f"c{cluster}-cold"][0] for cluster in range(N_CLUSTERS)] == [codes[f"c{cluster}-0"][0] for cluster in range(N_CLUSTERS)]


def test_codes_are_of_their_sizes_and_no_two_items_share_one() -> None:
    log = clusters()
    ids = semantic_ids(log, ids_from="text", levels=2, codes=3)
    assert len(np.unique(ids.codes[1:], axis=0)) == len(ids) - 1 == 36
    assert ids.codes[0].tolist() == [0, 0, 0]
    assert (ids.codes < np.array(ids.sizes)).all()


def test_the_same_seed_gives_the_same_ids() -> None:
    log = clusters()
    one, other = (semantic_ids(log, ids_from="text+cooccurrence", levels=2, codes=4, seed=5).codes for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_the_report_counts_by_hand() -> None:
    titles = {"a": "tea", "b": "tea", "c": "lamp", "d": "hose", "e": ""}
    log = described([["a", "b", "c", "d", "e"]], titles)
    report = semantic_ids(log, ids_from="text", levels=2, codes=8).report
    assert (report.items, report.described) == (5, 4)
    first, second = report.levels
    assert (first.size, first.used) == (3, 3)  # tea, tea, lamp, hose: shares 1/2, 1/4, 1/4, entropy 1.5 bits
    assert first.perplexity == pytest.approx(2**1.5)
    assert first.largest == 0.5
    assert first.left == pytest.approx(0, abs=1e-9)
    assert (second.size, second.used, second.perplexity) == (1, 1, 1)
    # e has one of the three codes at random, so three codes are used by five items
    assert report.buckets == 3
    assert report.collided in (3 / 5, 4 / 5)
    assert report.largest_bucket in (2, 3)


def test_a_report_survives_as_arrays() -> None:
    report = semantic_ids(clusters(), ids_from="text", levels=2, codes=3).report
    assert report_of(report_arrays(report)) == report


def test_items_without_a_vector_are_spread_over_the_digits() -> None:
    titles = {f"i{i}": ["tea", "lamp", "hose", "mat"][i % 4] if i < 40 else "" for i in range(440)}
    log = described([list(titles)], titles)
    ids = semantic_ids(log, ids_from="text", levels=1, codes=256)
    digits = np.array([row[0] for id, row in codes_by_id(log, ids.codes).items() if int(id[1:]) >= 40])
    assert ids.report.described == 40
    assert np.bincount(digits, minlength=4).min() > 60  # of 400, 100 each are expected


def test_items_that_occur_together_have_alike_vectors() -> None:
    log = clusters()
    vectors = cooccurrence_vectors(log)
    cluster = np.array([-1] + [int(id[1]) if not id.endswith("cold") else -1 for id in map(str, log.vocabulary.decode(np.arange(1, 37)))])
    cosines = vectors @ vectors.T
    same = (cluster[:, None] == cluster) & (cluster >= 0)[:, None]
    different = (cluster[:, None] != cluster) & ((cluster >= 0)[:, None] & (cluster >= 0))
    assert cosines[same].min() > 0.5 > 0.01 > np.abs(cosines[different]).max()
    assert not vectors[cluster < 0].any()


def test_without_text_both_is_cooccurrence_alone() -> None:
    one = semantic_ids(ring(), ids_from="cooccurrence", levels=2, codes=4)
    other = semantic_ids(ring(), ids_from="text+cooccurrence", levels=2, codes=4)
    np.testing.assert_array_equal(one.codes, other.codes)
    assert one.reader is other.reader is None


@pytest.mark.parametrize("ids_from", ["text", "text+cooccurrence"])
def test_items_that_come_later_get_the_digits_of_their_like(ids_from: str) -> None:
    log = clusters()
    ids = semantic_ids(log, ids_from=ids_from, levels=2, codes=N_CLUSTERS)  # type: ignore[arg-type]
    assert ids.reader is not None
    reader = IdReader.restored(ids.reader.state())
    assert reader is not None
    later = ItemFeatures(["", "yoga mat", "tea kettle 3", ""], [""] * 4, [""] * 4, [()] * 4)
    digits = reader.digits(later, np.random.default_rng(0))
    codes = codes_by_id(log, ids.codes)
    assert digits[1, 0] == codes["c3-0"][0]
    assert digits[2, 0] == codes["c0-0"][0]
    assert digits[0].tolist() == [0, 0]


def test_the_texts_of_the_fit_read_again_give_the_same_digits() -> None:
    log = clusters()
    ids = semantic_ids(log, ids_from="text", levels=3, codes=6)
    assert ids.reader is not None
    assert log.item_features is not None
    np.testing.assert_array_equal(ids.reader.digits(log.item_features, np.random.default_rng(0)), ids.codes[:, :3])


def test_vectors_of_another_encoder_are_refused() -> None:
    vectors = {"a": [1.0, 0.0], "b": [0.0, 1.0], "c": [0.5, 0.5]}
    ids = semantic_ids(described([list(vectors)], dict.fromkeys(vectors, ""), vectors), ids_from="text", levels=1, codes=2)
    assert ids.reader is not None
    wide = ItemFeatures([""] * 2, [""] * 2, [""] * 2, [()] * 2, np.ones((2, 3), np.float32))
    with pytest.raises(ConfigError, match=r"item vectors of 2 numbers, got some of 3"):
        ids.reader.digits(wide, np.random.default_rng(0))


def test_vectors_of_the_items_are_read_before_their_words() -> None:
    titles = {"a": "same", "b": "same", "c": "same", "d": "same"}
    vectors = {"a": [1.0, 0.0], "b": [0.9, 0.1], "c": [0.0, 1.0], "d": [0.1, 0.9]}
    log = described([list(titles)], titles, vectors)
    codes = codes_by_id(log, semantic_ids(log, ids_from="text", levels=1, codes=2).codes)
    assert codes["a"][0] == codes["b"][0] != codes["c"][0] == codes["d"][0]


def test_ids_from_text_without_any_say_what_to_do() -> None:
    with pytest.raises(ConfigError, match=r"ids_from=text needs titles.*ids_from=cooccurrence"):
        semantic_ids(ring(), ids_from="text", levels=2, codes=4)
    empty = described([["a", "b"]], {"a": "", "b": ""})
    with pytest.raises(ConfigError, match=r"ids_from=text needs titles"):
        semantic_ids(empty, ids_from="text", levels=2, codes=4)


def test_more_equal_texts_than_the_last_digit_tells_apart_are_refused() -> None:
    def same(n: int) -> SequenceDataset:
        titles = {f"i{i}": "the same title" for i in range(n)}
        return described([list(titles)], titles)

    assert semantic_ids(same(256), ids_from="text", levels=2, codes=8).sizes == (1, 1, 256)
    with pytest.raises(ConfigError, match=r"257 items share all 2 digits.*tells 256 apart at most.*ids_from=text\+cooccurrence"):
        semantic_ids(same(257), ids_from="text", levels=2, codes=8)


def test_a_digit_that_has_collapsed_is_refused() -> None:
    vectors = {f"i{i}": [1.0] + [0.0] * 20 for i in range(1000)} | {f"j{j}": [0.0] * (j + 1) + [1.0] + [0.0] * (19 - j) for j in range(20)}
    log = described([list(vectors)], dict.fromkeys(vectors, ""), vectors)
    # 1,000 of 1,020 items have one of 21 digits: an entropy of 0.22 bits, a perplexity of 1.2
    with pytest.raises(ConfigError, match=r"digit 1 .*perplexity is 1\.2 of 21, the floor is 0\.1.*98% of 1020 items.*set codes lower"):
        semantic_ids(log, ids_from="text", levels=2, codes=256)


@pytest.mark.real
@pytest.mark.parametrize("ids_from", ["text", "cooccurrence", "text+cooccurrence"])
def test_ids_of_twelve_thousand_products_use_their_digits_evenly(real_data: Path, ids_from: str) -> None:
    folder = real_data / "amazon-beauty"
    parts = split(read_events(folder / "interactions.csv.gz", items=folder / "items.csv.gz"), "loo")
    report = semantic_ids(parts.train, ids_from=ids_from).report  # type: ignore[arg-type]
    assert report.items == 12_101
    assert report.described > 12_000
    assert [level.used for level in report.levels] == [256] * 3
    assert min(level.perplexity for level in report.levels) > 64
    assert report.collided < 0.3
    assert report.largest_bucket < 64


def test_one_item_and_two_items_have_ids() -> None:
    one = described([["a", "a"]], {"a": "tea"})
    assert semantic_ids(one, ids_from="text+cooccurrence").codes.tolist() == [[0, 0, 0, 0], [0, 0, 0, 0]]
    two = described([["a", "b"]], {"a": "tea", "b": "tea"})
    ids = semantic_ids(two, ids_from="text")
    assert sorted(ids.codes[1:].tolist()) == [[0, 0, 0, 0], [0, 0, 0, 1]]


def test_a_vector_that_is_the_mean_of_all_is_a_vector_all_the_same() -> None:
    vectors = {"a": [1.0, 0.0], "b": [0.0, 1.0], "c": [0.5, 0.5]}
    log = described([list(vectors)], dict.fromkeys(vectors, ""), vectors)
    assert semantic_ids(log, ids_from="text", levels=1, codes=4).report.described == 3
