"""The real logs read by themselves, with the counts that their manifest states."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from footpath.events.readers import read_events
from footpath.events.store import ingest, open_store

pytestmark = pytest.mark.real

# what is read; then, of the manifest: rows, users, items, has_clock; how the columns were found; first and last time
LOGS: dict[str, tuple[dict[str, str], tuple[int, int, int, bool], str, tuple[str, str] | None]] = {
    "rees46-sample": (
        {"source": "rees46-sample/2019-Oct-sample.csv.gz"},
        (1_000, 330, 534, True),
        "rees46",
        ("2019-10-01T00:00:00Z", "2019-10-01T00:17:26Z"),
    ),
    "ml-100k": (
        {"source": "ml-100k/ml-100k.inter.gz"},
        (100_000, 943, 1_682, True),
        "recbole",
        ("1997-09-20T03:05:10Z", "1998-04-22T23:10:38Z"),
    ),
    "yoochoose-100k": (
        {"source": "yoochoose-100k/train_full.tsv.gz", "test": "yoochoose-100k/test.tsv.gz"},
        (83_846, 21_210, 2_933, True),
        "yoochoose",
        ("2014-04-01T01:02:21.719000Z", "2014-04-08T00:50:01.534000Z"),
    ),
    "ml-1m": (
        {"source": "ml-1m/contiguous.csv.gz", "items": "ml-1m/movies.csv.gz", "users": "ml-1m/users.csv.gz"},
        (990_359, 6_040, 3_416, False),
        "guess",
        None,
    ),
    "amazon-beauty": (
        {"source": "amazon-beauty/interactions.csv.gz", "items": "amazon-beauty/items.csv.gz"},
        (198_502, 22_363, 12_101, False),
        "guess",
        None,
    ),
    "instacart-sample": ({"source": "instacart-sample/orders.csv.gz"}, (150_000, 593, 14_190, False), "instacart", None),
    "cdnow": (
        {"source": "cdnow/CDNOW_master.txt.gz"},
        (69_659, 23_570, 0, True),
        "cdnow",
        ("1997-01-01T00:00:00Z", "1998-06-30T00:00:00Z"),
    ),
    "ml-1m-2001-2003": (
        {"source": "ml-1m-2001-2003/interactions.csv.gz"},
        (51_623, 838, 3_255, True),
        "guess",
        ("2001-06-01T00:41:48Z", "2003-01-31T17:23:06Z"),
    ),
    "obd": (
        {"source": "obd/random_all.csv.gz", "items": "obd/item_context_all.csv.gz"},
        (10_000, 240, 80, True),
        "obd",
        ("2019-11-24T00:00:34.762830Z", "2019-11-30T23:59:47.022892Z"),
    ),
}


@pytest.mark.parametrize("name", LOGS)
def test_a_real_log_has_the_counts_of_its_manifest(real_data: Path, name: str) -> None:
    given, counts, how, window = LOGS[name]
    log = read_events(**{role: real_data / path for role, path in given.items()})  # type: ignore[arg-type]
    quality = log.quality
    assert (*(quality.cell(c).value for c in ("rows_read", "n_users", "n_items")), log.has_clock) == counts
    assert quality.meta["mapping"][0]["how"] == how
    assert quality.cell("rows_dropped").value == (1 if name == "yoochoose-100k" else 0)  # one click is there twice
    if window is not None:
        assert (quality.cell("first").value, quality.cell("last").value) == window
    if name != "obd":  # its users are hashed contexts, shared by many people
        assert quality.cell("suspected_bots").value == 0


def found(log: Any, column: str) -> dict[str, Any]:
    return {row["item_id"]: row[column] for row in log.items.to_pyarrow().to_pylist()}


def test_ml_100k_has_titles_genres_and_users(real_data: Path) -> None:
    log = read_events(real_data / "ml-100k" / "ml-100k.inter.gz")
    assert log.items is not None
    assert log.users is not None
    assert (log.items.count().to_pyarrow().as_py(), log.users.count().to_pyarrow().as_py()) == (1_682, 943)
    assert found(log, "title")["543"] == "Misérables, Les"
    assert found(log, "attributes")["1"] == "Animation Children's Comedy"
    assert round(log.quality.cell("ties").value / 100_000, 2) == 0.51  # type: ignore[operator]
    assert log.quality.cell("events_rating").value == 100_000


def test_a_bot_planted_into_ml_100k_is_the_only_one_flagged(real_data: Path, tmp_path: Path) -> None:
    bot = tmp_path / "bot.csv"
    bot.write_text("user_id,item_id,timestamp\n" + "".join(f"bot,{n % 1682},{890_000_000 + 2 * n}\n" for n in range(400)))
    log = read_events([real_data / "ml-100k" / "ml-100k.inter.gz", bot])
    assert log.bots is not None
    assert log.bots.user_id.to_pyarrow().to_pylist() == ["bot"]


def test_rees46_events_tell_of_items(real_data: Path) -> None:
    log = read_events(real_data / "rees46-sample" / "2019-Oct-sample.csv.gz")
    assert {kind: log.quality.cell(f"events_{kind}").value for kind in ("view", "purchase", "cart")} == {
        "view": 987,
        "purchase": 10,
        "cart": 3,
    }
    assert found(log, "brand")["1002524"] == "apple"
    assert found(log, "category")["1002524"] == "electronics.smartphone"
    assert log.table.session_id.nunique().to_pyarrow().as_py() == 372


def test_yoochoose_keeps_its_split_and_its_milliseconds(real_data: Path) -> None:
    folder = real_data / "yoochoose-100k"
    log = read_events(folder / "train_full.tsv.gz", test=folder / "test.tsv.gz")
    counts = {row["split"]: row["n"] for row in log.table.group_by("split").agg(n=lambda t: t.count()).to_pyarrow().to_pylist()}
    assert counts == {"train": 70_277, "test": 13_568}


def test_beauty_items_have_titles_and_attributes(real_data: Path) -> None:
    folder = real_data / "amazon-beauty"
    log = read_events(folder / "interactions.csv.gz", items=folder / "items.csv.gz")
    assert log.quality.cell("titled_items").value == 12_094
    assert found(log, "attributes")["1"] == "173 1 162 171"


def test_a_user_of_instacart_spans_225_days_on_average(real_data: Path) -> None:
    log = read_events(real_data / "instacart-sample" / "orders.csv.gz")
    spans = log.table.group_by("user_id").agg(days=log.table.relative_days.max())
    assert round(spans.days.mean().to_pyarrow().as_py()) == 225
    assert spans.days.max().to_pyarrow().as_py() == 363


def test_ml_1m_2001_2003_comes_with_its_split_and_titles(real_data: Path) -> None:
    log = read_events(real_data / "ml-1m-2001-2003" / "interactions.csv.gz")
    counts = {row["split"]: row["n"] for row in log.table.group_by("split").agg(n=lambda t: t.count()).to_pyarrow().to_pylist()}
    assert counts == {"train": 33_891, "validation": 10_401, "test": 7_331}
    assert found(log, "title")["1"] == "Shawshank Redemption, The (1994)"


def test_the_bandit_log_keeps_slots_and_propensities(real_data: Path) -> None:
    log = read_events(real_data / "obd" / "random_all.csv.gz")
    assert log.table.propensity.max().to_pyarrow().as_py() == log.table.propensity.min().to_pyarrow().as_py() == 1 / 80
    assert (log.table.value.sum().to_pyarrow().as_py(), log.table.slot.max().to_pyarrow().as_py()) == (38, 3)


def test_a_store_of_a_real_log_is_the_log(real_data: Path, tmp_path: Path) -> None:
    source = real_data / "ml-100k" / "ml-100k.inter.gz"
    ingest(source, tmp_path / "store")
    assert open_store(tmp_path / "store").fingerprint == read_events(source).fingerprint
