"""What is known of an impression beside its history, as numbers: categories become codes, amounts become standard scores.

Everything is fitted on training impressions alone, so that nothing later than the cut shapes what a model reads.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float32, Float64, Int32, Int64

from footpath.errors import ConfigError, DataError, did_you_mean
from footpath.sequences.dataset import ItemFeatures
from footpath.sequences.impressions import VALUE_TASK, Impressions
from footpath.sequences.vocabulary import arrow_numbers
from footpath.statistics import auc

Place = Literal["context", "user", "item", "moment"]

MOST_CATEGORIES: Final = 2**17
"""A column with more is hashed into so many buckets."""
FEWEST: Final = 2
"""Training impressions that a category needs; rarer ones are unknown, code 0."""
_MANY, _RARE = 1_000, 10  # whole numbers with more distinct values than the first, each fewer times than the second, are amounts
_TOLD_BY: Final = 0.99  # the AUC from which on a column alone is held to be recorded after the act
_MOST_CHECKED, _FEWEST_CHECKED = 200_000, 20
_FEWEST_APART: Final = 5  # users or lists that have rows of a class, in each half
_FEWEST_BINNED: Final = 50  # rows of a class in each half from which on an amount is taken apart
_HASHED_AT_ONCE: Final = 1 << 20
_BINS: Final = 64  # of an amount, when it is asked whether it tells a label
_STANDARD: Final = 8.0  # standard scores are kept within so many deviations
_DAY_US: Final = 86_400_000_000


@dataclass(frozen=True)
class Column:
    """How one column is read. categories: in the order of their codes, from 1; empty for amounts and where `hashed`.

    mean, deviation: of an amount, after log1p where `log`.
    """

    name: str
    place: Place
    kind: Literal["category", "amount"]
    categories: tuple[str, ...] = ()
    hashed: bool = False
    log: bool = False
    mean: float = 0.0
    deviation: float = 1.0

    @property
    def size(self) -> int:
        """Codes of a category, 0 for unknown among them."""
        return MOST_CATEGORIES + 1 if self.hashed else len(self.categories) + 1


@dataclass(frozen=True, eq=False)
class Encoded:
    """Codes of C category columns, 0 where unknown, and standard scores of F amounts, 0 where `missing`."""

    codes: Int32[np.ndarray, "R C"]
    amounts: Float32[np.ndarray, "R F"]
    missing: Bool[np.ndarray, "R F"]

    def take(self, rows: np.ndarray) -> Encoded:
        return Encoded(self.codes[rows], self.amounts[rows], self.missing[rows])


@dataclass(frozen=True, eq=False)
class Features:
    """Columns fitted on training impressions; those of items are kept encoded, a row for each index of the vocabulary."""

    columns: tuple[Column, ...]
    of_items: Encoded

    @classmethod
    def fit(cls, train: Impressions, *, without: Sequence[str] = ()) -> Features:
        """Every column of the context, the users and the items, and of the moment: hour, weekday, how long the history is and how long ago
        it ended. Text, booleans and whole numbers are categories (whole numbers with thousands of rare values are amounts), other numbers
        and times are amounts; categories seen once are unknown, and columns with more than 131,072 of them are hashed into as many buckets.

        without: names to leave out. Raises ConfigError where there is none of that name, DataError where a column alone tells a label, or
        an amount is infinite.
        """
        sources = _sources(train)
        for name in without:
            if sources.pop(name, None) is None:
                there_are = f"; there are: {', '.join(sources)}" if sources else ""
                raise ConfigError(f"no column {name!r} to leave out{did_you_mean(name, sources)}{there_are}")
        fitted = [_fitted(name, place, _values(train, (place, column))) for name, (place, column) in sources.items()]
        columns = tuple(column for column in fitted if column is not None)
        items = tuple(column for column in columns if column.place == "item")
        tables = {name: column for name, (place, column) in sources.items() if place == "item"}
        made = cls(columns, _encoded(items, tables, train.histories.n_items))
        _check_columns(made, train)
        return made

    @property
    def categories(self) -> tuple[Column, ...]:
        """In the order of the codes: those of context, users and the moment, then those of items."""
        return self._of("category")

    @property
    def amounts(self) -> tuple[Column, ...]:
        return self._of("amount")

    def _of(self, kind: str) -> tuple[Column, ...]:
        chosen = [column for column in self.columns if column.kind == kind]
        return tuple([c for c in chosen if c.place != "item"] + [c for c in chosen if c.place == "item"])

    def encode(self, rows: Impressions) -> Encoded:
        """A row for each impression; a column that is not there is unknown or missing in all. Raises DataError for an infinite amount."""
        sources = self._named(rows)
        direct = tuple(column for column in self.columns if column.place != "item")
        by_user = tuple(column for column in direct if column.place == "user")
        found = _encoded(tuple(c for c in direct if c.place != "user"), sources, len(rows))
        of_users = _encoded(by_user, sources, len(rows.histories)).take(rows.rows)
        order = [c for c in direct if c.place != "user"] + list(by_user)
        return _joined(direct, order, (found, of_users), self.of_items.take(rows.items))

    def _named(self, rows: Impressions) -> dict[str, Any]:
        """The columns by name; one that has the name of a moment's is read as that which was fitted."""
        found = {name: column for name, (place, column) in _sources(rows).items() if place != "item"}
        moments = _moments(rows)
        for column in self.columns:
            if column.name in moments:
                if column.place == "moment":
                    found[column.name] = moments[column.name]
                elif column.name not in rows.context.column_names:
                    del found[column.name]
        return found

    def absent(self, rows: Impressions) -> list[str]:
        """The columns that these impressions lack altogether."""
        there = {name for name, column in self._named(rows).items() if column.null_count < len(column)}
        return [column.name for column in self.columns if column.place in ("context", "user") and column.name not in there]

    def state(self) -> dict[str, np.ndarray]:
        text = json.dumps([vars(column) for column in self.columns], ensure_ascii=False)
        encoded = {f"features.items.{name}": array for name, array in vars(self.of_items).items()}
        return {"features.columns": np.frombuffer(text.encode(), np.uint8), **encoded}

    @classmethod
    def restore(cls, state: Mapping[str, np.ndarray]) -> Self:
        told = json.loads(bytes(np.asarray(state["features.columns"])).decode())
        columns = tuple(Column(**{**column, "categories": tuple(column["categories"])}) for column in told)
        return cls(columns, Encoded(*(np.array(state[f"features.items.{name}"]) for name in ("codes", "amounts", "missing"))))


