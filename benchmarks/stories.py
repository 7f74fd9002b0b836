"""What the analyses find of the stories of the simulated shop: at the stated effect, at half of it, and in a shop without stories.

    python benchmarks/stories.py [--events 100000] [--seeds 20] [--first-seed 100] [--json]

Each seed gives three logs. A story counts as found where the analysis that should find it says so: a finding (a doubt for bots) about it
at its place, or the count of the quality report. In the shop without stories any finding of that analysis counts, a false alarm.
Shares of seeds with Wilson intervals (95 %).
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import date, timedelta
from typing import Any

from footpath.analysis.ab_test import ab_test
from footpath.analysis.anomalies import anomalies
from footpath.analysis.bots import bots
from footpath.analysis.drift import interest_drift
from footpath.analysis.patterns import patterns
from footpath.analysis.propensity import propensity
from footpath.analysis.trail import trail
from footpath.events.shop import BOTS_FROM, BUG_WEEK, DRIFT_AT, TELLTALE, Stories
from footpath.events.simulate import simulate
from footpath.result import Result
from footpath.statistics import wilson

STORIES = ("bug_week", "bots", "drift", "duplicates", "late", "telltale", "variant", "churn")
SHOPS = {"stated": 1.0, "half": 0.5, "none": 0.0}


def found(events: int, seed: int, strength: float) -> tuple[dict[str, bool], float]:
    """Which stories are found, and the relative difference of the click rate of B."""
    shop = simulate(events, seed=seed, stories=Stories.named({}, others=strength))
    t = trail(shop.log)
    cell = shop.log.quality.cell
    days = [row for row in anomalies(t).table.to_pylist() if row["anomalous"]]
    mark, variant, churn, drift = patterns(t, contrast="segment"), ab_test(t), propensity(t), interest_drift(t)
    changes = [row["period"].date() for row in drift.table.to_pylist() if row["change_point"]]
    start, end = BUG_WEEK[0].date(), BUG_WEEK[1].date() - timedelta(days=1)
    nothing = strength == 0
    gain = float(variant.cell("click_rate.B.relative").value or 0.0)

    def claims(result: Result, cell_id: str | None) -> bool:
        """Whether a finding says so, by the cell it rests on; in a shop without stories, whether there is any."""
        return any(nothing or cell_id is None or cell_id in one.cells for one in result.findings if one.kind == "finding")

    def falls(row: dict[str, Any]) -> bool:
        share = bool(row["expected"] is not None and row["expected"] <= 1 and "_to_" in row["metric"])
        return share and (nothing or (row["observed"] < row["expected"] and row["start"] <= end and row["end"] >= start))

    def rises(row: dict[str, Any]) -> bool:
        return row["metric"] == "acts" and (nothing or row["start"] <= BOTS_FROM.date() <= row["end"])

    stories = {
        "bug_week": any(falls(row) for row in days),
        "bots": any(one.kind == "doubt" for one in bots(t).findings) or any(rises(row) for row in days if nothing),
        "drift": claims(drift, None) and (nothing or any(near(day, DRIFT_AT.date()) for day in changes)),
        "duplicates": cell("duplicates").value == shop.truth["duplicates"].get("n_rows", -1)
        if not nothing
        else cell("duplicates").value > 0,
        "late": cell("out_of_order").value > 0,
        "telltale": claims(mark, "share_1") and (nothing or mark.table["pattern"][0].as_py() == " > ".join(TELLTALE)),
        "variant": claims(variant, "click_rate.B.relative") and (nothing or gain > 0),
        "churn": claims(churn, "mark.last_failed_searches"),
    }
    return stories, gain


def near(day: date, other: date) -> bool:
    return abs(day - other) <= timedelta(days=7)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    counts = {name: dict.fromkeys(STORIES, 0) for name in SHOPS}
    gains: dict[str, list[float]] = {name: [] for name in SHOPS}
    for seed in range(given.first_seed, given.first_seed + given.seeds):
        for name, strength in SHOPS.items():
            stories, gain = found(given.events, seed, strength)
            gains[name].append(gain)
            for story, yes in stories.items():
                counts[name][story] += bool(yes)
        print(f"seed {seed}", {name: counts[name] for name in SHOPS}, file=sys.stderr)
    if given.json:
        print(
            json.dumps({"events": given.events, "seeds": given.seeds, "first_seed": given.first_seed, "found": counts, "gain_of_b": gains})
        )
        return
    print(f"found in shops of {given.events:,} events, of {given.seeds} seeds from {given.first_seed} [Wilson, 95 %]")
    for story in STORIES:
        shown = []
        for name in SHOPS:
            low, high = wilson(counts[name][story], given.seeds)
            shown.append(f"{name} {counts[name][story]:3} [{low:4.0%}, {high:4.0%}]")
        print(f"{story:11}", "   ".join(shown))
    print("mean gain of B's click rate:", "  ".join(f"{name} {sum(gain) / len(gain):+.1%}" for name, gain in gains.items()))


if __name__ == "__main__":
    main()
