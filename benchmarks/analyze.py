"""How much work analyses are: Footpath beside retentioneering 5.2.4 on the simulated shop, then the whole report.

    python benchmarks/analyze.py [--events 1000000] [--seed 0] [--work DIR] [--skip-peer] [--skip-report | --report-only] [--json]

That many acts of the shop (impressions are not among them) lie in one Parquet file of user, type and time. Each tool reads it in a process
of its own and counts transitions, a step matrix of ten steps and the funnel view > cart > purchase over whole histories.
Footpath does it twice: `in place` on the file, and `checked`, where `read_events` first drops repeats, flags bots and reports quality.
CPU-seconds are user and system time of each step; the peak is resident memory of the whole process, imports included. The counts of
transitions must agree, or the command fails. retentioneering is installed into an environment of its own in the work folder.
The report is the one of `footpath analyze STORE --report report.html` on a shop of that many events, impressions included.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PEER = "retentioneering==5.2.4"
STEPS = ("view", "cart", "purchase")
MAX_STEPS = 10
ACTS_OF_EVENTS = 0.28
"""At least this share of the events of a shop are acts, the rest impressions."""


class Stopwatch:
    """CPU-seconds of named steps of this process."""

    def __init__(self) -> None:
        self.steps: dict[str, float] = {}
        self._last = self._now()

    @staticmethod
    def _now() -> float:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return used.ru_utime + used.ru_stime

    def lap(self, step: str) -> None:
        now = self._now()
        self.steps[step] = now - self._last
        self._last = now


def print_measured(steps: dict[str, float], **more: Any) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps({"steps": steps, "peak_mib": peak, **more}) + "\n")


def run_peer(acts: Path) -> None:
    """In the environment of retentioneering."""
    watch = Stopwatch()
    import pandas as pd
    from retentioneering.eventstream import Eventstream

    watch.lap("import")
    frame = pd.read_parquet(acts)
    # its own table has a column event_type: given one of that name, it counts the end of a path before the last event
    frame = frame.rename(columns={"event_type": "event"})
    stream = Eventstream(frame, {"path_cols": ["user_id"], "event_col": "event", "timestamp_col": "timestamp"})
    watch.lap("build")
    transitions = stream.transition_graph_data(edge_weight="count")
    watch.lap("transitions")
    stream.step_matrix_data(max_steps=MAX_STEPS)
    watch.lap("step matrix")
    stream.funnel_data(list(STEPS))
    watch.lap("funnel")
    counts = {f"{a}>{b}": int(n) for a, row in transitions.to_dict("index").items() for b, n in row.items() if n}
    print_measured(watch.steps, transitions={pair: n for pair, n in counts.items() if "path_" not in pair})


def run_footpath(acts: Path, checked: bool) -> None:
    watch = Stopwatch()
    import ibis

    from footpath.analysis.funnels import funnel
    from footpath.analysis.step_matrix import step_matrix
    from footpath.analysis.trail import trail
    from footpath.analysis.transitions import transitions
    from footpath.events.in_place import log_in_place
    from footpath.events.readers import read_events

    con = ibis.duckdb.connect()
    con.raw_sql("SET threads = 2")
    con.sql("SELECT 1 AS one").to_pyarrow()  # the first answer imports what turns rows into Arrow
    watch.lap("import")
    log = read_events(acts, zone="UTC", columns={"item_id": "-"}) if checked else log_in_place(con.read_parquet(acts))
    made = trail(log, by="event_type", sessions=False)
    _ = made.counts
    watch.lap("build")
    found = transitions(made)
    watch.lap("transitions")
    step_matrix(made, max_steps=MAX_STEPS)
    watch.lap("step matrix")
    funnel(made, steps=STEPS)
    watch.lap("funnel")
    rows = found.parts["matrix"].to_pylist() if "matrix" in found.parts else found.table.to_pylist()
    print_measured(watch.steps, transitions={f"{row['from_label']}>{row['to_label']}": row["n"] for row in rows if row["n"]})


def run_report(store: Path, page: Path) -> None:
    watch = Stopwatch()
    import footpath as fp

    watch.lap("import")
    report = fp.analyze(fp.open_store(store))
    watch.lap("analyses")
    report.html(page)
    watch.lap("page")
    print_measured(watch.steps, page_mib=page.stat().st_size / 2**20, results=len(report.results))


def child(python: Path | str, mode: str, *paths: Path) -> dict[str, Any]:
    env = os.environ | {"OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": "2", "RETENTIONEERING_NO_TRACK": "1"}
    done = subprocess.run(
        [str(python), __file__, "--child", mode, *map(str, paths)], env=env, stdout=subprocess.PIPE, text=True, check=True
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def peer_python(work: Path) -> Path:
    python = work / "peer" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(work / "peer")], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "--quiet", "--disable-pip-version-check", PEER], check=True)
    return python


def measure_acts(work: Path, events: int, seed: int, *, peer: bool) -> dict[str, Any]:
    import ibis

    from footpath.events.simulate import simulate

    acts = work / f"acts-{events}-{seed}.parquet"
    if not acts.exists():
        shop = work / f"shop-of-acts-{events}-{seed}"
        simulate(round(events / ACTS_OF_EVENTS), seed=seed, into=shop)
        table = ibis.duckdb.connect().read_parquet(str(shop / "events*.parquet"))
        table = table.filter(table.event_type != "impression").select("user_id", "event_type", "timestamp").distinct()
        table.order_by("user_id", "timestamp").limit(events).to_parquet(acts)
        shutil.rmtree(shop)
    found = {}
    found["footpath, in place"] = child(sys.executable, "in-place", acts)
    found["footpath, checked"] = child(sys.executable, "checked", acts)
    if peer:
        found[PEER] = child(peer_python(work), "peer", acts)
        if found[PEER]["transitions"] != found["footpath, in place"]["transitions"]:
            raise SystemExit("the two tools count different transitions")
    return found


def measure_report(work: Path, events: int, seed: int) -> dict[str, Any]:
    from footpath.events.simulate import simulate
    from footpath.events.store import ingest

    shop, store = work / f"shop-{events}-{seed}", work / f"store-{events}-{seed}"
    if not store.exists():
        if not shop.exists():
            simulate(events, seed=seed, into=shop)
        ingest(sorted(shop.glob("events*.parquet")), store, items=shop / "items.parquet", users=shop / "users.parquet")
    return child(sys.executable, "report", store, work / "report.html")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--skip-peer", action="store_true")
    parts = parser.add_mutually_exclusive_group()
    parts.add_argument("--skip-report", action="store_true")
    parts.add_argument("--report-only", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        mode, *paths = given.child
        if mode == "peer":
            run_peer(Path(paths[0]))
        elif mode == "report":
            run_report(Path(paths[0]), Path(paths[1]))
        else:
            run_footpath(Path(paths[0]), checked=mode == "checked")
        return
    work = given.work or Path(tempfile.mkdtemp(prefix="footpath-analyze-"))
    work.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    found: dict[str, Any] = {"events": given.events, "seed": given.seed}
    if not given.report_only:
        found |= measure_acts(work, given.events, given.seed, peer=not given.skip_peer)
    if not given.skip_report:
        found["report"] = measure_report(work, given.events, given.seed)
    if given.json:
        print(json.dumps(found, indent=2))
        return
    print(f"{found['events']:,} events of the simulated shop, seed {found['seed']}; CPU-seconds, {time.monotonic() - started:.0f} s in all")
    for name, row in found.items():
        if isinstance(row, dict):
            steps = "  ".join(f"{step} {seconds:.2f}" for step, seconds in row["steps"].items())
            total = sum(seconds for step, seconds in row["steps"].items() if step != "import")
            print(f"{name:24} {steps}  sum without import {total:.2f}  peak {row['peak_mib']:.0f} MiB")


if __name__ == "__main__":
    main()
