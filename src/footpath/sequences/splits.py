"""The protocols of evaluation: how a log becomes events to fit on and questions with known answers.

Every protocol marks events: what may be fitted on, what a question may show, and what is asked. One function then makes the questions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Int8, Int64

from footpath.errors import ConfigError, DataError, did_you_mean
from footpath.events.contract import EVENT_TYPES
from footpath.events.log import EventLog
from footpath.sequences.build import aligned
from footpath.sequences.dataset import ItemFeatures, SequenceDataset
from footpath.sequences.split import Holdout, Protocol, Split
from footpath.sequences.vocabulary import Vocabulary

Targets = Literal["first", "all", "each"]
Mask = Bool[np.ndarray, " E"]

SPLIT_LABELS: Final = ("train", "validation", "test")
"""Values of a log's `split` column; the place of a label in this tuple is its code."""

_TRAIN, _VALIDATION, _TEST = range(3)
_MOST_SHOWN: Final = 500_000_000


def split(
    data: EventLog | SequenceDataset,
    protocol: Protocol = "time",
    *,
    repeat: bool = False,
    targets: Targets = "first",
    quantiles: tuple[float, float] = (0.8, 0.9),
    cold_items: float = 0.1,
    event_types: Sequence[str] | None = None,
    target_types: Sequence[str] | None = None,
    core: int = 1,
    seed: int = 0,
) -> Split:
    """The train, validation and test parts of a log under one protocol.

    time: cut at the `quantiles` of the times; asked at the second cut, with the first event after it as target, or all of them; or asked
    before each event after it, of new users too.
    loo: the last event of each user with three or more is test, the one before it validation. given: every event that the log
    labels test, from those before it. cold: every event on a share `cold_items` of the items, which training never sees.

    repeat: may a seen item be the answer? If not, targets that the history holds are left out, for no model could hit them, and
    counted as `seen_targets`. event_types, core: choose the events before the split, of logs only. target_types: only events of
    these types are asked about, while histories hold all; not under loo. seed: of the shuffled
    vocabulary and of the cold items. Raises ConfigError, DataError.
    """
    protocols = get_args(Protocol)
    if protocol not in protocols:
        raise ConfigError(f"no protocol {protocol!r}{did_you_mean(protocol, protocols)}; there are: {', '.join(protocols)}")
    labels = None
    about: dict[str, Any] = {"seed": seed}
    if isinstance(data, SequenceDataset):
        if event_types is not None or core != 1:
            raise ConfigError("event_types and core choose the events of a log, and these are sequences already")
        dataset = data
    else:
        read = aligned(data, ("split",) if protocol == "given" else (), event_types=event_types, core=core, seed=seed)
        dataset = read.dataset
        about |= {"log": data.name, "fingerprint": data.fingerprint, "core": core, "left_out": dict(read.counts)}
        about["event_types"] = "all" if event_types is None else list(event_types)
        labels = split_labels(read.columns["split"], data.name) if protocol == "given" else None
    match protocol:
        case "time":
            made = split_by_time(dataset, quantiles=quantiles, targets=targets, target_types=target_types, repeat=repeat, seed=seed)
        case "loo":
            if target_types is not None:
                raise ConfigError("protocol 'loo' asks about the last event of each user; for target types use protocol 'time' or 'given'")
            made = split_last_out(dataset, repeat=repeat)
        case "cold":
            made = split_cold_items(dataset, share=cold_items, target_types=target_types, repeat=repeat, seed=seed)
        case "given":
            if labels is None:
                raise ConfigError("protocol 'given' reads the split column of a log, which sequences lack; pass the log")
            made = split_as_given(dataset, labels, target_types=target_types, repeat=repeat, seed=seed)
    return dataclasses.replace(made, details=about | dict(made.details))


