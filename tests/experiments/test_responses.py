"""From a log to a table of results, a run and predictions."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from footpath.errors import ColumnError, ConfigError, DataError, RunError
from footpath.events.log import EventLog
from footpath.events.readers import read_events
from footpath.events.simulate import Simulated, simulate
from footpath.events.store import ingest
from footpath.experiments import responses, runs
from footpath.experiments.compare import Candidate
from footpath.rules import Rules
from footpath.sequences.impressions import SEARCHED


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    return simulate(20_000, seed=3, into=tmp_path_factory.mktemp("shop") / "files")


@pytest.fixture(scope="module")
def store(shop: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store") / "store"
    ingest(list(shop.paths["events"]), into=folder, items=shop.paths["items"][0], users=shop.paths["users"][0], name="shop")
    return folder


@pytest.fixture(scope="module")
def run(store: Path, tmp_path_factory: pytest.TempPathFactory) -> responses.ResponseRun:
    into = tmp_path_factory.mktemp("run") / "trees"
    options = {"labels": ["click", "purchase"]}
    return responses.train(store, "gradient_boosting", into, fields={"trees": "60"}, options=options)


def ratings(n_users: int = 30) -> EventLog:
    rows = [
        {"user_id": f"u{u}", "item_id": f"i{i}", "event_type": "rating", "value": 1 + (u + i) % 5, "timestamp": 1_700_000_000 + 100 * i + u}
        for u in range(n_users)
        for i in range(8)
    ]
    return read_events(pa.Table.from_pylist(rows), name="ratings")


def test_examples_come_from_what_the_log_has(shop: Simulated) -> None:
    assert responses.examples(shop.log).tasks == ("click",)
    assert responses.examples(shop.log, labels=["cart", "purchase"]).tasks == ("cart", "purchase")
    assert responses.examples(ratings(), threshold=4).tasks == ("rating", "liked")
    assert responses.examples(shop.log, "next", negatives=2).label("chosen").mean() == pytest.approx(1 / 3)


def test_options_that_a_source_does_not_take_are_refused(shop: Simulated) -> None:
    with pytest.raises(ConfigError, match=r"no source of examples 'ratngs'; did you mean 'ratings'\?"):
        responses.examples(shop.log, "ratngs")
    with pytest.raises(ConfigError, match=r"a threshold is for ratings, got 4 for examples from impressions"):
        responses.examples(shop.log, threshold=4)
    with pytest.raises(ConfigError, match=r"labels are acts on what was shown, and examples come from ratings"):
        responses.examples(ratings(), labels=["click"])
    with pytest.raises(ConfigError, match=r"needs to know which ratings are good: give a threshold"):
        responses.examples_for(ratings(), ["gradient_boosting"])
    with pytest.raises(ConfigError, match=r"svdpp answers with ratings and din with probabilities"):
        responses.examples_for(ratings(), ["din", "svdpp"])
    with pytest.raises(ConfigError, match=r"svdpp learns from ratings, and examples come from impressions"):
        responses.examples_for(ratings(), ["svdpp"], source="impressions")


def test_a_comparison_has_the_references_and_names_its_split(shop: Simulated) -> None:
    report = responses.compare(shop.log, [Candidate("gradient_boosting", {"trees": 40}), Candidate("logistic_regression")])
    assert {row.model for row in report.rows} == {"gradient_boosting", "logistic_regression", "base_rate", "user_mean", "item_mean"}
    assert (report.protocol, report.causal) == ("time", True)
    trees = next(row for row in report.rows if row.model == "gradient_boosting")
    assert trees.metrics["auc"].value > 0.6
    assert next(row for row in report.rows if row.model == "user_mean").metrics["gauc"].value == pytest.approx(0.5)
    assert {found.reference for found in report.comparisons} == {"gradient_boosting"}


def test_ratings_are_compared_by_their_errors() -> None:
    report = responses.compare(ratings(), [Candidate("rating_bias")], protocol="user-tail", options={"threshold": 4})
    assert not report.causal
    assert {"rmse", "mae", "auc", "gauc"} == set(report.rows[0].metrics)


def test_a_run_says_what_it_was_made_of(run: responses.ResponseRun) -> None:
    record = run.record
    assert record["tasks"] == ["click", "purchase"]
    assert record["answers"] == "responses"
    assert record["examples"]["n"] > 10_000
    assert set(record["calibration"]) == {"click", "purchase"}
    assert record["chosen"]["by"].startswith("validation of the time split")
    assert json.loads((run.path / "run.json").read_text())["model"] == "gradient_boosting"


def test_rows_of_a_table_see_what_their_user_did_before(run: responses.ResponseRun, shop: Simulated) -> None:
    clicked = shop.log.table.filter(shop.log.table.event_type == "click").limit(1).to_pyarrow().to_pylist()[0]
    item = clicked["item_id"]
    table = pa.table({"user_id": [clicked["user_id"]] * 2, "item_id": [item] * 2, "slot": [0, 0]})
    start, end = clicked["timestamp"], clicked["timestamp"].replace(microsecond=0)
    at = pa.array([start.replace(year=2020), end.replace(year=2026)], pa.timestamp("us", "UTC"))
    predicted, told = responses.predict_rows(run, table.append_column("timestamp", at))
    before, after = predicted["predicted_click"].to_pylist()
    assert after > before
    assert told["unknown_users"] == 1  # in 2020 nobody had done anything
    assert predicted.column_names[-2:] == ["predicted_click", "predicted_purchase"]
    assert set(told["missing_columns"]) == {"policy"}


def test_strangers_new_items_and_missing_columns_are_answered_and_said(run: responses.ResponseRun) -> None:
    predicted, told = responses.predict_rows(run, pa.table({"user_id": ["nobody", "nobody"], "item_id": ["i0001", "no such item"]}))
    assert np.isfinite(predicted["predicted_click"].to_numpy()).all()
    assert (told["unknown_users"], told["unknown_items"]) == (2, 1)
    assert {"slot", "policy"} <= set(told["missing_columns"])


def test_rows_that_cannot_be_predicted_are_refused(run: responses.ResponseRun, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there are no rows to predict"):
        responses.predict_rows(run, pa.table({"user_id": pa.array([], pa.string())}))
    with pytest.raises(ColumnError, match=r"'predicted_click' already"):
        responses.predict_rows(run, pa.table({"user_id": ["a"], "predicted_click": [0.1]}))
    with pytest.raises(ConfigError, match=r"leave --at out"):
        responses.predict_rows(run, pa.table({"user_id": ["a"], "timestamp": [1_700_000_000]}), at="2026-01-01")
    with pytest.raises(DataError, match=r"nothing.csv is not there"):
        responses.read_rows(tmp_path / "nothing.csv")
    (tmp_path / "odd.parquet").write_text("no parquet")
    with pytest.raises(DataError, match=r"odd.parquet cannot be read as Parquet"):
        responses.read_rows(tmp_path / "odd.parquet")


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet"])
def test_rows_are_written_whole(name: str, tmp_path: Path) -> None:
    table = pa.table({"user_id": ["a", "b"], "predicted_click": [0.1, 0.2]})
    responses.write_rows(table, tmp_path / "new" / name)
    assert responses.read_rows(tmp_path / "new" / name).to_pydict() == table.to_pydict()
    assert [path.name for path in (tmp_path / "new").iterdir()] == [name]


def test_items_are_ranked_by_how_likely_an_act_is_with_reasons(run: responses.ResponseRun, shop: Simulated) -> None:
    user = shop.log.table.filter(shop.log.table.event_type == "purchase").limit(1).to_pyarrow().to_pylist()[0]["user_id"]
    answer = responses.recommend_from(run, user=user, k=5)
    scores = [item["score"] for item in answer["items"]]
    assert scores == sorted(scores, reverse=True)
    assert not any(item["item_id"].startswith(SEARCHED) for item in answer["items"])
    assert not {item["item_id"] for item in answer["items"]} & {item["item_id"] for item in answer["history"]}
    assert any(item["because"] for item in answer["items"])
    first = answer["items"][0]["item_id"]
    ruled = responses.recommend_from(run, user=user, k=5, rules=Rules(exclude=[first], pin={2: "i0001"}, per_category=1))
    ids = [item["item_id"] for item in ruled["items"]]
    assert first not in ids
    assert ids[1] == "i0001"
    assert len({run.categories[id] for id in ids}) == len(ids)


def test_candidates_of_another_run_are_ranked(run: responses.ResponseRun, store: Path, tmp_path: Path) -> None:
    found_by = runs.train(store, "popularity", tmp_path / "popular")
    answer = responses.recommend_from(run, history=["i0001", "i0002"], k=3, candidates=found_by, n_candidates=10)
    popular = runs.recommend_from(found_by, history=["i0001", "i0002"], k=10)
    assert {item["item_id"] for item in answer["items"]} <= {item["item_id"] for item in popular["items"]}


def test_a_run_is_opened_for_what_it_answers(run: responses.ResponseRun, store: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"says how likely an act is: ask it with `footpath predict"):
        runs.open_run(run.path)
    other = runs.train(store, "popularity", tmp_path / "popular")
    with pytest.raises(RunError, match=r"says what comes next: ask it with `footpath recommend"):
        responses.open_response_run(other.path)


def test_a_split_without_validation_is_not_calibrated_and_says_so(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choose = responses.choose_impression_split

    def without(*given: Any, **more: Any) -> Any:
        parts, why = choose(*given, **more)
        return dataclasses.replace(parts, validation=None), why

    monkeypatch.setattr(responses, "choose_impression_split", without)
    run = responses.train(store, "logistic_regression", tmp_path / "run")
    assert run.record["calibration"] == {}
    assert run.record["calibration_notes"] == ["nothing is calibrated: protocol 'time' left no validation rows"]


def test_a_model_of_responses_is_not_trained_as_one_that_says_what_comes_next(store: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"din answers another question; a model that says which items come next is one of popularity"):
        runs.train(store, "din", tmp_path / "run")


def test_a_neural_run_goes_on_from_its_checkpoint_and_draws_its_curves(store: Path, tmp_path: Path) -> None:
    run = responses.train(store, "deepfm", tmp_path / "run", fields={"epochs": "2", "dim": "4"}, calibrate="none")
    assert (run.path / "learning-curves.html").is_file()
    assert "validation_loss" in run.record["epochs"]["held"][0]
    assert not (tmp_path / ".run.unfinished").exists()
    assert run.record["calibration"] == {}
