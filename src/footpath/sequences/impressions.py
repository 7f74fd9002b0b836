"""Impressions: what was put before a user, what was known at that moment, and what came of it.

They come from a log of what was shown (`shown`), from ratings (`rated`), from what followed each history beside drawn items that did not
(`chosen`), or from a table whose rows are impressions already (`from_table`). Whatever the source, an impression sees the events of its
user that happened strictly before it, and nothing else: that is checked whenever impressions are made.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float32, Int8, Int32, Int64

from footpath.errors import ColumnError, ConfigError, DataError, NotInLogError, did_you_mean
from footpath.events.contract import EVENT_COLUMNS, EVENT_TYPES
from footpath.events.log import EventLog
from footpath.sequences.build import Aligned, aligned, item_features
from footpath.sequences.dataset import ItemFeatures, SequenceDataset
from footpath.sequences.splits import split_labels
from footpath.sequences.vocabulary import Vocabulary, arrow_numbers

SEARCHED: Final = "search: "
"""The beginning of an item id that stands for words that were searched."""
VALUE_TASK: Final = "rating"
"""The one task whose label is a value; that of every other is 0 or 1."""
LIKED: Final = "liked"
"""The task "was the rating at least the threshold?"."""
CHOSEN: Final = "chosen"
"""The task "did the user act on this item next?"."""

Sampling = Literal["uniform", "popularity"]

_EARLIEST_S, _LATEST_S = 631_152_000, 4_102_444_800  # 1990 and 2100

_NEVER_CONTEXT: Final = frozenset({*EVENT_COLUMNS, "session_id"}) - {"slot", "policy"}
_ITEM_TEXTS: Final = ("item_id", "title", "text", "attributes")


@dataclass(frozen=True, eq=False)
class Impressions:
    """R impressions, each of one item before one user.

    histories: B trails. rows: the trail of each impression. lengths: how many of its events came strictly before. items: indexes in the
    vocabulary; 0 where the item is unknown, or where the question is about the user alone. labels: by task, 0 or 1, or a value for
    `rating`; NaN where nobody knows. times: microseconds since 1970 UTC. requests: a number for each list that was shown together.
    context, item_columns, user_columns: what else was known, with a row for each impression, item (row 0 empty) and trail.
    given: codes of `footpath.sequences.splits.SPLIT_LABELS`, where the source comes with a split.
    events: the place among the trails' events of the act that is the impression itself, where it is one (a rating), else -1.
    causal: whether histories end strictly before; protocols for ratings that are not causal say so here. about: how these were made;
    `computed` in it names columns of the context that follow from the history alone, so that they may tell a label however well they do.
    Raises DataError where lengths differ, or where a history holds an event that is not older than its impression.
    """

    histories: SequenceDataset
    rows: Int64[np.ndarray, " R"]
    lengths: Int64[np.ndarray, " R"]
    items: Int32[np.ndarray, " R"]
    labels: Mapping[str, Float32[np.ndarray, " R"]]
    context: pa.Table
    item_columns: pa.Table
    user_columns: pa.Table
    times: Int64[np.ndarray, " R"] | None = None
    requests: Int64[np.ndarray, " R"] | None = None
    given: Int8[np.ndarray, " R"] | None = None
    events: Int64[np.ndarray, " R"] | None = None
    causal: bool = True
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.rows)
        columns: dict[str, Any] = {name: getattr(self, name) for name in ("lengths", "items", "times", "requests", "given", "events")}
        columns |= {f"labels of {task}": label for task, label in self.labels.items()}
        for name, column in columns.items():
            if column is not None and len(column) != n:
                raise DataError(f"{name} has {len(column)} entries for {n} impressions")
        tables = ((self.context, n, "impressions"), (self.item_columns, self.histories.n_items, "items and padding"))
        for table, wanted, what in (*tables, (self.user_columns, len(self.histories), "trails")):
            if table.num_columns and table.num_rows != wanted:
                raise DataError(f"columns {', '.join(table.column_names)} have {table.num_rows} rows for {wanted} {what}")
        if (self.lengths > self.histories.lengths[self.rows]).any() or (self.lengths < 0).any():
            row = int(np.flatnonzero((self.lengths > self.histories.lengths[self.rows]) | (self.lengths < 0))[0])
            raise DataError(f"impression {row} sees {self.lengths[row]} events, and its trail has {self.histories.lengths[self.rows[row]]}")
        if self.causal:
            _check_strictly_before(self)

    def __len__(self) -> int:
        """R: the number of impressions."""
        return len(self.rows)

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(self.labels)

    @property
    def vocabulary(self) -> Vocabulary:
        return self.histories.vocabulary

    def take(self, chosen: np.ndarray) -> Impressions:
        """The impressions at these places, in this order, or where true; all trails stay."""
        places = np.flatnonzero(chosen) if chosen.dtype == bool else np.asarray(chosen, np.int64)
        columns = {name: None if (c := getattr(self, name)) is None else c[places] for name in ("times", "requests", "given", "events")}
        return dataclasses.replace(
            self,
            rows=self.rows[places],
            lengths=self.lengths[places],
            items=self.items[places],
            labels={task: label[places] for task, label in self.labels.items()},
            context=self.context.take(arrow_numbers(places)) if self.context.num_columns else self.context,
            **columns,  # type: ignore[arg-type]
        )

    def chunks(self, size: int) -> Iterator[Impressions]:
        """The impressions in parts of at most that many."""
        for start in range(0, len(self), size):
            yield self.take(np.arange(start, min(start + size, len(self))))

    def asked(self) -> tuple[SequenceDataset, Int64[np.ndarray, " R"]]:
        """The distinct histories, each once however many items were shown after it, and which of them is that of each impression."""
        keys, which = np.unique(self.rows * (int(self.lengths.max(initial=0)) + 1) + self.lengths, return_inverse=True)
        rows, lengths = np.divmod(keys, int(self.lengths.max(initial=0)) + 1)
        return self.histories.prefixes(rows, lengths), which

    def label(self, task: str) -> Float32[np.ndarray, " R"]:
        """Raises ConfigError for a task that these impressions have no labels of."""
        if task not in self.labels:
            there_are = f"; there are: {', '.join(self.labels)}" if self.labels else ", and these impressions have no labels"
            raise ConfigError(f"no labels of task {task!r}{did_you_mean(task, self.labels)}{there_are}")
        return self.labels[task]

    def with_tasks(self, tasks: Sequence[str]) -> Impressions:
        """Of these tasks alone, in this order; rows where none of them is known are left out."""
        labels = {task: self.label(task) for task in tasks}
        known = ~np.isnan(np.stack(list(labels.values()))).all(axis=0) if labels else np.ones(len(self), bool)
        kept = dataclasses.replace(self, labels=labels)
        return kept if known.all() else kept.take(known)


def shown(
    log: EventLog,
    *,
    labels: Sequence[str] = ("click",),
    context: Sequence[str] | None = None,
    history_types: Sequence[str] | None = None,
    queries: bool = True,
    seed: int = 0,
) -> Impressions:
    """One impression for each item of each list that the log says was shown; its labels say which acts followed on the same list.

    labels: event types; 1 where the log has such an act with the impression's request and item. In a log without acts that carry a request,
    the impression's `value`, 0 or 1, is the label of the one type that is asked for. All items of a list are asked about at the moment of
    its first impression, or of the first act on one of them where clocks put that before it, so that no act on a list is in the history of
    another item of it. context: columns known when it was shown; None for the slot, the policy and every column beyond the contract that
    impressions fill.
    history_types: of the events in histories; None for all but impressions. queries: whether a search whose words are in a column `query`
    is an event on these words (an item `search: WORDS` of the vocabulary, in the category that is called so, if one is).
    Raises NotInLogError without impressions, ConfigError, DataError.
    """
    _check_types(labels, "labels")
    if not labels:
        raise ConfigError("labels must name at least one event type, such as click")
    acts = log.table
    impressions = acts.filter(acts.event_type == "impression")
    chosen_context = _context_columns(log, impressions, context)
    wanted = ["user_id", "item_id", "position", "request_id", "value", *(["timestamp"] if log.has_clock else []), *_labelled(log)]
    rows = impressions.select(list(dict.fromkeys([*wanted, *chosen_context]))).order_by(["user_id", "position"]).to_pyarrow()
    without_item = rows["item_id"].null_count
    rows = rows.filter(pc.is_valid(rows["item_id"]))
    if not rows.num_rows:
        on_items = f" on items among its {without_item}" if without_item else ""
        raise NotInLogError(
            f"log {log.name!r} has no impressions{on_items}, so nobody knows what was shown and not acted on: take what followed each "
            "history, with drawn items beside it (examples=next), or ratings (examples=ratings)"
        )
    answers = _answers(log)
    label_of, how = _labels_of_lists(log, rows, answers, labels)
    read = _aligned_or_none(_with_queries(log) if queries else log, history_types, seed)
    order = rows["timestamp"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()) if log.has_clock else rows["position"]
    moments = _first_of_list(order.to_numpy(), rows, answers)
    about = {"source": "impressions of the log", "labels": how, "left_out": {"impressions_without_item": without_item}}
    return _made(log, read, rows, moments, label_of, chosen_context, about, seed, timed=log.has_clock)


def rated(
    log: EventLog,
    *,
    threshold: float | None = None,
    context: Sequence[str] | None = None,
    history_types: Sequence[str] | None = None,
    seed: int = 0,
) -> Impressions:
    """One impression for each rating with a value: tasks `rating`, the value, and, with a threshold, `liked`, whether it reaches that.

    In a log without ratings, every act with a value counts as one, and that is said. Events at the very time of a rating are not in its
    history, for nobody knows their order. Raises NotInLogError without ratings.
    """
    if threshold is not None and not np.isfinite(threshold):
        raise ConfigError(f"threshold must be a finite number, got {threshold}")
    acts = log.table
    valued = acts.filter(acts.value.notnull() & acts.item_id.notnull() & (acts.event_type != "impression"))
    ratings, source = valued.filter(valued.event_type == "rating"), "ratings of the log"
    if not ratings.limit(1).count().to_pyarrow().as_py():
        ratings, source = valued, "acts of the log with a value, which has no ratings"
    chosen_context = [] if context is None else _context_columns(log, ratings, context)
    wanted = ["user_id", "item_id", "position", "value", *(["timestamp"] if log.has_clock else []), *_labelled(log)]
    rows = ratings.select(list(dict.fromkeys([*wanted, *chosen_context]))).order_by(["user_id", "position"]).to_pyarrow()
    if not rows.num_rows:
        raise NotInLogError(f"log {log.name!r} has no ratings with a value; other logs: examples=impressions, or examples=next")
    value = rows["value"].to_numpy().astype(np.float32)
    labels = {VALUE_TASK: value}
    if threshold is not None:
        labels[LIKED] = (value >= threshold).astype(np.float32)
    order = rows["timestamp"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()) if log.has_clock else rows["position"]
    about = {"source": source, "labels": "the rating" if threshold is None else f"the rating; liked: at least {threshold:g}"}
    read = _aligned_or_none(log, history_types, seed)
    return _made(log, read, rows, order.to_numpy(), labels, chosen_context, about, seed, timed=log.has_clock, own_events=True)


def chosen(
    log: EventLog,
    *,
    negatives: int = 4,
    sampling: Sampling = "uniform",
    target_types: Sequence[str] | None = None,
    history_types: Sequence[str] | None = None,
    seed: int = 0,
) -> Impressions:
    """For each act after a user's first: the item of the act, label 1, and drawn items that were not it, label 0, after the same history.

    The drawn ones were not shown, or nobody knows: what is learned is how likely an act is on this item rather than on one of
    `negatives` others, drawn uniformly from the catalogue or in proportion to the acts on them, and not how likely an act is.
    target_types: of the acts that are asked about; `history_types`, where given, must hold them. Raises ConfigError, DataError.
    """
    if negatives < 1:
        raise ConfigError(f"negatives must be at least 1, got {negatives}")
    if sampling not in get_args(Sampling):
        raise ConfigError(f"sampling must be one of {', '.join(get_args(Sampling))}, got {sampling!r}")
    if target_types is not None:
        _check_types(target_types, "target_types")
        for name in target_types:
            if history_types is not None and name not in history_types:
                raise ConfigError(f"target_types are chosen among the events of histories, and history_types lacks {name!r}: add it")
    labelled = "split" not in log.empty
    read = aligned(log, ("split",) if labelled else (), event_types=history_types, seed=seed)
    data = read.dataset
    asked = data.items > 0
    if target_types is not None:
        assert data.types is not None
        asked &= np.isin(data.types, [EVENT_TYPES.index(name) for name in target_types])
    return chosen_of(
        data,
        asked=asked,
        negatives=negatives,
        sampling=sampling,
        seed=seed,
        item_columns=_item_columns(log, data.vocabulary),
        user_columns=_user_columns(log, data.users),
        given=_given(read.columns["split"], log.name) if labelled else None,
    )


def chosen_of(
    data: SequenceDataset,
    *,
    asked: Bool[np.ndarray, " E"] | None = None,
    negatives: int = 4,
    sampling: Sampling = "uniform",
    seed: int = 0,
    item_columns: pa.Table | None = None,
    user_columns: pa.Table | None = None,
    given: Int8[np.ndarray, " E"] | None = None,
) -> Impressions:
    """`chosen` of sequences; asked: which of the events are asked about, all of known items where None. given: of each event, as there."""
    before = _strictly_before(data, data.rows, data.times if data.times is not None else np.arange(data.n_events), data.times is not None)
    asked = data.items > 0 if asked is None else asked & (data.items > 0)
    events = np.flatnonzero(asked & (before > 0))
    if not len(events):
        raise DataError(f"none of {len(data)} histories has an act after another one: there is nothing to choose from")
    if data.n_items < 3:
        raise DataError(f"drawing items that were not chosen needs at least two items, and the vocabulary has {data.n_items - 1}")
    drawn = _drawn(data, events, negatives, sampling, seed)
    items = np.concatenate([data.items[events][:, None], drawn], axis=1).astype(np.int32)  # (A, 1 + negatives)
    per = items.shape[1]
    label = np.zeros(items.shape, np.float32)
    label[:, 0] = 1
    places = np.repeat(events, per)
    own = np.full(items.shape, -1, np.int64)
    own[:, 0] = events
    return Impressions(
        data,
        data.rows[places].astype(np.int64),
        before[places],
        items.ravel(),
        {CHOSEN: label.ravel()},
        pa.table({}),
        pa.table({}) if item_columns is None else item_columns,
        pa.table({}) if user_columns is None else user_columns,
        None if data.times is None else data.times[places],
        np.repeat(np.arange(len(events)), per),
        None if given is None else given[places],
        own.ravel(),
        about={"source": f"acts of the log, beside {negatives} items each drawn {_IN_WORDS[sampling]}", "seed": seed},
    )


_IN_WORDS: Final = {"uniform": "uniformly", "popularity": "by popularity"}


def from_table(
    table: pa.Table,
    *,
    labels: Sequence[str] = (),
    user: str = "user_id",
    item: str = "item_id",
    time: str = "timestamp",
    request: str = "request_id",
    context: Sequence[str] | None = None,
    trails: SequenceDataset | None = None,
    item_columns: pa.Table | None = None,
    user_columns: pa.Table | None = None,
    seed: int = 0,
) -> Impressions:
    """One impression for each row of a table; columns that are not named become its context.

    labels: columns of 0 and 1 (a value for `rating`). user, item, time, request: columns, each optional: without users nobody has a
    history, without items the question is about what the other columns say. time: a timestamp, UTC where it names no zone, or a number
    since 1970, in the unit that puts most between 1990 and 2100; all rows of a user's request are asked about at the first of their times.
    trails: what the users did; a row sees what is strictly older than its time, or, without times, all of it.
    Raises ColumnError, ConfigError, DataError.
    """
    for name in table.column_names:
        if table.column_names.count(name) > 1:
            raise ColumnError(f"the table has {table.column_names.count(name)} columns {name!r}: give each a name of its own")
    for name in labels:
        if name not in table.column_names:
            raise ColumnError(f"no column {name!r} to take labels from{did_you_mean(name, table.column_names)}")
    named = {user, item, time, request, *labels}
    free = [name for name in table.column_names if name not in named] if context is None else list(context)
    for name in free:
        if name not in table.column_names:
            raise ColumnError(f"no column {name!r} for the context{did_you_mean(name, table.column_names)}")
        if name in labels:
            raise ConfigError(f"column {name!r} is a label, which nobody knew before: it cannot be context")
    n = table.num_rows
    label_of = {name: _label(table[name], name) for name in labels}
    ids = _ids(table[item]) if item in table.column_names else pa.chunked_array([pa.nulls(n, pa.string())])
    if trails is None:
        trails = SequenceDataset.from_lists([], Vocabulary.build(ids, seed))
    users = _ids(table[user]) if user in table.column_names else None
    trails, rows = _rows_alone(trails, n) if users is None else _rows_of_users(trails, users)
    if user_columns is not None and user_columns.num_columns and user_columns.num_rows < len(trails):
        missing = pa.table({c: pa.nulls(len(trails) - user_columns.num_rows, user_columns[c].type) for c in user_columns.column_names})
        user_columns = pa.concat_tables([user_columns, missing])
    times = _microseconds(table[time], time) if time in table.column_names else None
    requests = None
    if request in table.column_names:
        nobody = np.zeros(n, np.int64)  # without users a request says all
        requests = _list_numbers(pa.chunked_array([arrow_numbers(nobody if users is None else rows)]), table[request])
        if times is not None:
            times = earliest(times, requests)[requests]
    timed = times is not None and trails.times is not None
    lengths = _strictly_before(trails, rows, times, True) if timed else trails.lengths[rows]  # type: ignore[arg-type]
    return Impressions(
        trails,
        rows,
        lengths,
        trails.vocabulary.encode(ids),
        label_of,
        table.select(free),
        pa.table({}) if item_columns is None else item_columns,
        pa.table({}) if user_columns is None else user_columns,
        times,
        requests,
        about={"source": "rows of a table"},
    )


# ---- what the sources share


def _made(
    log: EventLog,
    read: Aligned | None,
    rows: pa.Table,
    moments: Int64[np.ndarray, " R"],
    labels: Mapping[str, Float32[np.ndarray, " R"]],
    context: Sequence[str],
    about: Mapping[str, Any],
    seed: int,
    *,
    timed: bool,
    own_events: bool = False,
) -> Impressions:
    """Impressions from rows of a log; moments: when each is asked, in time or in places of the user's acts."""
    trails = None if read is None else read.dataset
    acted = pa.array([], pa.string()) if trails is None else trails.vocabulary.ids
    vocabulary = Vocabulary.build(pa.concat_arrays([acted, pc.unique(rows["item_id"]).cast(pa.string())]), seed)
    features = None if log.items is None else _searched(item_features(log.items, vocabulary), vocabulary)
    if trails is None:
        trails = SequenceDataset.from_lists([], vocabulary, item_features=features)
    else:
        index = np.concatenate([[0], vocabulary.encode(trails.vocabulary.ids)]).astype(np.int32)
        trails = dataclasses.replace(trails, vocabulary=vocabulary, items=index[trails.items], item_features=features)
    positions = None if read is None else read.places
    n_known = len(trails)
    trails, row_of = _rows_of_users(trails, rows["user_id"])
    if timed:
        lengths = _strictly_before(trails, row_of, moments, True)
    else:
        lengths = _strictly_before(dataclasses.replace(trails, times=positions), row_of, moments, True)
    own = None
    if own_events and positions is not None:
        own = _own_events(trails, positions, row_of, rows["position"].to_numpy().astype(np.int64))
    listed = None
    if "request_id" in rows.column_names and rows["request_id"].null_count < rows.num_rows:
        listed = _list_numbers(rows["user_id"], rows["request_id"])
    order = np.lexsort((np.arange(len(moments)), moments))  # by time, so that files in any order give the same rows
    user_columns = _user_columns(log, trails.users)
    made = Impressions(
        trails,
        row_of,
        lengths,
        vocabulary.encode(rows["item_id"]),
        labels,
        rows.select(context),
        _item_columns(log, vocabulary),
        user_columns,
        moments if timed else None,
        listed,
        _given(rows["split"], log.name) if "split" in rows.column_names else None,
        own,
        causal=True,
        about={"log": log.name, "fingerprint": log.fingerprint, **about, "users_without_acts": len(trails) - n_known, "seed": seed},
    )
    return made.take(order)