def split_last_out(data: SequenceDataset, *, repeat: bool = False) -> Split:
    """Leave one out: the last event of each row of three or more is test, the one before it validation; order alone counts.

    Shorter rows are trained on. The vocabulary stays that of the data, so an item whose every event is held out is a cold target.
    """
    ends = data.offsets[1:][data.lengths >= 3]
    if not len(ends):
        longest = int(data.lengths.max(initial=0))
        raise DataError(f"protocol 'loo' needs a user with at least 3 events, and the longest of these {len(data)} has {longest}")
    test, validation = np.zeros((2, data.n_events), bool)
    test[ends - 1] = validation[ends - 2] = True
    refit = ~test
    train = refit & ~validation
    everything = _all_known(data)
    return _assemble(
        "loo",
        data,
        train,
        refit,
        _holdout(data, refit, validation, everything, repeat=repeat),
        _holdout(data, refit, test, everything, repeat=repeat),
        repeat,
        {"targets": "last"},
    )


def split_by_time(
    data: SequenceDataset,
    *,
    quantiles: tuple[float, float] = (0.8, 0.9),
    targets: Targets = "first",
    target_types: Sequence[str] | None = None,
    repeat: bool = False,
    seed: int = 0,
) -> Split:
    """Two cuts in time for all users at once, so that nothing later than a question is known to the answer.

    train lies before the first cut, refit before the second; an event at a cut lies after it. Validation asks at the first cut
    about the events up to the second, test at the second. The vocabulary holds the items seen before the second cut.

    targets: first or all events after a cut, of users with a history before it, whose history ends at the cut. each: every event after
    a cut, from the user's events before it on known items, those after the cut too, as a service is asked whose model is fitted at
    the cut; what short sessions need, few of which cross it.
    """
    if data.times is None:
        raise ConfigError("protocol 'time' needs a clock, which these events lack; use protocol 'loo', which needs their order alone")
    low, high = quantiles
    if not 0 < low < high < 1:
        raise ConfigError(f"quantiles must rise between 0 and 1, got {low} and {high}")
    if targets not in get_args(Targets):
        raise ConfigError(f"targets must be 'first', 'all' or 'each', got {targets!r}")
    backwards = (np.diff(data.times) < 0) & (np.diff(data.rows) == 0)
    if backwards.any():
        user = data.users[int(data.rows[np.argmax(backwards)])].as_py()
        raise DataError(f"the times of user {user!r} go backwards, so that a cut in time would part what the order joins; sort the events")
    places = [int(q * (data.n_events - 1)) for q in quantiles]
    first_cut, second_cut = (int(cut) for cut in np.partition(data.times, places)[places])
    train, refit = data.times < first_cut, data.times < second_cut
    if first_cut == second_cut or not train.any():
        cuts = f"{iso_time(first_cut)} and {iso_time(second_cut)}"
        raise DataError(f"these times cannot be cut at {low} and {high}, where the cuts are {cuts}: choose other quantiles")
    data = _with_known_items(data, refit, seed)
    wanted = _of_types(data, target_types)
    known_to_train, known = _items_of(data, train), _items_of(data, refit)
    shown = (known_to_train[data.items], known[data.items]) if targets == "each" else (train, refit)
    return _assemble(
        "time",
        data,
        train,
        refit,
        _holdout(data, shown[0], refit & ~train & wanted, known_to_train, repeat=repeat, targets=targets),
        _holdout(data, shown[1], ~refit & wanted, known, repeat=repeat, targets=targets),
        repeat,
        {"targets": targets, "cuts": [iso_time(first_cut), iso_time(second_cut)], "quantiles": [low, high]} | _told(target_types),
    )


