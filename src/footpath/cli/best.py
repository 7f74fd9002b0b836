"""`footpath best`: the best model for a log within some minutes, ready to recommend."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from footpath.cli import console


def best(
    store: Annotated[Path, typer.Argument(help="The store that `footpath ingest` made.")],
    into: Annotated[Path, typer.Option(help="The run directory to write; the same one goes on where it stopped.")],
    minutes: Annotated[float, typer.Option(help="Of wall clock, everything included.")] = 10.0,
    protocol: Annotated[str, typer.Option(help="auto: by time where the log allows it. time, loo or given.")] = "auto",
    event_type: Annotated[list[str] | None, typer.Option(help="Only events of this type; may be repeated.")] = None,
    core: Annotated[int, typer.Option(help="Only users and items with at least that many events.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the vocabulary, the split and the models.")] = 0,
    repeat: Annotated[bool, typer.Option("--repeat", help="Items of the history may be recommended, and may be the answer.")] = False,
    text: console.Text = "auto",
    json: console.Json = False,
) -> None:
    """Try models from popularity to mixtures of sequence models, keep the best one, and say how good it is."""
    from footpath.experiments.best import best as climb
    from footpath.experiments.model_card import by_reason, settings_and_note

    with console.progress() as progress:
        found = climb(
            store,
            into,
            minutes=minutes,
            protocol=protocol,
            event_types=event_type,
            core=core,
            seed=seed,
            repeat=repeat,
            text=text,
            progress=progress,
        )
    figures = found.figures
    if json:
        console.print_json({"run": str(into)} | dict(figures))
        return
    data, protocol_used, test = figures["data"], figures["protocol"], figures["test"]
    judged = [rung for rung in figures["ladder"] if rung["ndcg"] is not None]
    console.table(
        f"{data['data']}: what was tried, judged on validation\n"
        f"protocol {protocol_used['name']} ({protocol_used['why']}), {protocol_used['n_validation']:,} histories",
        ["model", "NDCG@10", "epochs", "CPU-s", ""],
        [
            [
                rung["name"],
                console.figure({"value": rung["ndcg"], "low": rung["low"], "high": rung["high"]}),
                str(rung["epochs"] or ""),
                f"{rung['cpu_s']:.1f}",
                settings_and_note(rung),
            ]
            for rung in sorted(judged, key=lambda rung: -rung["ndcg"])
        ],
        right=["NDCG@10", "epochs", "CPU-s"],
    )
    for why, names in by_reason([rung for rung in figures["ladder"] if rung["ndcg"] is None]).items():
        console.out.print(f"Without a figure: {names}: {why.rstrip('.')}.")
    console.out.print()
    shown = ["ndcg@10", "recall@10", "mrr@10"]
    console.table(
        f"{figures['winner']}, looked at once on test: {protocol_used['n_test']:,} histories, fitted on the training events",
        ["model", *shown],
        [[row["model"], *(console.figure(row["metrics"][name]) for name in shown)] for row in test["rows"]],
        right=shown,
        caption="[ ]: 95 % bootstrap interval over users.",
    )
    for pair in test["against"]:
        p = "" if pair["p_adjusted"] is None else f", p = {pair['p_adjusted']:.4f} (Holm)"
        bounds = "" if pair["low"] is None else f" [{pair['low']:+.4f}, {pair['high']:+.4f}]"
        console.out.print(f"{figures['winner']} against {pair['floor']}, ndcg@10: {pair['difference']:+.4f}{bounds}{p}")
    for warning in [*figures["warnings"], *test["audit"]["warnings"]]:
        console.out.print(f"  - {warning}")
    spent = figures["time"]
    console.out.print(f"\n{figures['winner']} fitted on all {data['n_events']:,} events -> {into}")
    console.out.print(f"What it is and for whom it is worse: {into / 'MODEL_CARD.md'}")
    console.out.print(f"Time: {spent['wall_s']:.0f} s of {60 * spent['minutes']:.0f} s, {spent['cpu_s']:.0f} CPU-s.")
    console.next_step(f"footpath recommend {into} --user ID, or --history a,b,c")
