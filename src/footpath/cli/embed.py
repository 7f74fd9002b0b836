"""`footpath embed`: the vectors of users and items of a run, and whether they know what features know."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from footpath.cli import console
from footpath.errors import ConfigError

if TYPE_CHECKING:
    from footpath.experiments.probes import Probes
    from footpath.statistics import Interval


def embed(
    run: Annotated[Path, typer.Argument(help="The run that `footpath train` made.")],
    into: Annotated[Path | None, typer.Option(help="The directory to write.")] = None,
    store: Annotated[Path | None, typer.Option(help="The store of the run, where it has moved.")] = None,
    until: Annotated[
        str | None, typer.Option(help="Only events before it: 2026-01-31 or 2026-01-31T12:00+01:00; UTC without a zone.")
    ] = None,
    probe: Annotated[bool, typer.Option("--probe", help="Do vectors know who leaves, who buys, and the next category?")] = False,
    horizon_days: Annotated[float | None, typer.Option(help="Of the probes; 7, or a fifth of a short log.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the vectors that are there.")] = False,
    json: console.Json = False,
) -> None:
    """Write frozen vectors of users and items as Parquet; with --probe, ask what they know beside hand-made features."""
    from footpath.experiments.embed import embed as write
    from footpath.experiments.probes import probe as ask
    from footpath.experiments.runs import open_run

    if into is None and not probe:
        raise ConfigError("nothing to do: give --into DIR to write the vectors, --probe to ask what they know, or both")
    if horizon_days is not None and not probe:
        raise ConfigError(f"--horizon-days {horizon_days:g} is of the probes: add --probe")
    opened = open_run(run)
    answer: dict[str, Any] = {}
    with console.progress() as progress:
        if into is not None:
            answer |= write(opened, into, store=store, until=until, overwrite=overwrite, progress=progress).record
        found = ask(opened, store=store, until=until, horizon_days=horizon_days, progress=progress) if probe else None
    if json:
        console.print_json(answer if found is None else answer | {"probe": found.to_dict()})
        return
    if into is not None:
        console.out.print(
            f"{answer['n_users']:,} users and {answer['n_items']:,} items of {answer['store']['name']} by {answer['model']}, "
            f"{answer['dim']} numbers each -> {into}"
        )
        if left := answer["n_users_without_known_items"]:
            console.out.print(f"{left:,} users have no event on an item that the model knows, and no vector")
    if found is not None:
        _print(found)
    if into is None:
        console.next_step(f"footpath embed {run} --into DIR")
    else:
        console.next_step(f"duckdb -c \"from '{into}/users.parquet' limit 3\"{'' if probe else f', or footpath embed {run} --probe'}")


def _print(found: Probes) -> None:
    console.table(
        "Do frozen vectors know what hand-made features know?",
        ["probe", "figure", "n fit", "n test", "base", "vectors", "features", "both", "both - features"],
        [
            [
                probe.name,
                "AUC" if probe.figure == "auc" else probe.figure,
                f"{probe.n_fit:,}",
                f"{probe.n_test:,}",
                f"{probe.base:.1%}",
                *(_shown(interval) for interval in (probe.vectors, probe.features, probe.both)),
                _shown(probe.gain, "+"),
            ]
            for probe in found.probes
            if not probe.refused
        ],
        right=["n fit", "n test", "base"],
    )
    for probe in found.probes:
        if probe.refused:
            console.out.print(f"{probe.name} is not asked: {probe.refused}")
    console.out.print(
        f"Encoder fitted again with the run's settings on events before {found.first_cut:%Y-%m-%d %H:%M} UTC; regressions fitted there, "
        f"tested at {found.second_cut:%Y-%m-%d %H:%M} UTC; {found.horizon_days:g} days ahead; 95 % bootstrap over users. "
        "base: positives, or the accuracy of always naming the commonest category.",
        style="dim",
    )


def _shown(interval: Interval, sign: str = "") -> str:
    return f"{interval.value:{sign}.3f} [{interval.low:{sign}.3f}, {interval.high:{sign}.3f}]"
