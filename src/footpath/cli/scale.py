"""`footpath scale`: whether the data or the size of a model is the limit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from footpath.cli import console


def scale(
    store: Annotated[Path, typer.Argument(help="The store that `footpath ingest` made.")],
    models: Annotated[str, typer.Option("--models", "--model", help="Names, separated by commas; `footpath models` lists all.")],
    into: Annotated[Path, typer.Option(help="The directory of the study; the same one goes on where it stopped.")],
    widths: Annotated[str, typer.Option(help="Values of dim, separated by commas.")] = "16,32,64,128",
    depths: Annotated[str, typer.Option(help="Values of blocks, separated by commas.")] = "1,2",
    shares: Annotated[str, typer.Option(help="Shares of the training users, separated by commas.")] = "0.1,0.3,1.0",
    seeds: Annotated[int, typer.Option(help="Fits of each cell, with seeds that follow --seed.")] = 1,
    set: Annotated[
        list[str] | None, typer.Option("--set", help="FIELD=VALUE, in every cell of the models that have it; may be repeated.")
    ] = None,
    protocol: Annotated[str, typer.Option(help="auto, time, loo or given: whose validation part judges.")] = "auto",
    event_type: Annotated[list[str] | None, typer.Option(help="Only events of this type; may be repeated.")] = None,
    core: Annotated[int, typer.Option(help="Only users and items with at least that many events.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the vocabulary, the shares and the models.")] = 0,
    repeat: Annotated[bool, typer.Option("--repeat", help="Items of the history may be recommended, and may be the answer.")] = False,
    json: console.Json = False,
) -> None:
    """Quality against width, depth and share of the data; says which is the limit, with intervals."""
    from footpath.experiments import scale as scaling

    with console.progress() as progress:
        made = scaling.scale(
            store,
            [name.strip() for name in models.split(",") if name.strip()],
            into,
            widths=scaling.numbers(widths, int, "--widths"),
            depths=scaling.numbers(depths, int, "--depths"),
            shares=scaling.numbers(shares, float, "--shares"),
            seeds=seeds,
            fixed=console.pairs(set or [], "--set"),
            protocol=protocol,
            event_types=event_type,
            core=core,
            seed=seed,
            repeat=repeat,
            progress=progress,
        )
    if json:
        console.print_json(made.to_dict())
        return
    asked = made.asked
    columns = ["model", "width", "depth", "data", "users", "events", "NDCG@10", "CPU-s"]
    console.table(
        f"{asked['data']}, protocol {asked['protocol']} ({asked['why']}): the validation part, {asked['n_validation']:,} histories, "
        "the same for all",
        columns,
        [
            [
                cell.model,
                str(cell.dim or "–"),
                str(cell.blocks or "–"),
                f"{100 * cell.share:g} %",
                f"{cell.n_users:,}",
                f"{cell.n_events:,}",
                f"{cell.ndcg:.4f}" + ("" if cell.low is None else f" [{cell.low:.4f}, {cell.high:.4f}]"),
                f"{cell.cpu_s:.1f}",
            ]
            for cell in made.cells
        ],
        right=columns[1:],
        caption="[ ]: 95 % bootstrap interval over users. CPU-s: to fit and to judge.",
    )
    for name, verdict in made.verdicts.items():
        gains = ", ".join(scaling.gain_in_words(what, gain) for what, gain in verdict["gains"].items())
        console.out.print(f"{name}: {verdict['verdict']} ({gains}).")
        for kept in verdict["keeps"]:
            console.out.print(f"  {scaling.kept_in_words(name, kept)}.")
    console.out.print(scaling.RULE, style="dim")
    for warning in asked["warnings"]:
        console.out.print(f"Note: {warning}.")
    console.out.print(f"Picture: {into / 'scale.html'}")
    console.next_step(made.command)
