"""`footpath ingest`: read files into a store, and say how they were read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from footpath.cli import console
from footpath.cli.quality import evaluation, print_quality


def ingest(
    files: Annotated[list[str], typer.Argument(help="Files or folders of events: CSV, TSV, .gz, Parquet, JSON lines; shop.duckdb#TABLE.")],
    into: Annotated[Path, typer.Option(help="The store directory; it is made, or added to.")],
    preset: Annotated[str | None, typer.Option(help="How a public data set is read; found by itself where it can be.")] = None,
    items: Annotated[list[str] | None, typer.Option(help="A table of items: ids, titles, categories ...; may be repeated.")] = None,
    users: Annotated[list[str] | None, typer.Option(help="A table of users; may be repeated.")] = None,
    test: Annotated[list[str] | None, typer.Option(help="Events to be predicted, for protocol given; may be repeated.")] = None,
    column: Annotated[
        list[str] | None, typer.Option(help="NAME=COLUMN, such as user_id=visitor; NAME=- for none; may be repeated.")
    ] = None,
    event_type: Annotated[list[str] | None, typer.Option(help="NAME=TYPE, such as signup=other; may be repeated.")] = None,
    separator: Annotated[str | None, typer.Option(help="Of fields; tab, space or the characters.")] = None,
    header: Annotated[bool | None, typer.Option("--header/--no-header", help="Is the first line a header? Found out, unless said.")] = None,
    zone: Annotated[str | None, typer.Option(help="Of times written without one, such as UTC or Europe/Berlin.")] = None,
    time_unit: Annotated[str | None, typer.Option(help="s, ms, us or ns, where magnitude should not decide.")] = None,
    name: Annotated[str | None, typer.Option(help="What the log is called; the first file's name, unless said.")] = None,
    json: console.Json = False,
) -> None:
    """Read event logs into a store: every column and event name mapped, every row checked, all or nothing."""
    from footpath.events import store

    with console.progress() as progress:
        report = store.ingest(
            files,
            into,
            preset=preset,
            columns=console.pairs(column or [], "--column"),
            event_types=console.pairs(event_type or [], "--event-type"),
            items=items or None,
            users=users or None,
            test=test or None,
            separator=separator,
            header=header,
            zone=zone,
            time_unit=time_unit,
            name=name,
            progress=progress,
        )
    if json:
        console.print_json(report.to_dict())
        return
    for source in report.sources:
        for line in source.describe():
            console.out.print(line, markup=False)
    console.out.print()
    print_quality(report.quality, f"Quality of {report.name}")
    if not report.changed:
        console.out.print(f"Nothing new: {into} is as it was.")
    console.next_step(evaluation(into, store.open_store(into).has_clock))
