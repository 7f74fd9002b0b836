"""Metrics of lists: by hand, and against ir-measures (trec_eval) on random lists."""

from __future__ import annotations

import math

import ir_measures
import numpy as np
import pytest
from ir_measures import AP, RR, P, R, Success, nDCG

from footpath.errors import ConfigError
from footpath.evaluation.metrics import (
    DEFAULT_METRICS,
    OF_ALL_LISTS,
    PER_LIST,
    MetricName,
    average_precision,
    coverage,
    debiased_ndcg,
    debiasing_weights,
    diversity,
    gini,
    hit_rate,
    mrr,
    ndcg,
    novelty,
    parse_metrics,
    popular_share,
    precision,
    recall,
)
from footpath.evaluation.rankings import Rankings, judge
from footpath.sequences.dataset import ItemFeatures, SequenceDataset
from footpath.sequences.split import Holdout
from footpath.sequences.vocabulary import Vocabulary


def rankings(lists: list[list[int]], relevant: list[list[int]], frequency: list[int], features: ItemFeatures | None = None) -> Rankings:
    """Lists of item indexes; frequency of the items from index 1 on."""
    ids = [str(i) for i in range(1, len(frequency) + 1)]
    vocabulary = Vocabulary.build(ids)
    index = [0, *vocabulary.encode(ids).tolist()]  # a number here stands for the id, wherever the shuffle puts it
    events = [id for id, n in zip(ids, frequency, strict=True) for _ in range(n)]
    train = SequenceDataset.from_lists([events], vocabulary)
    answers = SequenceDataset.from_lists([[str(i) for i in row] for row in relevant], vocabulary)
    k = max(map(len, lists))
    items = np.array([[index[i] for i in row + [0] * (k - len(row))] for row in lists], np.int32)
    if features is not None:
        place = np.argsort(index)
        features = ItemFeatures(
            *([getattr(features, name)[i] for i in place] for name in ("titles", "texts", "categories", "attributes")),
            vectors=None if features.vectors is None else features.vectors[place],
        )
    train = SequenceDataset(vocabulary, train.users, train.offsets, train.items, item_features=features)
    return judge(items, Holdout(answers, answers.offsets, answers.items), train)


TWO_OF_THREE = rankings([[4, 1, 5, 2]], [[1, 2, 3]], [1] * 6)
"""Relevant items at places 2 and 4, a third one not listed."""


def test_recall_precision_and_hit_rate_by_hand() -> None:
    assert recall(TWO_OF_THREE).tolist() == [2 / 3]
    assert precision(TWO_OF_THREE).tolist() == [0.5]
    assert hit_rate(TWO_OF_THREE).tolist() == [1.0]
    assert hit_rate(TWO_OF_THREE.top(1)).tolist() == [0.0]


def test_ndcg_by_hand() -> None:
    gained = 1 / math.log2(3) + 1 / math.log2(5)
    best = 1 + 1 / math.log2(3) + 1 / 2
    assert ndcg(TWO_OF_THREE)[0] == pytest.approx(gained / best)


def test_reciprocal_rank_and_average_precision_by_hand() -> None:
    assert mrr(TWO_OF_THREE).tolist() == [0.5]
    assert average_precision(TWO_OF_THREE)[0] == pytest.approx((1 / 2 + 2 / 4) / 3)
    assert average_precision(TWO_OF_THREE.top(2))[0] == pytest.approx((1 / 2) / 2)


@pytest.mark.parametrize("metric", [recall, hit_rate, precision, ndcg, mrr, average_precision, debiased_ndcg])
def test_a_perfect_list_gets_one_and_an_empty_hand_nan(metric: object) -> None:
    perfect = rankings([[2, 1], [3, 4]], [[1, 2], []], [5, 1, 1, 1])
    assert metric(perfect) == pytest.approx([1.0, np.nan], nan_ok=True)  # type: ignore[operator]


def test_lists_can_be_perfect_where_more_is_relevant_than_fits() -> None:
    full = rankings([[1, 2]], [[1, 2, 3, 4]], [1] * 4)
    assert (ndcg(full)[0], average_precision(full)[0], recall(full)[0]) == (1.0, 1.0, 0.5)


