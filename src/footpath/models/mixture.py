"""A weighted sum of what other models of the catalog say, with the weights that rank validation answers best.

Caruana, Niculescu-Mizil, Crew, Ksikes, "Ensemble selection from libraries of models", ICML 2004 (https://doi.org/10.1145/1015330.1015432);
the scale of reciprocal ranks is that of Cormack, Clarke, Büttcher, "Reciprocal rank fusion outperforms Condorcet and individual rank
learning methods", SIGIR 2009 (https://doi.org/10.1145/1571941.1572114).

**Differs from the paper:**

- what is averaged are scores on one scale, by row: standard scores, log-probabilities or reciprocal ranks;
- selection begins with the best member alone and with equal weights; a step adds a part of a member, or takes one out;
- a step counts only where its gain exceeds the standard error of the gain, in place of bagging: a few weights need no more;
- two halves of the answers choose the scale, the start, and whether to blend at all: weights of either half are judged on the other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any, Final, Literal, Self, get_args

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64
from scipy.stats import rankdata

from footpath.errors import ConfigError, DataError, NotFittedError, RunError
from footpath.models import catalog
from footpath.models.histories import check_histories
from footpath.models.members import member_labels, member_settings
from footpath.progress import Progress
from footpath.recommender import Iterative, Recommender, Settled, TakesNewItems, Watch, hyperparameters, masked, top_k
from footpath.sequences.dataset import ItemFeatures, SequenceDataset
from footpath.sequences.split import Holdout
from footpath.sequences.vocabulary import Vocabulary

Scale = Literal["zscore", "softmax", "rank"]
Judge = Callable[[tuple[float, ...]], Float64[np.ndarray, " B"]]
"""NDCG@10 of each validation history under weights."""
Plan = Literal["alone", "from the best", "from equal"]

_SCALES: Final[tuple[Scale, ...]] = get_args(Scale)
_K: Final = 10  # of NDCG
_DISCOUNTS: Final = 1 / np.log2(np.arange(2, _K + 2))
_MOST_ASKED: Final = 2_000  # validation histories that weights are learned on
_FEWEST_ASKED: Final = 10  # fewer say nothing, then all members count the same
_TOP: Final = 200  # items that a member may add to the candidates of a history
_MOST_CANDIDATES: Final = 1_000
_MOST_SAMPLED: Final = 256  # histories that shares are measured on
_NO_CANDIDATE: Final = np.float32(-1e30)
_STEPS: Final = (1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32)
_RANK_OFFSET: Final = 60.0
_SCORE_BYTES: Final = 32 * 2**20


@dataclass
class Mixture:
    """Scores are the sum of the members' scores, each put on one scale by row, times the weights.

    models: names of the catalog, between commas. A name may come twice, its members are then called `ease`, `ease-2` ...
    fields: hyper-parameters of members, such as `ease.l2=100,sasrec.dim=128`.
    normalise: the scale. `zscore`: less the mean of the row, over its standard deviation. `softmax`: the log-probability of a softmax.
    `rank`: 60 / (60 + rank), equal scores sharing their mean rank. `auto`: that which validation bears out, `zscore` without learning.
    weights: fixed ones, a number a member; None to learn them. A member without weight is kept and not asked.
    seed: of the samples, and of every member whose seed is not in `fields`.
    """

    models: str = "item_knn,ease,sasrec"
    fields: str = ""
    normalise: Scale | Literal["auto"] = "auto"
    weights: str | None = None
    seed: int = 0
    items: Vocabulary = field(init=False, repr=False, compare=False)
    _members: list[Recommender] = field(init=False, repr=False, compare=False)
    _weights: Float64[np.ndarray, " M"] = field(init=False, repr=False, compare=False)
    _scale: Scale = field(init=False, repr=False, compare=False)
    _watch: Watch | None = field(init=False, repr=False, compare=False, default=None)
    _checkpoint: Path | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if self.normalise not in (*_SCALES, "auto"):
            raise ConfigError(f"normalise must be auto, zscore, softmax or rank, got {self.normalise!r}")
        if self.seed < 0:
            raise ConfigError(f"seed must be at least 0, got {self.seed}")
        self._members = self._new_members()
        if self.weights is not None:
            _parsed(self.weights, len(self._members))

    def fit(self, train: SequenceDataset, *, validation: Holdout | None = None, progress: Progress | None = None) -> Self:
        """Fit the members, then the weights on answers that no member was fitted on.

        With validation: members are fitted on the training sequences and may choose their settings by it; weights are learned on its
        answers. Without, and without fixed weights: a tenth of the histories, drawn by the seed and at most 2,000, give up their last event
        as such answers; then members are fitted again on everything with the settings that were chosen. Where that makes fewer than 10
        answers, every member counts the same.

        Seen items are no candidates, unless some validation answer is a seen item.
        Raises ConfigError (the validation has another vocabulary), DataError (it has no answers), what members raise.
        """
        if validation is not None and validation.histories.vocabulary != train.vocabulary:
            raise ConfigError(
                f"the validation histories are encoded with a vocabulary of {validation.histories.n_items - 1} items, the training "
                f"sequences with another of {train.n_items - 1}; take both from one split"
            )
        members = self._new_members()
        if self.weights is not None:
            scale, weights = self._fixed_scale, _parsed(self.weights, len(members))
            members = self._fit(members, train, validation, progress)
        elif validation is not None:
            members = self._fit(members, train, validation, progress)
            scale, weights = self._learned(members, validation, progress)
        else:
            held, asked = _last_events_of_a_tenth(train, self.seed)
            if len(asked) < _FEWEST_ASKED:
                members = self._fit(members, train, None, progress)
                scale, weights = self._fixed_scale, self._equal(members, train)
            else:
                members = self._fit(members, held, asked, progress, "held")
                scale, weights = self._learned(members, asked, progress)
                members = self._fit([_settled(member) for member in members], train, None, progress, "refit")
        self.items, self._members, self._scale, self._weights = train.vocabulary, members, scale, weights
        self._watch = self._checkpoint = None
        return self

    def blend(self, members: Sequence[Recommender], validation: Holdout, *, progress: Progress | None = None) -> Self:
        """A fitted mixture of these members, which are fitted already, none of them on the answers of the validation.

        They are of the classes that `models` names, in that order, with the hyper-parameters of `fields` but for what validation chose.
        Raises ConfigError where they are not or have another vocabulary, DataError where the validation has no answers.
        """
        if [type(member) for member in members] != [type(member) for member in self._members]:
            wanted, given = (", ".join(type(member).__name__ for member in some) for some in (self._members, members))
            raise ConfigError(f"members must be {wanted}, as models says, got {given or 'none'}")
        for member in members:
            check_histories(member, validation.histories)
        mixture = dataclasses.replace(self)
        if self.weights is None:
            mixture._scale, mixture._weights = self._learned(members, validation, progress)
        else:
            mixture._scale, mixture._weights = self._fixed_scale, _parsed(self.weights, len(members))
        mixture.items, mixture._members = validation.histories.vocabulary, list(members)
        return mixture

    def observed(self, *, watch: Watch | None = None, checkpoint: Path | None = None) -> Self:
        """The same mixture; in its next `fit` the members that are trained by epochs call `watch`, and keep progress below `checkpoint`."""
        self._watch, self._checkpoint = watch, checkpoint
        return self

    def settled(self) -> Self:
        """An unfitted mixture of settled members with the scale and the weights of this one; raises NotFittedError."""
        fields = []
        for label, member, (name, _) in zip(self._labels(), self._fitted(), self._settings(), strict=True):
            defaults = hyperparameters(self._default(name))
            chosen = hyperparameters(_settled(member))
            fields += [f"{label}.{key}={value}" for key, value in chosen.items() if value != defaults[key]]
        weights = ",".join(f"{weight:.6g}" for weight in self._weights)
        return dataclasses.replace(self, fields=",".join(fields), normalise=self._scale, weights=weights)

    def score(self, histories: SequenceDataset, request_times: Int64[np.ndarray, " B"] | None = None) -> Float32[np.ndarray, "B N"]:
        """The weighted sum; a member ranks last what it scores NaN or -inf."""
        check_histories(self, histories)
        scores = np.zeros((len(histories), histories.n_items), np.float32)
        step = max(1, 2**20 // (8 * histories.n_items))  # rows in double precision, few enough to stay in the cache
        for member, weight in zip(self._members, self._weights, strict=True):
            if weight:
                found = member.score(histories, request_times)
                for start in range(0, len(found), step):
                    scores[start : start + step] += weight * on_one_scale(found[start : start + step], self._scale)
        return scores

    def weights_by_member(self) -> dict[str, float]:
        """The weight of each member, on the scale of the mixture; raises NotFittedError. `shares` tells how much each has to say."""
        self._fitted()
        return dict(zip(self._labels(), self._weights.tolist(), strict=True))

    def shares(self, histories: SequenceDataset) -> dict[str, float]:
        """How much each member has to say: weight times the mean standard deviation of its scores among candidates of a history; sum 1.

        On a scale where members spread differently a weight alone does not tell. Candidates are the 200 items that each member with a
        weight puts first, seen or not, of at most 256 of the histories. Raises NotFittedError, ConfigError (another vocabulary).
        """
        check_histories(self, histories)
        some = histories.take(np.unique(np.linspace(0, len(histories) - 1, min(len(histories), _MOST_SAMPLED)).astype(np.int64)))
        found = [member.score(some) if weight else None for member, weight in zip(self._members, self._weights, strict=True)]
        top = min(histories.n_items - 1, _TOP)
        candidates = _each_once([top_k(scores, top)[0] for scores in found if scores is not None])
        asked = candidates.any(axis=1)
        parts = np.zeros(len(found))
        for m, scores in enumerate(found):
            if scores is not None and asked.any():
                scaled = on_one_scale(scores, self._scale, candidates)[asked]
                parts[m] = self._weights[m] * scaled.std(axis=1, where=candidates[asked] > 0).mean()
        parts = parts if parts.any() else self._weights
        return dict(zip(self._labels(), (parts / parts.sum()).tolist(), strict=True))

    def with_items(self, ids: Sequence[str], features: ItemFeatures) -> Self:
        """The same mixture whose members have all taken in further items, as `TakesNewItems` says; raises ConfigError where one cannot."""
        members: list[Recommender] = []
        for label, member in zip(self._labels(), self._fitted(), strict=True):
            if not isinstance(member, TakesNewItems):
                raise ConfigError(f"{label} of this mixture knows items by what was done with them, so it cannot take in new ones")
            members.append(member.with_items(ids, features))
        extended = dataclasses.replace(self)
        extended.items, extended._members = self.items.extended(ids), members
        extended._weights, extended._scale = self._weights, self._scale
        return extended

    def state(self) -> Mapping[str, np.ndarray]:
        members = {f"{m}.{name}": array for m, member in enumerate(self._fitted()) for name, array in member.state().items()}
        return {**members, "weights": self._weights, "scale": np.array([_SCALES.index(self._scale)])}

    def restore(self, items: Vocabulary, state: Mapping[str, np.ndarray]) -> Self:
        """The inverse of `state`; raises RunError where it holds the weights of another number of members."""
        weights, members = np.array(state["weights"]), self._new_members()
        if weights.shape != (len(members),):
            raise RunError(
                f"weights of Mixture must have shape {(len(members),)} for the models {self.models!r}, got {weights.shape}; "
                "restore with the hyper-parameters that it was fitted with"
            )
        for m, member in enumerate(members):
            member.restore(items, {name.removeprefix(f"{m}."): array for name, array in state.items() if name.startswith(f"{m}.")})
        self.items, self._members, self._scale, self._weights = items, members, _SCALES[int(state["scale"][0])], weights
        return self

    def _labels(self) -> list[str]:
        """How members are called: by name, from the second of a name on with its number."""
        return member_labels([name.strip() for name in self.models.split(",")])

    def _settings(self) -> list[tuple[str, dict[str, str]]]:
        """Name and given hyper-parameters of each member; raises ConfigError."""
        names = [name.strip() for name in self.models.split(",")]
        for name in names:
            if not name:
                raise ConfigError(f"models must be names of the catalog between commas, such as 'item_knn,ease', got {self.models!r}")
            if name == "mixture":
                raise ConfigError(f"models cannot hold a mixture, got {self.models!r}; name the members of that mixture instead")
            try:
                catalog.entry(name)
            except ConfigError as error:
                raise ConfigError(f"models names {name!r}: {error}") from error
        settings = member_settings(self.fields, self._labels(), "ease.l2=100,item_knn.neighbours=50")
        return list(zip(names, settings.values(), strict=True))

    def _new_members(self) -> list[Recommender]:
        members = []
        for label, (name, given) in zip(self._labels(), self._settings(), strict=True):
            try:
                members.append(self._default(name, given))
            except ConfigError as error:
                raise ConfigError(f"fields of {label}: {error}") from error
        return members

    def _default(self, name: str, given: Mapping[str, Any] | None = None) -> Recommender:
        has_seed = any(f.name == "seed" and f.init for f in dataclasses.fields(catalog.model_class(name)))
        return catalog.create(name, **({"seed": self.seed} if has_seed else {}) | dict(given or {}))

    def _fitted(self) -> list[Recommender]:
        if not hasattr(self, "_weights"):
            raise NotFittedError("Mixture is not fitted, so it has no weights: call fit(train, validation=...) first")
        return self._members

    def _fit(
        self, members: Sequence[Recommender], train: SequenceDataset, validation: Holdout | None, progress: Progress | None, stage: str = ""
    ) -> list[Recommender]:
        fitted = []
        for label, member in zip(self._labels(), members, strict=True):
            if isinstance(member, Iterative):
                checkpoint = None if self._checkpoint is None else self._checkpoint / label / stage
                member = member.observed(watch=self._watch, checkpoint=checkpoint)
            fitted.append(member.fit(train, validation=validation, progress=_under(label, progress)))
        return fitted

    @property
    def _fixed_scale(self) -> Scale:
        return "zscore" if self.normalise == "auto" else self.normalise

    def _learned(
        self, members: Sequence[Recommender], asked: Holdout, progress: Progress | None
    ) -> tuple[Scale, Float64[np.ndarray, " M"]]:
        scales = _SCALES if self.normalise == "auto" else (self.normalise,)
        return learn_weights(gather_evidence(members, asked, scales, seed=self.seed, progress=progress), seed=self.seed)

    def _equal(self, members: Sequence[Recommender], histories: SequenceDataset) -> Float64[np.ndarray, " M"]:
        some = histories.between(0, 64)
        spreads = np.array([on_one_scale(member.score(some), self._fixed_scale)[:, 1:].std(axis=1).mean() for member in members])
        return 1 / np.where(spreads > 0, spreads, 1)


def _parsed(text: object, n_members: int) -> Float64[np.ndarray, " M"]:
    """Weights as written in the field of that name; raises ConfigError."""
    if not isinstance(text, str):
        raise ConfigError(f"weights must be text such as '0.4,0.6', or none to learn them, got {text!r}")
    try:
        weights = np.array([float(weight) for weight in text.split(",")])
    except ValueError as error:
        raise ConfigError(f"weights must be numbers between commas, such as '0.4,0.6', or none to learn them, got {text!r}") from error
    if len(weights) != n_members:
        raise ConfigError(f"weights must be {n_members} numbers, one for each of the models, got {len(weights)} in {text!r}")
    if not ((weights >= 0) & np.isfinite(weights)).all():
        raise ConfigError(f"weights must be at least 0 and finite, got {text!r}")
    if not weights.any():
        raise ConfigError(f"weights must not all be 0, got {text!r}; give one member a weight")
    return weights


def on_one_scale(
    scores: Float32[np.ndarray, "B N"], normalise: Scale, columns: Int64[np.ndarray, "B K"] | None = None
) -> Float64[np.ndarray, "B _"]:
    """A member's scores on the scale of the mixture, row by row over columns 1 to N - 1; column 0 becomes 0. Of the given columns only.

    What is NaN or -inf is first put one standard deviation (1, where all are equal) below the least finite score of the row, +inf above
    the greatest. A row of equal scores is 0 in standard scores.
    """
    real = scores[:, 1:].astype(np.float64)
    finite = np.isfinite(real)
    if finite.all():
        n, lowest, highest = real.shape[1], real.min(axis=1, initial=np.inf), real.max(axis=1, initial=-np.inf)
        mean, spread = real.sum(axis=1) / max(n, 1), real.std(axis=1) if n else np.zeros(len(real))
    else:
        counts = np.maximum(finite.sum(axis=1), 1)
        mean = np.where(finite, real, 0).sum(axis=1) / counts
        spread = np.sqrt((np.where(finite, real - np.where(finite, mean[:, None], 0), 0) ** 2).sum(axis=1) / counts)
        lowest, highest = np.where(finite, real, np.inf).min(axis=1), np.where(finite, real, -np.inf).max(axis=1)
    equal = ~(highest > lowest)  # exactly: the deviation of equal numbers is not always 0 to the last bit
    mean = np.where(equal & np.isfinite(lowest), lowest, mean)
    spread = np.where(equal, 1.0, spread)
    if not finite.all():
        bottom = np.where(np.isfinite(lowest), lowest, 0) - spread
        top = np.where(np.isfinite(highest), highest, 0) + spread
        real = np.where(finite, real, np.where(real == np.inf, top[:, None], bottom[:, None]))
    if normalise == "zscore":
        real = (real - mean[:, None]) / spread[:, None]
    elif normalise == "softmax":
        real -= real.max(axis=1, keepdims=True, initial=-np.inf)
        real -= np.log(np.exp(real).sum(axis=1, keepdims=True))
    elif columns is None:
        real = _RANK_OFFSET / (_RANK_OFFSET + _mean_ranks(real))
    real = np.concatenate([np.zeros((len(real), 1)), real], axis=1)
    if columns is None:
        return real
    found = np.take_along_axis(real, columns, axis=1)
    if normalise == "rank":
        for row, ordered in zip(found, np.sort(real[:, 1:], axis=1), strict=True):
            ends = np.searchsorted(ordered, row, "left") + np.searchsorted(ordered, row, "right")
            row[:] = _RANK_OFFSET / (_RANK_OFFSET + len(ordered) - (ends - 1) / 2)
    return np.where(columns > 0, found, 0)


def _mean_ranks(real: Float64[np.ndarray, "B N"]) -> Float64[np.ndarray, "B N"]:
    """1 for the greatest of a row; equal ones share their mean. Rows of few equal ones, as of neural models, take a third of the time."""
    if real.shape[1] < 2 or np.any((real == real.min(axis=1, keepdims=True)).sum(axis=1) > real.shape[1] // 8):
        return rankdata(-real, axis=1)
    order = np.argsort(-real, axis=1)
    ordered = np.take_along_axis(real, order, axis=1)
    places = np.tile(np.arange(1.0, real.shape[1] + 1), len(real))
    as_next = np.zeros(real.shape, bool)
    as_next[:, :-1] = ordered[:, :-1] == ordered[:, 1:]
    equal = np.flatnonzero(as_next)
    if len(equal):  # runs of equal numbers: none goes on in the next row
        first = np.flatnonzero(np.diff(equal, prepend=-2) > 1)
        begins, ends = equal[first], np.append(equal[first[1:] - 1], equal[-1]) + 1
        lengths = ends - begins + 1
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        places[np.repeat(begins, lengths) + within] = np.repeat((places[begins] + places[ends]) / 2, lengths)
    ranks = np.empty_like(real)
    np.put_along_axis(ranks, order, places.reshape(real.shape), axis=1)
    return ranks


@dataclass(frozen=True, eq=False)
class Evidence:
    """What weights are learned from: of B validation histories the candidates for the first ten places, K columns in order of the items.

    values: by scale, over `spreads`, the mean standard deviation of each member's scores in a row; -1e30 where a row has fewer than K.
    rows, columns: where the answers are that are candidates. ideal: discounted gain of the best possible list of each history.
    """

    values: Mapping[Scale, Float32[np.ndarray, "M B K"]]
    spreads: Mapping[Scale, Float64[np.ndarray, " M"]]
    rows: Int64[np.ndarray, " P"]
    columns: Int64[np.ndarray, " P"]
    ideal: Float64[np.ndarray, " B"]

    def ndcg(self, scale: Scale, weights: Sequence[float]) -> Float64[np.ndarray, " B"]:
        """NDCG@10 of each history, ties by index, under weights of the values."""
        values = self.values[scale]
        _, n_histories, n = values.shape
        scores = np.zeros((n_histories, n), np.float32)
        for member, weight in zip(values, weights, strict=True):
            if weight:
                scores += np.float32(weight) * member
        bar = np.partition(scores, n - _K, axis=1)[:, n - _K] if n > _K else np.full(len(scores), -np.inf)
        near = scores[self.rows, self.columns] >= bar[self.rows]
        rows, columns = self.rows[near], self.columns[near]
        theirs, own = scores[rows], scores[rows, columns][:, None]
        places = (theirs > own).sum(axis=1) + ((theirs == own) & (np.arange(n) < columns[:, None])).sum(axis=1)
        hits = places < _K
        return np.bincount(rows[hits], _DISCOUNTS[places[hits]], len(scores)) / self.ideal


def gather_evidence(
    members: Sequence[Recommender],
    asked: Holdout,
    scales: Sequence[Scale] = _SCALES,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> Evidence:
    """Score at most 2,000 of the histories; raises DataError where there are no answers.

    Candidates are the 200 items that each member puts first, fewer each where members are more than five: at most 1,000 in all, so that
    all scales together take up to 24 MB a member. An item that no member puts there counts as out of reach of the first ten places.
    """
    histories, n_items = asked.histories, asked.histories.n_items
    chosen = np.flatnonzero(np.diff(asked.offsets))
    if not len(chosen):
        raise DataError(
            f"none of the {len(asked)} validation histories has an answer, so there is nothing to learn weights on; "
            "give a validation with answers, or weights"
        )
    if len(chosen) > _MOST_ASKED:
        chosen = np.sort(np.random.default_rng(seed).choice(chosen, _MOST_ASKED, replace=False))
    repeat = _has_seen_answers(asked)
    top = min(n_items - 1, _TOP, max(2 * _K, _MOST_CANDIDATES // len(members)))
    size = min(n_items - 1, top * len(members))
    values = {scale: np.empty((len(members), len(chosen), size), np.float32) for scale in scales}
    spreads = {scale: np.zeros(len(members)) for scale in scales}
    candidates = np.empty((len(chosen), size), np.int64)
    step = max(1, _SCORE_BYTES // (8 * n_items * (len(members) + 1)))
    for start in range(0, len(chosen), step):
        part = slice(start, start + step)
        chunk = histories.take(chosen[part])
        times = None if asked.request_times is None else asked.request_times[chosen[part]]
        found = [member.score(chunk, times) for member in members]
        candidates[part] = _each_once([top_k(masked(scores.copy(), chunk, repeat=repeat), top)[0] for scores in found])[:, -size:]
        some = candidates[part].any(axis=1)
        for m, scores in enumerate(found):
            for scale in scales:
                scaled = on_one_scale(scores, scale, candidates[part])
                values[scale][m, part] = np.where(candidates[part] > 0, scaled, _NO_CANDIDATE)
                spreads[scale][m] += scaled[some].std(axis=1, where=candidates[part][some] > 0).sum()
        if progress is not None:
            progress("weighing the members", min(start + step, len(chosen)), len(chosen))
    for scale in scales:
        spreads[scale] = np.where(spreads[scale] > 0, spreads[scale] / len(chosen), 1.0)
        values[scale] /= spreads[scale][:, None, None].astype(np.float32)
    lists = [np.unique(asked.items[asked.offsets[row] : asked.offsets[row + 1]]) for row in chosen]
    lengths = np.array([len(items) for items in lists])
    answers = np.repeat(np.arange(len(chosen)), lengths) * n_items + np.concatenate(lists)
    keys = (np.arange(len(chosen))[:, None] * n_items + candidates).ravel()
    places = np.minimum(np.searchsorted(keys, answers), len(keys) - 1)
    places = places[keys[places] == answers]
    return Evidence(values, spreads, places // size, places % size, np.cumsum(_DISCOUNTS)[np.minimum(lengths, _K) - 1])


def _each_once(lists: Sequence[Int32[np.ndarray, "B K"]]) -> Int64[np.ndarray, "B C"]:
    """The items of several lists a row, in order: zeros first, then each item once."""
    items = np.sort(np.concatenate(lists, axis=1), axis=1)
    items[:, 1:][items[:, 1:] == items[:, :-1]] = 0
    return np.sort(items, axis=1).astype(np.int64)


def learn_weights(evidence: Evidence, *, seed: int = 0) -> tuple[Scale, Float64[np.ndarray, " M"]]:
    """The scale, and weights that sum to 1: never worse than the best member at these answers.

    Two halves judge whether to blend, on which scale, and whether to start from the best member or from equal weights: what is learned on
    either is judged on the other. The best of these is learned on all answers, if it beats the best member by more than two standard
    errors of the difference; else that member has all the weight. Where all members miss every answer, they count the same.
    """
    first = next(iter(evidence.values))
    n_members, n = evidence.values[first].shape[:2]
    everyone, half = np.ones(n, bool), np.random.default_rng(seed).permutation(n) % 2 == 0
    halves = ((half, ~half), (~half, half)) if n > 1 else ((everyone, everyone),)
    kept, most = (first, (1 / n_members,) * n_members), 0.0
    for scale in evidence.values:
        ndcg = cache(partial(evidence.ndcg, scale))
        single = _planned("alone", ndcg, n_members, everyone)
        if scale == first and ndcg(single).any():
            kept = scale, single
        judged = {
            plan: np.concatenate([ndcg(_planned(plan, ndcg, n_members, learn))[judge] for learn, judge in halves])
            for plan in get_args(Plan)
        }
        for plan, found in judged.items():
            gain = found - judged["alone"]
            if found.mean() > most and gain.mean() > 2 * gain.std() / np.sqrt(n):
                blended = _planned(plan, ndcg, n_members, everyone)
                if ndcg(blended).mean() >= ndcg(single).mean():
                    kept, most = (scale, blended), float(found.mean())
    scale, chosen = kept
    weights = np.array(chosen) / evidence.spreads[scale]
    return scale, weights / weights.sum()


def _planned(plan: Plan, ndcg: Judge, n_members: int, asked: Bool[np.ndarray, " B"]) -> tuple[float, ...]:
    """Weights learned on the histories that are asked: the best member alone, or selection from it or from equal weights."""
    if plan == "from equal":
        return select(ndcg, (1 / n_members,) * n_members, asked)
    members = map(tuple, np.eye(n_members).tolist())
    best = max(members, key=lambda weights: float(ndcg(weights)[asked].mean()))
    return best if plan == "alone" else select(ndcg, best, asked)


def select(ndcg: Judge, start: tuple[float, ...], asked: Bool[np.ndarray, " B"]) -> tuple[float, ...]:
    """From the start on, the step whose mean gain less its standard error is the largest, until none is above 0."""
    weights = start
    while True:
        now, best, most = ndcg(weights)[asked], weights, 0.0
        for moved in _moves(weights):
            gain = ndcg(moved)[asked] - now
            sure = float(gain.mean() - gain.std() / np.sqrt(len(gain)))
            if sure > most:
                best, most = moved, sure
        if best == weights:
            return weights
        weights = best


def _moves(weights: tuple[float, ...]) -> Iterator[tuple[float, ...]]:
    """A part of each member added, or one taken out; weights sum to 1, to six digits."""
    now, others = np.array(weights), 1 - np.eye(len(weights))
    for m in range(len(now)):
        for step in _STEPS if now[m] < 1 else ():
            yield tuple(np.round((1 - step) * now + step * (1 - others[m]), 6).tolist())
        if 0 < now[m] < 1:
            yield tuple(np.round(now * others[m] / (now * others[m]).sum(), 6).tolist())


def _last_events_of_a_tenth(train: SequenceDataset, seed: int) -> tuple[SequenceDataset, Holdout]:
    """The training sequences without the last events of a tenth of those rows that have another before it, and these as a holdout."""
    last = train.offsets[1:] - 1
    eligible = np.flatnonzero(train.lengths > 1)
    eligible = eligible[train.items[last[eligible]] > 0]
    n = min(_MOST_ASKED, len(eligible) // 10)
    rows = np.sort(np.random.default_rng(seed).choice(eligible, n, replace=False))
    keep = np.ones(train.n_events, bool)
    keep[last[rows]] = False
    held = train.where(keep)
    times = None if train.times is None else train.times[last[rows]]
    return held, Holdout(held.take(rows), np.arange(n + 1), train.items[last[rows]], times)


def _settled(member: Recommender) -> Recommender:
    return member.settled() if isinstance(member, Settled) else type(member)(**hyperparameters(member))


def _has_seen_answers(asked: Holdout) -> bool:
    n_items = asked.histories.n_items
    rows = np.repeat(np.arange(len(asked)), np.diff(asked.offsets))
    seen = asked.histories.rows.astype(np.int64) * n_items + asked.histories.items
    return bool(np.isin(rows * n_items + asked.items, seen).any())


def _under(label: str, progress: Progress | None) -> Progress | None:
    return None if progress is None else lambda what, done, total: progress(f"{label}: {what}", done, total)