def split_as_given(
    data: SequenceDataset,
    labels: Int8[np.ndarray, " E"],
    *,
    target_types: Sequence[str] | None = None,
    repeat: bool = False,
    seed: int = 0,
) -> Split:
    """The split that the log comes with: every test event is asked from the user's events before it, whatever their label.

    labels: codes of `SPLIT_LABELS`. A first event has no history and is not asked. Items without an event outside test are
    left out, of histories too. Without validation labels the last tenth of the training rows by their last event (without a
    clock: by row), whole, is validation.
    """
    if not (labels == _TEST).any():
        raise DataError("protocol 'given' needs events labelled test, and there are none; use protocol 'time' or 'loo'")
    rule = "validation labels of the log"
    refit = labels != _TEST
    validation = labels == _VALIDATION
    if refit.any() and not validation.any():
        rule = "last tenth of the training rows"
        validation = refit & _last_rows(data, refit)[data.rows]
    train = refit & ~validation
    if not train.any():
        raise DataError(
            f"no event is left to train on: {int(refit.sum())} are not test, and validation ({rule}) takes {int(validation.sum())}"
        )
    data = _with_known_items(data, refit, seed)
    known_to_train, known = _items_of(data, train), _items_of(data, refit)
    wanted = _of_types(data, target_types)
    return _assemble(
        "given",
        data,
        train,
        refit,
        _holdout(data, refit & known_to_train[data.items], validation & wanted, known_to_train, repeat=repeat),
        _holdout(data, known[data.items], ~refit & wanted, known, repeat=repeat),
        repeat,
        {"targets": "each", "validation_rule": rule} | _told(target_types),
    )


def split_cold_items(
    data: SequenceDataset,
    *,
    share: float = 0.1,
    target_types: Sequence[str] | None = None,
    repeat: bool = False,
    seed: int = 0,
) -> Split:
    """A random share of the items is never trained on, and only events on them are asked, from the user's other events before.

    As many further items are withheld for validation. The vocabulary stays that of the data: a model must rank the withheld
    items among all others by what is known of them.
    """
    present = np.flatnonzero(_items_of(data, np.ones(data.n_events, bool)))
    n_withheld = max(1, round(share * len(present)))
    if not 0 < share < 0.5 or 2 * n_withheld >= len(present):
        raise ConfigError(
            f"cold_items must lie between 0 and 0.5 and leave items to train on, got {share} of {len(present)} items, "
            "withheld once for validation and once for test"
        )
    withheld = np.random.default_rng(seed).permutation(present)[: 2 * n_withheld]
    for_test, for_validation = np.zeros((2, data.n_items), bool)
    for_test[withheld[:n_withheld]] = for_validation[withheld[n_withheld:]] = True
    refit = ~for_test[data.items] & (data.items > 0)
    validation = for_validation[data.items]
    train = refit & ~validation
    wanted = _of_types(data, target_types)
    return _assemble(
        "cold",
        data,
        train,
        refit,
        _holdout(data, train, validation & wanted, for_validation, repeat=repeat),
        _holdout(data, refit, for_test[data.items] & wanted, for_test, repeat=repeat),
        repeat,
        {"targets": "each", "n_cold_items": n_withheld, "n_cold_validation_items": n_withheld} | _told(target_types),
    )


def _of_types(data: SequenceDataset, target_types: Sequence[str] | None) -> Mask:
    """The events that may be asked about; raises ConfigError for a type that is none, or where the events hold no types."""
    if target_types is None:
        return np.ones(data.n_events, bool)
    for name in target_types:
        if name not in EVENT_TYPES:
            raise ConfigError(f"no event type {name!r}{did_you_mean(name, EVENT_TYPES)}; there are: {', '.join(EVENT_TYPES)}")
    if data.types is None:
        raise ConfigError(f"target types {', '.join(target_types)} need the types of events, and these sequences hold none: leave them out")
    return np.isin(data.types, [EVENT_TYPES.index(name) for name in target_types])


def _told(target_types: Sequence[str] | None) -> dict[str, Any]:
    return {} if target_types is None else {"target_types": list(target_types)}