@pytest.mark.parametrize("k", [1, 3, 5, 10])
def test_metrics_are_those_of_ir_measures(k: int) -> None:
    rng = np.random.default_rng(k)
    n_lists, n_items = 200, 30
    lists = [rng.permutation(n_items)[:k] + 1 for _ in range(n_lists)]
    relevant = [rng.choice(n_items, rng.integers(1, 16), replace=False) + 1 for _ in range(n_lists)]
    found = rankings([row.tolist() for row in lists], [row.tolist() for row in relevant], [1] * n_items)
    qrels = {str(b): {str(i): 1 for i in row} for b, row in enumerate(relevant)}
    run = {str(b): {str(i): float(k - place) for place, i in enumerate(row)} for b, row in enumerate(lists)}
    n_relevant = np.array([len(row) for row in relevant])
    ours = {
        R @ k: recall(found),
        P @ k: precision(found),
        Success @ k: hit_rate(found),
        RR @ k: mrr(found),
        nDCG @ k: ndcg(found),
        AP @ k: average_precision(found) * np.minimum(n_relevant, k) / n_relevant,  # trec_eval divides by all relevant items
    }
    theirs = {measure: np.full(n_lists, np.nan) for measure in ours}
    for value in ir_measures.iter_calc(list(ours), qrels, run):
        theirs[value.measure][int(value.query_id)] = value.value
    for measure, values in ours.items():
        np.testing.assert_allclose(values, theirs[measure], atol=1e-9, err_msg=str(measure))


def test_novelty_is_the_mean_self_information_in_bits() -> None:
    # 16 training events: 8, 4, 2, 2 and an item never seen, which counts as seen once
    found = rankings([[1, 2], [3, 5], [], [5]], [[1]] * 4, [8, 4, 2, 2, 0])
    assert novelty(found) == pytest.approx([1.5, 3.5, np.nan, 4.0], nan_ok=True)


def test_popular_share_counts_the_top_tenth_of_the_catalogue() -> None:
    found = rankings([[1, 2, 3, 4], [5], []], [[1]] * 3, [9, 1, 8] + [0] * 17)
    assert popular_share(found) == pytest.approx([0.5, 0.0, np.nan], nan_ok=True)


def test_coverage_is_the_share_of_the_catalogue_in_any_list() -> None:
    assert coverage(rankings([[1, 2], [2, 3], [2]], [[1]] * 3, [1] * 12)) == 3 / 12


def test_gini_tells_one_list_for_all_from_a_list_each() -> None:
    same = rankings([[1, 2]] * 5, [[1]] * 5, [1] * 10)
    each = rankings([[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]], [[1]] * 5, [1] * 10)
    assert gini(same) == pytest.approx(0.8)
    assert gini(each) == pytest.approx(0)


def test_debiased_ndcg_weighs_rare_answers_more() -> None:
    # frequencies 4 and 1: with exponent 1/2 the gains are 1/2 and 1; the frequent answer is found first, the rare one is not
    found = rankings([[1, 3], [3, 4]], [[1], [2]], [4, 1, 1, 1])
    assert debiased_ndcg(found).tolist() == [1.0, 0.0]
    assert debiasing_weights(found).tolist() == [0.5, 1.0]
    assert np.average(debiased_ndcg(found), weights=debiasing_weights(found)) == pytest.approx(1 / 3)
    assert np.average(ndcg(found)) == 0.5


def test_debiased_ndcg_compares_with_the_best_debiased_list() -> None:
    # gains 1/2 (item 1), 1 (item 2), 1/3 (item 3); listed: 1 then 2; best of two places: 2 then 1
    found = rankings([[1, 2]], [[1, 2, 3]], [4, 1, 9])
    second = 1 / math.log2(3)
    assert debiased_ndcg(found)[0] == pytest.approx((0.5 + second) / (1 + 0.5 * second))
    assert debiasing_weights(found)[0] == pytest.approx(1 + 0.5 * second)


