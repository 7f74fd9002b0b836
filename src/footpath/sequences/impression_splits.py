"""Which impressions are learned from, which choose settings, and which are asked about once.

time and, as far as the source does, given never let a model learn from what came after a question; kfold and user-tail do, as papers on
ratings have it, and say so. No protocol of ours parts a list that was shown together.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

import numpy as np
from jaxtyping import Bool, Int64

from footpath.errors import ConfigError, DataError, did_you_mean
from footpath.sequences.impressions import Impressions, earliest
from footpath.sequences.splits import iso_time

ImpressionProtocol = Literal["time", "given", "kfold", "user-tail"]

CAUSAL: Final = ("time", "given")
_TRAIN, _VALIDATION, _TEST = range(3)


@dataclass(frozen=True, eq=False)
class ImpressionSplit:
    """Impressions to fit on, a part that chooses and calibrates, and a part that is looked at once.

    causal: whether nothing that a model is fitted on came after what it is asked. details: cuts, seeds and counts, printed beside figures.
    """

    protocol: ImpressionProtocol
    train: Impressions
    validation: Impressions | None
    test: Impressions
    causal: bool
    refit: Impressions
    """Train and validation together, fitted on before serving."""
    details: Mapping[str, Any] = field(default_factory=dict)


def split_impressions(
    rows: Impressions,
    protocol: ImpressionProtocol = "time",
    *,
    quantiles: tuple[float, float] = (0.8, 0.9),
    fold: int = 0,
    folds: int = 5,
    seed: int = 0,
) -> ImpressionSplit:
    """The parts of impressions under one protocol.

    time: train before the first quantile of the lists' times, validation before the second, test after it. given: as the source labels
    them; without validation labels the last tenth of training lists. kfold: of `folds` random parts, number `fold` is the test. user-tail:
    the last fifth of each user's lists, ties in a random order. A list is never parted, but where the source does; impressions that name
    no list are lists of their own. The last two are for ratings: a test rating is asked after all ratings of its user in the other parts,
    later ones too, and validation is a random tenth of the training rows; what is no rating sees what came before it, as ever.
    Raises ConfigError, DataError.
    """
    known = get_args(ImpressionProtocol)
    if protocol not in known:
        raise ConfigError(f"no protocol {protocol!r} for impressions{did_you_mean(protocol, known)}; there are: {', '.join(known)}")
    if not len(rows):
        raise DataError("there are no impressions to split")
    match protocol:
        case "time":
            part, details = _by_time(rows, quantiles)
        case "given":
            part, details = _as_given(rows)
        case "kfold":
            part, details = _fold(rows, fold, folds, seed)
        case "user-tail":
            part, details = _tails(rows, seed)
    if protocol not in CAUSAL:
        part = _with_validation(part, _lists(rows), seed)
    counts = {f"n_{name}": int((part == code).sum()) for code, name in enumerate(("train", "validation", "test"))}
    if not counts["n_train"] or not counts["n_test"]:
        raise DataError(
            f"protocol {protocol!r} leaves {counts['n_train']} impressions to learn from and {counts['n_test']} to ask about; "
            "use another protocol, or a larger log"
        )
    causal = protocol in CAUSAL and rows.causal
    if causal and rows.times is not None:  # a source may ask about what came before some of its training rows
        causal = bool(rows.times[part != _TEST].max() <= rows.times[part == _TEST].min())
    details = {"protocol": protocol, "causal": causal, **details, **counts, **rows.about}
    if protocol in CAUSAL:
        train, validation, test, refit = (rows.take(np.isin(part, codes)) for codes in ((0,), (1,), (2,), (0, 1)))
    else:
        train, validation = (_within(rows, part == code, part == _TRAIN) for code in (_TRAIN, _VALIDATION))
        refit, test = (_within(rows, asked, part != _TEST) for asked in (part != _TEST, part == _TEST))
    return ImpressionSplit(protocol, train, validation if len(validation) else None, test, causal, refit, details)


def kfold(rows: Impressions, folds: int = 5, *, seed: int = 0) -> Iterator[ImpressionSplit]:
    """Every fold once as the test part."""
    for fold in range(folds):
        yield split_impressions(rows, "kfold", fold=fold, folds=folds, seed=seed)


def _by_time(rows: Impressions, quantiles: tuple[float, float]) -> tuple[Int64[np.ndarray, " R"], dict[str, Any]]:
    low, high = quantiles
    if not 0 < low < high < 1:
        raise ConfigError(f"quantiles must rise between 0 and 1, got {low} and {high}")
    if rows.times is None:
        raise ConfigError("protocol 'time' needs a clock, which these impressions lack; ratings can use kfold or user-tail")
    places = [int(q * (len(rows) - 1)) for q in quantiles]
    of, _ = _lists(rows)
    moments = earliest(rows.times, of)[of]
    cuts = np.partition(moments, places)[places]
    part = np.searchsorted(cuts, moments, side="right")
    return part, {"cuts": [iso_time(int(cut)) for cut in cuts], "quantiles": list(quantiles)}


def _as_given(rows: Impressions) -> tuple[Int64[np.ndarray, " R"], dict[str, Any]]:
    if rows.given is None:
        raise ConfigError("protocol 'given' reads the split that a log comes with, and these impressions have none; use protocol 'time'")
    part = rows.given.astype(np.int64)
    rule = "validation labels of the source"
    if not (part == _VALIDATION).any():
        rule = "last tenth of the training impressions"
        training = np.flatnonzero(part == _TRAIN)
        ordered = training if rows.times is None else training[np.argsort(rows.times[training], kind="stable")]
        part[ordered[len(ordered) - len(ordered) // 10 :]] = _VALIDATION
        if rows.requests is not None:  # a list is never parted
            opened = np.isin(rows.requests, rows.requests[part == _VALIDATION]) & (part == _TRAIN)
            part[opened] = _VALIDATION
    return part, {"validation_rule": rule}


def _fold(rows: Impressions, fold: int, folds: int, seed: int) -> tuple[Int64[np.ndarray, " R"], dict[str, Any]]:
    if folds < 2 or not 0 <= fold < folds:
        raise ConfigError(f"kfold needs at least 2 folds and one of them, counted from 0, got fold {fold} of {folds}")
    of, n_lists = _lists(rows)
    fold_of = np.empty(n_lists, np.int64)
    fold_of[np.random.default_rng(seed).permutation(n_lists)] = np.arange(n_lists) % folds
    return np.where(fold_of[of] == fold, _TEST, _TRAIN), {"fold": fold, "folds": folds, "fold_seed": seed}


def _tails(rows: Impressions, seed: int) -> tuple[Int64[np.ndarray, " R"], dict[str, Any]]:
    """The last fifth of each user's lists, at least one of five."""
    of, n_lists = _lists(rows)
    _, first = np.unique(of, return_index=True)
    users = rows.rows[first]
    moments = (rows.times if rows.times is not None else rows.lengths)[first]
    order = np.lexsort((np.random.default_rng(seed).random(n_lists), moments, users))
    n = np.bincount(users)
    place = np.empty(n_lists, np.int64)
    place[order] = np.arange(n_lists) - np.repeat(np.cumsum(n) - n, n)
    last = place >= (n - n // 5)[users]
    return np.where(last[of], _TEST, _TRAIN), {"tail": "last 20 % of each user", "tie_seed": seed}


def _lists(rows: Impressions) -> tuple[Int64[np.ndarray, " R"], int]:
    """The list of each impression, from 0, and how many there are; without requests each is one of its own."""
    if rows.requests is None:
        return np.arange(len(rows)), len(rows)
    distinct, of = np.unique(rows.requests, return_inverse=True)
    return of, len(distinct)


def _with_validation(part: Int64[np.ndarray, " R"], lists: tuple[Int64[np.ndarray, " R"], int], seed: int) -> Int64[np.ndarray, " R"]:
    """A random tenth of what is trained on."""
    of, n_lists = lists
    drawn = np.random.default_rng([seed, 2]).random(n_lists) < 0.1
    return np.where((part == _TRAIN) & drawn[of], _VALIDATION, part)


def _within(rows: Impressions, asked: Bool[np.ndarray, " R"], shown: Bool[np.ndarray, " R"]) -> Impressions:
    """The asked impressions, after histories of the events that are no rating or a shown one.

    A rating that is itself shown sees those before it; any other sees all of its user's. A row whose event is not known, or one of a list
    with such a row, sees what came before it: its answer may be among the rest.
    """
    if rows.events is None:
        return dataclasses.replace(rows.take(asked), causal=False)
    of, n_lists = _lists(rows)
    rating = (np.bincount(of, rows.events < 0, n_lists) == 0)[of]
    hidden = np.zeros(rows.histories.n_events, bool)
    hidden[rows.events[rating & ~shown]] = True
    kept = rows.take(asked)
    trails = rows.histories.where(~hidden)
    before = np.concatenate([[0], np.cumsum(~hidden)])
    starts = rows.histories.offsets[kept.rows]
    seen = before[starts + kept.lengths] - before[starts]
    lengths = np.where((rating & ~shown)[asked], trails.lengths[kept.rows], seen)
    own = rows.events[asked]
    events = np.where((own >= 0) & ~hidden[own], before[own], -1)
    return dataclasses.replace(kept, histories=trails, lengths=lengths, events=events, causal=False)
