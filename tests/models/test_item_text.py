from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from footpath.errors import ConfigError, DataError
from footpath.models.item_text import text_vectors, tfidf, unit_rows, whiten, words
from footpath.sequences.dataset import ItemFeatures


def titled(*titles: str, vectors: np.ndarray | None = None) -> ItemFeatures:
    nothing = [""] * (len(titles) + 1)
    return ItemFeatures(["", *titles], nothing, nothing, [()] * len(nothing), vectors)


def made_of_topics(n: int = 300, topics: int = 6) -> ItemFeatures:
    """Titles of eight words, of which most are of the item's own topic, `i % topics`."""
    rng = np.random.default_rng(0)
    titles = []
    for i in range(n):
        own = [f"topic{i % topics}word{w}" for w in rng.integers(12, size=6)]
        titles.append(" ".join([*own, *(f"any{w}" for w in rng.integers(40, size=2))]))
    return titled(*titles)


def test_words_are_lower_case_without_punctuation() -> None:
    assert list(words("O.P.I. Nail-Lacquer, 0.5 Ounce_Ｆull")) == ["o", "p", "i", "nail", "lacquer", "0", "5", "ounce", "full"]


def test_chinese_and_japanese_are_pairs_of_characters_beside_words() -> None:
    assert list(words("Apple苹果手机壳 iPhone15")) == ["apple", "苹果", "果手", "手机", "机壳", "iphone15"]
    assert list(words("茶 カメラ")) == ["茶", "カメ", "メラ"]


def test_tfidf_follows_its_formula_over_titles_texts_categories_and_attributes() -> None:
    features = ItemFeatures(["", "tea tea", "tea", ""], ["", "pot", "", ""], ["", "home", "", ""], [(), (), ("red",), ()])
    tokens = [["tea", "tea", "pot", "home", "category=home"], ["tea", "attribute=red"]]
    columns = ["tea", "pot", "home", "category=home", "attribute=red"]  # in the order of appearance
    expected = np.zeros((4, 5))
    for i, row in enumerate(tokens, start=1):
        for token, count in Counter(row).items():
            items_with = sum(token in other for other in tokens)
            expected[i, columns.index(token)] = (1 + np.log(count)) * np.log(1 + 4 / items_with)
        expected[i] /= np.linalg.norm(expected[i])
    np.testing.assert_allclose(tfidf(features).toarray(), expected, atol=1e-6)


def test_unit_rows_keep_rows_of_zeros() -> None:
    np.testing.assert_allclose(unit_rows(np.array([[0, 0], [3, 4]], np.float32)), [[0, 0], [0.6, 0.8]], atol=1e-7)


def test_few_words_keep_every_cosine_in_as_many_directions_as_they_span() -> None:
    features = titled("red tea", "green tea", "red pot", "green tea", "", "blue")
    vectors, rows = text_vectors(features), tfidf(features).toarray()
    assert vectors.dtype == np.float32
    assert vectors.shape == (7, np.linalg.matrix_rank(rows)) == (7, 4)
    np.testing.assert_allclose(vectors @ vectors.T, rows @ rows.T, atol=1e-5)
    assert not vectors[[0, 5]].any()


def test_the_strongest_directions_are_those_of_the_exact_decomposition() -> None:
    features = made_of_topics()
    rows = tfidf(features).toarray().astype(np.float64)
    left, singular, _ = np.linalg.svd(rows, full_matrices=False)
    for dim in (1, 6, 20):
        vectors = text_vectors(features, dim).astype(np.float64)
        assert vectors.shape == (301, dim)
        exact = left[:, :dim] * singular[:dim]
        np.testing.assert_allclose(np.sort(np.linalg.norm(vectors, axis=0))[::-1], singular[:dim], rtol=1e-3)
        if dim < 20:  # beyond the topics, neighbouring directions are equally strong, and any mixture of them is as good
            np.testing.assert_allclose(vectors @ vectors.T, exact @ exact.T, atol=1e-3)


def test_text_vectors_are_the_same_for_a_seed_and_nearly_so_for_another() -> None:
    features = made_of_topics()
    first = text_vectors(features, 6, seed=3)
    assert first.tobytes() == text_vectors(features, 6, seed=3).tobytes()
    other = text_vectors(features, 6, seed=4)
    np.testing.assert_allclose(first @ first.T, other @ other.T, atol=1e-3)


def test_items_that_share_words_are_nearer_than_others_before_and_after_whitening() -> None:
    topic = np.arange(300) % 6
    same = topic[:, None] == topic
    np.fill_diagonal(same, False)
    other = topic[:, None] != topic
    vectors = text_vectors(made_of_topics(), 16)
    for found in (vectors, whiten(vectors), whiten(vectors, shrinkage=0.5)):
        cosines = (unit := unit_rows(found[1:])) @ unit.T
        assert cosines[same].mean() > cosines[other].mean() + 0.15


def test_chinese_titles_are_near_those_that_share_characters() -> None:
    vectors = unit_rows(text_vectors(titled("苹果手机壳", "华为手机壳", "有机绿茶", "绿茶茶包", "瑜伽垫"), dim=4))
    cosines = vectors @ vectors.T
    assert cosines[1].argsort()[-2] == 2
    assert cosines[3].argsort()[-2] == 4


