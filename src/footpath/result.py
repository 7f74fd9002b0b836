"""What every analysis returns: a tidy table, a chart, what was measured, and cells that prose can point at.

It stands below the event log, because the quality report of a log is a `Result` too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa


@dataclass(frozen=True)
class Cell:
    """One figure of a result, addressable as `{result name}.{id}`.

    value: the figure; None where it is undefined. unit: `events`, `users`, `share` (0 to 1), `seconds` ...
    n: the denominator behind it, None where there is none; figures with n < 30 are small cells.
    """

    id: str
    value: float | int | str | None
    unit: str = ""
    n: int | None = None
    low: float | None = None
    high: float | None = None
    note: str = ""

    @property
    def is_small(self) -> bool:
        return self.n is not None and self.n < 30


@dataclass(frozen=True)
class Result:
    """A table, a chart specification, meta and cells; reports and dashboards only draw this.

    meta holds `definition` (in words), `population`, `window`, `zone`, `fingerprint` (of the data), `seed` and `warnings`
    (a list of sentences) where they apply.
    chart is an ECharts option that draws the table; None where the table is the better picture.
    """

    name: str
    table: pa.Table
    meta: Mapping[str, Any] = field(default_factory=dict)
    cells: tuple[Cell, ...] = ()
    chart: Mapping[str, Any] | None = None

    def cell(self, id: str) -> Cell:
        """The cell of that id; raises KeyError."""
        for cell in self.cells:
            if cell.id == id:
                return cell
        raise KeyError(id)

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints: plain types only."""
        return {
            "name": self.name,
            "meta": dict(self.meta),
            "table": self.table.to_pylist(),
            "cells": [{k: v for k, v in vars(cell).items() if v not in (None, "")} | {"value": cell.value} for cell in self.cells],
        }
