"""How good lists are. A metric is a plain function: of each list, giving (B,) numbers, or of all lists, giving one.

Names carry the cut-off: `ndcg@10`. A metric of relevance is NaN where nothing is relevant, and its mean leaves those rows out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float64

from footpath.errors import ConfigError, did_you_mean
from footpath.evaluation.rankings import Rankings
from footpath.sequences.dataset import ItemFeatures
from footpath.statistics import gini as gini_of

PerList = Float64[np.ndarray, " B"]


def recall(r: Rankings) -> PerList:
    """The share of the relevant items that are listed, in [0, 1]."""
    return _over(r.hits.sum(axis=1), r.n_relevant)


def hit_rate(r: Rankings) -> PerList:
    """1 where any relevant item is listed, else 0; equals recall where one item is relevant."""
    return np.where(r.n_relevant > 0, r.hits.any(axis=1), np.nan)


def precision(r: Rankings) -> PerList:
    """The share of the K places that hold a relevant item, in [0, 1]; places left empty count as misses."""
    return np.where(r.n_relevant > 0, r.hits.mean(axis=1), np.nan)


def ndcg(r: Rankings) -> PerList:
    """Discounted gain over that of the best possible list, in [0, 1].

    Järvelin and Kekäläinen, TOIS 2002, with binary gains and a log2 discount.
    """
    discounts = _discounts(r.k)
    best = np.concatenate([[0.0], np.cumsum(discounts)])
    return _over(r.hits @ discounts, best[np.minimum(r.n_relevant, r.k)])


def mrr(r: Rankings) -> PerList:
    """One over the place of the first relevant item, 0 where none is listed: the mean of these is the mean reciprocal rank."""
    reciprocal = (r.hits / np.arange(1, r.k + 1)).max(axis=1)
    return np.where(r.n_relevant > 0, reciprocal, np.nan)


def average_precision(r: Rankings) -> PerList:
    """The mean, over relevant items, of the precision at their places; those not listed add 0. The mean of these is MAP.

    Divided by min(relevant items, K), the most a list can hold, so that a perfect list gets 1 as in NDCG;
    trec_eval's map_cut divides by the number of relevant items, which is the same where that is at most K.
    """
    places = np.arange(1, r.k + 1)
    gained = (r.hits * np.cumsum(r.hits, axis=1) / places).sum(axis=1)
    return _over(gained, np.minimum(r.n_relevant, r.k))


DEBIASING_EXPONENT: Final = 0.5


def debiased_ndcg(r: Rankings, exponent: float = DEBIASING_EXPONENT) -> PerList:
    """NDCG whose gain of an item is one over its chance to be seen in a log, (training events of the item) ** exponent.

    Its mean is taken with `debiasing_weights`, which makes it self-normalised over all relevant items together; where one item
    is relevant, it would be plain NDCG otherwise. An item without training events counts as one with one event.
    Yang et al., RecSys 2018 (doi:10.1145/3240323.3240355), where exponent = (gamma + 1) / 2; here 0.5, as in Saito et al.,
    WSDM 2020 (arXiv:1909.03601); 0 gives plain NDCG up to the weighting of users, 1 inverse frequency.
    """
    gains = _inverse_propensity(r, exponent)
    listed = (np.where(r.hits, gains[r.items], 0.0) * _discounts(r.k)).sum(axis=1)
    return _over(listed, debiasing_weights(r, exponent))


def debiasing_weights(r: Rankings, exponent: float = DEBIASING_EXPONENT) -> PerList:
    """The debiased gain of the best possible list: the weight of each row in the mean of `debiased_ndcg`."""
    gains = _inverse_propensity(r, exponent)[r.relevant]
    rows = np.repeat(np.arange(len(r)), r.n_relevant)
    order = np.lexsort((-gains, rows))  # the best list has the largest gains first
    place = np.arange(len(order)) - np.repeat(r.offsets[:-1], r.n_relevant)
    fits = place < r.k
    return np.bincount(rows[fits], gains[order][fits] * _discounts(r.k)[place[fits]], len(r))


def novelty(r: Rankings) -> PerList:
    """The mean self-information of the listed items in bits, -log2(training events of the item / all training events).

    Higher is less popular. An item without training events counts as one with one event; NaN where a list is empty.
    Zhou et al., PNAS 2010 (doi:10.1073/pnas.1000488107), there over users.
    """
    bits = np.log2(max(1, r.item_frequency.sum())) - np.log2(np.maximum(1, r.item_frequency))
    return _over(np.where(r.items > 0, bits[r.items], 0.0).sum(axis=1), r.lengths)


def popular_share(r: Rankings) -> PerList:
    """The share of listed items that are among the tenth of the catalogue with the most training events; NaN where a list is empty."""
    n_head = -(-(r.n_items - 1) // 10)
    head = np.zeros(r.n_items, bool)
    head[1 + np.argsort(-r.item_frequency[1:], kind="stable")[:n_head]] = True
    return _over(head[r.items].sum(axis=1), r.lengths)


def diversity(r: Rankings) -> PerList:
    """The mean distance, 1 - cosine, between two items of a list: 0 where all are alike; NaN with fewer than two known items.

    Items are compared by their vectors, else by their attributes, else by their category (0 or 1 then); those without any are
    left out. Ziegler et al., WWW 2005 (doi:10.1145/1060745.1060754). Raises ConfigError where nothing is known of items.
    """
    if r.item_features is None or (profiles := _unit_profiles(r.item_features)) is None:
        raise ConfigError(
            "diversity compares items by what is known of them, and nothing is: pass an item table with categories or attributes"
        )
    known = np.asarray(profiles.multiply(profiles).sum(axis=1)).ravel() > 0
    listed = (r.items > 0) & known[r.items]
    rows, places = np.nonzero(listed)
    lists = sp.csr_matrix((np.ones(len(rows)), (rows, r.items[rows, places])), shape=(len(r), r.n_items))
    sums = lists @ profiles
    n = listed.sum(axis=1)
    similar = np.asarray(sums.multiply(sums).sum(axis=1)).ravel() - n  # of all ordered pairs of two different items
    return np.clip(1 - _over(similar, n * (n - 1)), 0.0, None)


def coverage(r: Rankings) -> float:
    """The share of the catalogue that is in any list, in [0, 1]; it grows with the number of lists."""
    return float(np.count_nonzero(np.bincount(r.items.ravel(), minlength=r.n_items)[1:]) / (r.n_items - 1))


def gini(r: Rankings) -> float:
    """How unequally places are shared among the items of the catalogue: 0 where all are listed as often, near 1 where few are."""
    return gini_of(np.bincount(r.items.ravel(), minlength=r.n_items)[1:])


@dataclass(frozen=True)
class MetricName:
    """A metric and its cut-off, written `name@k`."""

    name: str
    k: int

    def __str__(self) -> str:
        return f"{self.name}@{self.k}"


PER_LIST: Final[dict[str, Callable[[Rankings], PerList]]] = {
    "recall": recall,
    "hr": hit_rate,
    "precision": precision,
    "ndcg": ndcg,
    "mrr": mrr,
    "map": average_precision,
    "debiased_ndcg": debiased_ndcg,
    "novelty": novelty,
    "popular_share": popular_share,
    "diversity": diversity,
}
"""Metrics of one list, by name."""

OF_ALL_LISTS: Final[dict[str, Callable[[Rankings], float]]] = {"coverage": coverage, "gini": gini}
"""Metrics of all lists together, by name."""

WEIGHTS: Final[dict[str, Callable[[Rankings], PerList]]] = {"debiased_ndcg": debiasing_weights}
"""Weights of rows in the mean of a metric; every other is a plain mean."""

DEFAULT_METRICS: Final = ("recall", "hr", "ndcg", "mrr", "map", "coverage", "novelty", "debiased_ndcg", "popular_share", "gini")


def parse_metrics(names: Sequence[str] | None, k: int) -> list[MetricName]:
    """Metrics by name, `ndcg` meaning `ndcg@k`; None gives the default ones at k. Raises ConfigError on unknown names and cut-offs."""
    if k < 1:
        raise ConfigError(f"k must be at least 1, got {k}")
    parsed = [_parse(name, k) for name in (DEFAULT_METRICS if names is None else names)]
    if not parsed:
        raise ConfigError(f"no metric is asked for; there are: {', '.join([*PER_LIST, *OF_ALL_LISTS])}")
    return list(dict.fromkeys(parsed))


def _parse(written: str, k: int) -> MetricName:
    name, at, cutoff = written.strip().lower().partition("@")
    known = [*PER_LIST, *OF_ALL_LISTS]
    if name not in known:
        raise ConfigError(f"no metric {written!r}{did_you_mean(name, known)}; there are: {', '.join(known)}")
    if at and not (cutoff.isascii() and cutoff.isdigit() and int(cutoff) >= 1):
        raise ConfigError(f"the cut-off of metric {written!r} must be a whole number of at least 1, such as {name}@{k}")
    return MetricName(name, int(cutoff) if at else k)


def _discounts(k: int) -> Float64[np.ndarray, " K"]:
    return 1 / np.log2(np.arange(2, k + 2))


def _over(sums: np.ndarray, n: np.ndarray) -> PerList:
    """sums / n, NaN where n is 0."""
    return np.divide(sums, n, out=np.full(len(n), np.nan), where=n > 0)


def _inverse_propensity(r: Rankings, exponent: float) -> Float64[np.ndarray, " N"]:
    return np.maximum(1, r.item_frequency) ** -float(exponent)


def _unit_profiles(features: ItemFeatures) -> sp.csr_matrix | None:
    """(N, D) rows of length 1, or 0 where an item is unknown; None where all are."""
    if features.vectors is not None:
        profiles = sp.csr_matrix(np.asarray(features.vectors, np.float64))
    else:
        tokens = [set(row) for row in features.attributes]
        if not any(tokens):
            tokens = [{category} - {""} for category in features.categories]
        if not any(tokens):
            return None
        codes: dict[str, int] = {}
        columns = [codes.setdefault(token, len(codes)) for row in tokens for token in sorted(row)]
        offsets = np.concatenate([[0], np.cumsum([len(row) for row in tokens])])
        profiles = sp.csr_matrix((np.ones(len(columns)), columns, offsets), shape=(len(tokens), len(codes)))
    lengths = np.sqrt(np.asarray(profiles.multiply(profiles).sum(axis=1)).ravel())
    return (sp.diags(np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)) @ profiles).tocsr()
