"""The simulated shop: its log obeys the contract, is drawn from the stated truth, and holds each planted story, or none."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from footpath.errors import ConfigError, DataError
from footpath.events import simulate as module
from footpath.events.shop import CATEGORIES, DRIFT_AT, SLOTS, START
from footpath.events.simulate import History, Shop, Simulated, Stories, simulate

ALL = ("bug_week", "bots", "drift", "duplicates", "late", "telltale", "variant", "churn")


@pytest.fixture(scope="module")
def shop() -> Simulated:
    return simulate(60_000, seed=3)


@pytest.fixture(scope="module")
def control() -> Simulated:
    return simulate(60_000, seed=3, stories=Stories.none())


def rows_of(simulated: Simulated, *kinds: str) -> pa.Table:
    """Rows as delivered, once each, in order of time."""
    assert simulated.rows is not None
    table = simulated.rows.group_by(["event_id"], use_threads=False).aggregate([(c, "first") for c in simulated.rows.column_names[1:]])
    table = table.rename_columns([c.removesuffix("_first") for c in table.column_names])
    if kinds:
        table = table.filter(pc.is_in(table["event_type"], pa.array(kinds)))
    return table.sort_by([("timestamp", "ascending")])


def pages_of(simulated: Simulated) -> list[tuple[dict[str, Any], list[str], list[float], list[bool], History]]:
    """Every page of people: its first row, items and propensities by slot, which were clicked, and the history that it met."""
    clicked: Mapping[str, set[str]] = defaultdict(set)
    for row in rows_of(simulated, "click").select(["request_id", "item_id"]).to_pylist():
        clicked[row["request_id"]].add(row["item_id"])
    pages: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows_of(simulated, "impression").to_pylist():
        pages[row["request_id"]].append(row)
    known: dict[str, tuple[str, ...]] = {}
    last: dict[str, datetime] = {}
    found = []
    for request, rows in pages.items():
        rows.sort(key=lambda row: row["slot"])
        user, time = rows[0]["user_id"], rows[0]["timestamp"]
        if user in last and time - last[user] > timedelta(minutes=30):
            known[user] = ()
        last[user] = time
        items = [row["item_id"] for row in rows]
        hits = [item in clicked[request] for item in items]
        found.append((rows[0], items, [row["propensity"] for row in rows], hits, History(user, known.get(user, ()))))
        known[user] = known.get(user, ()) + tuple(item for item, hit in zip(items, hits, strict=True) if hit)
    return found


def test_clicks_come_as_often_as_the_truth_says(shop: Simulated) -> None:
    truth, hits = [], []
    for first, items, _, clicked, history in pages_of(shop)[:4_000]:
        truth.append(shop.shop.click_probability(history, items, first["timestamp"]))
        hits.append(clicked)
    p, y = np.concatenate(truth), np.concatenate(hits)
    by_truth = np.array_split(np.argsort(p), 8)
    for part in by_truth:
        expected, spread = p[part].sum(), math.sqrt((p[part] * (1 - p[part])).sum())
        assert abs(y[part].sum() - expected) < 4 * spread
    assert p[by_truth[-1]].mean() > 4 * p[by_truth[0]].mean()


def test_every_story_says_whether_it_is_planted(shop: Simulated, control: Simulated) -> None:
    assert tuple(shop.truth) == ALL
    assert all(story["planted"] for story in shop.truth.values())
    assert not any(story["planted"] for story in control.truth.values())
    assert json.loads(json.dumps(shop.truth)) == shop.truth


def test_the_same_seed_gives_the_same_rows_and_another_does_not(shop: Simulated) -> None:
    again, other = simulate(60_000, seed=3), simulate(60_000, seed=4)
    assert shop.rows is not None
    assert shop.rows.equals(again.rows)
    assert not shop.rows.equals(other.rows)


def test_half_a_slate_or_a_later_click_changes_the_truth(shop: Simulated) -> None:
    made = shop.shop
    of = {c: made.item_ids(np.flatnonzero(made.category == CATEGORIES.index(c))).to_pylist() for c in ("tea", "lamps")}
    tea, lamp = of["tea"][0], of["lamps"][0]
    last_tea = made.click_probability(History(None, (lamp, tea)), [tea])[0]
    assert last_tea > made.click_probability(History(None, (tea, lamp)), [tea])[0]
    assert made.click_probability(History(None), [lamp, tea])[1] == pytest.approx(0.8 * made.click_probability(History(None), [tea])[0])


def test_an_item_has_the_probability_that_the_documentation_states(shop: Simulated) -> None:
    made = shop.shop
    user, item = 0, int(np.flatnonzero(made.category == made.people.first[0])[0])
    name, who = made.item_ids(np.array([item]))[0].as_py(), made.user_ids(np.array([user]))[0].as_py()
    pull = -2.4 + 3.0 + 0.4 * (0.6 + 1.0) + made.quality[item]
    expected = 0.6 / (1 + math.exp(-pull))
    before = DRIFT_AT - timedelta(days=1)
    assert made.click_probability(History(who, (name, name)), [name], before, policy="A")[0] == pytest.approx(expected)
    assert made.click_probability(History(who, (name, name)), [name], before, policy="B")[0] == pytest.approx(1.15 * expected)


def test_interests_of_those_who_drift_move_by_two_categories(shop: Simulated) -> None:
    made = shop.shop
    moved = np.flatnonzero(made.people.moved)[:1]
    before, after = (
        int(made.interests(moved, np.array([int((t - datetime(1970, 1, 1)).total_seconds() * 1e6)]))[0][0]) for t in (START, DRIFT_AT)
    )
    assert after == (before + 2) % len(CATEGORIES)
    assert shop.truth["drift"]["share"] == pytest.approx(1 / 3)
    assert made.people.moved.mean() == pytest.approx(1 / 3, abs=0.06)


def test_answers_are_drawn_from_the_truth_and_lengthen_the_history(shop: Simulated) -> None:
    made = shop.shop
    user = shop.users["user_id"][0].as_py()
    rng = np.random.default_rng(0)
    slate, _ = made.show(History(user), rng=5)
    answers = [made.respond(user, slate, rng=rng) for _ in range(4_000)]
    p = made.click_probability(History(user), slate)
    mean = np.mean([answer.clicked for answer in answers], axis=0)
    assert (abs(mean - p) < 4 * np.sqrt(p * (1 - p) / len(answers))).all()
    assert answers[0].history.items == tuple(item for item, hit in zip(slate, answers[0].clicked, strict=True) if hit)


def test_propensities_are_exact(shop: Simulated) -> None:
    made = shop.shop
    for _, items, propensity, _, history in pages_of(shop)[:3_000:40]:  # the page answers no query, or one
        assert any(made.propensity(history, items, query=query) == pytest.approx(propensity) for query in (None, *CATEGORIES))
    history, rng = History(None, (made.item_ids(np.array([3]))[0].as_py(),)), np.random.default_rng(2)
    asked = np.full(60_000, 4)
    places, _, told = made.draw_slates(
        np.repeat(made._recency(history), len(asked), axis=0), asked, rng.random((len(asked), 2 * SLOTS + 1))
    )
    everything = made.propensity(history, made.item_ids(np.arange(made.n_items)).to_pylist(), query=CATEGORIES[4])
    assert everything.sum() == pytest.approx(1.0)  # in each slot
    for slot in (0, 3):
        seen = np.bincount(places[:, slot], minlength=made.n_items)
        z = (seen - len(asked) * everything) / np.sqrt(len(asked) * everything * (1 - everything))
        assert (z**2).mean() == pytest.approx(1.0, abs=0.3)
    assert told == pytest.approx(everything[places])
    assert all(len(set(row)) == SLOTS for row in places[:2_000].tolist())


def test_repeats_late_rows_and_bots_are_found_when_the_log_is_read(shop: Simulated, control: Simulated) -> None:
    quality = shop.log.quality
    assert quality.cell("duplicates").value == shop.truth["duplicates"]["n_rows"] > 0
    assert 0.5 * shop.truth["late"]["n_rows"] < quality.cell("out_of_order").value <= shop.truth["late"]["n_rows"]
    assert shop.log.bots is not None
    assert sorted(shop.log.bots.user_id.to_pyarrow().to_pylist()) == shop.truth["bots"]["user_ids"]
    assert quality.cell("ties").value == 0
    assert quality.cell("titled_items").value == quality.cell("described_items").value == quality.cell("n_items").value
    plain = control.log.quality
    assert [plain.cell(name).value for name in ("duplicates", "out_of_order", "suspected_bots", "ties")] == [0, 0, 0, 0]
    assert plain.meta["warnings"] == []


def rate_of_purchase(simulated: Simulated, start: datetime, end: datetime) -> tuple[float, int]:
    """Of carts with a request in a span: which led to a purchase of the item in the request."""
    rows = rows_of(simulated, "cart", "purchase").to_pylist()
    bought = {(row["request_id"], row["item_id"]) for row in rows if row["event_type"] == "purchase"}
    carts = {
        (row["request_id"], row["item_id"])
        for row in rows
        if row["event_type"] == "cart" and row["request_id"] and start <= row["timestamp"].replace(tzinfo=None) < end
    }
    return len(carts & bought) / len(carts), len(carts)


def test_in_the_bug_week_half_as_many_carts_are_bought(shop: Simulated, control: Simulated) -> None:
    week = [datetime.fromisoformat(shop.truth["bug_week"][end]) for end in ("start", "end")]
    assert week[0].weekday() == 0
    for simulated, expected in ((shop, 0.25), (control, 0.5)):
        rate, n = rate_of_purchase(simulated, *week)
        assert abs(rate - expected) < 4 * math.sqrt(expected * (1 - expected) / n)
        rate, n = rate_of_purchase(simulated, START, week[0])
        assert abs(rate - 0.5) < 4 * math.sqrt(0.25 / n)


def test_who_searches_twice_in_vain_is_silent_afterwards_and_in_a_control_is_not(shop: Simulated, control: Simulated) -> None:
    for simulated, leave in ((shop, True), (control, False)):
        last: dict[str, datetime] = {}
        for row in rows_of(simulated).select(["user_id", "timestamp"]).to_pylist():
            last[row["user_id"]] = row["timestamp"]
        vain: dict[str, int] = defaultdict(int)
        left, stayed = set(), set()
        for row in rows_of(simulated, "search").to_pylist():
            vain[row["user_id"]] = vain[row["user_id"]] + 1 if row["n_results"] == 0 else 0
            if vain[row["user_id"]] == 2:
                (left if last[row["user_id"]] == row["timestamp"] else stayed).add(row["user_id"])
        if leave:
            assert sorted(left) == simulated.truth["churn"]["user_ids"]
            assert stayed == set()
        else:
            assert len(stayed) > 10 * len(left) > 0  # for some it was the last visit in any case


def test_the_telltale_path_is_four_times_as_frequent_in_its_segment(shop: Simulated, control: Simulated) -> None:
    for simulated, share in ((shop, 0.2), (control, 0.05)):
        segment = dict(zip(simulated.users["user_id"].to_pylist(), simulated.users["segment"].to_pylist(), strict=True))
        tales: dict[bool, int] = defaultdict(int)
        visits: dict[bool, int] = defaultdict(int)
        last: dict[str, datetime] = {}
        for row in rows_of(simulated).select(["user_id", "event_type", "timestamp"]).to_pylist():
            user, at = row["user_id"], row["timestamp"]
            gift = segment[user] == "gift"
            visits[gift] += user not in last or at - last[user] > timedelta(minutes=30)
            tales[gift] += row["event_type"] == "remove"
            last[user] = at
        for gift, expected in ((True, share), (False, 0.05)):
            assert abs(tales[gift] / visits[gift] - expected) < 4 * math.sqrt(expected / visits[gift])


def test_policy_b_draws_fifteen_percent_more_clicks_and_users_stay_under_one(shop: Simulated) -> None:
    arms: dict[str, set[str]] = defaultdict(set)
    for row in rows_of(shop).select(["user_id", "policy"]).to_pylist():
        arms[row["user_id"]].add(row["policy"])
    assert all(len(arm) == 1 for arm in arms.values())
    clicks, expected = 0, 0.0
    for first, items, _, clicked, history in pages_of(shop)[:4_000]:
        if first["policy"] == "B":
            clicks += sum(clicked)
            expected += shop.shop.click_probability(history, items, first["timestamp"], policy="A").sum()
    assert abs(clicks - 1.15 * expected) < 3 * math.sqrt(clicks)


def test_what_is_written_is_what_is_in_memory_whatever_the_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 50)
    memory, disk = simulate(12_000, seed=5), simulate(12_000, seed=5, into=tmp_path / "shop")
    assert len(disk.paths["events"]) > 2
    assert memory.rows is not None
    assert pa.concat_tables([pq.read_table(path) for path in disk.paths["events"]]).equals(memory.rows)
    assert disk.log.fingerprint == memory.log.fingerprint
    assert json.loads(disk.paths["truth"][0].read_text(encoding="utf-8")) == memory.truth
    assert disk.n_events == memory.n_events == pytest.approx(12_000, rel=0.15)
    assert pq.read_table(disk.paths["items"][0]).equals(memory.items)


def test_a_failure_leaves_nothing_half_written(tmp_path: Path) -> None:
    def stop(what: str, done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(12_000, into=tmp_path / "shop", progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_strength_scales_a_story_alone() -> None:
    half = simulate(10_000, stories=Stories(late=0.5, bots=0.5))
    assert half.truth["bots"]["acts_per_user"] == pytest.approx(simulate(10_000).truth["bots"]["acts_per_user"] / 2, abs=1)
    assert Stories.named({"drift": 0.5}, others=0.0) == Stories(0, 0, 0.5, 0, 0, 0, 0, 0)
    assert Stories.named({}) == Stories()


def test_what_the_shop_cannot_do_is_refused() -> None:
    shop = Shop(n_users=20, n_items=60)
    item = shop.items["item_id"][0].as_py()
    with pytest.raises(ConfigError, match=r"events must be a whole number from 1,000 to 1,000,000,000, got 999"):
        simulate(999)
    with pytest.raises(ConfigError, match=r"story drift must be between 0 \(absent\) and 3, where 1 is the stated effect; got -1"):
        Stories(drift=-1)
    with pytest.raises(ConfigError, match=r"story churn must be between .* got nan"):
        Stories(churn=math.nan)
    with pytest.raises(ConfigError, match="no story 'driftt'; did you mean 'drift'"):
        Stories.named({"driftt": 1.0})
    with pytest.raises(ConfigError, match=r"stories must be Stories\(\.\.\.\), .* got 3"):
        simulate(2_000, stories=3)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="n_items must be a whole number of at least 60, got 12"):
        Shop(n_items=12)
    with pytest.raises(DataError, match="the shop has no item 'x'"):
        shop.click_probability(History(), ["x"])
    with pytest.raises(ConfigError, match="a slate has at most 5 items, got 6"):
        shop.click_probability(History(), [item] * 6)
    with pytest.raises(ConfigError, match="policy must be A or B, got 'C'"):
        shop.click_probability(History(), [item], policy="C")
    with pytest.raises(ConfigError, match="query must be a category of the shop, got 'teas'; did you mean 'tea'"):
        shop.show(History(), query="teas")