def _aligned_or_none(log: EventLog, history_types: Sequence[str] | None, seed: int) -> Aligned | None:
    """The trails with the places of their acts; None where nobody did anything but look."""
    if history_types is not None:
        _check_types(history_types, "history_types")
    kinds = list(history_types) if history_types is not None else [kind for kind in EVENT_TYPES if kind != "impression"]
    acts = log.table
    if not acts.filter(acts.event_type.isin(kinds) & acts.item_id.notnull()).limit(1).count().to_pyarrow().as_py():
        return None
    return aligned(log, ("position",), event_types=kinds, seed=seed)


def _with_queries(log: EventLog) -> EventLog:
    """The log with searches as acts on what was searched; as it is where it does not say what that was."""
    acts = log.table
    if "query" not in acts.columns or not acts["query"].type().is_string():
        return log
    words = acts["query"].strip().lower()
    asked = (acts.event_type == "search") & acts.item_id.isnull() & words.notnull() & (words != "")
    named = ibis.ifelse(asked, ibis.literal(SEARCHED) + words, acts.item_id)
    return dataclasses.replace(log, table=acts.mutate(item_id=named))


def _searched(features: ItemFeatures, vocabulary: Vocabulary) -> ItemFeatures:
    """With the words of searches as titles, and a category where one is called so."""
    known = {category.strip().lower(): category for category in features.categories if category}
    titles, categories = list(features.titles), list(features.categories)
    for index, id in enumerate(vocabulary.ids.to_pylist(), start=1):
        if id.startswith(SEARCHED) and not titles[index]:
            titles[index] = id.removeprefix(SEARCHED)
            categories[index] = known.get(titles[index], "")
    return dataclasses.replace(features, titles=titles, categories=categories)


