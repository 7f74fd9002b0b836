"""`footpath ask`: a question about a log, answered with figures that were computed, or refused with what can be asked."""

from __future__ import annotations

import json as json_text
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from footpath.cli import console
from footpath.errors import ConfigError

if TYPE_CHECKING:
    from footpath.llm.ask.analyst import Answer
    from footpath.page.text import Lang

ROWS_SHOWN = 10


def ask(
    store: Annotated[Path, typer.Argument(help="The store that `footpath ingest` made.")],
    question: Annotated[str, typer.Argument(help="In English or Chinese, in quotes.")],
    lang: Annotated[str | None, typer.Option(help="Of the answer: en or zh; that of the question, unless said.")] = None,
    llm: console.Llm = None,
    llm_model: console.LlmModel = None,
    html: Annotated[Path | None, typer.Option(help="Write the answer with its picture as one HTML file.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Print how the question was read and what is computed for it.")] = False,
    json: console.Json = False,
) -> None:
    """Answer a question from the log; every figure is a cell that was computed, and what is not understood is refused."""
    from footpath.events.store import open_store
    from footpath.llm.ask.analyst import answer
    from footpath.page.files import check_target, write_text

    if lang not in (None, "en", "zh"):
        raise ConfigError(f"--lang must be en or zh, got {lang!r}")
    if html is not None:
        check_target(html)
    gateway = console.gateway(llm, llm_model)
    found = answer(question, open_store(store), gateway=gateway if gateway.has_model else None, lang=cast("Lang | None", lang))
    if html is not None:
        write_text(html, page(found))
    if json:
        console.print_json({"store": str(store)} | found.to_dict())
        return
    _print(found)
    if plan:
        _print_plan(found)
    if html is not None:
        console.out.print(f"\nwritten: {html}", style="dim", markup=False)
    where = shlex.quote(str(store))
    if found.refused:
        console.next_step(f"footpath ask {where} {shlex.quote(found.can_ask[0])}")
    elif html is None and found.chart is not None:
        console.next_step(f"footpath ask {where} {shlex.quote(question)} --html answer.html")
    else:
        console.next_step(f"footpath analyze {where} --report report.html")


def _print(found: Answer) -> None:
    from footpath.page.text import sentence
    from footpath.result import in_language

    zh = found.lang == "zh"
    console.out.print(found.text, markup=False, style="bold" if not found.refused else None)
    for note in found.notes:
        console.out.print(f"  · {sentence(in_language(note, found.lang), found.lang)}", style="dim", markup=False)
    if found.refused:
        console.out.print("\n可以这样问：" if zh else "\nYou can ask, for example:")
        for example in found.can_ask:
            console.out.print(f"  - {example}", markup=False)
        return
    _print_table(found)
    console.out.print()
    for cited in found.cells:
        shown, definition = in_language(cited.shown, found.lang), in_language(cited.definition, found.lang)
        behind = "" if cited.n is None else f"; n = {cited.n:,}" if not zh else f"；n = {cited.n:,}"
        few = "" if not cited.is_small else "（不足 30 例）" if zh else " (fewer than 30)"
        line = f"[{cited.place}] {cited.cell}: {shown}. {sentence(definition, found.lang)[:-1]}{behind}{few}"
        console.out.print(line, markup=False, style="dim" if cited.is_small else None)


def _print_table(found: Answer) -> None:
    from footpath.page.figures import kinds, show
    from footpath.result import in_language

    drawn = found.drawn
    if drawn is None or found.result is not None or not 1 < drawn.table.num_rows <= 24:
        return
    table = drawn.table.slice(0, ROWS_SHOWN if drawn.table.num_rows not in (7, 24) else 24)
    columns = {name: _worded(table[name].to_pylist(), drawn.names, found.lang) for name in table.column_names}
    kind = kinds(columns)
    labels = [in_language(drawn.labels.get(name, name), found.lang) for name in columns]
    rows = [
        [show(value, kind[name], found.lang) for name, value in zip(columns, row, strict=True)]
        for row in zip(*columns.values(), strict=True)
    ]
    right = [label for label, name in zip(labels, columns, strict=True) if kind[name] not in ("text", "flag")]
    console.out.print()
    console.table(in_language(drawn.title, found.lang), labels, rows, right=right)


def _worded(values: list[Any], names: Mapping[str, Any], lang: Lang) -> list[Any]:
    from footpath.result import in_language

    return [in_language(names.get(value, value), lang) if isinstance(value, str) else value for value in values]


def _print_plan(found: Answer) -> None:
    from footpath.llm.ask.plans import plan_to_dict

    read = ", ".join(f"{piece.text!r} {piece.kind}" for piece in found.reading.content if piece.kind != "stop")
    console.out.print(f"\nread as: {read or 'nothing'}", markup=False, style="dim")
    console.out.print(f"plan: {json_text.dumps(plan_to_dict(found.plan), ensure_ascii=False)}", markup=False, style="dim")
    console.out.print(f"model: {found.proposal.to_dict()}", markup=False, style="dim")


_WORDS: dict[str, dict[str, str]] = {
    "answer": {"en": "The answer", "zh": "答案"},
    "cells": {"en": "What the figures are", "zh": "数字说明"},
    "refused": {"en": "Not answered", "zh": "未回答"},
    "can": {"en": "You can ask", "zh": "可以这样问"},
    "figures": {"en": "Each number of the answer with what it counts and what it is of.", "zh": "答案中每个数字的含义与分母。"},
}


def page(found: Answer) -> str:
    """The answer as one HTML page, in light and dark: text, picture with its table, and what each figure is."""
    from footpath.experiments.picture import Figure, picture
    from footpath.result import in_language

    lang = found.lang
    figures = []
    drawn = found.drawn
    if drawn is not None:
        columns: dict[str, Any] = {name: _worded(drawn.table[name].to_pylist(), drawn.names, lang) for name in drawn.table.column_names}
        labels = {name: in_language(label, lang) for name, label in drawn.labels.items()}
        title = in_language(drawn.title, lang)
        figures.append(Figure("picture", title[:1].upper() + title[1:], found.text, drawn.chart, columns, labels))
    if found.cells:
        head = ("place", "cell", "figure", "n", "definition")
        rows = [
            (f"[{c.place}]", c.cell, str(in_language(c.shown, lang)), c.n, str(in_language(c.definition, lang))) for c in found.cells
        ]  # fmt: skip
        table = {name: [row[i] for row in rows] for i, name in enumerate(head)}
        names = {"place": "", "cell": {"en": "cell", "zh": "单元"}[lang], "figure": {"en": "figure", "zh": "数值"}[lang], "n": "n",
                 "definition": {"en": "what it counts", "zh": "含义"}[lang]}  # fmt: skip
        figures.append(Figure("cells", _WORDS["cells"][lang], _WORDS["figures"][lang], None, table, names))
    said = [found.text, *(in_language(note, lang) for note in found.notes)]
    if found.refused:
        said += [f"{_WORDS['can'][lang]}: {example}" for example in found.can_ask]
    return picture(found.question[:200], [], {}, figures, said=said, lang=lang)