def _sources(rows: Impressions) -> dict[str, tuple[Place, Any]]:
    """Every column by name: those of users and items begin with `user.` and `item.`."""
    computed = rows.about.get("computed", ())  # from what came before by whoever made the impressions: it cannot hold what came after
    found: dict[str, tuple[Place, Any]] = {name: ("moment", column) for name, column in _moments(rows).items()}
    found |= {name: ("moment" if name in computed else "context", rows.context[name]) for name in rows.context.column_names}
    found |= {f"user.{name}": ("user", rows.user_columns[name]) for name in rows.user_columns.column_names}
    categories = None if rows.histories.item_features is None else _categories(rows.histories.item_features)
    of_items: dict[str, tuple[Place, Any]] = {f"item.{name}": ("item", rows.item_columns[name]) for name in rows.item_columns.column_names}
    return found | of_items | ({} if categories is None else {"item.category": ("item", categories)})


def _moments(rows: Impressions) -> dict[str, pa.Array]:
    """What the clock and the history say of the moment."""
    found = {}
    if rows.times is not None:
        hours = rows.times // 3_600_000_000
        found["hour"] = pa.array(hours % 24)
        found["weekday"] = pa.array((hours // 24 + 3) % 7)  # 1970 began on a Thursday
    if rows.histories.n_events:
        found["history.length"] = pa.array(rows.lengths.astype(np.float64))
        if rows.times is not None and rows.histories.times is not None:
            found["history.pause"] = pa.array(_pauses(rows), from_pandas=True)
    return found


def _categories(features: ItemFeatures) -> pa.Array | None:
    return pa.array([name or None for name in features.categories], pa.string()) if any(features.categories) else None


def _pauses(rows: Impressions) -> Float64[np.ndarray, " R"]:
    """Seconds since the newest event of the history; NaN where it is empty."""
    assert rows.times is not None
    assert rows.histories.times is not None
    seen = rows.lengths > 0
    pauses = np.full(len(rows), np.nan)
    newest = rows.histories.offsets[rows.rows[seen]] + rows.lengths[seen] - 1
    pauses[seen] = np.maximum(0, rows.times[seen] - rows.histories.times[newest]) / 1e6
    return pauses


def _values(rows: Impressions, source: tuple[Place, Any]) -> Any:
    """The values of a column at the impressions."""
    place, column = source
    if place == "user":
        return column.take(arrow_numbers(rows.rows))
    return column.take(arrow_numbers(rows.items.astype(np.int64))) if place == "item" else column


def _fitted(name: str, place: Place, values: Any) -> Column | None:
    """How to read a column; None where it says nothing, for it has one value or none."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if values.null_count == len(values):
        return None
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    if not (pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_temporal(kind)):
        counts = pc.value_counts(pc.drop_null(_as_text(values, name)))
        n = counts.field("counts").to_numpy()
        if not (pa.types.is_integer(kind) and len(n) > _MANY and len(values) < _RARE * len(n)):
            if len(n) + (values.null_count > 0) < 2:
                return None
            frequent = counts.filter(pc.greater_equal(counts.field("counts"), FEWEST))
            if len(frequent) > MOST_CATEGORIES:
                return Column(name, place, "category", hashed=True)
            return Column(name, place, "category", tuple(sorted(frequent.field("values").to_pylist())))
    amounts = _amounts(values, name)
    known = amounts[~np.isnan(amounts)]
    if not len(known) or (len(known) == len(amounts) and (known == known[0]).all()):
        return None
    log = bool((known >= 0).all() and known.mean() > 2 * np.median(known) and known.max() > 10)
    known = np.log1p(known) if log else known
    return Column(name, place, "amount", log=log, mean=float(known.mean()), deviation=float(known.std()) or 1.0)


def _encoded(columns: Sequence[Column], tables: Mapping[str, Any], n: int) -> Encoded:
    categories = [column for column in columns if column.kind == "category"]
    amounts = [column for column in columns if column.kind == "amount"]
    codes = np.zeros((n, len(categories)), np.int32)
    for c, column in enumerate(categories):
        if column.name in tables:
            codes[:, c] = _codes(column, tables[column.name])
    standard, missing = np.zeros((n, len(amounts)), np.float32), np.ones((n, len(amounts)), bool)
    for f, column in enumerate(amounts):
        if column.name not in tables:
            continue
        values = _amounts(tables[column.name], column.name)
        missing[:, f] = np.isnan(values)
        values = np.log1p(np.maximum(values, 0)) if column.log else values
        standard[:, f] = np.nan_to_num(np.clip((values - column.mean) / column.deviation, -_STANDARD, _STANDARD))
    return Encoded(codes, standard, missing)


def _joined(direct: Sequence[Column], order: Sequence[Column], parts: Sequence[Encoded], items: Encoded) -> Encoded:
    """The parts side by side, in the order of the columns, those of items last."""

    def placed(kind: str, columns: list[np.ndarray]) -> list[np.ndarray]:
        wanted = [c.name for c in direct if c.kind == kind]
        have = [c.name for c in order if c.kind == kind]
        whole = np.concatenate(columns, axis=1)
        return [whole[:, [have.index(name) for name in wanted]]]

    return Encoded(
        np.concatenate([*placed("category", [part.codes for part in parts]), items.codes], axis=1),
        np.concatenate([*placed("amount", [part.amounts for part in parts]), items.amounts], axis=1),
        np.concatenate([*placed("amount", [part.missing for part in parts]), items.missing], axis=1),
    )


def _codes(column: Column, values: Any) -> Int32[np.ndarray, " n"]:
    text = _as_text(values, column.name)
    if column.hashed:
        encoded = text.dictionary_encode()
        buckets = np.empty(len(encoded.dictionary), np.int32)
        for start in range(0, len(buckets), _HASHED_AT_ONCE):
            words = encoded.dictionary[start : start + _HASHED_AT_ONCE].to_pylist()
            buckets[start : start + len(words)] = [zlib.crc32(word.encode()) % MOST_CATEGORIES + 1 for word in words]
        at = pc.fill_null(encoded.indices, -1).to_numpy()
        return np.where(at < 0, 0, buckets[at] if len(buckets) else 0).astype(np.int32)
    found = pc.index_in(text, value_set=pa.array(column.categories, pa.string()))
    return (pc.fill_null(found, -1).to_numpy().astype(np.int32)) + 1


def _as_text(values: Any, name: str) -> pa.Array:
    """Strings; a whole number that is held as a float, because some are missing, is written as a whole number.

    Raises DataError for what cannot be written, such as lists.
    """
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_floating(values.type):
        numbers = values.to_numpy(zero_copy_only=False)
        unknown = np.isnan(numbers)
        if np.all(unknown | ((np.abs(numbers) < 2**63) & (numbers == np.round(numbers)))):
            values = pa.array(np.where(unknown, 0, numbers).astype(np.int64), mask=unknown)
    try:
        return values.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"column {name!r} holds {values.type}, which is neither a category nor an amount: leave it out") from error


def _amounts(values: Any, name: str) -> Float64[np.ndarray, " n"]:
    """Numbers, NaN where missing; times become days. Raises DataError for infinity, or for what is no number."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    kind = values.type
    try:
        if pa.types.is_duration(kind):
            values = values.cast(pa.duration("us"), safe=False)
        elif pa.types.is_time(kind):
            values = values.cast(pa.time64("us"), safe=False)
        elif pa.types.is_temporal(kind):
            values = values.cast(pa.timestamp("us", kind.tz if pa.types.is_timestamp(kind) else None), safe=False)
        if pa.types.is_temporal(kind):
            return pc.fill_null(values.cast(pa.int64()).cast(pa.float64()), np.nan).to_numpy() / _DAY_US
        numbers = pc.fill_null(values.cast(pa.float64()), np.nan).to_numpy()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"column {name!r} held numbers when the model was fitted, and here it does not: {error}") from error
    if np.isinf(numbers).any():
        row = int(np.flatnonzero(np.isinf(numbers))[0])
        raise DataError(f"column {name!r} is infinite at row {row}: leave it empty where it is unknown")
    return numbers


def codes_of(features: Features) -> Int64[np.ndarray, " C"]:
    """How many codes each category column has."""
    return np.array([column.size for column in features.categories], np.int64)


def _check_columns(features: Features, train: Impressions) -> None:
    """Raises DataError where one column tells a label: nothing that was known before an act does. Judged on every other user by what the
    rest say, for what a user alone has may well tell that user's labels; on every other list where there are too few users."""
    n = min(len(train), _MOST_CHECKED)
    some = train.take(np.sort(np.random.default_rng(0).permutation(len(train))[:n]))
    encoded = features.encode(some)
    for task, label in some.labels.items():
        known = np.flatnonzero(~np.isnan(label))
        for numbers in _groupings(some):
            _, rank = np.unique(numbers[known], return_inverse=True)
            learned, held = known[rank % 2 == 0], known[rank % 2 == 1]
            enough = min(_fewest(task, label[half], numbers[half]) for half in (learned, held))
            if enough >= _FEWEST_CHECKED:
                break
        else:
            continue
        columns = [(c, _told(task, encoded.codes[:, i], label, learned, held)) for i, c in enumerate(features.categories)]
        for f, column in enumerate(features.amounts):
            values, missing = encoded.amounts[:, f], encoded.missing[:, f]
            found = [_told(task, missing.astype(np.int64), label, learned, held)]
            if enough >= _FEWEST_BINNED:
                found.append(_told(task, _bins(values, missing, learned), label, learned, held))
            found.append(_ordered(task, values[held], label[held]))
            columns.append((column, max(found)))
        for column, told in columns:
            if column.place != "moment" and told >= _TOLD_BY:
                by = "R2" if task == VALUE_TASK else "AUC"
                raise DataError(
                    f"column {column.name!r} alone tells {task!r} ({by} {told:.3f} on impressions that it was not fitted on): it was "
                    f"probably recorded after the act. Leave it out (without={column.name}), or keep what was known when the item was shown"
                )


def _groupings(rows: Impressions) -> list[Int64[np.ndarray, " R"]]:
    """The number of each row's user, unless every row has one of its own, and that of its list."""
    lists = np.arange(len(rows)) if rows.requests is None else rows.requests
    return [rows.rows, lists] if len(np.unique(rows.rows)) < len(rows) else [lists]


def _fewest(task: str, label: np.ndarray, numbers: np.ndarray) -> int:
    """Rows of the rarer class, of a rating half of all; 0 where they are of too few users or lists, by number, to tell these apart."""
    if task == VALUE_TASK:
        return len(label) // 2 if len(np.unique(label)) > 1 and len(np.unique(numbers)) >= 2 * _FEWEST_APART else 0
    classes = label > 0, label == 0
    return min(int(rows.sum()) for rows in classes) if all(len(np.unique(numbers[rows])) >= _FEWEST_APART for rows in classes) else 0


def _bins(values: np.ndarray, missing: np.ndarray, learned: np.ndarray) -> Int64[np.ndarray, " n"]:
    """Codes of an amount's quantiles, where a value that is frequent has one of its own; 0 where missing."""
    known = values[learned][~missing[learned]]
    if not len(known):
        return np.where(missing, 0, 1)
    edges = np.unique(np.quantile(known, np.linspace(0, 1, _BINS + 1), method="lower"))
    return np.where(missing, 0, 1 + np.searchsorted(edges, values, "left") + np.searchsorted(edges, values, "right"))


def _told(task: str, codes: np.ndarray, label: np.ndarray, learned: np.ndarray, held: np.ndarray) -> float:
    """How well the mean label of each code, learned on one half, tells the labels of the other: the AUC, of a rating the share of its
    variance."""
    size = int(codes.max(initial=0)) + 1
    n, total = np.bincount(codes[learned], minlength=size), np.bincount(codes[learned], label[learned], minlength=size)
    guess = ((total + label[learned].mean()) / (n + 1))[codes[held]]
    if task == VALUE_TASK:
        return 1 - float(np.mean((label[held] - guess) ** 2) / np.var(label[held]))
    return auc(label[held] > 0, guess)


def _ordered(task: str, values: np.ndarray, label: np.ndarray) -> float:
    """How well the label rises or falls with the values: the AUC, of a rating the squared correlation."""
    if np.ptp(values) == 0:
        return 0.0
    if task == VALUE_TASK:
        return float(np.corrcoef(values, label)[0, 1] ** 2)
    area = auc(label > 0, values)
    return max(area, 1 - area)