def split_labels(column: pa.Array | pa.ChunkedArray, log_name: str) -> Int8[np.ndarray, " E"]:
    """Codes of `SPLIT_LABELS`; an event without a label is train. Raises ConfigError where no event has one."""
    if column.null_count == len(column):
        raise ConfigError(
            f"log {log_name!r} comes without the split that protocol 'given' reads; "
            "ingest it with --test FILE, or use protocol 'time' or 'loo'"
        )
    codes = pc.index_in(column.cast(pa.string()), value_set=pa.array(SPLIT_LABELS))
    strange = column.filter(pc.and_(pc.is_null(codes), pc.is_valid(column)))
    if len(strange):
        raise DataError(f"split {strange[0].as_py()!r} in log {log_name!r} is not one of {', '.join(SPLIT_LABELS)}")
    return pc.fill_null(codes, _TRAIN).to_numpy().astype(np.int8)


def iso_time(microseconds: int) -> str:
    """A time in UTC as ISO 8601, exact to the microsecond."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)).isoformat()


def from_iso_time(text: str) -> int:
    """Microseconds since 1970 UTC; the inverse of `iso_time`."""
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _holdout(
    data: SequenceDataset,
    shown: Mask,
    asked: Mask,
    answerable: Bool[np.ndarray, " N"],
    *,
    repeat: bool,
    targets: Targets = "each",
) -> Holdout:
    """Questions about the asked events, each from the shown events of its row before it.

    each: one question an event. first: the first asked event of each row. all: one question a row, about all its asked events;
    its distinct items are the answers.
    """
    events = np.flatnonzero(asked)
    rows = data.rows[events]
    if targets == "first":
        leading = np.diff(rows, prepend=-1) != 0
        events, rows = events[leading], rows[leading]
    shown_before = np.concatenate([[0], np.cumsum(shown)])
    lengths = shown_before[events] - shown_before[data.offsets[rows]]

    alone = lengths == 0
    unknown = ~alone & ~answerable[data.items[events]]
    counts = {
        "asked_events": len(events),
        "without_history": int(alone.sum()),
        "unknown_users": len(np.setdiff1d(rows[alone], rows[~alone])),
        "unknown_items": int(unknown.sum()),
    }
    kept = ~alone & ~unknown
    events, rows, lengths = events[kept], rows[kept], lengths[kept]
    if targets == "all":
        _, distinct = np.unique(rows.astype(np.int64) * data.n_items + data.items[events], return_index=True)
        distinct.sort()
        counts["repeated_targets"] = len(events) - len(distinct)
        events, rows, lengths = events[distinct], rows[distinct], lengths[distinct]
    counts["seen_targets"] = 0
    if not repeat:
        seen = _seen_before(data, shown, events)
        counts["seen_targets"] = int(seen.sum())
        events, rows, lengths = events[~seen], rows[~seen], lengths[~seen]
    leading = np.diff(rows, prepend=-1) != 0 if targets == "all" else np.ones(len(rows), bool)
    n_shown = int(lengths[leading].sum())
    if n_shown > _MOST_SHOWN:
        raise DataError(
            f"the histories of {int(leading.sum())} questions hold {n_shown} events in all, more than the {_MOST_SHOWN} that are laid out "
            "at once; leave out the users with the longest histories, or ask less (fewer cold items, fewer test events)"
        )
    return Holdout(
        data.where(shown).prefixes(rows[leading], lengths[leading]),
        np.append(np.flatnonzero(leading), len(events)).astype(np.int64),
        data.items[events],
        None if data.times is None else data.times[events[leading]],
        counts,
    )


def _seen_before(data: SequenceDataset, shown: Mask, events: Int64[np.ndarray, " R"]) -> Bool[np.ndarray, " R"]:
    """Which of these events have their item among the shown events of their row before them."""
    pairs, place = np.unique(data.rows[events] * np.int64(data.n_items) + data.items[events], return_inverse=True)
    if not len(pairs):
        return np.zeros(0, bool)
    in_question = np.zeros(len(data), bool)
    in_question[data.rows[events]] = True
    candidates = np.flatnonzero(shown & in_question[data.rows])
    candidate_pairs = data.rows[candidates] * np.int64(data.n_items) + data.items[candidates]
    found = np.minimum(np.searchsorted(pairs, candidate_pairs), len(pairs) - 1)
    same = pairs[found] == candidate_pairs
    first = np.full(len(pairs), data.n_events)
    # of several events on an item the first is written last, and stays
    first[found[same][::-1]] = candidates[same][::-1]
    return first[place] < events


def _assemble(
    protocol: Protocol,
    data: SequenceDataset,
    train: Mask,
    refit: Mask,
    validation: Holdout,
    test: Holdout,
    repeat: bool,
    details: dict[str, Any],
) -> Split:
    if not len(test):
        left_out = ", ".join(f"{n} {name}" for name, n in test.counts.items())
        raise DataError(f"protocol {protocol!r} leaves nothing to ask: {left_out}; use another protocol, or allow repeats")
    trained, refitted = np.zeros((2, data.n_items), bool)
    trained[data.items[train]] = refitted[data.items[refit]] = True
    details |= {
        "protocol": protocol,
        "n_users": len(data),
        "n_items": data.n_items - 1,
        "n_events": data.n_events,
        "n_train_events": int(train.sum()),
        "n_refit_events": int(refit.sum()),
        "n_validation": len(validation),
        "n_test": len(test),
        "n_test_targets": len(test.items),
        "cold_share": float(np.mean(~trained[test.items])),
        "cold_share_refit": float(np.mean(~refitted[test.items])),
        **test.counts,
    }
    return Split(protocol, _fitted(data, train), validation if len(validation) else None, test, _fitted(data, refit), repeat, details)


def _fitted(data: SequenceDataset, events: Mask) -> SequenceDataset:
    """Those events, in rows that have any."""
    part = data.where(events)
    return part if part.lengths.all() else part.take(np.flatnonzero(part.lengths))


def _all_known(data: SequenceDataset) -> Bool[np.ndarray, " N"]:
    return np.arange(data.n_items) > 0


def _items_of(data: SequenceDataset, events: Mask) -> Bool[np.ndarray, " N"]:
    """Which items those events are on; never index 0."""
    found = np.zeros(data.n_items, bool)
    found[data.items[events]] = True
    found[0] = False
    return found


def _with_known_items(data: SequenceDataset, events: Mask, seed: int) -> SequenceDataset:
    """The same events with a vocabulary of only those items that the marked events are on; others become 0."""
    known = _items_of(data, events)
    if known[1:].all():
        return data
    old = data.vocabulary
    vocabulary = Vocabulary.build(old.ids.filter(pa.array(known[1:])), seed)
    index = np.concatenate([[0], vocabulary.encode(old.ids)]).astype(np.int32)
    features = None
    if data.item_features is not None:
        features = _features_of(data.item_features, np.concatenate([[0], old.encode(vocabulary.ids)]))
    return dataclasses.replace(data, vocabulary=vocabulary, items=index[data.items], item_features=features)


def _features_of(features: ItemFeatures, indexes: np.ndarray) -> ItemFeatures:
    places = indexes.tolist()
    return ItemFeatures(
        [features.titles[i] for i in places],
        [features.texts[i] for i in places],
        [features.categories[i] for i in places],
        [features.attributes[i] for i in places],
        None if features.vectors is None else features.vectors[indexes],
    )


def _last_rows(data: SequenceDataset, events: Mask) -> Bool[np.ndarray, " B"]:
    """The last tenth of the rows that have such an event, at least one: by the time of the last of them, else by row."""
    places = np.flatnonzero(events)
    ending = np.append(np.diff(data.rows[places]) != 0, True)
    rows = data.rows[places[ending]]
    if data.times is not None:
        rows = rows[np.argsort(data.times[places[ending]], kind="stable")]
    chosen = np.zeros(len(data), bool)
    chosen[rows[len(rows) - max(1, len(rows) // 10) :]] = True
    return chosen
