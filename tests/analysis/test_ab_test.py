"""The read-out of an A/B test on tests whose truth is planted."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

import footpath as fp
from footpath.analysis.ab_test import ab_test
from footpath.analysis.trail import trail
from footpath.errors import ConfigError, NotInLogError
from footpath.events.log import EventLog

START = datetime(2026, 3, 2, 8)


def experiment(
    users: int, lift: float, *, share: float = 0.5, seed: int = 0, buys: float = 1.0, both: int = 0, third: bool = False
) -> EventLog:
    """Users in arm A or B with one to four requests of three items; B's click rate is `lift` times that of A, its purchases `buys` ones."""
    rng = np.random.default_rng(seed)
    columns: dict[str, list[object]] = {c: [] for c in ("user_id", "item_id", "event_type", "timestamp", "request_id", "policy")}

    def add(*values: object) -> None:
        for column, value in zip(columns.values(), values, strict=True):
            column.append(value)

    for u in range(users):
        arm = "B" if u >= round(users * (1 - share)) else "A"
        if third and u % 3 == 0:
            arm = "C"
        rate = 0.2 * (lift if arm == "B" else 1) * np.exp(rng.normal(0, 0.3))
        for r in range(int(rng.integers(1, 5))):
            shown = "A" if u < both and r else arm
            at = START + timedelta(hours=5 * r, minutes=int(rng.integers(0, 60)))
            for k in range(3):
                add(f"u{u}", f"i{k}", "impression", at + timedelta(seconds=k), f"r{u}_{r}", shown)
                if rng.random() < rate:
                    add(f"u{u}", f"i{k}", "click", at + timedelta(seconds=30 + k), f"r{u}_{r}", shown)
            add(f"u{u}", "i0", "view", at + timedelta(seconds=40), None, None)
            if rng.random() < 0.15 * (buys if arm == "B" else 1):
                add(f"u{u}", "i0", "purchase", at + timedelta(seconds=60), None, None)
    return fp.read_events(pd.DataFrame(columns), zone="UTC")


def test_a_better_arm_is_found_with_its_effect_inside_the_interval() -> None:
    result = ab_test(experiment(1_500, 1.3, seed=1))
    cell = result.cell("click_rate.B.relative")
    assert cell.low < 0.3 < cell.high
    (finding,) = result.findings
    assert finding.kind == "finding"
    assert "B has a click rate of " in finding.text
    assert "B 的点击率为 " in finding.text.zh
    assert finding.p_value < 1e-4
    assert set(finding.cells) <= {c.id for c in result.cells}
    roles = [(row["metric"], row["role"], row["arm"]) for row in result.table.to_pylist()]
    assert roles[:3] == [("click_rate", "metric", "A"), ("click_rate", "metric", "B"), ("purchase_rate", "guardrail", "A")]
    assert "SELECT" in result.sql("spark")


def test_the_figures_are_those_of_pandas() -> None:
    log = experiment(300, 1.2, seed=3)
    frame = log.table.to_pyarrow().to_pandas()
    arms = frame.dropna(subset="policy").groupby("user_id").policy.first()
    shown = frame[frame.event_type == "impression"].groupby("user_id").size()
    clicked = frame[frame.event_type == "click"].groupby("user_id").size().reindex(shown.index).fillna(0)
    result = ab_test(log)
    values, variances = {}, {}
    for arm in "AB":
        users = arms[arms == arm].index
        k, n = clicked.loc[users].to_numpy(), shown.loc[users].to_numpy()
        values[arm] = k.sum() / n.sum()
        gap = k - values[arm] * n
        variances[arm] = gap.var(ddof=1) / len(users) / n.mean() ** 2
        assert result.cell(f"click_rate.{arm}").value == pytest.approx(values[arm])
        bought = frame[frame.event_type == "purchase"].user_id.unique()
        assert result.cell(f"purchase_rate.{arm}").value == pytest.approx(users.isin(bought).mean())
        acts = frame[(frame.event_type != "impression") & frame.user_id.isin(users)]
        assert result.cell(f"acts_per_user.{arm}").value == pytest.approx(len(acts) / len(users))
    difference = result.cell("click_rate.B.difference")
    assert difference.value == pytest.approx(values["B"] - values["A"])
    assert difference.high - difference.low == pytest.approx(2 * 1.959964 * np.sqrt(sum(variances.values())))


def test_equal_arms_are_found_different_as_seldom_as_is_said() -> None:
    p_values = [ab_test(experiment(150, 1.0, seed=s)).table.to_pylist()[1]["p_value"] for s in range(6)]
    assert sum(p < 0.05 for p in p_values) <= 1
    assert max(p_values) > 0.5


