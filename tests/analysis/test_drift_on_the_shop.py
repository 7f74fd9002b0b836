"""Interest drift on the simulated shop: found where it is planted, also behind a burst of bots, and not where it is not."""

from __future__ import annotations

import pytest

from footpath.analysis.drift import interest_drift
from footpath.events.simulate import Stories, simulate

pytestmark = pytest.mark.slow
SEEDS = (11, 12, 13)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_planted_drift_is_found_at_its_time(seed: int) -> None:
    shop = simulate(100_000, seed=seed)
    found = interest_drift(shop.log, permutations=99)
    assert [finding for finding in found.findings if finding.kind == "finding"]
    assert any(row["period"].isoformat().startswith("2024-10-07") for row in found.table.to_pylist() if row["change_point"])


@pytest.mark.parametrize("seed", SEEDS)
def test_a_control_shop_has_no_drift(seed: int) -> None:
    assert not interest_drift(simulate(100_000, seed=seed, stories=Stories.none()).log, permutations=99).findings
