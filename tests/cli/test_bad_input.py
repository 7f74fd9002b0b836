"""What a user can do wrong: the value, the place, the next step, and exit status 2."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Command


@pytest.fixture
def run(footpath: Command, store: Path, tmp_path: Path) -> Path:
    assert footpath("train", store, "--model", "item_knn", "--into", tmp_path / "run").code == 0
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--models", "popularty"], "no model 'popularty'"),
        (["--models", "popularity", "--k", "0"], "k must be at least 1, got 0"),
        (["--models", "popularity", "--protocol", "tme"], "no protocol 'tme'"),
        (["--models", "item_knn", "--set", "item_knn.neighbors=5"], "no hyper-parameter 'neighbors'"),
        (["--models", "item_knn", "--set", "item_knn.neighbours=many"], "item_knn.neighbours must be a whole number, got 'many'"),
        (["--models", "item_knn", "--set", "ease.l2=1"], "names model 'ease', which is not among --models item_knn"),
        (["--models", "item_knn", "--set", "neighbours=5"], "--set takes MODEL.FIELD=VALUE here, got neighbours=5"),
        (["--models", "item_knn", "--set", "item_knn"], "--set takes NAME=VALUE, got 'item_knn'"),
        (["--models", "ease,ease"], "model 'ease' is named 2 times"),
        (["--models", ","], "no model to evaluate"),
        (["--models", "popularity", "--metric", "ndgc@5"], "'ndgc@5'"),
        (["--models", "popularity", "--protocol", "given"], "comes without the split that protocol 'given' reads"),
        (["--models", "popularity", "--event-type", "vew"], "'vew'"),
    ],
)
def test_evaluate_refuses(footpath: Command, store: Path, options: list[str], message: str) -> None:
    refused = footpath("evaluate", store, *options)
    assert refused.code == 2
    assert message in refused.err
    assert refused.out == ""
    assert "Traceback" not in refused.err


def test_an_unknown_option_is_named(footpath: Command, store: Path) -> None:
    refused = footpath("evaluate", store, "--modles", "popularity")
    assert refused.code == 2
    assert "--modles" in refused.err


@pytest.mark.parametrize("command", ["quality", "evaluate", "train"])
def test_a_missing_store_is_named(footpath: Command, tmp_path: Path, command: str) -> None:
    more = {"evaluate": ["--models", "popularity"], "train": ["--model", "popularity", "--into", tmp_path / "r"]}.get(command, [])
    refused = footpath(command, tmp_path / "nowhere", *more)
    assert refused.code == 2
    assert "nowhere" in refused.err
    assert not (tmp_path / "r").exists()


def test_a_wrong_data_set_lists_what_there_is(footpath: Command, tmp_path: Path) -> None:
    refused = footpath("fetch", "ml-100", "--into", tmp_path / "data")
    assert refused.code == 2
    assert "ml-100k" in refused.err
    assert not (tmp_path / "data").exists()


def test_a_failed_ingest_leaves_no_store(footpath: Command, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("user_id,item_id,timestamp\nu1,i1,1700000000\n,i2,1700000100\n", encoding="utf-8")
    refused = footpath("ingest", bad, "--into", tmp_path / "store")
    assert refused.code == 2
    assert "bad.csv" in refused.err
    assert "row 3" in refused.err or "row 2" in refused.err
    assert not (tmp_path / "store").exists()


def test_train_refuses_an_unknown_model_before_it_writes(footpath: Command, store: Path, tmp_path: Path) -> None:
    refused = footpath("train", store, "--model", "sasrek", "--into", tmp_path / "run")
    assert refused.code == 2
    assert "did you mean 'sasrec'?" in refused.err
    assert not (tmp_path / "run").exists()


def test_recommend_wants_a_user_or_a_history(footpath: Command, run: Path) -> None:
    for options in ([], ["--user", "u1", "--history", "i1"]):
        refused = footpath("recommend", run, *options)
        assert refused.code == 2
        assert "give either --user ID or --history a,b,c" in refused.err


def test_recommend_refuses_a_list_of_nothing(footpath: Command, run: Path) -> None:
    refused = footpath("recommend", run, "--history", "i1", "-k", "0")
    assert refused.code == 2
    assert "k must be at least 1, got 0" in refused.err


def test_a_damaged_weight_file_is_named(footpath: Command, run: Path) -> None:
    weights = run / "model" / "weights.safetensors"
    damaged = bytearray(weights.read_bytes())
    damaged[-3] ^= 1
    weights.write_bytes(damaged)
    refused = footpath("recommend", run, "--history", "i1")
    assert refused.code == 2
    assert "weights.safetensors is damaged" in refused.err


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": "one"}'])
def test_a_damaged_run_record_is_named(footpath: Command, run: Path, content: str) -> None:
    (run / "run.json").write_text(content)
    refused = footpath("recommend", run, "--history", "i1")
    assert refused.code == 2
    assert "run.json is damaged" in refused.err


def test_a_run_of_a_newer_version_is_refused(footpath: Command, run: Path) -> None:
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(record | {"format": 99, "footpath": "9.0"}))
    refused = footpath("recommend", run, "--history", "i1")
    assert refused.code == 2
    assert "was written by footpath 9.0 (format 99); this version reads 1: upgrade" in refused.err


def test_a_folder_that_is_no_run_is_refused_and_kept(footpath: Command, store: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "letter.txt").write_text("dear")
    assert "is not a run" in footpath("recommend", folder, "--history", "i1").err
    refused = footpath("train", store, "--model", "popularity", "--into", folder, "--overwrite")
    assert refused.code == 2
    assert "is not a run, so it is not overwritten" in refused.err
    assert (folder / "letter.txt").read_text() == "dear"


def test_a_store_that_has_gone_is_asked_for(footpath: Command, run: Path, store: Path) -> None:
    store.rename(store.with_name("elsewhere"))
    refused = footpath("recommend", run, "--user", "u1")
    assert refused.code == 2
    assert "pass --store STORE" in refused.err
    assert footpath("recommend", run, "--user", "u1", "--store", store.with_name("elsewhere")).code == 0
