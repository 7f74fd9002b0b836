"""`footpath simulate`: a log of the simulated shop, with the truth of what was planted in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from footpath.cli import console
from footpath.errors import ConfigError


def simulate(
    into: Annotated[Path, typer.Option(help="The folder to write; new or empty.")],
    events: Annotated[int, typer.Option(help="Rows, about; from a thousand to a billion.")] = 100_000,
    seed: Annotated[int, typer.Option(help="Of all that is drawn; the same seed gives the same rows.")] = 0,
    stories: Annotated[
        list[str] | None, typer.Option(help="STORY=STRENGTH, such as bots=0.5; 1 is the stated effect, 0 none; may be repeated.")
    ] = None,
    no_stories: Annotated[bool, typer.Option("--no-stories", help="Plant none, but what --stories names: a control.")] = False,
    json: console.Json = False,
) -> None:
    """Write a log of a simulated shop: ten weeks of people, with planted stories whose truth is told."""
    from footpath.events.shop import Stories
    from footpath.events.simulate import describe_story
    from footpath.events.simulate import simulate as simulated

    told = console.pairs(stories or [], "--stories")
    strengths = {}
    for name, text in told.items():
        try:
            strengths[name] = float(text)
        except ValueError:
            raise ConfigError(f"--stories {name} takes a number, got {text!r}; 1 is the stated effect, 0 is none") from None
    planted = Stories.named(strengths, others=0.0 if no_stories else 1.0)
    with console.progress() as progress:
        shop = simulated(events, seed=seed, stories=planted, into=into, progress=progress)
    following = (
        f"footpath ingest {into}/events-*.parquet --items {into}/items.parquet --users {into}/users.parquet --name shop --into STORE"
    )
    if json:
        paths = {kind: [str(path) for path in files] for kind, files in shop.paths.items()}
        console.print_json(
            {"n_events": shop.n_events, **shop.shop.describe(), "truth": shop.truth, "paths": paths, "folder": str(into), "next": following}
        )
        return
    made = shop.shop
    bots = f", and {made.n_bots} bots" if made.n_bots else ""
    console.out.print(
        f"{shop.n_events:,} rows of {made.n_users:,} people{bots} and {made.n_items:,} items in {into} (seed {seed})\n", style="bold"
    )
    rows = [(name, f"{story['strength']:g}", describe_story(name, story)) for name, story in shop.truth.items() if story["planted"]]
    if rows:
        console.table("Planted", ("story", "strength", "truth"), rows, right=("strength",), caption=f"in full: {into}/truth.json")
    else:
        console.out.print("Nothing is planted: what an analysis finds here is chance.")
    console.next_step(following)
