"""`footpath user`: the trail of one user."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from footpath.cli import console


def user(
    store: Annotated[Path, typer.Argument(help="The store that `footpath ingest` made.")],
    user_id: Annotated[str, typer.Argument(metavar="ID", help="The user.")],
    by: Annotated[str | None, typer.Option(help="What a step is called: a column, category, item_id, or several with commas.")] = None,
    last: Annotated[int, typer.Option("--last", help="Acts to print, the latest ones.")] = 20,
    json: console.Json = False,
) -> None:
    """Sessions, categories over time, repeats, where interest changed, and what others do next from there."""
    from footpath.analysis.trail import trail
    from footpath.analysis.user import user_timeline
    from footpath.errors import ConfigError
    from footpath.events.store import open_store
    from footpath.page.text import sentence

    if last < 1:
        raise ConfigError(f"--last must be at least 1, got {last}")
    steps = None if by is None else [name.strip() for name in by.split(",") if name.strip()]
    result = user_timeline(trail(open_store(store), by=steps), user_id)
    if json:
        console.print_json({"store": str(store), "user": user_id} | result.to_dict())
        return
    if result.is_empty:
        for warning in result.meta["warnings"]:
            console.out.print(f"User {user_id}: {warning}", markup=False)
        console.next_step(f"footpath quality {shlex.quote(str(store))}")
        return
    cells = {cell.id: cell for cell in result.cells}
    acts = result.table.to_pylist()
    shown = acts[-last:]
    console.table(
        f"User {user_id}: the latest {len(shown)} of {len(acts):,} acts",
        ["when", "session", "type", "item", "category", "again"],
        [
            [
                str(row["timestamp"])[:19] if row["timestamp"] is not None else str(row["position"]),
                str(row["session"] + 1),
                row["event_type"],
                row["title"] or "",
                row["category"] or "",
                "yes" if row["repeat"] else "",
            ]
            for row in shown
        ],
        right=["session"],
    )
    console.out.print()
    for line in _summary(cells, result.parts["categories"].to_pylist()):
        console.out.print(line, markup=False)
    for row in result.parts["drift"].to_pylist():
        when = f"{row['timestamp']:%Y-%m-%d}" if row["timestamp"] is not None else f"act {row['position']}"
        console.out.print(
            f"Interest changed at {when}: {row['more']} {row['more_before']:.0%} → {row['more_after']:.0%}, "
            f"{row['less']} {row['less_before']:.0%} → {row['less_after']:.0%} (p = {row['p_value']:.3g})",
            markup=False,
        )
    steps_after = result.parts["next_steps"].to_pylist()[:5]
    if steps_after:
        console.out.print()
        console.table(
            f"What users do after {cells['last.label'].value}",
            ["next", "share", "interval", "of acts", "times chance"],
            [
                [
                    row["label"],
                    f"{row['probability']:.1%}",
                    f"{row['low']:.1%} to {row['high']:.1%}",
                    f"{row['n_from']:,}",
                    f"{row['lift']:.2f}",
                ]
                for row in steps_after
            ],
            right=["share", "interval", "of acts", "times chance"],
        )
    for warning in result.meta["warnings"]:
        console.out.print(f"  - {sentence(warning)}", markup=False)
    console.next_step(f"footpath analyze {shlex.quote(str(store))} --report report.html")


def _summary(cells: dict[str, Any], categories: list[dict[str, Any]]) -> list[str]:
    said = [f"{cells['acts'].value:,} acts"]
    if "sessions" in cells:
        said.append(f"{cells['sessions'].value:,} sessions")
    if cells["items"].value:
        said.append(f"{cells['items'].value:,} items")
    if "first" in cells:
        said.append(f"{cells['first'].value[:10]} to {cells['last'].value[:10]}")
    lines = ["In all: " + ", ".join(said)]
    if "repeat.share" in cells:
        share = cells["repeat.share"]
        lines.append(f"Items met before: {share.value:.1%} [{share.low:.1%}, {share.high:.1%}] of {share.n:,} acts with an item")
    totals: dict[str, int] = {}
    for row in categories:
        totals[row["category"]] = totals.get(row["category"], 0) + row["n"]
    if totals:
        first = sorted(totals, key=lambda name: (-totals[name], name))[:5]
        lines.append("Mostly: " + ", ".join(f"{name} {totals[name] / sum(totals.values()):.0%}" for name in first))
    return lines
