"""What was read from one source, and how: printed, kept in the store, and compared when a file comes again."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

SourceRole = Literal["events", "test", "items", "users"]


@dataclass(frozen=True)
class SourceReport:
    """What was read from one source, and how.

    columns: canonical name to the column it came from, ` else ` between several. context: kept columns, to their name in the log.
    event_types: name in the file to canonical type and number of rows; the name is empty where no column tells.
    separator, header: of text. clock: how times were read, in words. rows_kept counts after repeats were dropped; for an item or user
    table it counts ids. already_in_store: nothing was read again.
    """

    source: str
    role: SourceRole
    format: str
    sha256: str
    identity: str
    how: str
    columns: Mapping[str, str]
    context: Mapping[str, str]
    rows_read: int
    rows_kept: int
    rows_dropped: int = 0
    event_types: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    separator: str | None = None
    header: bool | None = None
    clock: str | None = None
    time_unit: str | None = None
    zone: str | None = None
    bad_values: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    user_facts: Sequence[str] = ()
    whole_days: bool = False
    notes: Sequence[str] = ()
    already_in_store: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain types, for `--json` and for the store."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> SourceReport:
        """The inverse of `to_dict`."""
        pairs = {name: {k: tuple(v) for k, v in told[name].items()} for name in ("event_types", "bad_values")}
        return cls(**{**told, **pairs})

    def describe(self) -> list[str]:
        """The printed map, line by line."""
        if self.already_in_store:
            return [f"{self.source}: {self.role}, in the log already: nothing to read"]
        form = (
            self.format if self.separator is None else f"{self.format}, separator {self.separator}, {'a' if self.header else 'no'} header"
        )
        lines = [f"{self.source}: {self.role}, {form}; columns by {'guess' if self.how == 'guess' else f'preset {self.how}'}"]
        width = max(map(len, self.columns), default=0)
        lines += [f"  {name:<{width}} <- {column}" for name, column in self.columns.items()]
        if self.clock is not None:
            lines.append(f"  time: {self.clock}")
        for raw, (kind, n) in self.event_types.items():
            lines.append(f"  {raw!r} -> {kind}: {n:,} rows" if raw else f"  no event type: all {n:,} rows are {kind!r}")
        if self.context:
            lines.append(f"  kept as context: {', '.join(self.context.values())}")
        lines += [
            f"  {column}: {n:,} values are no numbers and count as missing, such as {shown}"
            for column, (n, shown) in self.bad_values.items()
        ]
        lines += [f"  note: {note}" for note in self.notes]
        lines.append(f"  {self.rows_read:,} rows read, {self.rows_kept:,} kept, {self.rows_dropped:,} dropped")
        return lines
