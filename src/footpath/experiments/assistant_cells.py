"""Cells that an assistant is given: their ids, which say how each is computed again, and texts and tables cut to a length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

import pyarrow as pa

from footpath.experiments import assistant_answers as say_as
from footpath.page.text import Lang, plain
from footpath.result import Cell, in_language

if TYPE_CHECKING:
    from footpath.experiments.explain import Explained

LONGEST_NAME: Final = 200
"""Letters of a title or another text of the log; the rest is cut off."""
MOST_CELLS: Final = 60
MOST_LISTED: Final = 100
"""Parts of a value that is a list, such as the names of a top list."""


def call_id(name: str, options: Mapping[str, str]) -> str:
    """The first part of the ids of what a call gives: the name, and its options where some are given."""
    given = ";".join(f"{option}={quote(value, safe=' ,:<>=!&|/+*@')}" for option, value in sorted(options.items()))
    return f"{name}({given})" if given else name


def options_in(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";") if part)
    return {name: unquote(value) for name, _, value in pairs}


def given(asked: say_as.Recommend | say_as.Explain, names: Sequence[str]) -> dict[str, str]:
    """What was asked, as texts; a list by commas, each id quoted, so that an id may hold one."""
    found = {}
    for name in names:
        value = getattr(asked, name)
        if isinstance(value, list):
            found[name] = ",".join(quote(id, safe="") for id in value)
        elif value is not None:
            found[name] = str(value)
    return found


def arguments_of(options: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = dict(options)
    if "history" in found:
        found["history"] = [unquote(id) for id in found["history"].split(",") if id]
    return found


def short(text: Any) -> str:
    """A text of the log on one line, of at most so many letters."""
    said = " ".join(str(text).split())
    return said if len(said) <= LONGEST_NAME else f"{said[: LONGEST_NAME - 1]}…"


def short_all(value: Any) -> Any:
    """Texts cut, and lists and mappings too, which then say of how many."""
    if isinstance(value, str):
        return short(value)
    if isinstance(value, list):
        rest = [f"… {len(value) - MOST_LISTED:,} more"] if len(value) > MOST_LISTED else []
        return [*(short_all(part) for part in value[:MOST_LISTED]), *rest]
    if isinstance(value, dict):
        rest_of = {"…": f"{len(value) - MOST_LISTED:,} more"} if len(value) > MOST_LISTED else {}
        return {short(name): short_all(part) for name, part in list(value.items())[:MOST_LISTED]} | rest_of
    return value


def table_of(table: pa.Table, rows: int, first: int, lang: Lang) -> say_as.Table:
    shown = table.slice(first, rows).to_pylist() if first < table.num_rows else []
    return say_as.Table(
        columns=[short(in_language(name, lang)) for name in table.column_names],
        rows=[[short_all(plain(value)) for value in row.values()] for row in shown],
        first=first,
        total=table.num_rows,
    )


def result_cell(prefix: str, cell: Cell, lang: Lang) -> say_as.Cell:
    return say_as.Cell(
        cell=f"{prefix}.{cell.id}",
        value=short_all(plain(cell.value)),
        unit=str(cell.unit),
        n=cell.n,
        small=cell.is_small,
        low=plain(cell.low),
        high=plain(cell.high),
        note=short(in_language(cell.note, lang)),
    )


def cells_of(explained: Explained, prefix: str, lang: Lang) -> list[say_as.Cell]:
    from footpath.llm.explain.explain import result_of

    return [result_cell(prefix, cell, lang) for cell in result_of(explained.explanation).cells]


def as_line(cell: say_as.Cell) -> str:
    value = f"{cell.value:,.6g}" if isinstance(cell.value, float) else f"{cell.value:,}" if isinstance(cell.value, int) else str(cell.value)
    of = "" if cell.n is None else f", n = {cell.n:,}"
    return f"{cell.cell} = {value}{f' {cell.unit}' if cell.unit else ''}{of}{f' ({cell.note})' if cell.note else ''}"


def places(cells: Sequence[str]) -> str:
    return f" [{', '.join(cells)}]" if cells else ""


def cut_of(what: str, shown: int, total: int, how: str = "") -> list[str]:
    return [f"{what}: {shown:,} of {total:,} shown{f'; {how}' if how else ''}"] if shown < total else []


def cut_rows(what: str, table: say_as.Table) -> list[str]:
    how = "ask again with rows and first_row" if what == "table" else ""
    return cut_of(f"rows of {what}", len(table.rows), table.total, how)