def _rows_of_users(trails: SequenceDataset, users: pa.ChunkedArray) -> tuple[SequenceDataset, Int64[np.ndarray, " R"]]:
    """The row of each user; users without a trail get an empty one behind the others."""
    if users.null_count:
        row = int(np.flatnonzero(pc.is_null(users).to_numpy())[0])
        raise DataError(f"an impression needs a user, and row {row} has none: leave such rows out, or give them an id of their own")
    found = pc.index_in(users.cast(pa.string()), value_set=trails.users)
    if found.null_count:
        absent = pc.unique(users.filter(pc.is_null(found)).cast(pa.string()))
        absent = absent.take(pc.sort_indices(absent))
        offsets = np.concatenate([trails.offsets, np.full(len(absent), trails.offsets[-1])])
        trails = dataclasses.replace(trails, users=pa.concat_arrays([trails.users, absent]), offsets=offsets)
        found = pc.index_in(users.cast(pa.string()), value_set=trails.users)
    return trails, found.combine_chunks().to_numpy().astype(np.int64) if isinstance(found, pa.ChunkedArray) else found.to_numpy()


def _rows_alone(trails: SequenceDataset, n: int) -> tuple[SequenceDataset, Int64[np.ndarray, " R"]]:
    """An empty trail for each of n rows, behind the others: whatever their users are called, these are none of them."""
    names = pc.binary_join_element_wise("row", arrow_numbers(np.arange(n)).cast(pa.string()), " ")
    offsets = np.concatenate([trails.offsets, np.full(n, trails.offsets[-1])])
    rows = len(trails) + np.arange(n)
    return dataclasses.replace(trails, users=pa.concat_arrays([trails.users, names]), offsets=offsets), rows


