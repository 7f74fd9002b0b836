"""`footpath tune`: search the settings of one model on validation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from footpath.cli import console


def tune(
    store: Annotated[Path, typer.Argument(help="The store that `footpath ingest` made.")],
    model: Annotated[str, typer.Option(help="A name that `footpath models` lists.")],
    into: Annotated[Path, typer.Option(help="The directory of the study; the same one goes on where it stopped.")],
    trials: Annotated[int, typer.Option(help="Trials in all, those of earlier starts included.")] = 10,
    timeout: Annotated[float | None, typer.Option(metavar="MINUTES", help="Start no trial after so many minutes.")] = None,
    protocol: Annotated[
        str,
        typer.Option(
            help="auto, time, loo or given: whose validation part chooses. Of responses and ratings: auto, time, given, kfold or user-tail."
        ),
    ] = "auto",
    set: Annotated[list[str] | None, typer.Option("--set", help="FIELD=VALUE, fixed in every trial; may be repeated.")] = None,
    event_type: Annotated[list[str] | None, typer.Option(help="Only events of this type; may be repeated.")] = None,
    core: Annotated[int, typer.Option(help="Only users and items with at least that many events.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the vocabulary and of what is drawn.")] = 0,
    repeat: Annotated[bool, typer.Option("--repeat", help="Items of the history may be recommended, and may be the answer.")] = False,
    examples: console.Examples = "auto",
    label: console.Labels = None,
    threshold: console.Threshold = None,
    negatives: console.Negatives = None,
    context: console.ContextColumns = None,
    json: console.Json = False,
) -> None:
    """Search a model's settings on the validation part of a split, resumable; the test part is never read."""
    from footpath.experiments import tune as tuning

    with console.progress() as progress:
        found = tuning.tune(
            store,
            model,
            into,
            trials=trials,
            timeout_minutes=timeout,
            fixed=console.pairs(set or [], "--set"),
            protocol=protocol,
            event_types=event_type,
            core=core,
            seed=seed,
            repeat=repeat,
            examples=console.examples(examples, label, threshold, negatives, context),
            progress=progress,
        )
    if json:
        console.print_json(found.to_dict())
        return
    asked, best, figure = found.asked, found.best, found.measure.name
    names = list(asked["space"])
    by_epochs = any(trial.epochs for trial in found.trials)
    console.table(
        f"{model} on {asked['data']}: {len(found.trials)} trials, best first\n{tuning.in_words(found)}; the test part was not read",
        ["trial", *names, figure, *(["epochs"] if by_epochs else []), "CPU-s", "state"],
        [
            [
                str(trial.number),
                *(str(trial.parameters.get(name, "")) for name in names),
                ""
                if trial.value is None
                else f"{trial.value:.4f}" + ("" if trial.low is None else f" [{trial.low:.4f}, {trial.high:.4f}]"),
                *(["" if trial.epochs is None else str(trial.epochs)] if by_epochs else []),
                f"{trial.cpu_s:.1f}",
                trial.note or tuning.STATES[trial.state],
            ]
            for trial in found.ranked
        ],
        right=[*names, figure, "epochs", "CPU-s"],
        caption="[ ]: 95 % bootstrap interval over users. Trial 1: the model's defaults. CPU-s: to fit and to judge.",
    )
    if found.importances:
        shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in found.importances.items())
        console.out.print(f"What explains the differences between trials: {shares}.")
    if best.settled:
        console.out.print(f"Chosen by validation within trial {best.number}: {', '.join(f'{n}={v}' for n, v in best.settled.items())}.")
    for warning in found.warnings:
        console.out.print(f"Note: {warning}.")
    console.out.print(f"Picture: {into / 'tuning.html'}")
    console.next_step(found.command)