def test_arms_of_other_sizes_than_planned_are_not_compared() -> None:
    log = experiment(400, 1.5, share=0.35)
    result = ab_test(log)
    assert result.meta["sample_ratio_p"] < 0.001
    assert result.table.num_rows == 0
    assert result.is_empty
    (doubt,) = result.findings
    assert doubt.kind == "doubt"
    assert "cannot be compared" in doubt.text
    assert [row["n_users"] for row in result.parts["arms"].to_pylist()] == [260, 140]
    planned = ab_test(log, ratio={"A": 65, "B": 35})
    assert planned.meta["sample_ratio_p"] == pytest.approx(1.0)
    assert planned.cell("click_rate.B.relative").value > 0.2


def test_the_sample_ratio_test_worked_by_hand() -> None:
    # 220 and 180 of 400: chi square 2 * 20^2 / 200 = 4, one degree of freedom
    assert ab_test(experiment(400, 1.0, share=0.45)).meta["sample_ratio_p"] == pytest.approx(0.0455, abs=1e-4)


def test_users_in_two_arms_are_counted_and_left_out() -> None:
    log = experiment(300, 1.0, share=1.0, both=0)
    assert ab_test(log).is_empty
    mixed = experiment(300, 1.0, both=0, seed=2)
    frame = mixed.table.to_pyarrow().to_pandas()
    extra = frame[(frame.user_id == "u299") & (frame.event_type == "impression")].head(1).assign(policy="A", item_id="new", request_id="rx")
    columns = ["user_id", "item_id", "event_type", "timestamp", "request_id", "policy"]
    result = ab_test(fp.read_events(pd.concat([frame, extra])[columns], zone="UTC"))
    assert result.cell("users_in_several_arms").value == 1
    assert result.cell("users.B").value == 149
    assert any("1 users have acts in two or more arms" in w for w in result.meta["warnings"])


def test_a_guardrail_that_falls_is_a_doubt() -> None:
    result = ab_test(experiment(1_500, 1.3, buys=0.4))
    doubts = [f for f in result.findings if f.kind == "doubt"]
    assert any("A guardrail fell: the purchase rate of B" in f.text for f in doubts)


def test_three_arms_are_each_held_against_the_control() -> None:
    result = ab_test(experiment(900, 1.4, third=True), control="C")
    rows = [row for row in result.table.to_pylist() if row["metric"] == "click_rate"]
    assert [row["arm"] for row in rows] == ["C", "A", "B"]
    assert rows[2]["q_value"] == pytest.approx(min(1.0, 2 * rows[2]["p_value"]))


def test_an_arm_may_be_a_column_of_the_user_table_and_other_metrics_are_to_be_had() -> None:
    frame = experiment(200, 1.0).table.to_pyarrow().to_pandas()[["user_id", "item_id", "event_type", "timestamp"]]
    users = pd.DataFrame({"user_id": [f"u{u}" for u in range(200)], "cell": ['</script>"', "שלום"] * 100})
    result = ab_test(fp.read_events(frame, users=users, zone="UTC"), arm="cell", metric="purchases_per_user")
    assert result.meta["sample_ratio_p"] == 1.0
    assert result.table.num_rows == 2 * 4
    result.to_dict()


def test_wrong_options_and_logs_without_arms_say_so() -> None:
    log = experiment(20, 1.0)
    with pytest.raises(ConfigError, match=r"no metric 'click_rat'; .*did you mean 'click_rate'"):
        ab_test(log, metric="click_rat")
    with pytest.raises(ConfigError, match="no arm 'Z' with users of its own; there are: A, B"):
        ab_test(log, control="Z")
    with pytest.raises(ConfigError, match="ratio needs a share above 0 for every arm with users, and 'B' has None"):
        ab_test(log, ratio={"A": 1})
    with pytest.raises(NotInLogError, match="has no 'polcy'; did you mean 'policy'"):
        ab_test(log, arm="polcy")
    assert ab_test(trail(log, since="2030-01-01")).is_empty
    small = ab_test(log)
    assert any("under 30 users" in w for w in small.meta["warnings"])
    assert not small.findings


def test_an_arm_that_buys_nothing_at_all_is_a_doubt_too() -> None:
    result = ab_test(experiment(400, 1.0, buys=0.0, seed=4))
    cell = result.cell("purchase_rate.B.relative")
    assert (cell.value, cell.low) == (-1.0, -1.0)
    assert -1.0 < cell.high < 0
    assert any("A guardrail fell: the purchase rate of B is -100.0%" in f.text for f in result.findings)
