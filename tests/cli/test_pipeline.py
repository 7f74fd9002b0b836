"""From a file to a titled recommendation, as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Command, write_ring


def test_ingest_prints_the_map_the_quality_and_the_next_step(footpath: Command, ring: Path, tmp_path: Path) -> None:
    done = footpath("ingest", ring, "--into", tmp_path / "store")
    assert done.code == 0
    assert "user_id   <- user_id" in done.out
    assert "320 rows read, 320 kept, 0 dropped" in done.out
    assert done.out.rstrip().splitlines()[-1].startswith("Next: footpath evaluate ")


def test_ingest_again_changes_nothing_and_says_so(footpath: Command, ring: Path, store: Path) -> None:
    before = footpath("quality", store, "--json").json()["fingerprint"]
    done = footpath("ingest", ring, "--into", store)
    assert done.code == 0
    assert "Nothing new" in done.out
    assert footpath("quality", store, "--json").json()["fingerprint"] == before


def test_quality_json_holds_cells_with_stable_ids(footpath: Command, store: Path) -> None:
    printed = footpath("quality", store, "--json").json()
    cells = {cell["id"]: cell["value"] for cell in printed["cells"]}
    assert (cells["rows_kept"], cells["n_users"], cells["n_items"]) == (320, 40, 12)


def test_evaluate_json_has_the_promised_shape_and_markov_walks_the_ring(footpath: Command, store: Path) -> None:
    done = footpath("evaluate", store, "--models", "popularity,markov", "--protocol", "loo", "--k", "3", "--json")
    assert done.code == 0, done.err
    printed = done.json()
    assert printed["protocol"] == "loo"
    assert printed["data"] == "ring"
    rows = {row["model"]: row for row in printed["rows"]}
    assert {"popularity", "markov", "recent_popularity", "item_knn", "integer_rule"} == set(rows)
    assert rows["markov"]["metrics"]["recall@3"] == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 40}
    assert rows["popularity"]["metrics"]["recall@3"]["value"] < 1
    assert {"recall@3", "hr@3", "ndcg@3", "mrr@3", "map@3", "coverage@3", "novelty@3"} <= set(rows["markov"]["metrics"])
    assert rows["markov"]["fit_cpu_s"] >= 0
    assert rows["markov"]["score_cpu_s"] >= 0
    assert rows["markov"]["fitted_on"] == "train"
    assert printed["audit"]["leakage"]["verdict"] == "by design"


def test_evaluate_refit_says_so_and_takes_settings_of_one_model(footpath: Command, store: Path) -> None:
    printed = footpath(
        "evaluate",
        store,
        "--models",
        "item_knn",
        "--protocol",
        "loo",
        "--refit",
        "--set",
        "item_knn.weighting=cosine",
        "--no-references",
        "--json",
    ).json()
    (row,) = printed["rows"]
    assert row["fitted_on"] == "refit"
    assert row["settings"]["weighting"] == "cosine"


def test_evaluate_on_the_terminal_names_protocol_population_and_interval(footpath: Command, store: Path) -> None:
    done = footpath("evaluate", store, "--models", "markov", "--protocol", "loo", "--metric", "hr@5")
    assert "ring, protocol loo: 40 histories of 40 users" in done.out
    assert "whole catalogue of 12 items ranked, seen items masked, fitted on training events" in done.out
    assert "hr@5" in done.out
    assert "1.0000 [1.0000, 1.0000]" in done.out


@pytest.fixture
def run(footpath: Command, store: Path, tmp_path: Path) -> Path:
    done = footpath("train", store, "--model", "markov", "--into", tmp_path / "run")
    assert done.code == 0, done.err
    assert "markov fitted on 320 events of 40 users and 12 items of ring" in done.out
    return tmp_path / "run"


def test_recommends_the_next_stop_with_title_and_reason(footpath: Command, run: Path) -> None:
    printed = footpath("recommend", run, "--history", "i3,i4", "-k", "2", "--json").json()
    assert [printed["items"][0][key] for key in ("rank", "item_id", "title")] == [1, "i5", "Stop 5"]
    assert printed["items"][0]["because"] == {"item_id": "i4", "title": "Stop 4"}
    assert printed["history"] == [{"item_id": "i3", "title": "Stop 3"}, {"item_id": "i4", "title": "Stop 4"}]


def test_recommends_to_a_user_of_the_store(footpath: Command, run: Path, ring: Path) -> None:
    last = [line.split(",")[1] for line in ring.read_text().splitlines() if line.startswith("u7,")][-1]
    printed = footpath("recommend", run, "--user", "u7", "--json").json()
    assert printed["items"][0]["item_id"] == f"i{(int(last[1:]) + 1) % 12}"


def test_a_user_never_seen_gets_an_answer_that_says_what_it_stands_on(footpath: Command, run: Path) -> None:
    done = footpath("recommend", run, "--user", "nobody", "-k", "4")
    assert done.code == 0
    assert "For user nobody, by markov, from no known event: what most users do" in done.out
    assert len(footpath("recommend", run, "--user", "nobody", "-k", "4", "--json").json()["items"]) == 4


def test_unknown_items_of_a_history_are_named(footpath: Command, run: Path) -> None:
    done = footpath("recommend", run, "--history", "i3,zzz")
    assert "not known to the model: zzz" in done.out


def test_seen_items_are_left_out_unless_asked_for(footpath: Command, run: Path) -> None:
    seen = footpath("recommend", run, "--history", "i3,i4", "-k", "12", "--repeat", "--json").json()
    fresh = footpath("recommend", run, "--history", "i3,i4", "-k", "12", "--json").json()
    assert {"i3", "i4"} <= {item["item_id"] for item in seen["items"]}
    assert {"i3", "i4"}.isdisjoint({item["item_id"] for item in fresh["items"]})


def test_a_run_and_its_store_may_move_together(footpath: Command, run: Path, tmp_path: Path) -> None:
    moved = tmp_path.parent / f"{tmp_path.name}-moved"
    tmp_path.rename(moved)
    assert footpath("recommend", moved / "run", "--user", "u7", "--json").json()["basis"] == "8 events"
    moved.rename(tmp_path)


def test_a_run_is_not_overwritten_unless_asked(footpath: Command, run: Path, store: Path) -> None:
    refused = footpath("train", store, "--model", "popularity", "--into", run)
    assert refused.code == 2
    assert f"{run} exists already; choose another directory or pass --overwrite" in refused.err
    assert footpath("train", store, "--model", "popularity", "--into", run, "--overwrite", "--json").json()["model"] == "popularity"


def test_models_lists_every_model_with_its_settings(footpath: Command) -> None:
    listed = {entry["name"]: entry for entry in footpath("models", "--json").json()["models"]}
    assert {"popularity", "markov", "item_knn", "user_knn", "content", "ease", "vsknn", "als", "bpr", "sasrec", "integer_rule"} <= set(
        listed
    )
    assert listed["item_knn"]["hyperparameters"]["neighbours"] == 100
    assert "item_knn" in footpath("models").out


def test_sasrec_chooses_its_epochs_on_validation_and_is_fitted_again(footpath: Command, tmp_path: Path) -> None:
    store = tmp_path / "store"
    assert footpath("ingest", write_ring(tmp_path / "ring.csv", users=150), "--into", store).code == 0
    done = footpath("train", store, "--model", "sasrec", "--set", "dim=16", "--set", "epochs=12", "--into", tmp_path / "neural", "--json")
    assert done.code == 0, done.err
    record = done.json()
    assert record["chosen"]["by"].startswith("validation of the time split, ")
    assert record["chosen"]["n_histories"] >= 30
    assert 1 <= record["hyperparameters"]["epochs"] <= 12
    assert json.loads((tmp_path / "neural" / "run.json").read_text())["data"]["n_events"] == 1200


def test_sasrec_trains_on_sessions_that_no_cut_in_time_crosses(footpath: Command, tmp_path: Path) -> None:
    rows = [f"s{n},i{(n + step) % 7},{1_700_000_000 + 3600 * n + step}" for n in range(20) for step in range(4)]
    (tmp_path / "sessions.csv").write_text("user_id,item_id,timestamp\n" + "\n".join(rows) + "\n", encoding="utf-8")
    assert footpath("ingest", tmp_path / "sessions.csv", "--into", tmp_path / "sessions").code == 0
    done = footpath("train", tmp_path / "sessions", "--model", "sasrec", "--set", "epochs=2", "--into", tmp_path / "run", "--json")
    assert done.code == 0, done.err
    assert done.json()["chosen"]["by"] == "validation of the loo split, 20 histories"


def test_training_says_where_it_learned_from_the_newest_events_alone(footpath: Command, store: Path, tmp_path: Path) -> None:
    settings = ("train", store, "--model", "gru4rec", "--set", "max_len=3", "--set", "dim=8", "--set", "epochs=1")
    done = footpath(*settings, "--into", tmp_path / "newest")
    assert done.code == 0, done.err
    assert "Learned from the newest events of each history, 43 % of all; --set windows=all learns from the rest too" in done.out  # 3 of 7
    whole = footpath(*settings, "--set", "windows=all", "--into", tmp_path / "all")
    assert whole.code == 0, whole.err
    assert "newest events" not in whole.out
