"""`footpath compare`: the settings of several runs on one split, in pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from footpath.cli import console
from footpath.cli.evaluate import print_report


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Two or more runs that `footpath train` or `footpath best` made, the base first.")],
    store: Annotated[Path | None, typer.Option(help="Where their events lie, where they are not where they were.")] = None,
    protocol: Annotated[str, typer.Option(help="time, loo, given or cold, as in `footpath evaluate`.")] = "time",
    k: Annotated[int, typer.Option("-k", "--k", help="Length of the lists.")] = 10,
    refit: Annotated[bool, typer.Option("--refit", help="Fit again with the validation events.")] = False,
    targets: Annotated[str, typer.Option(help="Protocol time: first event after the cut, all of them, or each in turn.")] = "first",
    references: Annotated[bool, typer.Option(help="Add the rows that every table needs.")] = True,
    json: console.Json = False,
) -> None:
    """Fit the settings of runs again on the past of their store, rank what came after, and test each against the first."""
    from footpath.experiments.compare import compare_runs
    from footpath.experiments.runs import open_run

    opened = [open_run(run) for run in runs]
    with console.progress() as progress:
        report = compare_runs(
            opened,
            store=store,
            protocol=protocol,  # type: ignore[arg-type]  # checked by split, which names what there is
            k=k,
            refit_on_validation=refit,
            targets=targets,  # type: ignore[arg-type]
            references=references,
            progress=progress,
        )
    if json:
        console.print_json(report.to_dict())
        return
    names = [run.resolve().name for run in runs]
    print_report(report.to_dict(), requested=names)
    for run in opened:
        if (run.path / "learning-curves.html").is_file():
            console.out.print(f"Learning curves: {run.path / 'learning-curves.html'}")
    console.next_step(f"footpath recommend {runs[0]} --user ID")