def test_debiased_ndcg_without_an_exponent_is_ndcg() -> None:
    rng = np.random.default_rng(5)
    lists = [(rng.permutation(20)[:5] + 1).tolist() for _ in range(50)]
    relevant = [(rng.choice(20, rng.integers(1, 9), replace=False) + 1).tolist() for _ in range(50)]
    found = rankings(lists, relevant, rng.integers(0, 50, 20).tolist())
    np.testing.assert_allclose(debiased_ndcg(found, 0), ndcg(found), atol=1e-12)


def features(**columns: object) -> ItemFeatures:
    blank: dict[str, object] = {"titles": [""] * 5, "texts": [""] * 5, "categories": [""] * 5, "attributes": [()] * 5}
    return ItemFeatures(**(blank | columns))  # type: ignore[arg-type]


def test_diversity_by_category_is_the_share_of_pairs_that_differ() -> None:
    known = features(categories=["", "red", "red", "blue", ""])
    found = rankings([[1, 2], [1, 3], [1, 2, 3], [1, 4]], [[1]] * 4, [1] * 4, known)
    assert diversity(found) == pytest.approx([0, 1, 2 / 3, np.nan], nan_ok=True)


def test_diversity_by_attributes_is_the_mean_cosine_distance() -> None:
    known = features(attributes=[(), ("x", "y"), ("y",), ("z", "z"), ()])
    found = rankings([[1, 2], [1, 2, 3]], [[1]] * 2, [1] * 4, known)
    near = 1 - 1 / math.sqrt(2)
    assert diversity(found) == pytest.approx([near, (near + 1 + 1) / 3])


def test_diversity_by_vectors_is_that_of_a_plain_loop() -> None:
    rng = np.random.default_rng(6)
    vectors = rng.standard_normal((5, 8)).astype(np.float32)
    found = rankings([[4, 2, 1, 3]], [[1]], [1] * 4, features(vectors=vectors))
    unit = vectors[1:] / np.linalg.norm(vectors[1:], axis=1, keepdims=True)
    pairs = [1 - unit[i] @ unit[j] for i in range(4) for j in range(i)]
    assert diversity(found)[0] == pytest.approx(np.mean(pairs), abs=1e-6)


@pytest.mark.parametrize("known", [None, features()])
def test_diversity_needs_something_known_of_items(known: ItemFeatures | None) -> None:
    with pytest.raises(ConfigError, match="pass an item table with categories or attributes"):
        diversity(rankings([[1, 2]], [[1]], [1] * 4, known))


def test_names_are_read_with_their_cut_off() -> None:
    assert parse_metrics(["ndcg", "HR@5", " recall@20 ", "ndcg@10"], 10) == [
        MetricName("ndcg", 10),
        MetricName("hr", 5),
        MetricName("recall", 20),
    ]
    assert [str(metric) for metric in parse_metrics(None, 7)] == [f"{name}@7" for name in DEFAULT_METRICS]


def test_every_metric_has_a_name_and_a_definition() -> None:
    for name, function in [*PER_LIST.items(), *OF_ALL_LISTS.items()]:
        assert parse_metrics([name], 3) == [MetricName(name, 3)]
        assert function.__doc__


def test_an_unknown_metric_is_refused_with_the_closest() -> None:
    with pytest.raises(ConfigError, match=r"no metric 'ndgc@10'; did you mean 'ndcg'\?; there are: recall, hr, .*coverage, gini"):
        parse_metrics(["ndgc@10"], 10)


@pytest.mark.parametrize("written", ["ndcg@0", "ndcg@ten", "ndcg@", "ndcg@2.5", "ndcg@-1"])
def test_an_impossible_cut_off_is_refused(written: str) -> None:
    with pytest.raises(ConfigError, match=f"cut-off of metric '{written}' must be a whole number of at least 1, such as ndcg@10"):
        parse_metrics([written], 10)


def test_no_metric_and_no_places_are_refused() -> None:
    with pytest.raises(ConfigError, match="no metric is asked for"):
        parse_metrics([], 10)
    with pytest.raises(ConfigError, match="k must be at least 1, got 0"):
        parse_metrics(None, 0)