def _strictly_before(trails: SequenceDataset, rows: np.ndarray, moments: Int64[np.ndarray, " R"], timed: bool) -> Int64[np.ndarray, " R"]:
    """How many events of each trail are older than its moment. timed: by the trails' times, else by the place among all events."""
    moment_of_event = trails.times if timed and trails.times is not None else np.arange(trails.n_events)
    n = len(rows)
    trail = np.concatenate([rows, trails.rows])
    moment = np.concatenate([moments, moment_of_event])
    is_event = np.zeros(len(trail), np.int8)
    is_event[n:] = 1
    order = np.lexsort((is_event, moment, trail))  # at the same moment the impression comes first, so that it does not see the event
    passed = np.cumsum(is_event[order], dtype=np.int64)
    before = np.empty(len(trail), np.int64)
    before[order] = passed
    return before[:n] - trails.offsets[rows]


def _own_events(
    trails: SequenceDataset, positions: Int64[np.ndarray, " E"], rows: Int64[np.ndarray, " R"], places: Int64[np.ndarray, " R"]
) -> Int64[np.ndarray, " R"]:
    """The event of each impression's trail that has its place among the user's acts; -1 where there is none."""
    found = trails.offsets[rows] + _strictly_before(dataclasses.replace(trails, times=positions), rows, places, True)
    inside = found < trails.offsets[rows + 1]
    same = inside.copy()
    same[inside] = positions[found[inside]] == places[inside]
    return np.where(same, found, -1)


