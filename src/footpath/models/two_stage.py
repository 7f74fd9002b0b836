"""One model finds some hundred candidates, another ranks them by how likely an act on each is; then lists are made diverse.

Covington, Adams, Sargin, "Deep neural networks for YouTube recommendations", RecSys 2016 (https://doi.org/10.1145/2959100.2959190).
Diversity: Carbonell, Goldstein, SIGIR 1998 (https://doi.org/10.1145/290941.291025), or Chen, Zhang, Zhou, NeurIPS 2018
(https://arxiv.org/abs/1709.05135).

**Differs from the paper:**

- both stages are models of the catalog, whichever; the ranker learns whether an act follows, not how long something is watched;
- the ranker's negatives are candidates that were not taken, for no log says here what was shown;
- what the ranker learns from is taken from the first stage while it does: the first stage is fitted on all but the newest acts of each
  user, these make the ranker's rows, and the first stage is fitted again on everything for serving;
- acts that the first stage does not find are left out of the rows: the ranker never meets them.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Self, get_args

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float32, Float64, Int32, Int64

from footpath.errors import ConfigError, DataError, NotFittedError, RunError, did_you_mean
from footpath.models import catalog
from footpath.models.histories import check_histories
from footpath.models.reranking import (
    Candidates,
    best_of,
    dpp,
    falling,
    floor_of,
    likeness_vectors,
    merged,
    mmr,
    scores_above,
    seen_among,
)
from footpath.progress import Progress
from footpath.recommender import RETRIEVE_FROM, ClickModel, Recommender, Retriever, Settled, hyperparameters, masked, top_k
from footpath.rules import category_codes, within_cap
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.impressions import CHOSEN, Impressions
from footpath.sequences.split import Holdout
from footpath.sequences.vocabulary import Vocabulary

Diversify = Literal["mmr", "dpp"]
SEARCH_SPACE: Final = {"n_candidates": (50, 500, "log"), "negatives": (2, 20, "log")}

RANK: Final = "first_stage.rank"
"""What the ranker is told of the first stage: the logarithm to base 2 of a candidate's place, from 1 ..."""
SCORE: Final = "first_stage.score"
"""... and its score, as a standard score among the candidates of the history."""

_PARTS: Final = ("candidates", "ranker")
_SETTING: Final = re.compile(r"\s*(?P<part>[\w-]+)\.(?P<field>\w+)\s*=(?P<value>.*)", re.DOTALL)
_MOST_ASKED: Final = 200_000  # acts that the ranker learns from, or is validated on
_DISTINCT: Final = 0.1  # of the likeness of an item to itself is its own, or a determinant allows one item of a category and no more
_SCORE_BYTES: Final = 32 * 2**20
_RANKED_AT_ONCE: Final = 2**16
_RETRIEVED_AT_ONCE: Final = 256


@dataclass(frozen=True, eq=False)
class _Rows:
    """Acts and what was not taken instead: an entry a row of the ranker. acts: which of the answers it belongs to, ascending."""

    acts: Int64[np.ndarray, " R"]
    items: Int32[np.ndarray, " R"]
    labels: Float32[np.ndarray, " R"]
    rank: Float64[np.ndarray, " R"]
    score: Float64[np.ndarray, " R"]


