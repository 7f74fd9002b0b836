"""Which column of a source is which column of the contract: as told, as a preset knows, or as guessed, and always said."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from footpath.errors import ColumnError, ConfigError, did_you_mean
from footpath.events.aliases import EVENT_ALIASES, ITEM_ALIASES, ITEM_FACTS, SPLIT_NAMES, USER_ALIASES, USER_FACTS, Ranks, guess, plain
from footpath.events.contract import EVENT_COLUMNS, EVENT_TYPES, HIDDEN_COLUMNS, ITEM_COLUMNS, USER_COLUMNS
from footpath.events.presets import Form, forms_of
from footpath.events.sources import Staged

DAYS: Final = "days_since_last"
"""A name that `--column` takes for a relative clock: days since the user's act before."""
RELATIVE_DAYS: Final = "relative_days"
"""The context column of a relative clock: days since the user's first act."""
NONE: Final = "-"
"""The column that stands for no column in `--column item_id=-`."""
_EVENT_NAMES: Final = (*EVENT_COLUMNS, DAYS)
_DECISIVE: Final = ("user_id", "item_id", "event_type", "timestamp")
_RATING_NAMES: Final = ("rating", "overall", "stars", "star")


@dataclass(frozen=True)
class Options:
    """What the user said about all sources of one reading."""

    preset: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    event_types: Mapping[str, str] = field(default_factory=dict)
    separator: str | None = None
    header: bool | None = None
    zone: str | None = None
    time_unit: str | None = None

    def __post_init__(self) -> None:
        for name in self.columns:
            kind, _, plain_name = name.rpartition(".")
            known = {"": (*_EVENT_NAMES, *ITEM_COLUMNS), "items": tuple(ITEM_COLUMNS), "users": tuple(USER_COLUMNS)}.get(kind)
            if known is None or plain_name not in known:
                names = tuple(dict.fromkeys((*_EVENT_NAMES, *ITEM_COLUMNS)))
                raise ColumnError(
                    f"no column name {name!r}{did_you_mean(plain_name, names)}; names that --column NAME=COLUMN takes: {', '.join(names)}, "
                    "and items.NAME or users.NAME for a name of those tables"
                )
        for raw, kind in self.event_types.items():
            if kind not in EVENT_TYPES:
                raise ConfigError(
                    f"no event type {kind!r} (for {raw!r}){did_you_mean(kind, EVENT_TYPES)}; there are: {', '.join(EVENT_TYPES)}"
                )

    def columns_of(self, role: Literal["events", "items", "users"]) -> dict[str, str]:
        """What was said about the columns of one kind of table."""
        told = {n.removeprefix(f"{role}."): c for n, c in self.columns.items() if n.startswith(f"{role}.")}
        if role == "events":
            told |= {n: c for n, c in self.columns.items() if n in _EVENT_NAMES}
        if role == "items":
            told = self.facts | told
        return told

    @property
    def facts(self) -> dict[str, str]:
        """What was said about columns that only items have: of the item table, or without one of the acts."""
        return {n: c for n, c in self.columns.items() if n in ITEM_COLUMNS and n not in _EVENT_NAMES}


@dataclass(frozen=True)
class ColumnMap:
    """What each column of one source is.

    columns: canonical name to the columns of which the first that is filled counts. context: other columns, to their name in the log.
    event_type: of rows where no column tells. facts: item columns, and user_facts user columns, that event rows tell, to columns.
    how: a preset's name, or `guess`. notes: what a reader of the map should know.
    """

    columns: Mapping[str, tuple[str, ...]]
    context: Mapping[str, str]
    how: str
    event_type: str = "other"
    event_types: Mapping[str, str] = field(default_factory=dict)
    zone: str | None = None
    zone_told: bool = False
    facts: Mapping[str, str] = field(default_factory=dict)
    user_facts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def source_of(self, canonical: str) -> str:
        """How a message names the column behind a canonical one."""
        names = self.columns.get(canonical, ())
        return canonical if names in ((), (canonical,)) else f"{canonical} (column {' or '.join(map(repr, names))})"


