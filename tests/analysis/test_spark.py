"""The same figures from DuckDB and from Spark, row by row, on the same log of 200 thousand acts."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from footpath.analysis.trail import Trail, trail
from footpath.events.in_place import log_in_place
from footpath.events.log import EventLog

ACTS = 200_000
ANALYSES: dict[str, dict[str, Any]] = {
    "sessions.sessions": {},
    "frequency.frequency": {},
    "seasonality.seasonality": {},
    "funnels.funnel": {"steps": ("view", "cart", "purchase")},
    "paths.paths": {},
    "transitions.transitions": {},
    "step_matrix.step_matrix": {},
    "markov_order.markov_order": {},
    "retention.retention": {},
    "lifecycle.lifecycle": {},
    "stickiness.stickiness": {},
    "rfm.rfm": {},
    "exploration.exploration": {},
    "timing.time_to_event": {},
    "rates.rates": {},
}

HAS_SPARK = importlib.util.find_spec("pyspark") is not None and shutil.which("java") is not None
pytestmark = [
    pytest.mark.spark,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    # in CI both are installed, so there the tests fail where they are not
    pytest.mark.skipif(not HAS_SPARK and not os.environ.get("CI"), reason="needs Java (default-jre-headless) and pyspark: make spark"),
]


def acts_by_chance() -> dict[str, pa.Table]:
    """Events, items and users of a shop whose visitors come in bursts and look at what they looked at before."""
    rng = np.random.default_rng(11)
    user = np.sort(rng.integers(0, 4_000, ACTS))
    first = np.r_[True, user[1:] != user[:-1]]
    pause = np.where(rng.random(ACTS) < 0.2, rng.integers(3_600, 500_000, ACTS), rng.integers(1, 600, ACTS))
    begins = np.flatnonzero(first)
    passed = np.cumsum(pause)
    seconds = passed - np.repeat(passed[begins], np.diff(np.r_[begins, ACTS])) + (user * 997) % 2_000_000
    item = np.minimum(rng.zipf(1.4, ACTS), 400)
    kind = np.array(["view", "click", "cart", "purchase", "impression"])[rng.choice(5, ACTS, p=[0.4, 0.2, 0.1, 0.05, 0.25])]
    names = np.array([f"u{n:04}" for n in range(4_000)])
    events = {
        "user_id": names[user],
        "item_id": [f"i{n}" for n in item],
        "event_type": kind,
        "timestamp": pa.array((1_772_355_600 + seconds) * 1_000_000).cast(pa.timestamp("us")),
        "position": np.arange(ACTS) - np.repeat(begins, np.diff(np.r_[begins, ACTS])),
        "price": np.where(kind == "purchase", item % 50 + 0.5, 0.0),
        "slot": rng.integers(0, 5, ACTS),
        "request_id": [f"r{n // 5}" for n in range(ACTS)],
    }
    items = {"item_id": [f"i{n}" for n in range(1, 401)], "category": [f"c{n % 9}" for n in range(1, 401)]}
    return {"events": pa.table(events), "items": pa.table(items), "users": pa.table({"user_id": names, "segment": ["a", "b"] * 2_000})}


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EventLog, EventLog]]:
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    from pyspark.sql import SparkSession

    folder = tmp_path_factory.mktemp("logs")
    for name, table in acts_by_chance().items():
        pq.write_table(table, folder / f"{name}.parquet")
    builder = SparkSession.builder.master("local[2]").appName("footpath")
    for name, value in {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        "spark.driver.memory": "2g",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
    }.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    try:
        yield _in_place(ibis.duckdb.connect(), folder), _in_place(ibis.pyspark.connect(spark), folder)
    finally:
        spark.stop()


def _in_place(engine: Any, folder: Path) -> EventLog:
    tables = [engine.read_parquet(str(folder / f"{name}.parquet"), table_name=name) for name in ("events", "items", "users")]
    return log_in_place(tables[0], name="shop", items=tables[1], users=tables[2])


@pytest.fixture(scope="module")
def trails(logs: tuple[EventLog, EventLog]) -> tuple[Trail, Trail]:
    return trail(logs[0]), trail(logs[1])


@pytest.mark.parametrize("path", ANALYSES)
def test_an_analysis_gives_the_same_rows_on_both_engines(trails: tuple[Trail, Trail], path: str) -> None:
    module, name = path.split(".")
    analysis = getattr(importlib.import_module(f"footpath.analysis.{module}"), name)
    duckdb, spark = (analysis(made, **ANALYSES[path]) for made in trails)
    assert duckdb.table.num_rows
    assert spark.table.to_pylist() == [_about(row) for row in duckdb.table.to_pylist()]
    assert [vars(cell) for cell in spark.cells] == [_about(vars(cell)) for cell in duckdb.cells]


def _about(row: dict[str, Any]) -> dict[str, Any]:
    """Sums of floats in another order differ in the last bits."""
    return {name: pytest.approx(value, rel=1e-9, abs=1e-12) if isinstance(value, float) else value for name, value in row.items()}
