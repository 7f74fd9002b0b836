"""Gradient boosted trees on features made by hand from the history: counts, shares, recency, and how items did before.

Ke et al., "LightGBM: a highly efficient gradient boosting decision tree", NeurIPS 2017; for clicks He et al., "Practical lessons from
predicting clicks on ads at Facebook", ADKDD 2014 (https://doi.org/10.1145/2648584.2648589). How an item did before an impression is counted
in the order of time, as in Prokhorenkova et al., "CatBoost", NeurIPS 2018 (https://arxiv.org/abs/1706.09516).

**Differs from the paper:** trees give the probability themselves, no logistic regression is put on top of their leaves; one model a task.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from footpath.errors import ConfigError, NotFittedError
from footpath.events.contract import EVENT_TYPES
from footpath.models.features import Features
from footpath.models.responses import check_impressions, labelled, named_columns
from footpath.progress import Progress
from footpath.sequences.impressions import Impressions
from footpath.sequences.vocabulary import Vocabulary

SEARCH_SPACE: Final = {
    "leaves": (7, 127, "log"),
    "learning_rate": (0.02, 0.2, "log"),
    "fewest": (10, 500, "log"),
    "l2": (0.01, 100.0, "log"),
}

_PRIOR: Final = 20.0  # impressions at the rate of all that are added to those of an item
_MOST_CODES: Final = 256  # of a category that trees split by its codes
_ROWS_AT_ONCE: Final = 16_384
_PATIENCE: Final = 30
_RECENT: Final = (1, 3, 10)


@dataclass
class GradientBoosting:
    """Trees one after another, each fitted to what those before leave.

    trees: at most so many where validation chooses. leaves: of a tree. fewest: training rows in a leaf. max_len: newest events of a history
    that features are made of. without: columns that are not read, separated by commas.
    """

    trees: int = 300
    leaves: int = 31
    learning_rate: float = 0.05
    fewest: int = 50
    l2: float = 1.0
    max_len: int = 200
    without: str = ""
    seed: int = 0
    items: Vocabulary = field(init=False, repr=False, compare=False)
    tasks: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _features: Features = field(init=False, repr=False, compare=False)
    _boosters: tuple[Any, ...] = field(init=False, repr=False, compare=False)
    _categories: Int64[np.ndarray, " N"] = field(init=False, repr=False, compare=False)
    _rates: Float32[np.ndarray, "M N 2"] = field(init=False, repr=False, compare=False)
    _best: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, least in (("trees", 1), ("leaves", 2), ("fewest", 1), ("max_len", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not 0 < self.learning_rate <= 1:
            raise ConfigError(f"learning_rate must be above 0 and at most 1, got {self.learning_rate}")
        if not 0 <= self.l2 < np.inf:
            raise ConfigError(f"l2 must be at least 0 and finite, got {self.l2}")

    def fit(self, train: Impressions, *, validation: Impressions | None = None, progress: Progress | None = None) -> Self:
        """With validation, as many trees as give the lowest log-loss there. Raises DataError."""
        import lightgbm

        labels = labelled(train, "GradientBoosting")
        self.items, self.tasks = train.vocabulary, tuple(labels)
        self._features = Features.fit(train, without=named_columns(self.without))
        self._categories = _category_of_items(self._features)
        shared = self._made(train)
        held = None if validation is None or not len(validation) else self._made(validation)
        boosters, rates, best = [], [], 1
        for number, (task, label) in enumerate(labels.items()):
            known = ~np.isnan(label)
            before, totals = _rates_before(train.items, label, train.times, train.histories.n_items)
            rates.append(totals)
            data = lightgbm.Dataset(self._with_rate(shared, before)[known], label[known], categorical_feature=self._categorical())
            sets, calls = [], [_watched(progress, number, len(labels), self.trees)]
            if held is not None and validation is not None and task in validation.labels:
                there = validation.label(task)
                told = ~np.isnan(there)
                sets = [lightgbm.Dataset(self._with_rate(held, totals[validation.items])[told], there[told], reference=data)]
                calls.append(lightgbm.early_stopping(_PATIENCE, verbose=False))
            booster = lightgbm.train(self._settings(), data, self.trees, valid_sets=sets, callbacks=calls)
            n_trees = booster.best_iteration if sets and booster.best_iteration > 0 else booster.current_iteration()
            best = max(best, n_trees)
            boosters.append(lightgbm.Booster(model_str=booster.model_to_string(num_iteration=n_trees)))
        self._boosters, self._rates, self._best = tuple(boosters), np.stack(rates), best
        return self

    def settled(self) -> Self:
        """An unfitted model with as many trees as validation chose, the most of any task; raises NotFittedError."""
        if not hasattr(self, "_best"):
            raise NotFittedError("GradientBoosting is not fitted, so no number of trees is chosen: call fit(train, validation=...) first")
        return dataclasses.replace(self, trees=self._best)

    def predict(self, rows: Impressions) -> Float64[np.ndarray, "R M"]:
        check_impressions(self, rows)
        if not len(rows):
            return np.zeros((0, len(self.tasks)))
        shared = self._made(rows)
        columns = [
            booster.predict(self._with_rate(shared, rates[rows.items]), num_threads=1)
            for booster, rates in zip(self._boosters, self._rates, strict=True)
        ]
        return np.stack(columns, axis=1).astype(np.float64)

    def state(self) -> Mapping[str, np.ndarray]:
        texts = json.dumps({"tasks": self.tasks, "boosters": [booster.model_to_string() for booster in self._boosters]})
        found = {"trees": np.frombuffer(texts.encode(), np.uint8), "categories": self._categories, "rates": self._rates}
        return {**found, "best": np.array(self._best), **self._features.state()}

    def restore(self, items: Vocabulary, state: Mapping[str, np.ndarray]) -> Self:
        import lightgbm

        told = json.loads(bytes(np.asarray(state["trees"])).decode())
        self.items, self.tasks, self._best = items, tuple(told["tasks"]), int(state["best"])
        self._boosters = tuple(lightgbm.Booster(model_str=text) for text in told["boosters"])
        self._categories, self._rates = np.array(state["categories"]), np.array(state["rates"])
        self._features = Features.restore(state)
        return self

    def names(self) -> list[str]:
        """Of the features, in their order."""
        columns = [c.name for c in self._features.categories if c.size <= _MOST_CODES] + [c.name for c in self._features.amounts]
        of_history = [f"{kind}.{what}" for kind in EVENT_TYPES for what in ("all", "category", "item")]
        recent = [f"category.in_last_{n}" for n in _RECENT]
        ago = ["category.events_ago", "category.seconds_ago", "item.events_ago", *(f"{kind}.ago" for kind in EVENT_TYPES)]
        return [*columns, *of_history, *recent, *ago, "rate"]

    def _settings(self) -> dict[str, Any]:
        return {
            "objective": "binary", "learning_rate": self.learning_rate, "num_leaves": self.leaves, "min_data_in_leaf": self.fewest,
            "lambda_l2": self.l2, "feature_fraction": 0.8, "seed": self.seed, "num_threads": 1, "deterministic": True,
            "force_row_wise": True, "verbosity": -1,
        }  # fmt: skip

    def _categorical(self) -> list[int]:
        return list(range(sum(c.size <= _MOST_CODES for c in self._features.categories)))

    def _made(self, rows: Impressions) -> Float32[np.ndarray, "R F"]:
        """All features but the rate, which differs by task."""
        encoded = self._features.encode(rows)
        small = [i for i, c in enumerate(self._features.categories) if c.size <= _MOST_CODES]
        amounts = np.where(encoded.missing, np.nan, encoded.amounts)
        parts = [encoded.codes[:, small].astype(np.float32), amounts.astype(np.float32)]
        found = [_of_history(rows, start, self._categories, self.max_len) for start in range(0, len(rows), _ROWS_AT_ONCE)]
        return np.concatenate([*parts, np.concatenate(found)], axis=1)

    def _with_rate(self, made: Float32[np.ndarray, "R F"], rates: Float32[np.ndarray, "R 2"]) -> Float32[np.ndarray, "R F+1"]:
        return np.concatenate([made, rates[:, :1]], axis=1)


def _category_of_items(features: Features) -> Int64[np.ndarray, " N"]:
    """The code of each item's category; where items have none, every item is of its own."""
    names = [column.name for column in features.categories if column.place == "item"]
    if "item.category" not in names:
        return np.arange(len(features.of_items.codes))
    return features.of_items.codes[:, names.index("item.category")].astype(np.int64)


