"""`footpath demo`: the main job on a real log, or on the simulated shop, from nothing to titled recommendations."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from footpath.cli import console
from footpath.cli.analyze import print_findings
from footpath.cli.evaluate import print_report
from footpath.cli.quality import print_quality
from footpath.cli.recommend import print_recommendations
from footpath.errors import UnreachableError

if TYPE_CHECKING:
    from footpath.progress import Progress

MODELS = ("popularity", "item_knn", "ease", "sasrec")
MODEL = "sasrec"
SHOP_EVENTS = 100_000


def demo(
    into: Annotated[Path, typer.Option(help="The folder to work in; its store and run are made anew.")] = Path("demo"),
    json: console.Json = False,
) -> None:
    """Fetch MovieLens-100k (or simulate a shop), check it, look at what people do, compare four models, and recommend to three users."""
    from footpath.analysis.report import analyze
    from footpath.events.store import open_store
    from footpath.experiments import runs
    from footpath.experiments.compare import Candidate, compare
    from footpath.sequences.build import to_sequences

    store, run_path = into / "store", into / "run"
    with console.progress() as progress:
        title, licence = _ingest(into, store, progress)
    log = open_store(store)
    if not json:
        print_quality(log.quality, f"1. The log: {title}")
        console.out.print(f"Licence: {licence}\n", style="dim")
    with console.progress() as progress:
        trails = analyze(log, source=str(store), progress=progress)
    page = trails.html(into / "report.html")
    if not json:
        console.out.print("2. What people do", style="bold")
        print_findings(trails, store)
        console.out.print(f"\nwritten: {page}\n", style="dim", markup=False)
    with console.progress() as progress:
        report = compare(log, [Candidate(name) for name in MODELS], protocol="loo", progress=progress).to_dict()
    if not json:
        print_report(report, MODELS)
        console.out.print()
    with console.progress() as progress:
        run = runs.train(store, MODEL, run_path, overwrite=True, progress=progress)
    suspects = set() if log.bots is None else set(log.bots.select("user_id").to_pyarrow()["user_id"].to_pylist())
    active = [user for user in runs.popular_users(to_sequences(log), 200 + len(suspects)) if user not in suspects]
    users = active[:200:80]
    answers = [runs.recommend_from(run, user=user, k=5) for user in users]
    if json:
        console.print_json(
            {
                "data": log.name,
                "quality": log.quality.to_dict(),
                "report": str(page),
                "evaluation": report,
                "recommendations": answers,
                "store": str(store),
                "run": str(run_path),
            }
        )
        return
    for answer in answers:
        print_recommendations(answer)
    console.next_step(f"footpath recommend {run_path} --user {users[0]}, or the same with your own log: footpath ingest FILE --into STORE")


def _ingest(into: Path, store: Path, progress: Progress) -> tuple[str, str]:
    """MovieLens-100k into a new store, or the simulated shop where it cannot be reached: its title and licence."""
    from footpath.events import fetch as public
    from footpath.events.simulate import simulate
    from footpath.events.store import ingest

    try:
        fetched = public.fetch("ml-100k", into / "data", progress=progress)
    except UnreachableError as error:
        console.err.print(f"{error}\nThe demo goes on with a simulated shop.\n", style="yellow", markup=False)
        shutil.rmtree(into / "shop", ignore_errors=True)
        paths = simulate(SHOP_EVENTS, into=into / "shop", progress=progress).paths
        shutil.rmtree(store, ignore_errors=True)
        ingest(list(paths["events"]), store, items=paths["items"][0], users=paths["users"][0], name="shop", progress=progress)
        return f"a simulated shop, {SHOP_EVENTS:,} events, seed 0", "made here; its planted stories are in " + str(
            into / "shop" / "truth.json"
        )
    shutil.rmtree(store, ignore_errors=True)
    ingest(list(fetched.events), store, items=fetched.items, users=fetched.users, preset=fetched.preset, name="ml-100k", progress=progress)
    return "MovieLens-100k", fetched.licence
