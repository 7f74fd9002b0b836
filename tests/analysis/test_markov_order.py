"""How far back the next step looks: worked by hand, and planted chains of order 0, 1 and 2."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

import footpath as fp
from footpath.analysis.markov_order import markov_order
from footpath.analysis.trail import trail
from footpath.events.log import EventLog

START = datetime(2026, 3, 2, 9)


def log_of(sequences: list[list[str]]) -> EventLog:
    rows: dict[str, list[Any]] = {"user_id": [], "item_id": [], "timestamp": [], "what": []}
    for i, labels in enumerate(sequences):
        for minute, label in enumerate(labels):
            rows["user_id"].append(f"u{i:04}")
            rows["item_id"].append("x")
            rows["timestamp"].append(START + timedelta(minutes=minute))
            rows["what"].append(label)
    return fp.read_events(pa.table(rows), zone="UTC")


def chain(order: int, seed: int, users: int = 150, length: int = 25) -> list[list[str]]:
    """Three labels; what comes next is told, in 0.6 of the cases, by the last (order 1) or by whether the last two are the same (2)."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(users):
        labels = [int(x) for x in rng.integers(0, 3, 2)]
        while len(labels) < length:
            told = (labels[-1] + (1 if order == 1 or labels[-1] == labels[-2] else 2)) % 3
            labels.append(told if order and rng.random() < 0.6 else int(rng.integers(0, 3)))
        made.append(["abc"[label] for label in labels])
    return made


@pytest.mark.parametrize("order", [0, 1, 2])
def test_the_planted_order_is_found_by_bic_and_on_users_left_out(order: int) -> None:
    result = markov_order(log_of(chain(order, seed=order)), by="what")
    rows = result.table.to_pylist()
    assert result.cell("best_order").value == order
    assert min(rows, key=lambda row: row["bic"])["order"] == order
    assert len(result.findings) == (1 if order == 2 else 0)
    if order == 2:
        assert result.findings[0].text.startswith("Two steps count, not one: after ")
        assert result.findings[0].text.zh.startswith("要看两步而非一步")
        assert rows[2]["low"] > 0
    if order < 2:
        assert rows[2]["p_value"] > 0.01


def test_g_and_its_degrees_are_those_of_a_naive_count() -> None:
    sequences = chain(2, seed=9, users=30, length=8)
    triples = Counter(t for labels in sequences for t in zip(labels, labels[1:], [*labels[2:], "end"], strict=False))
    pairs, befores, lasts = Counter(), Counter(), Counter()
    for (a, b, c), n in triples.items():
        pairs[b, c] += n
        befores[a, b] += n
        lasts[b] += n
    g = 2 * sum(n * np.log(n * lasts[b] / (befores[a, b] * pairs[b, c])) for (a, b, c), n in triples.items())
    degrees = sum((sum(y == b for _, y in befores) - 1) * (sum(x == b for x, _ in pairs) - 1) for b in lasts)
    row = markov_order(log_of(sequences), by="what").table.to_pylist()[2]
    assert row["g"] == pytest.approx(g)
    assert row["degrees"] == degrees
    assert row["p_value"] == pytest.approx(stats.chi2.sf(g, degrees))


def test_independent_acts_give_p_values_that_are_even() -> None:
    values = [markov_order(log_of(chain(0, seed=20 + seed, users=60)), by="what").table.to_pylist()[2]["p_value"] for seed in range(10)]
    assert min(values) > 0.003
    assert np.mean(np.array(values) > 0.5) > 0.1


def test_contexts_compare_the_same_last_act_with_and_without_the_one_before() -> None:
    sequences = chain(2, seed=4)
    row = markov_order(log_of(sequences), by="what").parts["contexts"].to_pylist()[0]
    triples = [t for labels in sequences for t in zip(labels, labels[1:], [*labels[2:], "(ended)"], strict=False)]
    with_it = [c for a, b, c in triples if (a, b) == (row["before"], row["last"])]
    without = [c for a, b, c in triples if b == row["last"] and a != row["before"]]
    assert (row["n"], row["n_context"], row["n_otherwise"]) == (with_it.count(row["next"]), len(with_it), len(without))
    assert row["otherwise"] == pytest.approx(without.count(row["next"]) / len(without))


def test_the_same_seed_gives_the_same_figures() -> None:
    log = log_of(chain(1, seed=5, users=40))
    assert markov_order(log, by="what").table.equals(markov_order(log, by="what").table)


def test_few_users_and_short_sessions_are_said() -> None:
    few = markov_order(log_of([["a", "b", "a"], ["b", "a", "a"]]), by="what")
    assert few.table["log_loss"].null_count == 3
    assert "fewer than 20 users" in few.meta["warnings"][0]
    assert few.chart is None
    assert few.findings == ()
    assert markov_order(log_of([["a"], ["b"]]), by="what").is_empty
    assert markov_order(log_of([["a", "b"]]), by="what").meta["warnings"] == ["only one thing ever comes next"]
    assert markov_order(trail(log_of([["a", "b"]]), users=["nobody"])).is_empty
    assert not markov_order(log_of([["</script>", "‮🛒", "'\""]] * 25), by="what").is_empty