def _of_history(rows: Impressions, start: int, categories: Int64[np.ndarray, " N"], max_len: int) -> Float32[np.ndarray, "r F"]:
    """Counts of events by type, of all, of the category and of the item that is asked about; how recent these, and each type, are."""
    histories, some = rows.histories, slice(start, start + _ROWS_AT_ONCE)
    trail, length, item = rows.rows[some], rows.lengths[some], rows.items[some]
    width = int(min(length.max(initial=0), max_len))
    n, kinds = len(item), len(EVENT_TYPES)
    counts = np.zeros((n, 3, kinds), np.float32)
    ago = np.full((n, 3 + kinds), np.nan, np.float32)
    timed = histories.times is not None and rows.times is not None
    recent = np.zeros((n, len(_RECENT)), np.float32)
    if width:
        stop = histories.offsets[trail] + length
        back = np.arange(1, width + 1)  # newest first
        real = back <= length[:, None]
        place = np.where(real, stop[:, None] - back, 0)
        seen = np.where(real, histories.items[place], -1)
        same_item = (seen == item[:, None]) & (item > 0)[:, None]
        category = categories[item]
        same = real & (categories[np.maximum(seen, 0)] == category[:, None]) & (category > 0)[:, None]
        kind = np.zeros_like(seen) if histories.types is None else histories.types[place]
        for code in range(kinds):
            of_kind = real & (kind == code)
            if of_kind.any():
                found, first = of_kind.any(axis=1), of_kind.argmax(axis=1)
                ago[found, 3 + code] = _seconds(rows, some, place, found, first) if timed else first[found] + 1
                counts[:, :, code] = np.stack([(of_kind & mask).sum(axis=1) for mask in (real, same, same_item)], axis=1)
        recent = np.stack([same[:, :k].sum(axis=1) for k in _RECENT], axis=1).astype(np.float32)
        for column, mask in ((0, same), (2, same_item)):
            found, first = mask.any(axis=1), mask.argmax(axis=1)
            ago[found, column] = first[found] + 1
            if column == 0 and timed:
                ago[found, 1] = _seconds(rows, some, place, found, first)
    return np.concatenate([counts.transpose(0, 2, 1).reshape(n, 3 * kinds), recent, ago], axis=1)


