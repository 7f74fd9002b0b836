"""`footpath quality`: what is in a store, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from footpath.cli import console
from footpath.result import Cell, Result


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
    protocol = "" if log.has_clock else " --protocol loo"
    console.next_step(f"footpath evaluate {store} --models popularity,item_knn,ease,sasrec{protocol}")


def print_quality(result: Result, title: str) -> None:
    """The cells of a quality report, a line each, then its warnings."""
    console.table(
        title, ["what", "figure", ""], [[cell.id.replace("_", " "), _figure(cell), cell.note] for cell in result.cells], right=["figure"]
    )
    for warning in result.meta.get("warnings", []):
        console.out.print(f"  - {warning}")
    console.out.print(f"fingerprint {result.meta.get('fingerprint', '')}", style="dim")


def _figure(cell: Cell) -> str:
    if cell.value is None:
        return "none"
    if isinstance(cell.value, float):
        return f"{cell.value:.1%}" if cell.unit == "share" else f"{cell.value:,.4g} {cell.unit}".rstrip()
    if isinstance(cell.value, int):
        return f"{cell.value:,} {cell.unit}".rstrip()
    return str(cell.value)
