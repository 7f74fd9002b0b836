from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from footpath.errors import ConfigError, NotInLogError, RunError, StoreError
from footpath.events.store import ingest, open_store
from footpath.experiments import embed as room
from footpath.experiments import runs
from footpath.experiments.embed import embed
from footpath.recommender import Embedder
from footpath.sequences.build import to_sequences
from tests.experiments.made_logs import ring, store

SETTINGS = {"dim": "8", "epochs": "2", "patience": "none", "batch_size": "16", "learning_rate": "0.01"}
CUT = "2023-11-15T02:00"  # seven to twenty-seven hours of the ring lie before it and after it
CUT_SECONDS = 1_700_013_600


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("embed")


@pytest.fixture(scope="module")
def log(folder: Path) -> Path:
    return store(folder, ring())


@pytest.fixture(scope="module")
def run(log: Path, folder: Path) -> runs.Run:
    return runs.train(log, "gru4rec", folder / "run", fields=SETTINGS)


def matrix(table: pa.Table) -> np.ndarray:
    return np.array(table["vector"].to_pylist(), np.float32)


def test_vectors_are_the_states_and_item_vectors_of_the_model(run: runs.Run, log: Path, tmp_path: Path) -> None:
    record = embed(run, tmp_path / "v").record
    users, items = (pq.read_table(tmp_path / "v" / f"{name}.parquet") for name in ("users", "items"))
    events = to_sequences(open_store(log))
    assert events.vocabulary == run.model.items
    assert isinstance(run.model, Embedder)
    assert users["user_id"].to_pylist() == events.users.to_pylist()
    assert np.allclose(matrix(users), run.model.states(events), atol=1e-6)
    assert items["item_id"].to_pylist() == events.vocabulary.ids.to_pylist()
    assert np.array_equal(matrix(items), run.model.item_vectors()[1:])
    assert np.allclose(matrix(users) @ matrix(items).T, run.model.score(events)[:, 1:], atol=1e-5)
    assert users.schema.field("vector").type == pa.list_(pa.float32(), 8)
    assert users["n_events"].to_pylist() == [8] * 80
    assert sum(items["n_events"].to_pylist()) == record["n_events"] == 640
    assert events.times is not None
    assert users["last_time"].cast(pa.int64()).to_pylist() == events.times[events.offsets[1:] - 1].tolist()
    assert json.loads((tmp_path / "v" / "embed.json").read_text()) == record
    assert record["store"]["fingerprint"] == open_store(log).fingerprint
    assert (record["until"], record["model"], record["dim"], record["n_users"], record["n_items"]) == (None, "gru4rec", 8, 80, 12)


