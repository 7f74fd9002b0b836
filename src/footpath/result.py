"""What every analysis returns: a tidy table, a chart, what was measured, and cells and findings that prose can point at.

It stands below the event log, because the quality report of a log is a `Result` too.
"""

from __future__ import annotations

import html
import os
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from footpath.errors import ConfigError, did_you_mean
from footpath.page.document import frame
from footpath.page.figures import html_table
from footpath.page.files import write_csv, write_parquet
from footpath.statistics import SMALL

if TYPE_CHECKING:
    import ibis


class Phrase(str):
    """An English text that knows its Chinese one: a plain `str` everywhere, and `.zh` where a page is Chinese."""

    __slots__ = ("zh",)
    zh: str

    def __new__(cls, english: str, chinese: str) -> Phrase:
        phrase = super().__new__(cls, english)
        phrase.zh = chinese
        return phrase

    def __reduce__(self) -> tuple[type[Phrase], tuple[str, str]]:
        return Phrase, (str(self), self.zh)


def say(english: str, chinese: str, **values: Any) -> Phrase:
    """One sentence in both languages with the same values filled in: `say("{n:,} users", "{n:,} 位用户", n=3)`.

    Values that are phrases themselves are filled in by language. Raises KeyError where a text names a value that is not given.
    """
    formatter = string.Formatter()
    chinese_values = {name: value.zh if isinstance(value, Phrase) else value for name, value in values.items()}
    return Phrase(formatter.vformat(english, (), values), formatter.vformat(chinese, (), chinese_values))


def in_language(text: Any, lang: Literal["en", "zh"]) -> Any:
    """A text, or all texts within lists and mappings, in one language."""
    if isinstance(text, Phrase):
        return text.zh if lang == "zh" else str(text)
    if isinstance(text, Mapping):
        return {in_language(name, lang): in_language(value, lang) for name, value in text.items()}
    if isinstance(text, list | tuple):
        return [in_language(part, lang) for part in text]
    return text


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
        return self.n is not None and self.n < SMALL


@dataclass(frozen=True)
class Finding:
    """One sentence that the figures of a result bear out, for the front page of a report.

    kind: `finding` (what people do), `doubt` (what may mislead in the figures), `question` (what to look at next, with the command).
    cells: ids of the cells whose figures the text says; none of them small. p_value: of the test behind it, uncorrected (the report
    corrects over all findings of a log); None where an interval or a plain count bears it out.
    weight: how much it matters, 0 to 1: the share of users or acts it is about times how far it is from what one would expect.
    """

    kind: Literal["finding", "doubt", "question"]
    text: str
    cells: tuple[str, ...] = ()
    p_value: float | None = None
    weight: float = 0.0


@dataclass(frozen=True)
class Result:
    """A table, a chart specification, meta, cells and findings; reports and dashboards only draw this.

    meta holds `definition` (in words), `population`, `window`, `zone`, `fingerprint` (of the data), `seed` and `warnings`
    (a list of sentences) where they apply; `empty` is true where nothing was left to measure, and `warnings` says why.
    chart is an ECharts option that draws the table; None where the table is the better picture.
    parts: further tables by name, such as the users who dropped. queries: the lazy Ibis expressions of the counts behind the table.
    """

    name: str
    table: pa.Table
    meta: Mapping[str, Any] = field(default_factory=dict)
    cells: tuple[Cell, ...] = ()
    chart: Mapping[str, Any] | None = None
    parts: Mapping[str, pa.Table] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    queries: Mapping[str, ibis.Table] = field(default_factory=dict)

    def cell(self, id: str) -> Cell:
        """The cell of that id; raises KeyError."""
        for cell in self.cells:
            if cell.id == id:
                return cell
        raise KeyError(id)

    @property
    def is_empty(self) -> bool:
        """Nothing was left to measure; `meta["warnings"]` says why."""
        return bool(self.meta.get("empty"))

    def sql(self, dialect: str = "duckdb", *, query: str | None = None) -> str:
        """The query of the counts behind the table, to be run where the log lies: `duckdb`, `pyspark` or `postgres`.

        query: one of `queries`; the first without it. Raises ConfigError for an unknown dialect or query, or where there is none.
        """
        import ibis

        dialects = {"duckdb": "duckdb", "spark": "pyspark", "pyspark": "pyspark", "postgres": "postgres", "postgresql": "postgres"}
        if dialect not in dialects:
            raise ConfigError(f"no dialect {dialect!r}; known are duckdb, spark and postgres{did_you_mean(dialect, dialects)}")
        if not self.queries:
            raise ConfigError(f"the result {self.name!r} is not the answer to one query; it was computed from the sequences")
        name = query or next(iter(self.queries))
        if name not in self.queries:
            raise ConfigError(f"{self.name!r} has no query {name!r}; it has {', '.join(self.queries)}{did_you_mean(name, self.queries)}")
        if dialects[dialect] == "pyspark" and ibis.options.pyspark is None:
            _declare_spark_options()
        return str(ibis.to_sql(self.queries[name], dialect=dialects[dialect]))

    def to_csv(self, path: str | os.PathLike) -> Path:
        """Write the table as CSV; texts that a spreadsheet would run as formulas get an apostrophe before them."""
        return write_csv(path, self.table)

    def to_parquet(self, path: str | os.PathLike) -> Path:
        """Write the table as Parquet."""
        return write_parquet(path, self.table)

    def _repr_html_(self) -> str:
        """What a notebook shows: definition, chart and the first rows; nothing is fetched from the network."""
        shown = self.table.slice(0, 12)
        said = [str(self.meta[name]) for name in ("definition", "population", "window") if self.meta.get(name)]
        lines = [f"<p><small>{html.escape(line)}</small></p>" for line in [*said, *(str(w) for w in self.meta.get("warnings", []))]]
        drawn = frame(in_language(self.chart, "en")) if self.chart and not self.is_empty else ""
        title = self.name.replace("_", " ")
        table = html_table(dict(zip(shown.column_names, (c.to_pylist() for c in shown.columns), strict=True)),
                           total=self.table.num_rows, labels={}, caption=title)  # fmt: skip
        return f"<div><p><strong>{html.escape(title)}</strong></p>{drawn}{table}{''.join(lines)}</div>"

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints: plain types only."""
        shown: dict[str, Any] = {
            "name": self.name,
            "meta": dict(self.meta),
            "table": self.table.to_pylist(),
            "cells": [{k: v for k, v in vars(cell).items() if v not in (None, "")} | {"value": cell.value} for cell in self.cells],
        }
        if self.parts:
            shown["parts"] = {name: part.to_pylist() for name, part in self.parts.items()}
        if self.findings:
            shown["findings"] = [vars(finding) | {"cells": list(finding.cells)} for finding in self.findings]
        return shown


def _declare_spark_options() -> None:
    """What Ibis declares when its Spark part is loaded, which needs pyspark; the text of a query does not."""
    import ibis
    from ibis.config import Config

    class SparkOptions(Config):  # type: ignore[misc]  # Ibis ships no types
        treat_nan_as_null: bool = False

    ibis.options.pyspark = SparkOptions()
