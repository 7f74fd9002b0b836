"""`footpath train`: fit one model on all events of a store, ready to recommend."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from footpath.cli import console, responses

_MOST_EVENTS: Final = 0.9  # where a model learned from fewer, this is said


def train(
    store: Annotated[Path, typer.Argument(help="The store that `footpath ingest` made.")],
    model: Annotated[str, typer.Option(help="A name that `footpath models` lists.")],
    into: Annotated[Path, typer.Option(help="The run directory to write.")],
    set: Annotated[list[str] | None, typer.Option("--set", help="FIELD=VALUE, a hyper-parameter; may be repeated.")] = None,
    event_type: Annotated[list[str] | None, typer.Option(help="Only events of this type; may be repeated.")] = None,
    core: Annotated[int, typer.Option(help="Only users and items with at least that many events.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the vocabulary.")] = 0,
    repeat: Annotated[bool, typer.Option("--repeat", help="Recommend items of the history too.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run that is there.")] = False,
    text: console.Text = "auto",
    examples: console.Examples = "auto",
    label: console.Labels = None,
    threshold: console.Threshold = None,
    negatives: console.Negatives = None,
    context: console.ContextColumns = None,
    protocol: Annotated[
        str, typer.Option(help="Responses, ratings: the split that chooses and calibrates: time, given, user-tail; auto.")
    ] = "auto",
    calibrate: Annotated[str, typer.Option(help="Responses: auto, isotonic, platt or none, on validation.")] = "auto",
    json: console.Json = False,
) -> None:
    """Fit a model on all events, or all impressions, its settings chosen on a validation split where it has any to choose.

    Killed and started again, it goes on from its last epoch. Several processes: torchrun --nproc-per-node 2 -m footpath train ...
    """
    from footpath.experiments import runs

    if responses.answers([model]) == "responses":
        from footpath.experiments import responses as of_responses

        responses.only_for_items(core=core, repeat=repeat, text=None if text == "auto" else text)
        with console.progress() as progress:
            opened = of_responses.train(
                store,
                model,
                into,
                fields=console.pairs(set or [], "--set"),
                options=responses.options(examples, label, threshold, negatives, context, event_type),
                protocol=protocol,
                calibrate=calibrate,
                seed=seed,
                overwrite=overwrite,
                progress=progress,
            )
        if runs.process_number() != 0:
            return
        if json:
            console.print_json({"run": str(into)} | dict(opened.record))
            return
        responses.print_run(opened.record, into)
        console.next_step(f"footpath predict {into} FILE, or footpath recommend {into} --user ID")
        return
    responses.only_for_responses(
        examples=examples, label=label, threshold=threshold, negatives=negatives, context=context, protocol=protocol, calibrate=calibrate
    )
    with console.progress() as progress:
        run = runs.train(
            store,
            model,
            into,
            fields=console.pairs(set or [], "--set"),
            event_types=event_type,
            core=core,
            seed=seed,
            repeat=repeat,
            overwrite=overwrite,
            text=text,
            progress=progress,
        )
    if runs.process_number() != 0:  # under torchrun one process speaks for all
        return
    if json:
        console.print_json({"run": str(into)} | dict(run.record))
        return
    data = run.record["data"]
    console.out.print(
        f"{model} fitted on {data['n_events']:,} events of {data['n_users']:,} users and {data['n_items']:,} items "
        f"of {data['name']} in {run.record['fit_cpu_s']:.1f} CPU-s -> {into}"
    )
    chosen = run.record["chosen"]
    settings = ", ".join(f"{name}={value}" for name, value in chosen.get("fields", {}).items() if value is not None)
    console.out.print(f"Settings: {chosen['by']}{f': {settings}' if settings else ''}; then fitted on all events.")
    share = (run.record["fitted_with"] or {}).get("share_of_events", 1.0)
    if share < _MOST_EVENTS:
        console.out.print(
            f"Learned from the newest events of each history, {100 * share:.0f} % of all; --set windows=all learns from the rest too, "
            "and takes longer."
        )
    console.next_step(f"footpath recommend {into} --user ID, or --history a,b,c")
