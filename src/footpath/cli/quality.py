"""`footpath quality`: what is in a store, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from footpath.cli import console
from footpath.result import Result


def quality(
    store: Annotated[Path, typer.Argument(help="The store that `footpath ingest` made.")],
    json: console.Json = False,
) -> None:
    """Print the quality report of a store."""
    from footpath.events.store import open_store

    log = open_store(store)
    if json:
        console.print_json({"store": str(store), "data": log.name, "fingerprint": log.fingerprint} | log.quality.to_dict())
        return
    print_quality(log.quality, f"Quality of {log.name}")
    console.next_step(evaluation(store, log.has_clock))


def evaluation(store: Path, has_clock: bool) -> str:
    """The command that comes next; a log without a clock can only leave the last event out."""
    return f"footpath evaluate {store} --models popularity,item_knn,ease,sasrec{'' if has_clock else ' --protocol loo'}"


def print_quality(result: Result, title: str) -> None:
    """The table of a quality report, a section at a time, then its warnings."""
    rows, section = [], ""
    for row in result.table.to_pylist():
        rows.append(
            [
                "" if row["section"] == section else row["section"],
                row["measure"].replace("_", " "),
                f"{row['value']} {row['unit']}".rstrip() if row["value"] is not None else "none",
                row["note"],
            ]
        )
        section = row["section"]
    console.table(title, ["", "what", "figure", ""], rows)
    for warning in result.meta.get("warnings", []):
        console.out.print(f"  - {warning}", markup=False)
    console.out.print(f"fingerprint {result.meta['fingerprint']}", style="dim")
