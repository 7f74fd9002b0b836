"""`footpath analyze`: every view of a log that it allows, as one report."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from footpath.cli import console
from footpath.errors import ConfigError

if TYPE_CHECKING:
    from footpath.analysis.report import Report


def analyze(
    store: Annotated[Path, typer.Argument(help="The store that `footpath ingest` made.")],
    report: Annotated[Path | None, typer.Option(help="Write the report as one HTML file that asks nothing of the network.")] = None,
    tables: Annotated[Path | None, typer.Option(help="Write all tables into this folder.")] = None,
    format: Annotated[str, typer.Option(help="Of the tables: parquet or csv.")] = "parquet",
    only: Annotated[
        str | None, typer.Option(help="Names of analyses with commas between them, such as funnel,retention; all, unless said.")
    ] = None,
    set: Annotated[
        list[str] | None, typer.Option(help="ANALYSIS.OPTION=VALUE, such as funnel.steps=view,cart,purchase; may be repeated.")
    ] = None,
    by: Annotated[str | None, typer.Option(help="What a step is called: a column, category, item_id, or several with commas.")] = None,
    bots: Annotated[str, typer.Option(help="keep or drop users that look like bots.")] = "keep",
    gap_minutes: Annotated[float | None, typer.Option(help="A pause longer than this ends a session.")] = None,
    since: Annotated[str | None, typer.Option(help="Only acts from this date or time on (UTC).")] = None,
    until: Annotated[str | None, typer.Option(help="Only acts before this date or time (UTC).")] = None,
    lang: Annotated[str, typer.Option(help="Of the report: en or zh.")] = "en",
    seed: Annotated[int, typer.Option(help="Of what is drawn at random.")] = 0,
    narrative: Annotated[
        bool, typer.Option("--narrative/--no-narrative", help="Say in checked sentences what the figures come to.")
    ] = True,
    json: console.Json = False,
) -> None:
    """Sessions, funnels, paths, retention, segments, drift and more: what stands out, what to doubt, what to ask next."""
    from dataclasses import replace

    from footpath.analysis import report as reports
    from footpath.analysis.trail import trail
    from footpath.events.store import open_store
    from footpath.llm.claims.narrative import narrative as told
    from footpath.page.files import check_target

    if format not in ("parquet", "csv"):
        raise ConfigError(f"--format must be parquet or csv, got {format!r}")
    if report is not None:
        check_target(report)
    if tables is not None:
        reports.check_folder(tables)
    options = console.pairs(set or [], "--set")
    names = None if only is None else [name.strip() for name in only.split(",") if name.strip()]
    steps = None if by is None else [name.strip() for name in by.split(",") if name.strip()]
    repeated: dict[str, Any] = {
        "--by": by,
        "--bots": None if bots == "keep" else bots,
        "--gap-minutes": gap_minutes,
        "--since": since,
        "--until": until,
    }
    repeated |= {"--seed": seed or None}
    words = [f"{flag} {shlex.quote(str(value))}" for flag, value in repeated.items() if value is not None]
    words += [f"--set {shlex.quote(f'{name}={value}')}" for name, value in options.items()]
    with console.progress() as progress:
        acts = trail(
            open_store(store), by=steps, gap_minutes=gap_minutes, bots=cast(Literal["keep", "drop"], bots), since=since, until=until
        )
        found = reports.analyze(
            acts,
            only=names,
            options=options,
            lang=cast(Literal["en", "zh"], lang),
            seed=seed,
            source=str(store),
            arguments=" ".join(words),
            progress=progress,
        )
        if narrative:
            found = replace(found, narrative=told(found, acts))
    if report is not None:
        found.html(report)
    if tables is not None:
        found.tables(tables, format=cast(Literal["parquet", "csv"], format))
    if json:
        console.print_json({"store": str(store)} | found.to_dict())
        return
    print_findings(found, store)
    for path in (report, tables):
        if path is not None:
            console.out.print(f"\nwritten: {path}", style="dim", markup=False)
    console.next_step(f"open {report}" if report is not None else f"footpath analyze {shlex.quote(str(store))} --report report.html")


def print_findings(found: Report, store: Path) -> None:
    """The front page of a report: headlines, what stands out, what to doubt, what to ask next, what was not measured."""
    from footpath.analysis.catalog import entry
    from footpath.page.text import sentence
    from footpath.result import in_language

    zh = found.lang == "zh"
    with_bots = any(h.without_bots is not None for h in found.headlines)
    columns = ["", "数字" if zh else "figure", *(["去除疑似机器人" if zh else "without suspected bots"] if with_bots else [])]
    rows = [
        [in_language(h.title, found.lang), *(_figure(v, h.kind) for v in (h.value, h.without_bots))][: len(columns)]
        for h in found.headlines
    ]
    console.table(found.name, columns, rows, right=columns[1:])
    if found.narrative is not None and found.narrative.sentences:
        console.out.print(f"\n{'概述' if zh else 'In words'}", style="bold")
        for told in found.narrative.sentences:
            console.out.print(f"  - {in_language(told.text, found.lang)}  [{told.cell}]", markup=False)
        for refused in found.narrative.refused:
            console.out.print(f"  × {sentence(in_language(refused, found.lang), found.lang)}", markup=False)
    for title, statements in (
        ("主要发现" if zh else "What stands out", found.findings),
        ("存疑之处" if zh else "What to doubt", found.doubts),
        ("下一步" if zh else "What to ask next", found.questions),
    ):
        console.out.print(f"\n{title}", style="bold")
        for statement in statements:
            text = sentence(in_language(statement.finding.text, found.lang).replace("STORE", shlex.quote(str(store))), found.lang)
            q = statement.q_value
            notes = [] if q is None else ["q < 0.001" if q < 0.001 else f"q = {q:.3f}"]
            notes += [("去除疑似机器人后仍成立" if zh else "holds without suspected bots")] if statement.stands else []
            said = f" ({'; '.join(notes)})" if notes else ""
            console.out.print(f"  - {text.replace('`', '')}{said}", markup=False)
        if not statements:
            console.out.print("  无" if zh else "  nothing")
    if found.not_measured:
        console.out.print(f"\n{'未能统计' if zh else 'Not measured'}", style="bold")
        for name, reason in found.not_measured.items():
            said = sentence(in_language(reason, found.lang), found.lang).replace("`", "")
            console.out.print(f"  - {in_language(entry(name).title, found.lang)}: {said}", markup=False)


def _figure(value: float | None, kind: str) -> str:
    from footpath.page.figures import show

    return show(value, "number" if kind == "number" else "count")