def _answers(log: EventLog) -> pa.Table:
    """The acts that name the request they followed on: user, request, item and type, once each, and when the first of them was."""
    acts = log.table
    followed = acts.filter((acts.event_type != "impression") & acts.request_id.notnull() & acts.item_id.notnull())
    first = (followed.timestamp if log.has_clock else followed.position).min()
    found = followed.group_by("user_id", "request_id", "item_id", "event_type").agg(moment=first).to_pyarrow()
    if log.has_clock:
        found = found.set_column(4, "moment", found["moment"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()))
    return found


def _first_of_list(moments: Int64[np.ndarray, " R"], rows: pa.Table, answers: pa.Table) -> Int64[np.ndarray, " R"]:
    """The moment of the first impression of each list, or of the first act on one of its items; of the impression where it has no list."""
    if rows["request_id"].null_count == rows.num_rows:
        return moments.astype(np.int64)
    numbers = _list_numbers(rows["user_id"], rows["request_id"])
    first = earliest(moments, numbers)
    listed = pc.is_valid(rows["request_id"])
    place = pc.index_in(_joined_keys(answers), value_set=_joined_keys(rows.filter(listed)))
    if place.null_count < len(place):
        of_list = numbers[listed.to_numpy()][pc.drop_null(place).to_numpy()]
        np.minimum.at(first, of_list, answers["moment"].filter(pc.is_valid(place)).to_numpy())
    return first[numbers]