def map_events(staged: Staged, options: Options, splits: Mapping[str, Sequence[str]], *, with_items: bool) -> ColumnMap:
    """The map of an event source.

    splits: the distinct values of each column that may be called a split. with_items: an item table was given, so that acts need not
    tell of items. Raises ColumnError.
    """
    form = staged.form if staged.form is not None and staged.form.role == "events" else None
    if form is None and options.preset is not None and options.preset != "recbole":
        raise _unlike(staged, options.preset)
    columns = list(staged.columns)
    notes: list[str] = [form.note] if form is not None and form.note else []
    chosen = _told(staged, options.columns_of("events"), "events")
    told = {c for names in chosen.values() for c in names}
    if form is not None:
        for canonical, names in form.columns.items():
            found = _present(columns, (names,) if isinstance(names, str) else names)
            if canonical not in chosen and (found or not names):
                chosen[canonical] = tuple(c for c in found if c not in told)
    guessed: dict[str, str] = {}
    if form is None or form.guess:
        guessed = _guessed(staged, chosen, EVENT_ALIASES, notes)
        if "split" in guessed and not set(splits.get(guessed["split"], ())) <= set(SPLIT_NAMES):
            notes.append(f"{guessed.pop('split')} holds other values than train, validation and test: kept as context")
        if "position" in {**chosen, **guessed} and "slot" not in {**chosen, **guessed} and "position" not in chosen:
            beside = [n for n in ("request_id", "propensity") if n in {**chosen, **guessed}]
            if beside:
                guessed["slot"] = guessed.pop("position")
                notes.append(f"{guessed['slot']} stands beside {beside[0]}, so it is the slot in the list that was shown")
        chosen |= {canonical: (column,) for canonical, column in guessed.items()}
    if not chosen.get("user_id") and chosen.get("session_id"):
        chosen["user_id"] = chosen["session_id"]
        notes.append("no user column: each session is a user")
    _require(staged, chosen)
    event_type = form.event_type if form is not None else "other"
    if form is not None and form.preset == "recbole" and not chosen.get("value"):
        event_type = "other"
    if form is None and not chosen.get("event_type") and plain(chosen.get("value", ("",))[0]) in _RATING_NAMES:
        event_type = "rating"
    used = {c for names in chosen.values() for c in names}
    facts = {} if with_items else _facts(columns, used, form) | {n: c[0] for n, c in _told(staged, options.facts, "item").items() if c}
    return ColumnMap(
        columns={n: c for n, c in chosen.items() if c},
        context=context_names(
            [c for c in columns if c not in used], (*EVENT_COLUMNS, *HIDDEN_COLUMNS, RELATIVE_DAYS if DAYS in chosen else "")
        ),
        how="guess" if form is None else form.preset,
        event_type=event_type,
        event_types={**(form.event_types if form is not None else {}), **options.event_types},
        zone=options.zone or (form.zone if form is not None else None),
        zone_told=options.zone is not None,
        facts=facts,
        user_facts=tuple(c for c in columns if c not in used and plain(c) in USER_FACTS),
        notes=tuple(notes),
    )


def map_table(staged: Staged, options: Options, role: Literal["items", "users"]) -> ColumnMap:
    """The map of an item or user table. Raises ColumnError."""
    form = staged.form if staged.form is not None and staged.form.role == role else None
    columns = list(staged.columns)
    canonical_columns, aliases = (ITEM_COLUMNS, ITEM_ALIASES) if role == "items" else (USER_COLUMNS, USER_ALIASES)
    notes: list[str] = []
    chosen = _told(staged, options.columns_of(role), role)
    told = {c for names in chosen.values() for c in names}
    if form is not None:
        for canonical, names in form.columns.items():
            found = tuple(c for c in _present(columns, (names,) if isinstance(names, str) else names) if c not in told)
            if canonical not in chosen and found:
                chosen[canonical] = found
    if form is None or form.guess:
        chosen |= {c: (column,) for c, column in _guessed(staged, chosen, aliases, notes).items()}
    key = "item_id" if role == "items" else "user_id"
    if not chosen.get(key):
        raise ColumnError(
            f"{staged.label}: no {key} column among {_listed(columns)}; say which one it is: --column {role}.{key}={_example(columns)}"
        )
    used = {c for names in chosen.values() for c in names}
    return ColumnMap(
        columns={n: c for n, c in chosen.items() if c},
        context=context_names([c for c in columns if c not in used], tuple(canonical_columns)),
        how="guess" if form is None else form.preset,
        notes=tuple(notes),
    )


def _unlike(staged: Staged, preset: str) -> ColumnError:
    wanted = [", ".join(f.needs or f.names) for f in forms_of(preset) if f.role == "events" and (f.needs or f.names)]
    return ColumnError(
        f"{staged.label} does not look like a {preset} event file: it has the columns {_listed(staged.columns)}; expected "
        f"{' or '.join(wanted)}; leave --preset out to have the columns guessed, or pass --column NAME=COLUMN"
    )