def test_what_comes_after_until_changes_no_vector(run: runs.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    changed = [row if row[2] < CUT_SECONDS else (row[0], f"i{rng.integers(12)}", row[2] + 7) for row in ring()]
    assert changed != ring()
    other = store(tmp_path, [*changed, ("late", "i1", CUT_SECONDS), ("late", "unheard-of", CUT_SECONDS + 1)], "changed")
    embed(run, tmp_path / "one", until=CUT)
    monkeypatch.setattr(room, "log_of", lambda run, store: open_store(store))  # what was fitted on other events is refused otherwise
    embed(run, tmp_path / "other", store=other, until=CUT)
    embed(run, tmp_path / "all", store=other)
    for name in ("users", "items"):
        one, two, after = (pq.read_table(tmp_path / folder / f"{name}.parquet") for folder in ("one", "other", "all"))
        assert one.equals(two)
        assert not one.equals(after)
    last = pq.read_table(tmp_path / "one" / "users.parquet")["last_time"].cast(pa.int64()).to_numpy()
    assert last.max() < CUT_SECONDS * 10**6


def test_until_is_utc_unless_it_names_a_zone() -> None:
    assert room.parsed("2023-11-15T02:00") == room.parsed("2023-11-15T03:00+01:00")


def test_users_of_unknown_items_are_counted_and_have_no_vector(run: runs.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = store(tmp_path, [*ring()[:8], ("stranger", "unheard-of", 1_700_000_000), ("u0", "unheard-of", 1_800_000_000)], "strange")
    monkeypatch.setattr(room, "log_of", lambda run, store: open_store(store))
    record = embed(run, tmp_path / "v", store=other).record
    users = pq.read_table(tmp_path / "v" / "users.parquet")
    assert users["user_id"].to_pylist() == ["u0"]
    assert users["n_events"].to_pylist() == [8]
    assert record["n_users_without_known_items"] == 1
    assert users["last_time"].cast(pa.int64()).to_pylist()[0] < 1_800_000_000 * 10**6


def test_a_failure_leaves_what_was_there(run: runs.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = embed(run, tmp_path / "v").record

    def broken(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(room, "_items", broken)
        with pytest.raises(KeyboardInterrupt):
            embed(run, tmp_path / "v", until=CUT, overwrite=True)
        with pytest.raises(KeyboardInterrupt):
            embed(run, tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["v"]
    assert json.loads((tmp_path / "v" / "embed.json").read_text()) == first
    assert embed(run, tmp_path / "v", until=CUT, overwrite=True).record["until"] == "2023-11-15T02:00:00+00:00"
    assert [path.name for path in tmp_path.iterdir()] == ["v"]


def test_many_users_are_written_in_parts_and_told_of(run: runs.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = embed(run, tmp_path / "whole")
    monkeypatch.setattr(room, "_USERS_AT_ONCE", 32)
    told: list[tuple[str, int, int]] = []
    parts = embed(run, tmp_path / "parts", progress=lambda *step: told.append(step))
    one, other = (pq.read_table(made.path / "users.parquet") for made in (whole, parts))
    assert one.drop_columns("vector").equals(other.drop_columns("vector"))
    assert np.allclose(matrix(one), matrix(other), atol=1e-6)
    assert told == [("embedding users", done, 80) for done in (32, 64, 80)]


def test_a_model_without_vectors_is_an_error_that_names_those_with(log: Path, tmp_path: Path) -> None:
    run = runs.train(log, "popularity", tmp_path / "run")
    with pytest.raises(ConfigError, match=r"a run of popularity, which has no vectors.*recurrence: .*gru4rec.*attention: sasrec"):
        embed(run, tmp_path / "v")


def test_every_model_that_is_named_as_having_vectors_has_them() -> None:
    from footpath.models import catalog

    for model in catalog.describe():
        found = catalog.model_class(model["name"])
        named = bool(model["inherited"]) and catalog.entry(model["name"]).answers == "items"
        assert named == (hasattr(found, "states") and hasattr(found, "item_vectors")), model["name"]


def test_a_store_of_other_events_is_refused(run: runs.Run, tmp_path: Path) -> None:
    other = store(tmp_path, ring(users=5), "other")
    with pytest.raises(StoreError, match=f"other-store holds other events .*{run.record['data']['fingerprint'][:12]}"):
        embed(run, tmp_path / "v", store=other)


@pytest.mark.parametrize(
    ("until", "says"),
    [("yesterday", "until must be a date or a time such as .* got 'yesterday'"), ("2001-01-01", "no event of .* is before 2001-01-01")],
)
def test_a_moment_that_is_none_is_refused(run: runs.Run, tmp_path: Path, until: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        embed(run, tmp_path / "v", until=until)
    assert not (tmp_path / "v").exists()


def test_a_run_without_its_store_says_how_to_name_it(log: Path, tmp_path: Path) -> None:
    import shutil

    moved = shutil.copytree(log, tmp_path / "store")
    run = runs.train(moved, "gru4rec", tmp_path / "run", fields=SETTINGS | {"epochs": "1"})
    shutil.move(moved, tmp_path / "elsewhere")
    with pytest.raises(RunError, match=r"the store of this run is neither .*--store STORE"):
        embed(run, tmp_path / "v")
    assert embed(run, tmp_path / "v", store=tmp_path / "elsewhere").record["n_users"] == 80


def test_what_is_there_is_replaced_only_where_asked_for_and_only_vectors(run: runs.Run, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    with pytest.raises(RunError, match="precious exists already"):
        embed(run, tmp_path / "precious")
    with pytest.raises(RunError, match="precious exists and was not written by `footpath embed`"):
        embed(run, tmp_path / "precious", overwrite=True)


def test_a_log_without_a_clock_has_vectors_and_no_until(tmp_path: Path) -> None:
    file = tmp_path / "clockless.csv"
    file.write_text("user_id,item_id,position\n" + "".join(f"u{u},i{(u + step) % 6},{step}\n" for u in range(20) for step in range(5)))
    ingest([file], tmp_path / "store")
    run = runs.train(tmp_path / "store", "gru4rec", tmp_path / "run", fields=SETTINGS | {"epochs": "1"})
    with pytest.raises(NotInLogError, match="has no clock, so no moment divides it"):
        embed(run, tmp_path / "v", until=CUT)
    embed(run, tmp_path / "v")
    assert pq.read_schema(tmp_path / "v" / "users.parquet").names == ["user_id", "vector", "n_events"]