def _seconds(
    rows: Impressions, some: slice, place: Int64[np.ndarray, "r W"], found: Bool[np.ndarray, " r"], first: Int64[np.ndarray, " r"]
) -> Float64[np.ndarray, " f"]:
    """The logarithm of the seconds since the event at the first place of each row where one was found."""
    assert rows.histories.times is not None
    assert rows.times is not None
    newest = rows.histories.times[place[found, first[found]]]
    return np.log1p(np.maximum(0, rows.times[some][found] - newest) / 1e6)


def _rates_before(
    items: np.ndarray, label: Float32[np.ndarray, " R"], times: Int64[np.ndarray, " R"] | None, n_items: int
) -> tuple[Float32[np.ndarray, "R 2"], Float32[np.ndarray, "N 2"]]:
    """For each row the smoothed rate of its item among strictly earlier rows, and for each item that of all rows.

    Without times a row is held against the rows of the other four of five parts.
    """
    known = ~np.isnan(label)
    hit = np.where(known, label, 0.0).astype(np.float64)
    n, k = np.bincount(items, known, n_items), np.bincount(items, hit, n_items)
    base = hit.sum() / max(1.0, known.sum())
    if times is None:
        part = np.random.default_rng(0).permutation(len(items)) % 5
        cells = part * n_items + items
        own_n, own_k = np.bincount(cells, known, 5 * n_items), np.bincount(cells, hit, 5 * n_items)
        seen, hits = n[items] - own_n[cells], k[items] - own_k[cells]
    else:
        order = np.lexsort((times, items))
        fresh = np.ones(len(order), bool)
        fresh[1:] = (items[order][1:] != items[order][:-1]) | (times[order][1:] != times[order][:-1])
        first = np.maximum.accumulate(np.where(fresh, np.arange(len(order)), 0))  # of the rows of an item at one moment
        begins = np.ones(len(order), bool)
        begins[1:] = items[order][1:] != items[order][:-1]
        begin = np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))
        passed = [np.concatenate([[0.0], np.cumsum(column[order])]) for column in (known.astype(np.float64), hit)]
        seen, hits = np.empty(len(items)), np.empty(len(items))
        seen[order], hits[order] = (column[first] - column[begin] for column in passed)

    def smooth(hits: np.ndarray, seen: np.ndarray) -> Float32[np.ndarray, "n 2"]:
        return np.stack([(hits + _PRIOR * base) / (seen + _PRIOR), seen], axis=1).astype(np.float32)

    return smooth(hits, seen), smooth(k, n)


def _watched(progress: Progress | None, task: int, tasks: int, trees: int) -> Any:
    def tell(environment: Any) -> None:
        if progress is not None:
            progress("growing trees", task * trees + environment.iteration + 1, tasks * trees)

    return tell