def earliest(moments: Int64[np.ndarray, " R"], numbers: Int64[np.ndarray, " R"]) -> Int64[np.ndarray, " G"]:
    """The smallest moment of each number."""
    first = np.full(int(numbers.max(initial=-1)) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, numbers, moments)
    return first


def _list_numbers(users: pa.ChunkedArray, requests: pa.ChunkedArray) -> Int64[np.ndarray, " R"]:
    """A number for each request of each user; rows without a request are lists of their own."""
    of_user = users.combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    named = requests.combine_chunks().dictionary_encode()
    codes = pc.fill_null(named.indices, -1).to_numpy().astype(np.int64)
    alone = codes < 0
    keys = of_user * (len(named.dictionary) + 1) + codes
    numbers = np.full(len(keys), -1, np.int64)
    _, numbers[~alone] = np.unique(keys[~alone], return_inverse=True)
    numbers[alone] = int(numbers.max(initial=-1)) + 1 + np.arange(int(alone.sum()))
    return numbers


def _labels_of_lists(
    log: EventLog, rows: pa.Table, answers: pa.Table, labels: Sequence[str]
) -> tuple[dict[str, Float32[np.ndarray, " R"]], str]:
    """By type, whether an act of it has the impression's request and item; and in words how that was found."""
    if not answers.num_rows and len(labels) == 1:
        values = rows["value"].to_numpy()
        known = ~np.isnan(values)
        if known.any() and np.isin(values[known], (0, 1)).all():
            return {labels[0]: values.astype(np.float32)}, f"{labels[0]}: the value of the impression"
    if not pc.any(pc.is_in(answers["event_type"], value_set=pa.array(labels))).as_py():
        among = f" among {answers.num_rows} acts that do" if answers.num_rows else ", and no value of 0 or 1 in impressions for one label"
        raise NotInLogError(
            f"log {log.name!r} has no {' or '.join(labels)} that names the request it followed on{among}: "
            "give the acts the request_id of what was shown, or choose other labels"
        )
    keys, listed = _joined_keys(rows), pc.is_valid(rows["request_id"])
    made = {}
    for kind in labels:
        of_kind = answers.filter(pc.equal(answers["event_type"], kind))
        made[kind] = pc.and_(listed, pc.is_in(keys, value_set=_joined_keys(of_kind))).to_numpy().astype(np.float32)
    return made, "an act of that type with the same user, request and item"


