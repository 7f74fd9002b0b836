"""A weighted sum of what other models of the catalog say, with weights that make the validation answers most likely.

A log-linear pool: Genest and Zidek, "Combining probability distributions: a critique and an annotated bibliography", Statistical Science
1986 (https://doi.org/10.1214/ss/1177013825); the scale of reciprocal ranks is that of Cormack, Clarke, Büttcher, "Reciprocal rank fusion
outperforms Condorcet and individual rank learning methods", SIGIR 2009 (https://doi.org/10.1145/1571941.1572114).

**Differs from the paper:**

- what is pooled are scores on one scale, by row: standard scores, log-probabilities or reciprocal ranks;
- weights need not sum to 1: their size is the temperature of the blend, which no ranking depends on;
- weights may depend on the length of the history, in at most three classes, where that predicts validation answers that were left out;
- a member that adds less than one nat to the log-likelihood of all validation answers gets weight 0 (Akaike, 1974).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, Self

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from scipy.optimize import minimize
from scipy.stats import rankdata

from footpath.errors import ConfigError, DataError, NotFittedError, RunError, did_you_mean
from footpath.models import catalog
from footpath.models.histories import check_histories
from footpath.progress import Progress
from footpath.recommender import Iterative, Recommender, Settled, Watch, hyperparameters
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.split import Holdout
from footpath.sequences.vocabulary import Vocabulary

Scale = Literal["zscore", "softmax", "rank"]

SEARCH_SPACE: Final = {"normalise": ["zscore", "softmax", "rank"]}

_MOST_ASKED: Final = 2_000  # validation histories that weights are learned on
_FEWEST_ASKED: Final = 10  # fewer say nothing, then all members count the same
_FEWEST_IN_CLASS: Final = 100
_RANK_OFFSET: Final = 60.0
_PRIOR: Final = 1.0  # standard deviation of the normal prior of a weight, where the scores of a member spread by 1
_EVIDENCE_BYTES: Final = 64 * 2**20
_FEWEST_COLUMNS: Final = 1_024
_SCORE_BYTES: Final = 32 * 2**20
_NO_END: Final = np.iinfo(np.int64).max

_SETTING: Final = re.compile(r"\s*(?P<member>[\w-]+)\.(?P<field>\w+)\s*=(?P<value>.*)", re.DOTALL)


@dataclass
class Mixture:
    """Scores are the sum of the members' scores, each put on one scale by row, times the weights.

    models: names of the catalog, between commas. A name may come twice, its members are then called `ease`, `ease-2` ...
    fields: hyper-parameters of members, such as `ease.l2=100,sasrec.dim=128`.
    normalise: the scale. `zscore`: less the mean of the row, over its standard deviation. `softmax`: the log-probability of a softmax; its
    temperature and the weight are one number. `rank`: 60 / (60 + rank), equal scores sharing their mean rank.
    weights: fixed ones, a number a member; `5:0.2,0.8/0.4,0.6` holds those of histories of up to 5 known items, then of longer ones;
    None to learn them. A member without weight is kept and not asked.
    seed: of the samples, and of every member whose seed is not in `fields`.
    """

    models: str = "item_knn,ease,sasrec"
    fields: str = ""
    normalise: Scale = "zscore"
    weights: str | None = None
    seed: int = 0
    items: Vocabulary = field(init=False, repr=False, compare=False)
    _members: list[Recommender] = field(init=False, repr=False, compare=False)
    _weights: Weights = field(init=False, repr=False, compare=False)
    _watch: Watch | None = field(init=False, repr=False, compare=False, default=None)
    _checkpoint: Path | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if self.normalise not in ("zscore", "softmax", "rank"):
            raise ConfigError(f"normalise must be zscore, softmax or rank, got {self.normalise!r}")
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

        Seen items are no candidates in the likelihood, unless some validation answer is a seen item.
        Raises ConfigError (the validation has another vocabulary), DataError (it has no answers), what members raise.
        """
        if validation is not None and validation.histories.vocabulary != train.vocabulary:
            raise ConfigError(
                f"the validation histories are encoded with a vocabulary of {validation.histories.n_items - 1} items, the training "
                f"sequences with another of {train.n_items - 1}; take both from one split"
            )
        members = self._new_members()
        if self.weights is not None:
            weights = _parsed(self.weights, len(members))
            members = self._fit(members, train, validation, progress)
        elif validation is not None:
            members = self._fit(members, train, validation, progress)
            weights = self._learned(members, validation, progress)
        else:
            held, asked = _last_events_of_a_tenth(train, self.seed)
            if len(asked) < _FEWEST_ASKED:
                members = self._fit(members, train, None, progress)
                weights = self._equal(members, train)
            else:
                members = self._fit(members, held, asked, progress, "held")
                weights = self._learned(members, asked, progress)
                members = self._fit([_settled(member) for member in members], train, None, progress, "refit")
        self.items, self._members, self._weights = train.vocabulary, members, weights
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
        fixed = None if self.weights is None else _parsed(self.weights, len(members))
        mixture._weights = self._learned(members, validation, progress) if fixed is None else fixed
        mixture.items, mixture._members = validation.histories.vocabulary, list(members)
        return mixture

    def observed(self, *, watch: Watch | None = None, checkpoint: Path | None = None) -> Self:
        """The same mixture; in its next `fit` the members that are trained by epochs call `watch`, and keep progress below `checkpoint`."""
        self._watch, self._checkpoint = watch, checkpoint
        return self

    def settled(self) -> Self:
        """An unfitted mixture of settled members with the weights of this one; raises NotFittedError."""
        fields = []
        for label, member, (name, _) in zip(self._labels(), self._fitted(), self._settings(), strict=True):
            defaults = hyperparameters(self._default(name))
            chosen = hyperparameters(_settled(member))
            fields += [f"{label}.{key}={value}" for key, value in chosen.items() if value != defaults[key]]
        return dataclasses.replace(self, fields=",".join(fields), weights=self._weights.text())

    def score(self, histories: SequenceDataset, request_times: Int64[np.ndarray, " B"] | None = None) -> Float32[np.ndarray, "B N"]:
        """The logarithm of a likelihood up to a constant, where weights were learned; a member ranks last what it scores NaN or -inf."""
        check_histories(self, histories)
        weights = self._weights.of(_known_lengths(histories))  # (B, M)
        scores = np.zeros((len(histories), histories.n_items), np.float32)
        for m, member in enumerate(self._members):
            rows = np.flatnonzero(weights[:, m])
            if not len(rows):
                continue
            every = len(rows) == len(histories)
            times = request_times if every or request_times is None else request_times[rows]
            found = member.score(histories if every else histories.take(rows), times)
            step = max(1, 2**20 // (8 * histories.n_items))  # in double precision, small enough to stay in the cache
            for start in range(0, len(rows), step):
                part = rows[start : start + step]
                scores[part] += weights[part, m, None] * on_one_scale(found[start : start + step], self.normalise)
        return scores

    def weights_by_member(self) -> dict[str, float]:
        """The weight of each member, the mean over classes of length where there are some; raises NotFittedError."""
        self._fitted()
        return dict(zip(self._labels(), self._weights.values.mean(axis=0).tolist(), strict=True))

    def state(self) -> Mapping[str, np.ndarray]:
        members = {f"{m}.{name}": array for m, member in enumerate(self._fitted()) for name, array in member.state().items()}
        return {**members, "weights": self._weights.values, "longest": self._weights.longest}

    def restore(self, items: Vocabulary, state: Mapping[str, np.ndarray]) -> Self:
        """The inverse of `state`; raises RunError where it holds the weights of another number of members."""
        values, longest = np.array(state["weights"]), np.array(state["longest"])
        members = self._new_members()
        if values.shape != (len(longest), len(members)):
            raise RunError(
                f"weights of Mixture must have shape {(len(longest), len(members))} for the models {self.models!r}, got {values.shape}; "
                "restore with the hyper-parameters that it was fitted with"
            )
        for m, member in enumerate(members):
            member.restore(items, {name.removeprefix(f"{m}."): array for name, array in state.items() if name.startswith(f"{m}.")})
        self.items, self._members, self._weights = items, members, Weights(values, longest)
        return self

    def _labels(self) -> list[str]:
        """How members are called: by name, from the second of a name on with its number."""
        names = [name.strip() for name in self.models.split(",")]
        return [name if (n := names[:m].count(name)) == 0 else f"{name}-{n + 1}" for m, name in enumerate(names)]

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
        settings: dict[str, dict[str, str]] = {label: {} for label in self._labels()}
        for part in re.split(r",(?=\s*[\w-]+\.\w+\s*=)", self.fields) if self.fields.strip() else []:
            found = _SETTING.fullmatch(part)
            if found is None:
                raise ConfigError(f"fields must be of the form 'ease.l2=100,item_knn.neighbours=50', got {part!r}")
            label = found["member"]
            if label not in settings:
                raise ConfigError(f"fields name {label!r}, the members are {', '.join(settings)}{did_you_mean(label, settings)}")
            settings[label][found["field"]] = found["value"].strip()
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
        has_seed = any(f.name == "seed" and f.init for f in dataclasses.fields(catalog.model_class(name)))  # type: ignore[arg-type]
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

    def _learned(self, members: Sequence[Recommender], asked: Holdout, progress: Progress | None) -> Weights:
        return learn_weights(gather_evidence(members, asked, self.normalise, seed=self.seed, progress=progress), seed=self.seed)

    def _equal(self, members: Sequence[Recommender], histories: SequenceDataset) -> Weights:
        some = histories.between(0, 64)
        spreads = [float(on_one_scale(member.score(some), self.normalise)[:, 1:].std(axis=1).mean()) for member in members]
        return Weights.single([1 / spread if spread > 0 else 1.0 for spread in spreads])


@dataclass(frozen=True, eq=False)
class Weights:
    """Weights of M members for each of C classes of history length; class c holds histories of up to `longest[c]` known items."""

    values: Float64[np.ndarray, "C M"]
    longest: Int64[np.ndarray, " C"]

    @classmethod
    def single(cls, values: Sequence[float] | Float64[np.ndarray, " M"]) -> Weights:
        return cls(np.array([values], np.float64), np.array([_NO_END]))

    def of(self, lengths: Int64[np.ndarray, " B"]) -> Float64[np.ndarray, "B M"]:
        return self.values[np.searchsorted(self.longest, lengths)]

    def text(self) -> str:
        """As the field `weights` of a mixture takes it, to six digits."""
        classes = [",".join(f"{weight:.6g}" for weight in row) for row in self.values]
        return "/".join([*(f"{end}:{row}" for end, row in zip(self.longest[:-1], classes, strict=False)), classes[-1]])


def _parsed(text: object, n_members: int) -> Weights:
    """The inverse of `Weights.text`; raises ConfigError."""
    if not isinstance(text, str):
        raise ConfigError(f"weights must be text such as '0.4,0.6', or none to learn them, got {text!r}")
    longest, values = [], []
    classes = text.split("/")
    for c, written in enumerate(classes):
        end, colon, row = written.rpartition(":")
        if bool(colon) == (c == len(classes) - 1):
            raise ConfigError(f"weights of all classes but the last begin with a length, as in '5:0.2,0.8/0.4,0.6', got {text!r}")
        try:
            longest.append(int(end) if colon else _NO_END)
            values.append([float(weight) for weight in row.split(",")])
        except ValueError as error:
            raise ConfigError(f"weights must be numbers between commas, such as '0.4,0.6', or none to learn them, got {text!r}") from error
        if len(values[-1]) != n_members:
            raise ConfigError(f"weights must be {n_members} numbers, one for each of the models, got {len(values[-1])} in {text!r}")
        if not all(0 <= weight < np.inf for weight in values[-1]):
            raise ConfigError(f"weights must be at least 0 and finite, got {text!r}")
        if not any(values[-1]):
            raise ConfigError(f"weights must not all be 0, got {text!r}; give one member a weight")
    if any(after <= before for before, after in pairwise(longest)):
        raise ConfigError(f"weights must give the lengths of their classes in rising order, got {text!r}")
    return Weights(np.array(values, np.float64), np.array(longest, np.int64))


def on_one_scale(scores: Float32[np.ndarray, "B N"], normalise: Scale) -> Float64[np.ndarray, "B N"]:
    """A member's scores on the scale of the mixture, row by row over columns 1 to N - 1; column 0 becomes 0.

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
    else:
        real = _RANK_OFFSET / (_RANK_OFFSET + rankdata(-real, axis=1))
    return np.concatenate([np.zeros((len(real), 1)), real], axis=1)


@dataclass(frozen=True, eq=False)
class Evidence:
    """What weights are learned from: for B validation histories, the members' scores of K columns that stand for all candidates.

    values: over `spreads`, the mean standard deviation of each member's scores in a row. log_counts: how many items a column stands for;
    -inf where a row has fewer than K. answers: mean of the values at the answers of a history. lengths: known items of the histories.
    """

    values: Float32[np.ndarray, "B M K"]
    log_counts: Float32[np.ndarray, "B K"]
    answers: Float64[np.ndarray, "B M"]
    lengths: Int64[np.ndarray, " B"]
    spreads: Float64[np.ndarray, " M"]

    def losses(
        self, weights: Float64[np.ndarray, " M"], rows: Int64[np.ndarray, " R"]
    ) -> tuple[Float64[np.ndarray, " R"], Float64[np.ndarray, "R M"]]:
        """Minus the log-likelihood of each history's answers (their mean), and its gradient by the weights of the values."""
        losses, gradients = np.empty(len(rows)), np.empty((len(rows), len(weights)))
        step = max(1, 2**20 // (4 * self.values[:1].size))
        single = weights.astype(np.float32)
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            values = self.values[part]  # (b, M, K)
            logits = single @ values + self.log_counts[part]  # (b, K)
            top = logits.max(axis=1)
            p = np.exp(logits - top[:, None])
            total = p.sum(axis=1, dtype=np.float64)
            expected = (values @ p[:, :, None])[:, :, 0] / total[:, None]  # (b, M)
            losses[start : start + step] = top + np.log(total) - self.answers[part] @ weights
            gradients[start : start + step] = expected - self.answers[part]
        return losses, gradients


def gather_evidence(
    members: Sequence[Recommender], asked: Holdout, normalise: Scale, *, seed: int = 0, progress: Progress | None = None
) -> Evidence:
    """Score at most 2,000 of the histories, and keep of each what fits 64 MiB in all; raises DataError where there are no answers.

    Where not all candidates of a history fit, those that a member puts first are kept, and a sample of the rest stands for the rest.
    """
    histories, n_answers = asked.histories, np.diff(asked.offsets)
    chosen = np.flatnonzero(n_answers)
    if not len(chosen):
        raise DataError(
            f"none of the {len(asked)} validation histories has an answer, so there is nothing to learn weights on; "
            "give a validation with answers, or weights"
        )
    generator = np.random.default_rng(seed)
    if len(chosen) > _MOST_ASKED:
        chosen = np.sort(generator.choice(chosen, _MOST_ASKED, replace=False))
    repeat = _has_seen_answers(asked)
    size = max(_FEWEST_COLUMNS, _EVIDENCE_BYTES // (4 * len(chosen) * (len(members) + 1)))
    size = min(size, histories.n_items - 1)
    values = np.zeros((len(chosen), len(members), size), np.float32)
    log_counts = np.full((len(chosen), size), -np.inf, np.float32)
    answers, spreads = np.empty((len(chosen), len(members))), np.zeros(len(members))
    step = max(1, _SCORE_BYTES // (8 * histories.n_items * (len(members) + 1)))
    for start in range(0, len(chosen), step):
        rows = chosen[start : start + step]
        chunk = histories.take(rows)
        times = None if asked.request_times is None else asked.request_times[rows]
        scores = np.stack([on_one_scale(member.score(chunk, times), normalise) for member in members], axis=1)  # (b, M, N)
        allowed = np.ones((len(rows), histories.n_items), bool)
        allowed[:, 0] = False
        if not repeat:
            allowed[chunk.rows, chunk.items] = False
        for b, row in enumerate(rows, start=start):
            of_row = scores[b - start]
            relevant = asked.items[asked.offsets[row] : asked.offsets[row + 1]]
            columns, counts = _columns(of_row, allowed[b - start], relevant, size, generator)
            values[b, :, : len(columns)] = of_row[:, columns]
            log_counts[b, : len(columns)] = np.log(counts)
            answers[b] = of_row[:, relevant].mean(axis=1)
            spreads += of_row[:, allowed[b - start]].std(axis=1)
        if progress is not None:
            progress("weighing the members", start + len(rows), len(chosen))
    spreads = np.where(spreads > 0, spreads / len(chosen), 1.0)
    values /= spreads[:, None].astype(np.float32)
    return Evidence(values, log_counts, answers / spreads, _known_lengths(histories)[chosen], spreads)


def learn_weights(evidence: Evidence, *, seed: int = 0) -> Weights:
    """The weights under which the answers are most likely, given a normal prior; by class of length where cross-fitting bears it out.

    Two halves: weights of either are judged on the other. Classes are kept where the answers are more likely by more than two
    standard errors of the mean.
    """
    rows = np.arange(len(evidence.answers))
    chosen = _without_idle_members(evidence, rows)
    best = Weights.single(chosen / evidence.spreads)
    longest = _classes(evidence.lengths)
    if len(longest) == 1:
        return best
    classes = np.searchsorted(longest, evidence.lengths)
    gains = []
    order = np.random.default_rng(seed).permutation(rows)
    for learn, judge in ((order[::2], order[1::2]), (order[1::2], order[::2])):
        everywhere, _ = _optimum(evidence, learn, chosen)
        for c in range(len(longest)):
            inside, _ = _optimum(evidence, learn[classes[learn] == c], chosen)
            judged = judge[classes[judge] == c]
            gains.append(evidence.losses(everywhere, judged)[0] - evidence.losses(inside, judged)[0])
    gain = np.concatenate(gains)
    if gain.mean() <= 2 * gain.std() / np.sqrt(len(gain)):
        return best
    by_class = [_optimum(evidence, rows[classes == c], chosen)[0] for c in range(len(longest))]
    return Weights(np.array([_or_chosen(row, chosen) for row in by_class]) / evidence.spreads, longest)


def _or_chosen(weights: Float64[np.ndarray, " M"], chosen: Float64[np.ndarray, " M"]) -> Float64[np.ndarray, " M"]:
    return weights if weights.any() else chosen


def _without_idle_members(evidence: Evidence, rows: Int64[np.ndarray, " R"]) -> Float64[np.ndarray, " M"]:
    """The optimum after every member is gone that adds less than one nat over all rows; all the same where none is better than chance."""
    weights, loss = _optimum(evidence, rows, np.ones(evidence.answers.shape[1]))
    while np.count_nonzero(weights) > 1:
        trials = []
        for m in np.flatnonzero(weights):
            start = weights.copy()
            start[m] = 0
            trials.append(_optimum(evidence, rows, start))
        without, higher = min(trials, key=lambda trial: trial[1])
        if (higher - loss) * len(rows) >= 1:
            break
        weights, loss = without, higher
    return weights if weights.any() else np.ones(len(weights))


def _optimum(
    evidence: Evidence, rows: Int64[np.ndarray, " R"], start: Float64[np.ndarray, " M"]
) -> tuple[Float64[np.ndarray, " M"], float]:
    """The weights of the values with the least penalised mean loss, and that; a weight that is 0 at the start stays 0."""

    def objective(weights: np.ndarray) -> tuple[float, np.ndarray]:
        losses, gradients = evidence.losses(weights, rows)
        scale = 1 / (len(rows) * _PRIOR**2)
        return losses.mean() + scale / 2 * weights @ weights, gradients.mean(axis=0) + scale * weights

    bounds = [(0, None if weight > 0 else 0) for weight in start]
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-9, "gtol": 1e-5})
    return found.x, float(found.fun)


def _classes(lengths: Int64[np.ndarray, " B"]) -> Int64[np.ndarray, " C"]:
    """Longest history of each of three or two classes of about equal size, at least 100 in each; one class where there are not enough."""
    for n_classes in (3, 2):
        ends = np.unique(np.quantile(lengths, np.arange(1, n_classes) / n_classes, method="lower"))
        counts = np.bincount(np.searchsorted(ends, lengths), minlength=n_classes)
        if len(ends) == n_classes - 1 and counts.min() >= _FEWEST_IN_CLASS:
            return np.append(ends, _NO_END)
    return np.array([_NO_END])


def _columns(
    scores: Float64[np.ndarray, "M N"],
    allowed: Bool[np.ndarray, " N"],
    relevant: np.ndarray,
    size: int,
    generator: np.random.Generator,
) -> tuple[Int64[np.ndarray, " C"], Float64[np.ndarray, " C"]]:
    """At most `size` candidates of one history, and how many each stands for."""
    candidates = np.flatnonzero(allowed)
    if len(candidates) <= size:
        return candidates, np.ones(len(candidates))
    sure = np.zeros(len(allowed), bool)
    sure[relevant[: size // 4]] = True
    first = max(1, size // (2 * len(scores)))
    for member in scores:
        sure[candidates[np.argpartition(member[candidates], -first)[-first:]]] = True
    kept, rest = np.flatnonzero(sure), np.flatnonzero(allowed & ~sure)
    drawn = generator.choice(rest, size - len(kept), replace=False, shuffle=False)
    return np.concatenate([kept, drawn]), np.repeat([1.0, len(rest) / max(len(drawn), 1)], [len(kept), len(drawn)])


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


def _known_lengths(histories: SequenceDataset) -> Int64[np.ndarray, " B"]:
    return np.bincount(histories.rows[histories.items > 0], minlength=len(histories))


def _has_seen_answers(asked: Holdout) -> bool:
    n_items = asked.histories.n_items
    rows = np.repeat(np.arange(len(asked)), np.diff(asked.offsets))
    seen = asked.histories.rows.astype(np.int64) * n_items + asked.histories.items
    return bool(np.isin(rows * n_items + asked.items, seen).any())


def _under(label: str, progress: Progress | None) -> Progress | None:
    return None if progress is None else lambda what, done, total: progress(f"{label}: {what}", done, total)