@dataclass
class TwoStage:
    """Candidates of one model, ordered by the probabilities of another, above all other items in the order of the first.

    candidates: a model of the catalog that says which items come next. ranker: one that says how likely an act is. fields: their
    hyper-parameters, such as `candidates.neighbours=50,ranker.trees=100`.
    n_candidates: unseen items of each history that are ranked, and the seen ones that are among so many best of all items.
    newest: share of each user's events, at least one, that the ranker learns from. negatives: candidates beside each act.
    diversity: in [0, 1], what unlikeness counts beside probability at the head of the list. diversify: how. per_category: so many unseen
    items of a category at the head at most; 0 for no cap. listed: how long the head is. seed: of what is drawn, and of both models.
    """

    candidates: str = "item_knn"
    ranker: str = "gradient_boosting"
    fields: str = ""
    n_candidates: int = 200
    newest: float = 0.2
    negatives: int = 4
    diversity: float = 0.0
    diversify: Diversify = "mmr"
    per_category: int = 0
    listed: int = 50
    seed: int = 0
    items: Vocabulary = field(init=False, repr=False, compare=False)
    _first: Recommender = field(init=False, repr=False, compare=False)
    _ranker: ClickModel = field(init=False, repr=False, compare=False)
    _task: int = field(init=False, repr=False, compare=False)
    _codes: Int64[np.ndarray, " N"] = field(init=False, repr=False, compare=False)
    _vectors: Float32[np.ndarray, "N V"] = field(init=False, repr=False, compare=False)
    _recall: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, least in (("n_candidates", 1), ("negatives", 1), ("per_category", 0), ("listed", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not 0 < self.newest < 1:
            raise ConfigError(f"newest must be above 0 and below 1, a share of the events, got {self.newest}")
        if not 0 <= self.diversity <= 1:
            raise ConfigError(f"diversity must be in 0 to 1, got {self.diversity}")
        if self.diversify not in get_args(Diversify):
            raise ConfigError(f"diversify must be one of {', '.join(get_args(Diversify))}, got {self.diversify!r}")
        self._first, self._ranker = self._new_first(), self._new_ranker()

    @classmethod
    def of(
        cls, candidates: Recommender, ranker: ClickModel, *, task: str | None = None, data: SequenceDataset | None = None, **fields: Any
    ) -> Self:
        """Two fitted models of the catalog as one; fields: the other hyper-parameters.

        task: of the ranker's, its first where None. data: what likeness of items and their categories are taken from, which diversity
        and caps need. Raises ConfigError where the models or the data have another vocabulary, NotFittedError.
        """
        for part in (candidates, ranker):
            if getattr(part, "items", None) is None:
                raise NotFittedError(f"{type(part).__name__} is not fitted, and TwoStage.of joins fitted models: call fit(train) first")
        for what, other in (("the ranker", ranker.items), ("data", None if data is None else data.vocabulary)):
            if other is not None and other != candidates.items:
                raise ConfigError(
                    f"{type(candidates).__name__} knows {len(candidates.items) - 1} items and {what} has another vocabulary, of "
                    f"{len(other) - 1}: fit both on sequences of one vocabulary"
                )
        if task is not None and task not in ranker.tasks:
            raise ConfigError(
                f"{type(ranker).__name__} has no task {task!r}{did_you_mean(task, ranker.tasks)}; it has: {', '.join(ranker.tasks)}"
            )
        blank = cls(candidates=catalog.name_of(candidates), ranker=catalog.name_of(ranker), **fields)
        made = dataclasses.replace(blank, fields=blank._written(candidates, ranker))
        if data is None and (made.diversity > 0 or made.per_category > 0):
            raise ConfigError(
                f"diversity={made.diversity:g} and per_category={made.per_category} need to know how alike items are: pass data=, the "
                "sequences that the first model was fitted on"
            )
        made._know_items(data, len(candidates.items))
        made.items, made._first, made._ranker = candidates.items, candidates, ranker
        made._task, made._recall = 0 if task is None else ranker.tasks.index(task), float("nan")
        return made

    def fit(self, train: SequenceDataset, *, validation: Holdout | None = None, progress: Progress | None = None) -> Self:
        """Fit the first stage on the older events, the ranker on the newest ones, and the first stage again on everything.

        With validation both models may choose their settings by it; the ranker on the answers that the first stage finds.
        Raises ConfigError (the validation has another vocabulary; a cap without categories), DataError (no act after another one, or the
        first stage finds none of them), what the models raise.
        """
        if validation is not None and validation.histories.vocabulary != train.vocabulary:
            raise ConfigError(
                f"the validation histories are encoded with a vocabulary of {validation.histories.n_items - 1} items, the training "
                f"sequences with another of {train.n_items - 1}; take both from one split"
            )
        known = _known(train)
        held, before = self._held(known)
        asked = np.flatnonzero(held & (before > 0))
        if not len(asked):
            raise DataError(f"none of {len(train)} histories has an act after another one: the ranker has nothing to learn from")
        first = self._new_first().fit(known.where(~held), validation=validation, progress=_under("older events", progress))
        rows, n_asked = self._training_rows(first, known, asked, before, held, progress)
        if not len(rows) or rows.label(CHOSEN).all():
            raise DataError(
                f"{self.candidates} finds none of {n_asked} acts among its {self.n_candidates} candidates, or none beside them, so the "
                "ranker has nothing to tell apart: raise n_candidates, or take other candidates"
            )
        validated = None if validation is None else self._validation_rows(first, validation, progress)
        ranker = self._new_ranker().fit(rows, validation=validated, progress=_under("ranker", progress))
        self._know_items(train, train.n_items)
        self._first = _settled(first).fit(train, progress=_under("all events", progress))
        self.items, self._ranker, self._task = train.vocabulary, ranker, ranker.tasks.index(CHOSEN)
        self._recall = float(rows.label(CHOSEN).sum()) / n_asked
        return self

    def settled(self) -> Self:
        """An unfitted model of two settled ones; raises NotFittedError."""
        self._check_fitted()
        return dataclasses.replace(self, fields=self._written(_settled(self._first), _settled(self._ranker)))

    @property
    def recall(self) -> float:
        """The share of the newest acts that the first stage found among its candidates when it had not seen them; NaN after `of`."""
        self._check_fitted()
        return self._recall

    def score(self, histories: SequenceDataset, request_times: Int64[np.ndarray, " B"] | None = None) -> Float32[np.ndarray, "B N"]:
        """Candidates have the probability that the ranker gives them, all other items less, in the order of the first stage.

        Where diversity or a cap moves an item up, those behind it have at most its probability. A history of which nothing is known is
        answered by the first stage alone.
        """
        check_histories(self, histories)
        scores = np.empty((len(histories), histories.n_items), np.float32)
        for start, part, times in _parts(_known(histories), request_times, _rows_at_once(histories.n_items)):
            table = _ranked(self._first.score(part, times))
            found = self._of_table(table, part)
            scores[start : start + len(part)] = scores_above(table, found, self._answers(found, part, times))
        return scores

    def retrieve(
        self, histories: SequenceDataset, k: int, *, request_times: Int64[np.ndarray, " B"] | None = None, exclude_seen: bool = True
    ) -> tuple[Int32[np.ndarray, "B K"], Float32[np.ndarray, "B K"]]:
        """The k largest of `score`, but for rounding; without a score for every item where the first stage can do without."""
        check_histories(self, histories)
        if k < 1:
            raise ConfigError(f"k must be at least 1, got {k}")
        indexes, scores = np.zeros((len(histories), k), np.int32), np.full((len(histories), k), -np.inf, np.float32)
        if not isinstance(self._first, Retriever):
            for start, part, times in _parts(histories, request_times, _rows_at_once(histories.n_items)):
                found, values = top_k(masked(self.score(part, times), part, repeat=not exclude_seen), k)
                indexes[start : start + len(part), : found.shape[1]], scores[start : start + len(part), : found.shape[1]] = found, values
            return indexes, scores
        for start, part, times in _parts(_known(histories), request_times, _RETRIEVED_AT_ONCE):
            listed, values = self._retrieved(self._first, part, times, k, exclude_seen)
            indexes[start : start + len(part), : listed.shape[1]], scores[start : start + len(part), : listed.shape[1]] = listed, values
        return indexes, scores

    def state(self) -> Mapping[str, np.ndarray]:
        self._check_fitted()
        parts = {f"{name}.{key}": array for name, part in self._named_parts() for key, array in part.state().items()}
        return {
            **parts,
            "task": np.array(self._task),
            "codes": self._codes,
            "vectors": self._vectors,
            "recall": np.array(self._recall),
        }

    def restore(self, items: Vocabulary, state: Mapping[str, np.ndarray]) -> Self:
        """The inverse of `state`; raises RunError where it knows another number of items."""
        codes = np.array(state["codes"])
        if codes.shape != (len(items),):
            raise RunError(f"codes of TwoStage must have shape {(len(items),)} for its items, got {codes.shape}; fit and save it again")
        self._first, self._ranker = self._new_first(), self._new_ranker()
        for name, part in self._named_parts():
            part.restore(items, {key.removeprefix(f"{name}."): array for key, array in state.items() if key.startswith(f"{name}.")})
        self.items, self._codes, self._vectors = items, codes, np.array(state["vectors"])
        self._task, self._recall = int(state["task"]), float(state["recall"])
        return self

    # ---- the parts

    def _named_parts(self) -> tuple[tuple[str, Recommender | ClickModel], ...]:
        return ((_PARTS[0], self._first), (_PARTS[1], self._ranker))

    def _new_first(self) -> Recommender:
        if self.candidates == "two_stage":
            raise ConfigError("candidates cannot be two_stage itself; name the model that finds candidates")
        return self._new("candidates", self.candidates, catalog.recommender)

    def _new_ranker(self) -> ClickModel:
        return self._new("ranker", self.ranker, catalog.click_model)

    def _new(self, part: str, name: str, make: Any, *, default: bool = False) -> Any:
        given = {} if default else self._settings()[part]
        try:
            has_seed = any(f.name == "seed" and f.init for f in dataclasses.fields(catalog.model_class(name)))
            return make(name, **({"seed": self.seed} if has_seed else {}) | given)
        except ConfigError as error:
            raise ConfigError(f"{part} is {name!r}: {error}") from error

    def _settings(self) -> dict[str, dict[str, str]]:
        """The given hyper-parameters of both parts; raises ConfigError."""
        settings: dict[str, dict[str, str]] = {part: {} for part in _PARTS}
        for text in re.split(r",(?=\s*(?:candidates|ranker)\.\w+\s*=)", self.fields) if self.fields.strip() else []:
            found = _SETTING.fullmatch(text)
            if found is None or found["part"] not in settings:
                raise ConfigError(f"fields must be of the form 'candidates.neighbours=50,ranker.trees=100', got {text!r}")
            settings[found["part"]][found["field"]] = found["value"].strip()
        return settings

    def _written(self, first: Recommender, ranker: ClickModel) -> str:
        """The hyper-parameters of two models as `fields`, where they are not what they would be without."""
        written = []
        for part, name, model, make in (
            ("candidates", self.candidates, first, catalog.recommender),
            ("ranker", self.ranker, ranker, catalog.click_model),
        ):
            defaults = hyperparameters(self._new(part, name, make, default=True))
            written += [f"{part}.{key}={value}" for key, value in hyperparameters(model).items() if value != defaults[key]]
        return ",".join(written)

    def _check_fitted(self) -> None:
        if not hasattr(self, "_task"):
            raise NotFittedError("TwoStage is not fitted: call fit(train), or join fitted models with TwoStage.of")

    # ---- what the ranker learns from

    def _held(self, known: SequenceDataset) -> tuple[Bool[np.ndarray, " E"], Int64[np.ndarray, " E"]]:
        """Which events are the newest of their user, never all of them; and how many of the user's events are strictly older than each."""
        lengths = known.lengths
        n_held = np.minimum(np.maximum(1, np.round(self.newest * lengths)), np.maximum(0, lengths - 1)).astype(np.int64)
        place = np.arange(known.n_events) - known.offsets[known.rows]
        if known.times is None:
            before = place
        else:
            fresh = place == 0
            fresh[1:] |= known.times[1:] != known.times[:-1]
            before = np.maximum.accumulate(np.where(fresh, np.arange(known.n_events), 0)) - known.offsets[known.rows]
        return place >= (lengths - n_held)[known.rows], before

    def _training_rows(
        self,
        first: Recommender,
        known: SequenceDataset,
        asked: Int64[np.ndarray, " A"],
        before: Int64[np.ndarray, " E"],
        held: Bool[np.ndarray, " E"],
        progress: Progress | None,
    ) -> tuple[Impressions, int]:
        """The acts that the first stage finds, each beside candidates that the user does not take later; and how many acts were asked."""
        if len(asked) > _MOST_ASKED:
            asked = np.sort(np.random.default_rng([self.seed, 1]).choice(asked, _MOST_ASKED, replace=False))
        users = known.rows[asked].astype(np.int64)
        taken = np.unique(known.rows[held].astype(np.int64) * known.n_items + known.items[held])
        times = None if known.times is None else known.times[asked]
        rows = self._compared(
            first,
            lambda start, stop: known.prefixes(users[start:stop], before[asked[start:stop]]),
            times,
            np.arange(len(asked)),
            known.items[asked],
            users,
            taken,
            progress,
        )
        events = np.where(rows.labels > 0, asked[rows.acts], -1)
        return self._impressions(rows, known, users, before[asked], times, events), len(asked)

    def _validation_rows(self, first: Recommender, validation: Holdout, progress: Progress | None) -> Impressions | None:
        known = _known(validation.histories)
        histories = np.repeat(np.arange(len(known)), np.diff(validation.offsets))
        taken = np.unique(histories * known.n_items + validation.items)
        owners = np.arange(len(known))
        some = np.flatnonzero(known.lengths[histories] > 0)
        if not len(some):
            return None
        if len(some) > _MOST_ASKED:
            some = np.sort(np.random.default_rng([self.seed, 3]).choice(some, _MOST_ASKED, replace=False))
        histories, items = histories[some], validation.items[some]
        rows = self._compared(first, known.between, validation.request_times, histories, items, owners, taken, progress)
        if not (rows.labels > 0).any() or (rows.labels > 0).all():
            return None
        times = _asked_at(known, validation.request_times)
        times = None if times is None else times[histories]
        return self._impressions(rows, known, histories, known.lengths[histories], times, None)

    def _compared(
        self,
        first: Recommender,
        histories: Callable[[int, int], SequenceDataset],
        request_times: Int64[np.ndarray, " B"] | None,
        answered: Int64[np.ndarray, " A"],
        answers: Int32[np.ndarray, " A"],
        owners: Int64[np.ndarray, " B"],
        taken: Int64[np.ndarray, " T"],
        progress: Progress | None,
    ) -> _Rows:
        """Each answer that is a candidate of its history, and candidates drawn uniformly from those that the owner never takes.

        histories: of B, those from start to stop. answered: the history of each answer, ascending. taken: owner x N + item.
        """
        rng = np.random.default_rng([self.seed, 2])
        n_items = len(first.items)
        retrieving = _retrieves(first, n_items)
        made = []
        step = _RETRIEVED_AT_ONCE if retrieving else _rows_at_once(n_items)
        for start in range(0, len(owners), step):
            part = histories(start, min(start + step, len(owners)))
            times = None if request_times is None else request_times[start : start + step]
            found = self._of_index(first, part, times) if retrieving else self._of_table(_ranked(first.score(part, times)), part)
            low, high = (int(place) for place in np.searchsorted(answered, [start, start + len(part)]))
            rows = answered[low:high] - start
            own = found.items[rows]  # (A, C)
            at = own == answers[low:high, None]
            hit = np.flatnonzero(at.any(axis=1))
            own, rows, right = own[hit], rows[hit], at[hit].argmax(axis=1)
            keys = owners[start + rows][:, None] * n_items + own
            draws = rng.random((len(at), 2 * self.n_candidates))[hit, : own.shape[1]]  # the same however histories are cut into chunks
            draws[(own == 0) | np.isin(keys, taken)] = 2.0
            n_drawn = min(self.negatives, own.shape[1])
            drawn = np.argsort(draws, axis=1, kind="stable")[:, :n_drawn]
            places = np.concatenate([right[:, None], drawn], axis=1)  # (A, 1 + S)
            real = np.take_along_axis(draws, drawn, axis=1) < 1
            entry, column = np.nonzero(np.concatenate([np.ones((len(hit), 1), bool), real], axis=1))
            place = places[entry, column]
            standard = found.standard[rows[entry], place]
            labels = (column == 0).astype(np.float32)
            made.append(_Rows(low + hit[entry], own[entry, place], labels, np.log2(1.0 + place), standard))
            if progress is not None:
                progress("finding candidates", start + len(part), len(owners))
        return _Rows(*(np.concatenate([getattr(some, f.name) for some in made]) for f in dataclasses.fields(_Rows)))

    def _impressions(
        self,
        rows: _Rows,
        known: SequenceDataset,
        trails: Int64[np.ndarray, " A"],
        lengths: Int64[np.ndarray, " A"],
        times: Int64[np.ndarray, " A"] | None,
        events: Int64[np.ndarray, " R"] | None,
    ) -> Impressions:
        labels = {CHOSEN: rows.labels}
        asked_at = None if times is None else times[rows.acts]
        return _impressions(
            known, trails[rows.acts], lengths[rows.acts], rows.items, rows.rank, rows.score, asked_at, rows.acts, labels, events
        )

    # ---- candidates and their order

    def _of_table(self, table: Float32[np.ndarray, "B N"], part: SequenceDataset) -> Candidates:
        unseen = top_k(masked(table.copy(), part, repeat=False), self.n_candidates)
        return merged(top_k(table, self.n_candidates), unseen, part)

    def _of_index(self, first: Any, part: SequenceDataset, times: Int64[np.ndarray, " B"] | None) -> Candidates:
        k = min(self.n_candidates, part.n_items - 1)
        unseen, every = (first.retrieve(part, k, request_times=times, exclude_seen=exclude) for exclude in (True, False))
        return merged(every, unseen, part)

    def _answers(self, found: Candidates, part: SequenceDataset, times: Int64[np.ndarray, " B"] | None) -> Float32[np.ndarray, "B C"]:
        """Scores of candidates, distinct in every row; -inf where there is none, or where nothing is known to rank them by."""
        real = (found.items > 0) & (part.lengths > 0)[:, None]
        likely = np.full(real.shape, -np.inf)
        rows, columns = np.nonzero(real)
        standard, asked_at = found.standard, _asked_at(part, times)
        for start in range(0, len(rows), _RANKED_AT_ONCE):
            b, c = rows[start : start + _RANKED_AT_ONCE], columns[start : start + _RANKED_AT_ONCE]
            asked = None if asked_at is None else asked_at[b]
            items = found.items[b, c]
            told = _impressions(part, b, part.lengths[b], items, np.log2(1.0 + c), standard[b, c], asked, b, {}, None)
            likely[b, c] = self._ranker.predict(told)[:, self._task]
        order = np.argsort(-likely, axis=1, kind="stable")  # places of the first stage, best first
        if self.diversity > 0 or self.per_category > 0:
            seen = seen_among(found.items, part)
            for row in range(len(order)):
                order[row] = self._reordered(order[row], found.items[row], likely[row], seen[row])
        return falling(likely, order)

    def _reordered(
        self,
        order: Int64[np.ndarray, " C"],
        items: Int32[np.ndarray, " C"],
        likely: Float64[np.ndarray, " C"],
        seen: Bool[np.ndarray, " C"],
    ) -> Int64[np.ndarray, " C"]:
        """Unseen candidates change places among themselves; seen ones stay, for whether they are listed is not known here."""
        slots = np.flatnonzero(~seen[order] & np.isfinite(likely[order]))
        unseen = order[slots]
        if not len(unseen):
            return order
        if self.diversity > 0:
            values = likely[unseen]  # falling
            relevance = (values - values[-1]) / (values[0] - values[-1]) if values[0] > values[-1] else np.zeros(len(values))
            alike = self._likeness(items[unseen])
            chosen = (mmr if self.diversify == "mmr" else dpp)(relevance, alike, self.listed, 1 - self.diversity)
            rest = np.ones(len(unseen), bool)
            rest[chosen] = False
            unseen = np.concatenate([unseen[chosen], unseen[rest]])
        if self.per_category > 0:
            head = within_cap(self._codes[items[unseen]][None], self.per_category)[0]
            head &= np.cumsum(head) <= self.listed
            unseen = np.concatenate([unseen[head], unseen[~head]])
        changed = order.copy()
        changed[slots] = unseen
        return changed

    def _likeness(self, items: Int32[np.ndarray, " C"]) -> Float64[np.ndarray, "C C"]:
        """Of items in pairs, at most 1: the mean of "of one category" and of the cosine of their vectors, whichever are known."""
        parts = []
        if self._codes.any():
            codes = self._codes[items]
            parts.append((codes[:, None] == codes) & (codes > 0)[:, None])
        if self._vectors.shape[1]:
            vectors = self._vectors[items].astype(np.float64)
            parts.append(vectors @ vectors.T)
        alike = np.mean(parts, axis=0) if parts else np.zeros((len(items), len(items)))
        if self.diversify == "dpp":
            alike *= 1 - _DISTINCT
        np.fill_diagonal(alike, 1.0)
        return alike

    def _know_items(self, data: SequenceDataset | None, n_items: int) -> None:
        """Categories, and vectors where diversity reads them: of what is written about the items, else of who took them."""
        features = None if data is None else data.item_features
        self._codes = np.zeros(n_items, np.int64) if features is None else category_codes(features.categories)
        if self.per_category > 0 and not self._codes.any():
            raise ConfigError(f"per_category={self.per_category} needs categories, and the items of the log have none; set it to 0")
        self._vectors = np.zeros((n_items, 0), np.float32)
        if self.diversity > 0 and data is not None:
            self._vectors = likeness_vectors(data, self.seed, or_takers=not self._codes.any())

    def _retrieved(
        self, first: Any, part: SequenceDataset, times: Int64[np.ndarray, " B"] | None, k: int, exclude_seen: bool
    ) -> tuple[Int32[np.ndarray, "B K"], Float32[np.ndarray, "B K"]]:
        found = self._of_index(first, part, times)
        answers = self._answers(found, part, times)
        items = np.where(np.isfinite(answers), found.items, 0)
        if exclude_seen:
            answers = np.where(seen_among(items, part), -np.inf, answers)
        if (np.isfinite(answers).sum(axis=1) >= k).all():
            return best_of(items, answers, k)
        most = k + items.shape[1] + int(part.lengths.max(initial=0))
        others = first.retrieve(part, min(most, part.n_items - 1), request_times=times, exclude_seen=False)[0]
        n_items, rows = part.n_items, np.arange(len(part))[:, None]
        fresh = (others > 0) & ~np.isin(rows * n_items + others, rows * n_items + items)
        below = floor_of(answers) - np.cumsum(fresh, axis=1) / n_items
        usable = fresh & ~seen_among(others, part) if exclude_seen else fresh
        every = np.concatenate([items, others], axis=1)
        return best_of(every, np.concatenate([answers, np.where(usable, below, -np.inf)], axis=1), k)


def _known(histories: SequenceDataset) -> SequenceDataset:
    """Without events of unknown items, which nobody can learn from: a length that counted them would tell."""
    known = histories.items > 0
    return histories if known.all() else histories.where(known)


def _parts(
    histories: SequenceDataset, request_times: Int64[np.ndarray, " B"] | None, rows: int
) -> Iterator[tuple[int, SequenceDataset, Int64[np.ndarray, " b"] | None]]:
    for start in range(0, len(histories), rows):
        yield start, histories.between(start, start + rows), None if request_times is None else request_times[start : start + rows]


def _rows_at_once(n_items: int) -> int:
    return max(1, _SCORE_BYTES // (32 * n_items))


def _retrieves(first: Recommender, n_items: int) -> bool:
    return n_items > RETRIEVE_FROM and isinstance(first, Retriever)


def _asked_at(histories: SequenceDataset, request_times: Int64[np.ndarray, " B"] | None) -> Int64[np.ndarray, " B"] | None:
    """When each history is asked about, after its newest event: requests may carry the very time of that."""
    if request_times is None or histories.times is None or not histories.n_events:
        return request_times
    newest = histories.times[np.maximum(histories.offsets[1:] - 1, 0)]
    return np.where(histories.lengths > 0, np.maximum(request_times, newest + 1), request_times)


def _impressions(
    histories: SequenceDataset,
    rows: Int64[np.ndarray, " R"],
    lengths: Int64[np.ndarray, " R"],
    items: Int32[np.ndarray, " R"],
    rank: Float64[np.ndarray, " R"],
    score: Float64[np.ndarray, " R"],
    times: Int64[np.ndarray, " R"] | None,
    requests: Int64[np.ndarray, " R"],
    labels: Mapping[str, Float32[np.ndarray, " R"]],
    events: Int64[np.ndarray, " R"] | None,
) -> Impressions:
    context = pa.table({RANK: rank, SCORE: score})
    about = {"source": "candidates of a first stage", "computed": (RANK, SCORE)}
    return Impressions(
        histories, rows, lengths, items, labels, context, pa.table({}), pa.table({}), times, requests, None, events, about=about
    )


def _ranked(table: Float32[np.ndarray, "B N"]) -> Float32[np.ndarray, "B N"]:
    """Scores with -inf at padding and where they are NaN."""
    table = np.where(np.isnan(table), -np.inf, table).astype(np.float32, copy=False)
    table[:, 0] = -np.inf
    return table


def _settled(model: Any) -> Any:
    return model.settled() if isinstance(model, Settled) else type(model)(**hyperparameters(model))


def _under(label: str, progress: Progress | None) -> Progress | None:
    return None if progress is None else lambda what, done, total: progress(f"{label}: {what}", done, total)
