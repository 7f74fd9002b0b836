from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import Command, write_ring

SETTINGS = ("--set", "dim=8", "--set", "epochs=1", "--set", "batch_size=16")


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    return write_ring(tmp_path / "ring.csv", users=150)


@pytest.fixture
def run(footpath: Command, store: Path, tmp_path: Path) -> Path:
    done = footpath("train", store, "--model", "gru4rec", *SETTINGS, "--into", tmp_path / "run")
    assert done.code == 0, done.err
    return tmp_path / "run"


def test_vectors_are_written_and_the_next_step_reads_them(footpath: Command, run: Path, tmp_path: Path) -> None:
    done = footpath("embed", run, "--into", tmp_path / "v")
    assert done.code == 0, done.err
    assert "150 users and 12 items of ring by gru4rec, 8 numbers each" in done.out
    assert f"from '{tmp_path / 'v'}/users.parquet'" in done.out.splitlines()[-1]
    assert pq.read_table(tmp_path / "v" / "users.parquet").num_rows == 150
    again = footpath("embed", run, "--into", tmp_path / "v", "--until", "2023-11-15", "--overwrite", "--json").json()
    assert again["until"] == "2023-11-15T00:00:00+00:00"


def test_probes_are_a_table_or_one_object(footpath: Command, run: Path) -> None:
    done = footpath("embed", run, "--probe", "--horizon-days", 0.3)
    assert done.code == 0, done.err
    assert "churn" in done.out
    assert "both - features" in done.out
    assert "purchase is not asked: the fitting part has 0 users with purchase" in done.out
    assert done.out.splitlines()[-1] == f"Next: footpath embed {run} --into DIR"
    answer = footpath("embed", run, "--probe", "--horizon-days", 0.3, "--json").json()
    assert [probe["name"] for probe in answer["probe"]["probes"]] == ["churn", "purchase", "category"]
    assert 0 <= answer["probe"]["probes"][0]["vectors"]["value"] <= 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "nothing to do: give --into DIR"),
        (("--into", "v", "--horizon-days", 3), "--horizon-days 3 is of the probes: add --probe"),
        (("--into", "v", "--until", "soon"), "until must be a date or a time such as 2026-01-31T12:00, got 'soon'"),
        (("--into", "v", "--store", "nowhere"), "nowhere"),
        (("--probe", "--horizon-days", 300), "horizon_days must fit three times into the log"),
    ],
)
def test_bad_input_is_exit_status_2(footpath: Command, run: Path, arguments: tuple[object, ...], says: str) -> None:
    done = footpath("embed", run, *arguments)
    assert done.code == 2
    assert says in done.err.replace("\n", " ")