def test_vectors_of_the_features_are_taken_as_they_are() -> None:
    given_vectors = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    given_vectors.flags.writeable = False
    found = text_vectors(titled("one", "two", vectors=given_vectors), dim=2)
    assert not found[0].any()
    np.testing.assert_array_equal(found[1:], given_vectors[1:])


def test_a_vector_that_is_not_finite_is_refused() -> None:
    vectors = np.ones((4, 2), np.float32)
    vectors[2:, 0] = np.nan
    with pytest.raises(DataError, match=r"2 item vectors are not finite, the first is that of item index 2"):
        text_vectors(titled("a", "b", "c", vectors=vectors))


def test_a_log_without_text_is_refused_with_the_next_step() -> None:
    with pytest.raises(ConfigError, match=r"this log has none: add one with titles.* or set item_table=id"):
        text_vectors(None)
    for empty in (titled("", "..."), titled("a", "b", vectors=np.zeros((3, 2), np.float32))):
        with pytest.raises(ConfigError, match=r"item table is empty for all 2 items of the log: check its item ids.*item_table=id"):
            text_vectors(empty)


def test_no_direction_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"dim of text vectors must be at least 1, got 0"):
        text_vectors(titled("a"), 0)


def leaning(n: int = 200, dim: int = 6) -> np.ndarray:
    """Vectors of which a common direction is the largest part, as those of language models; a tenth of the rows is zero."""
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(n, dim)) @ rng.normal(size=(dim, dim)) * np.geomspace(1, 0.03, dim) + 20).astype(np.float32)
    vectors[::10] = 0
    return vectors


def test_whitening_gives_zero_mean_and_unit_covariance_and_keeps_rows_of_zeros() -> None:
    vectors = leaning()
    white = whiten(vectors)
    filled = white[vectors.any(axis=1)].astype(np.float64)
    assert white.dtype == np.float32
    assert len(filled) == 180
    np.testing.assert_allclose(filled.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(filled.T @ filled / len(filled), np.eye(6), atol=1e-3)
    assert not white[~vectors.any(axis=1)].any()


def test_whitening_divides_each_axis_by_its_deviation() -> None:
    vectors = np.array([[9, 9], [4, 1], [-4, 1], [4, -1], [-4, -1]], np.float32)  # variances 16 and 1, mean 0 without row 0
    axes = np.array([[0, 0], [1, 1], [-1, 1], [1, -1], [-1, -1]])
    np.testing.assert_allclose(whiten(vectors), axes, atol=1e-6)
    # with half of the way to their mean, 8.5, variances are 12.25 and 4.75
    np.testing.assert_allclose(whiten(vectors, shrinkage=0.5), axes * [4 / np.sqrt(12.25), 1 / np.sqrt(4.75)], atol=1e-6)
    np.testing.assert_allclose(whiten(vectors, shrinkage=1), axes * [4 / np.sqrt(8.5), 1 / np.sqrt(8.5)], atol=1e-6)


def test_whitening_turns_nothing_that_is_white() -> None:
    white = whiten(leaning())
    np.testing.assert_allclose(whiten(white), white, atol=1e-3)


@given(scale=st.sampled_from([1e-30, 1e-3, 1e3, 1e15]), shrinkage=st.floats(0, 1))
def test_whitening_does_not_depend_on_the_unit(scale: float, shrinkage: float) -> None:
    vectors = leaning()
    np.testing.assert_allclose(whiten(vectors * np.float32(scale), shrinkage=shrinkage), whiten(vectors, shrinkage=shrinkage), atol=1e-3)


@given(
    vectors=arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 4)), elements=st.floats(-(2.0**100), 2.0**100, width=32)),
    shrinkage=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_whitened_vectors_are_always_finite_and_never_vary_by_more_than_one(vectors: np.ndarray, shrinkage: float) -> None:
    white = whiten(vectors, shrinkage=shrinkage).astype(np.float64)
    assert white.shape == vectors.shape
    assert np.isfinite(white).all()
    assert not white[0].any()
    assert not white[~vectors.any(axis=1)].any()
    if len(filled := white[1:][vectors[1:].any(axis=1)]):
        most = 1 if shrinkage == 0 else vectors.shape[1]
        assert np.linalg.eigvalsh(filled.T @ filled / len(filled)).max() <= most + 1e-3


def test_vectors_that_are_all_the_same_become_zero_and_not_noise() -> None:
    white = whiten(np.tile(np.array([0.1, 0.7, 1 / 3], np.float32), (1000, 1)))
    np.testing.assert_allclose(white, 0, atol=1e-3)


def test_more_dimensions_than_items_stay_finite() -> None:
    vectors = np.random.default_rng(0).normal(size=(5, 30)).astype(np.float32)
    white = whiten(vectors).astype(np.float64)
    spread = np.linalg.eigvalsh(white[1:].T @ white[1:] / 4)
    np.testing.assert_allclose(spread, [0] * 27 + [1] * 3, atol=1e-3)  # four items differ in three directions


@pytest.mark.parametrize("shrinkage", [-0.1, 1.5, float("nan")])
def test_shrinkage_outside_zero_to_one_is_refused(shrinkage: float) -> None:
    with pytest.raises(ConfigError, match=rf"shrinkage must be between 0 and 1, got {shrinkage}"):
        whiten(leaning(), shrinkage=shrinkage)