def _joined_keys(rows: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(
        *(pc.fill_null(rows[name].cast(pa.string()), "") for name in ("user_id", "request_id", "item_id")), "\x1f"
    )


def _context_columns(log: EventLog, rows: ibis.Table, asked: Sequence[str] | None) -> list[str]:
    """The columns that were asked for, or those that are filled at these rows and are no acts' columns."""
    if asked is not None:
        for name in asked:
            if name not in rows.columns:
                raise ColumnError(f"no column {name!r} for the context in log {log.name!r}{did_you_mean(name, rows.columns)}")
            if name in _NEVER_CONTEXT:
                raise ConfigError(f"column {name!r} says who, what or when, or is known only afterwards: it cannot be context")
        return list(asked)
    free = [name for name in rows.columns if name not in _NEVER_CONTEXT and not name.startswith("_")]
    if not free:
        return []
    filled = rows.agg(**{name: rows[name].count() for name in free}).to_pyarrow().to_pylist()[0]
    return [name for name in free if filled[name]]


def _labelled(log: EventLog) -> list[str]:
    return [] if "split" in log.empty or "split" not in log.table.columns else ["split"]


def _given(labels: pa.Array | pa.ChunkedArray, log_name: str) -> Int8[np.ndarray, " R"] | None:
    return None if labels.null_count == len(labels) else split_labels(labels, log_name)


def _item_columns(log: EventLog, vocabulary: Vocabulary) -> pa.Table:
    """What the item table says of each item beside its texts, a row for each index; the first row where an item has several."""
    if log.items is None:
        return pa.table({})
    names = [name for name in log.items.columns if name not in _ITEM_TEXTS and not name.startswith("_")]
    if not names:
        return pa.table({})
    table = log.items.select(["item_id", *names]).to_pyarrow()
    rows = pc.index_in(vocabulary.ids, value_set=table["item_id"].combine_chunks())
    rows = pa.concat_arrays([pa.nulls(1, rows.type), rows])
    found = table.select(names).take(rows)
    empty = [name for name in names if found[name].null_count == len(vocabulary)]
    return found.drop_columns(empty)


def _user_columns(log: EventLog, users: pa.StringArray) -> pa.Table:
    if log.users is None:
        return pa.table({})
    names = [name for name in log.users.columns if name != "user_id" and not name.startswith("_")]
    if not names:
        return pa.table({})
    table = log.users.select(["user_id", *names]).to_pyarrow()
    rows = pc.index_in(users, value_set=table["user_id"].combine_chunks())
    found = table.select(names).take(rows)
    return found.drop_columns([name for name in names if found[name].null_count == len(users)])


def _drawn(
    data: SequenceDataset, events: Int64[np.ndarray, " A"], negatives: int, sampling: Sampling, seed: int
) -> Int64[np.ndarray, "A S"]:
    """Items that are not that of the event."""
    rng = np.random.default_rng([seed, 1])
    shape = (len(events), negatives)
    if sampling == "uniform":
        drawn = rng.integers(1, data.n_items - 1, shape)
        return drawn + (drawn >= data.items[events][:, None])  # skips the item itself
    counts = np.bincount(data.items, minlength=data.n_items)
    counts[0] = 0
    sums = np.cumsum(counts)
    own = data.items[events]
    others = sums[-1] - counts[own]
    if not others.all():
        only = data.vocabulary.ids[int(own[others == 0][0]) - 1].as_py()
        raise DataError(f"item {only!r} has all acts, so that none other can be drawn by popularity: use sampling=uniform")
    ticket = rng.integers(0, others[:, None], shape)
    ticket += np.where(ticket >= (sums - counts)[own][:, None], counts[own][:, None], 0)  # skips those of the item itself
    return np.searchsorted(sums, ticket, side="right")


def _ids(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Strings; whole numbers that are held as floats, because some are missing, are written as whole numbers."""
    if pa.types.is_floating(column.type):
        known = pc.is_finite(column)
        column = pc.if_else(known, column, pa.scalar(None, column.type))
        if pc.all(pc.equal(column, pc.floor(column))).as_py():
            column = column.cast(pa.int64())
    return column.cast(pa.string())


def _label(column: pa.ChunkedArray, task: str) -> Float32[np.ndarray, " R"]:
    """Numbers, NaN where null; raises DataError where a label is neither 0 nor 1, or a rating is not finite."""
    try:
        label = pc.fill_null(column.cast(pa.float32()), np.float32(np.nan)).to_numpy().copy()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"labels of {task!r} must be numbers, and the column is not ({error})") from error
    check_label(label, task)
    return label


def check_label(label: Float32[np.ndarray, " R"], task: str) -> None:
    """Raises DataError where a label is neither 0, 1 nor NaN, or a rating is infinite."""
    wrong = np.isinf(label) if task == VALUE_TASK else ~(np.isnan(label) | (label == 0) | (label == 1))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        must = "a finite number" if task == VALUE_TASK else "0 or 1, or empty where nobody knows"
        raise DataError(f"a label of {task!r} must be {must}, got {label[row]:g} at row {row}")


def _microseconds(column: pa.ChunkedArray, name: str) -> Int64[np.ndarray, " R"]:
    if column.null_count:
        row = int(np.flatnonzero(pc.is_null(column).to_numpy())[0])
        raise DataError(f"column {name!r} needs a time in every row, and row {row} has none")
    try:
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            column = _from_text(column)
        if pa.types.is_date(column.type):
            column = column.cast(pa.timestamp("us"))
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("us", column.type.tz), safe=column.type.unit != "ns")  # what is finer is cut off
            return column.cast(pa.int64()).to_numpy()
        return _from_numbers(column.cast(pa.int64()).to_numpy())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"column {name!r} must hold times, such as 2026-01-31T12:00:00Z, or microseconds: {error}") from error


def _from_numbers(times: Int64[np.ndarray, " R"]) -> Int64[np.ndarray, " R"]:
    """Microseconds of times in the unit in which their median lies between 1990 and 2100; microseconds where none fits."""
    median = float(np.median(times)) if len(times) else 0.0
    for per_second in (1, 1_000, 1_000_000_000):
        if _EARLIEST_S <= median / per_second <= _LATEST_S:
            return times * (1_000_000 // per_second) if per_second < 1_000_000 else times // (per_second // 1_000_000)
    return times


def _from_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Times written with a zone or without one, each row in its own way; without one they are UTC."""
    zoned = pc.match_substring_regex(column, r"[ T]\d\d.*(Z|[+-]\d\d(:?\d\d)?)$")
    nothing = pa.scalar(None, column.type)
    naive = pc.if_else(zoned, nothing, column).cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
    return pc.coalesce(naive, pc.if_else(zoned, column, nothing).cast(pa.timestamp("us", "UTC")))


def _check_types(names: Sequence[str], what: str) -> None:
    for name in names:
        if name not in EVENT_TYPES:
            raise ConfigError(
                f"{what} must be event types, got {name!r}{did_you_mean(name, EVENT_TYPES)}; there are: {', '.join(EVENT_TYPES)}"
            )


def _check_strictly_before(rows: Impressions) -> None:
    """Raises DataError where the newest event that an impression sees is not older than it."""
    times = rows.histories.times
    seen = rows.lengths > 0
    last = rows.histories.offsets[rows.rows[seen]] + rows.lengths[seen] - 1
    if rows.events is not None:
        own = rows.events[seen]
        late = (own >= 0) & (last >= own)
        if late.any():
            place = int(np.flatnonzero(seen)[np.flatnonzero(late)[0]])
            raise DataError(f"the history of impression {place} holds the impression itself: its answer would be in what it is asked from")
    if times is None or rows.times is None:
        return
    late = times[last] >= rows.times[seen]
    if late.any():
        place = int(np.flatnonzero(seen)[np.flatnonzero(late)[0]])
        raise DataError(
            f"the history of impression {place} ends with an event at {times[last[np.flatnonzero(late)[0]]]} us, which is not before the "
            f"impression at {rows.times[place]} us: what a model is asked from must be strictly older"
        )


def trails_of(
    log: EventLog, vocabulary: Vocabulary | None = None, *, users: Sequence[str] | None = None, history_types: Sequence[str] | None = None
) -> tuple[SequenceDataset, pa.Table]:
    """What users did, on the items of a vocabulary, and what the log says of each user: what a fitted model is asked from.

    vocabulary: None for all items that were acted on, and what was searched. users: only these, those that the log lacks with an empty
    trail; None for all. Searches count as events on what was searched where the vocabulary holds such.
    """
    if history_types is not None:
        _check_types(history_types, "history_types")
    if vocabulary is None or any(id.startswith(SEARCHED) for id in vocabulary.ids.to_pylist()):
        log = _with_queries(log)
    acts = log.table
    if users is not None:
        log = dataclasses.replace(log, table=acts.filter(acts.user_id.isin(list(users))))
    read = _aligned_or_none(log, history_types, 0)
    if read is None:
        trails = SequenceDataset.from_lists([], Vocabulary.build([]) if vocabulary is None else vocabulary)
    elif vocabulary is None:
        features = read.dataset.item_features
        trails = dataclasses.replace(read.dataset, item_features=None if features is None else _searched(features, read.dataset.vocabulary))
    else:
        index = np.concatenate([[0], vocabulary.encode(read.dataset.vocabulary.ids)]).astype(np.int32)
        trails = dataclasses.replace(read.dataset, vocabulary=vocabulary, items=index[read.dataset.items], item_features=None)
    if users is not None:
        trails, _ = _rows_of_users(trails, pa.chunked_array([pa.array(list(users), pa.string())]))
    return trails, _user_columns(log, trails.users)
