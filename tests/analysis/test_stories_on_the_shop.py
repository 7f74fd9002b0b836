"""Every story planted in the simulated shop is found by the analysis that should find it, and a shop without stories raises none."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache
from typing import Any

import pytest

from footpath.analysis.ab_test import ab_test
from footpath.analysis.anomalies import anomalies
from footpath.analysis.bots import bots
from footpath.analysis.drift import interest_drift
from footpath.analysis.patterns import patterns
from footpath.analysis.propensity import propensity
from footpath.analysis.trail import Trail, trail
from footpath.events.shop import Stories
from footpath.events.simulate import Simulated, simulate
from footpath.result import Result

pytestmark = pytest.mark.slow
SEEDS = (41, 42, 43)
EVENTS = 300_000
SURE = 0.99
"""At 95 % one A/B test in twenty finds a difference where there is none, and there are six here."""


@cache
def shop(seed: int) -> Simulated:
    return simulate(EVENTS, seed=seed)


@cache
def control(seed: int) -> Trail:
    return trail(simulate(EVENTS, seed=seed, stories=Stories.none()).log)


@cache
def walked(seed: int) -> Trail:
    return trail(shop(seed).log)


@cache
def odd_days(seed: int) -> Result:
    return anomalies(walked(seed))


def findings(result: Result) -> list[str]:
    return [str(finding.text) for finding in result.findings if finding.kind == "finding"]


def day(truth: dict[str, Any], name: str) -> date:
    return date.fromisoformat(truth[name][:10])


@pytest.mark.parametrize("seed", SEEDS)
def test_the_bug_week_is_found_by_its_conversion_give_or_take_a_day(seed: int) -> None:
    truth = shop(seed).truth["bug_week"]
    start, end = day(truth, "start"), day(truth, "end") - timedelta(days=1)
    found = [row for row in odd_days(seed).table.to_pylist() if row["metric"] == "cart_to_purchase" and row["anomalous"]]
    assert found
    for row in found:
        assert row["observed"] < row["expected"]
        assert start <= row["end"]
        assert row["start"] <= end
    longest = max(found, key=lambda row: row["end"] - row["start"])
    assert abs(longest["start"] - start) <= timedelta(days=1)
    assert abs(longest["end"] - end) <= timedelta(days=1)
    assert 0.35 < longest["observed"] / longest["expected"] < 0.7  # half was planted
    assert any(cell.startswith("cart_to_purchase.") for finding in odd_days(seed).findings for cell in finding.cells)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_bots_are_named_all_and_only_and_their_day_stands_out(seed: int) -> None:
    truth = shop(seed).truth["bots"]
    found = bots(walked(seed))
    assert found.parts["flagged"]["user_id"].to_pylist() == truth["user_ids"]
    assert [finding for finding in found.findings if finding.kind == "doubt"]
    begun = day(truth, "start")
    acts = [row for row in odd_days(seed).table.to_pylist() if row["metric"] == "acts" and row["anomalous"]]
    assert any(row["start"] <= begun <= row["end"] and row["observed"] > 2 * row["expected"] for row in acts)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_planted_drift_is_found_at_its_time(seed: int) -> None:
    at = day(shop(seed).truth["drift"], "at")
    found = interest_drift(walked(seed), permutations=99)
    assert findings(found)
    assert any(row["period"].date() == at for row in found.table.to_pylist() if row["change_point"])


@pytest.mark.parametrize("seed", SEEDS)
def test_the_batch_delivered_twice_and_the_late_rows_are_counted_by_the_quality_report(seed: int) -> None:
    quality, truth = shop(seed).log.quality, shop(seed).truth
    assert quality.cell("duplicates").value == truth["duplicates"]["n_rows"] > 0
    assert 0.5 * truth["late"]["n_rows"] < quality.cell("out_of_order").value <= truth["late"]["n_rows"]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_telltale_path_of_its_segment_is_the_first_pattern(seed: int) -> None:
    truth = shop(seed).truth["telltale"]
    found = patterns(walked(seed), contrast="segment")
    first = found.table.to_pylist()[0]
    assert (first["pattern"], first["group"]) == (" > ".join(truth["pattern"]), truth["segment"])
    assert first["low"] <= truth["effect"] <= first["high"]
    assert " > ".join(truth["pattern"]) in findings(found)[0]


@pytest.mark.parametrize("seed", SEEDS)
def test_variant_b_is_found_better_by_what_was_planted(seed: int) -> None:
    found = ab_test(walked(seed), confidence=SURE)
    assert found.cell("sample_ratio_p").value > 0.001
    gain = found.cell("click_rate.B.relative")
    assert gain.low is not None
    assert gain.high is not None
    # 15 % more on the same page, and one click leads to others
    assert 0 < gain.low < shop(seed).truth["variant"]["effect"] + 0.03 < gain.high
    assert any(gain.id in finding.cells for finding in found.findings if finding.kind == "finding")


@pytest.mark.parametrize("seed", SEEDS)
def test_two_vain_searches_are_found_as_the_mark_of_who_leaves(seed: int) -> None:
    found = propensity(walked(seed))
    assert any("mark.last_failed_searches" in finding.cells for finding in found.findings if finding.kind == "finding")
    mark = next(row for row in found.parts["marks"].to_pylist() if row["feature"] == "last_failed_searches")
    assert mark["low"] > 1
    assert mark["rate"] > 0.95


@pytest.mark.parametrize("seed", SEEDS)
def test_a_control_shop_raises_none_of_the_stories(seed: int) -> None:
    plain = control(seed)
    quality = plain.log.quality
    assert [quality.cell(name).value for name in ("duplicates", "out_of_order", "suspected_bots")] == [0, 0, 0]
    results = [
        anomalies(plain),
        bots(plain),
        ab_test(plain, confidence=SURE),
        patterns(plain, contrast="segment"),
        interest_drift(plain, permutations=99),
    ]
    assert {result.name: [str(finding.text) for finding in result.findings] for result in results if result.findings} == {}
    assert findings(propensity(plain)) == []