def _told(staged: Staged, told: Mapping[str, str], role: str) -> dict[str, tuple[str, ...]]:
    chosen: dict[str, tuple[str, ...]] = {}
    owner: dict[str, str] = {}
    for name, column in told.items():
        if column == NONE:
            chosen[name] = ()
            continue
        if column not in staged.columns:
            raise ColumnError(
                f"{staged.label} has no column {column!r} (given for {name}){did_you_mean(column, staged.columns)}; "
                f"it has {_listed(staged.columns)}"
            )
        if column in owner and {owner[column], name} != {"user_id", "session_id"}:
            raise ColumnError(
                f"{staged.label}: column {column!r} is given for {owner[column]} and for {name}; give each {role} column once"
            )
        owner[column] = name
        chosen[name] = (column,)
    return chosen


def _present(columns: Sequence[str], names: Iterable[str]) -> tuple[str, ...]:
    """Those of the names that a source has, as it writes them."""
    by_plain: dict[str, str] = {}
    for column in columns:
        by_plain.setdefault(plain(column), column)
    found = [name if name in columns else by_plain.get(plain(name)) for name in names]
    return tuple(dict.fromkeys(c for c in found if c is not None))


def _guessed(staged: Staged, chosen: Mapping[str, tuple[str, ...]], aliases: Mapping[str, Ranks], notes: list[str]) -> dict[str, str]:
    taken = [c for names in chosen.values() for c in names]
    found = guess(list(staged.columns), {n: ranks for n, ranks in aliases.items() if n not in chosen}, taken)
    for canonical, rivals in found.rivals.items():
        if canonical in _DECISIVE:
            raise ColumnError(
                f"{staged.label}: {' and '.join(map(repr, rivals))} could both be {canonical}; say which one it is: "
                f"--column {canonical}={rivals[0]}"
            )
        notes.append(f"{' and '.join(rivals)} could both be {canonical}: kept as context (--column {canonical}={rivals[0]} chooses one)")
    for canonical, column in found.chosen.items():
        if canonical in _DECISIVE:
            known = {alias for ranks in aliases[canonical][:2] for alias in ranks}
            others = [c for c in staged.columns if c != column and plain(c) in known and c not in found.chosen.values() and c not in taken]
            if others:
                notes.append(f"{', '.join(others)} could be {canonical} too; {column} was taken")
    return dict(found.chosen)


def _require(staged: Staged, chosen: Mapping[str, tuple[str, ...]]) -> None:
    columns = _listed(staged.columns)
    example = _example([c for c in staged.columns if c not in {x for names in chosen.values() for x in names}])
    if not chosen.get("user_id"):
        raise ColumnError(f"{staged.label}: no user_id column among {columns}; say which one it is: --column user_id={example}")
    if "item_id" not in chosen:
        raise ColumnError(
            f"{staged.label}: no item_id column among {columns}; say which one it is: --column item_id={example} "
            f"(--column item_id={NONE} for a log without items)"
        )
    if not any(chosen.get(name) for name in ("timestamp", "position", DAYS)):
        raise ColumnError(
            f"{staged.label}: no timestamp column among {columns}; say which one it is: --column timestamp={example}, or, for a log "
            f"without a clock, which column orders a user's acts: --column position=COLUMN, or tells the days since the act before: "
            f"--column {DAYS}=COLUMN"
        )


def _facts(columns: Sequence[str], used: set[str], form: Form | None) -> dict[str, str]:
    if form is not None and not form.guess:
        return {canonical: column for canonical, column in form.item_facts.items() if column in columns}
    free = guess([c for c in columns if "." not in c], ITEM_FACTS, [c for c in used if plain(c) != "price"])
    return dict(free.chosen) if set(free.chosen) - {"price"} else {}


def context_names(columns: Sequence[str], reserved: Sequence[str]) -> dict[str, str]:
    """The names of context columns in the log: their own, made unlike the canonical ones and one another."""
    taken = {name.lower() for name in reserved}
    names: dict[str, str] = {}
    for column in columns:
        own = re.sub(r"\s+", "_", column.strip()) or "column"
        name, n = own, 1
        while name.lower() in taken:
            name = f"context_{own}" if n == 1 else f"context_{own}_{n}"
            n += 1
        taken.add(name.lower())
        names[column] = name
    return names


def _listed(columns: Iterable[str]) -> str:
    names = list(columns)
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def _example(columns: Sequence[str]) -> str:
    return columns[0] if columns else "COLUMN"
