"""The quality report: every figure against one counted by hand, and bots that are told from eager people."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from tests.events.conftest import Write

from footpath.events.quality import BOT_RULE
from footpath.events.readers import read_events

T = 1_700_000_000
DAY = 86_400


def log_of(write: Write, acts: Iterable[tuple[str, str, float]]) -> str:
    return str(write("log.csv", "user_id,item_id,timestamp\n" + "".join(f"{u},{i},{t}\n" for u, i, t in acts)))


def test_every_figure_of_a_small_log(write: Write) -> None:
    lines = [
        f"a,x,view,{T},1",
        f"a,x,view,{T},1",
        f"a,y,cart,{T + 60},",
        f"a,x,view,{T + 3 * DAY},2",
        f"b,,search,{T + 60},",
        f"b,x,view,{T},4",
    ]
    path = write("log.csv", "\n".join(["user_id,item_id,event_type,timestamp,rating", *lines]))
    items = write("items.csv", "item_id,title\nx,Apple\ny,\nz,Never seen\n")
    quality = read_events(path, items=items, name="shop").quality
    found = {cell.id: cell.value for cell in quality.cells}
    assert found == {
        "rows_read": 6,
        "rows_kept": 5,
        "rows_dropped": 1,
        "duplicates": 1,
        "ties": 0,
        "out_of_order": 1,  # b's view came after b's search
        "n_users": 2,
        "n_items": 2,
        "events_per_user": 2.5,
        "sparsity": pytest.approx(1 - 3 / 4),
        "time_unit": "s",
        "first": "2023-11-14T22:13:20Z",
        "last": "2023-11-17T22:13:20Z",
        "days": 2,
        "gaps": 2,
        "implausible_times": 0,
        "events_view": 3,
        "events_cart": 1,
        "events_search": 1,
        "top_1_share": pytest.approx(3 / 4),
        "top_10_share": pytest.approx(3 / 4),
        "gini": pytest.approx(0.25),
        "null_item_id": 1,
        "null_timestamp": 0,
        "null_value": 2,
        "described_items": 2,
        "titled_items": 1,
        "bad_values": 0,
        "suspected_bots": 0,
    }
    assert quality.name == "quality"
    assert quality.table.column("measure").to_pylist() == list(found)
    assert quality.meta["population"] == "all 5 acts of the log shop"
    assert quality.meta["zone"] == "UTC"
    assert quality.chart is not None
    assert quality.chart["series"][0]["data"] == [["2023-11-14", 4], ["2023-11-17", 1]]
    assert quality.to_dict()["meta"]["fingerprint"] == read_events(path).fingerprint


def test_a_log_without_a_clock_draws_its_long_tail(write: Write) -> None:
    path = write("log.csv", "user_id,item_id,position\n" + "".join(f"a,{'x' if n % 2 else f'y{n}'},{n}\n" for n in range(20)))
    quality = read_events(path).quality
    assert quality.chart is not None
    assert quality.chart["series"][0]["data"][:3] == [[1, 10], [2, 1], [3, 1]]
    assert "first" not in {cell.id for cell in quality.cells}


def test_ties_are_warned_of(write: Write) -> None:
    warnings = read_events(log_of(write, [("a", f"x{n}", T + n // 2) for n in range(10)])).quality.meta["warnings"]
    assert warnings == ["50% of acts share the time of the act before them: they stand in the order of arrival, and metrics depend on it"]


def test_odd_times_are_counted(write: Write) -> None:
    quality = read_events(log_of(write, [("a", "x", 0), *(("a", f"y{n}", T + n) for n in range(5))])).quality
    assert quality.cell("implausible_times").value == 1
    assert "1 acts lie before 1990 or more than a day ahead" in quality.meta["warnings"]


def people(n: int = 40, acts: int = 30) -> list[tuple[str, str, float]]:
    """Users who act in bursts, minutes to hours apart, for two weeks."""
    draw = random.Random(3)
    found = []
    for user in range(n):
        t = T + draw.random() * DAY
        for _ in range(acts):
            t += draw.choice([draw.expovariate(1 / 20), draw.expovariate(1 / 40_000)])
            found.append((f"u{user}", f"i{draw.randrange(200)}", round(t, 3)))
    return found


def bots(write: Write, acts: list[tuple[str, str, float]]) -> list[tuple[str, int]]:
    log = read_events(log_of(write, acts))
    assert log.bots is not None
    assert log.quality.cell("suspected_bots").value == log.bots.count().to_pyarrow().as_py()
    assert log.table.count().to_pyarrow().as_py() == len(acts)  # flagged, never removed
    return [(row["user_id"], row["n_events"]) for row in log.bots.to_pyarrow().to_pylist()]


def test_people_are_no_bots(write: Write) -> None:
    assert bots(write, people()) == []


def test_an_eager_human_is_no_bot(write: Write) -> None:
    draw = random.Random(4)
    eager, t = [], float(T)
    for n in range(2000):  # forty sessions of quick clicks, each followed by a night
        t += draw.uniform(1, 25) if n % 50 else 10 * 3600
        eager.append(("eager", f"i{n}", round(t, 3)))
    assert bots(write, [*people(), *eager]) == []


@pytest.mark.parametrize(
    ("kind", "acts"),
    [
        ("in a row", [T + n for n in range(400)]),
        ("in a row", [T + 2 * n + random.Random(n).random() for n in range(400)]),
        ("within one minute", [T + n / 50 for n in range(400)]),
        ("all but equal", [T + 300 * n for n in range(400)]),
        ("hours in a row", [T + 700 * n + random.Random(n).uniform(0, 600) for n in range(400)]),
    ],
    ids=["every second", "under two seconds", "fifty a second", "a timer", "never asleep"],
)
def test_a_planted_bot_is_flagged_with_its_reason(write: Write, kind: str, acts: list[float]) -> None:
    planted = [("bot", f"i{n}", round(t, 3)) for n, t in enumerate(acts)]
    log = read_events(log_of(write, [*people(), *planted]))
    assert log.bots is not None
    (found,) = log.bots.to_pyarrow().to_pylist()
    assert (found["user_id"], found["n_events"]) == ("bot", 400)
    assert kind in found["reason"]
    assert "1 users look like bots; they were flagged, not removed" in log.quality.meta["warnings"]
    assert log.quality.meta["bot_rule"] == BOT_RULE
