"""`footpath demo`: the main job on a real log, from nothing to titled recommendations."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from footpath.cli import console
from footpath.cli.analyze import print_findings
from footpath.cli.evaluate import print_report
from footpath.cli.quality import print_quality
from footpath.cli.recommend import print_recommendations

MODELS = ("popularity", "item_knn", "ease", "sasrec")


def demo(
    into: Annotated[Path, typer.Option(help="The folder to work in; its store and run are made anew.")] = Path("demo"),
    json: console.Json = False,
) -> None:
    """Fetch MovieLens-100k, check it, look at what people do, compare four models, and recommend to three users."""
    from footpath.analysis.report import analyze
    from footpath.events import fetch as public
    from footpath.events.store import ingest, open_store
    from footpath.experiments import runs
    from footpath.experiments.compare import Candidate, compare
    from footpath.sequences.build import to_sequences

    store, run_path = into / "store", into / "run"
    with console.progress() as progress:
        fetched = public.fetch("ml-100k", into / "data", progress=progress)
        shutil.rmtree(store, ignore_errors=True)
        ingest(
            list(fetched.events), store, items=fetched.items, users=fetched.users, preset=fetched.preset, name="ml-100k", progress=progress
        )
        log = open_store(store)
    if not json:
        print_quality(log.quality, "1. The log: MovieLens-100k")
        console.out.print(f"Licence: {fetched.licence}\n", style="dim")
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
        run = runs.train(store, "sasrec", run_path, overwrite=True, progress=progress)
    users = runs.popular_users(to_sequences(log), 200)[::80]
    answers = [runs.recommend_from(run, user=user, k=5) for user in users]
    if json:
        console.print_json(
            {
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
    console.next_step(f"footpath recommend {run_path} --user 42, or the same with your own log: footpath ingest FILE --into STORE")
