"""Models of responses and ratings, as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest

from footpath.events.simulate import simulate
from tests.cli.conftest import Command


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop") / "files"
    simulate(12_000, seed=3, into=folder)
    return folder


@pytest.fixture
def shop(footpath: Command, files: Path, tmp_path: Path) -> Path:
    events = sorted(files.glob("events-*.parquet"))
    done = footpath("ingest", *events, "--items", files / "items.parquet", "--users", files / "users.parquet", "--into", tmp_path / "store")
    assert done.code == 0, done.err
    return tmp_path / "store"


def test_from_a_store_to_predictions_and_a_list(footpath: Command, shop: Path, tmp_path: Path) -> None:
    report = footpath(
        "evaluate", shop, "--models", "gradient_boosting,logistic_regression", "--picture", tmp_path / "rel.html", "--json"
    ).json()
    assert report["protocol"] == "time"
    assert {"auc", "gauc", "log_loss", "ece", "lift@10%"} <= set(report["rows"][0]["metrics"])
    assert (tmp_path / "rel.html").is_file()
    trained = footpath("train", shop, "--model", "gradient_boosting", "--label", "click", "--label", "cart", "--into", tmp_path / "run")
    assert trained.code == 0, trained.err
    assert "Calibrated: click" in trained.out
    assert trained.out.rstrip().splitlines()[-1].startswith("Next: footpath predict ")
    rows = tmp_path / "rows.csv"
    rows.write_text("user_id,item_id,slot\nu00001,i0001,0\nu00001,i0002,4\nnobody,i0003,0\n")
    told = footpath("predict", tmp_path / "run", rows, "--json").json()
    assert [sorted(set(row) - {"user_id", "item_id", "slot"}) for row in told["predictions"]] == [["predicted_cart", "predicted_click"]] * 3
    written = footpath("predict", tmp_path / "run", rows, "--into", tmp_path / "out.csv")
    assert "rows are of users without a known event before" in written.out
    assert (tmp_path / "out.csv").read_text().splitlines()[0] == '"user_id","item_id","slot","predicted_click","predicted_cart"'
    again = footpath("predict", tmp_path / "run", rows, "--into", tmp_path / "out.csv")
    assert again.code == 2
    assert "exists already; choose another file or pass --overwrite" in again.err
    listed = footpath(
        "recommend", tmp_path / "run", "--history", "i0001", "-k", "3", "--exclude", "i0005", "--pin", "1=i0007", "--json"
    ).json()
    assert listed["items"][0]["item_id"] == "i0007"
    assert len(listed["items"]) == 3


def test_the_table_names_the_split_and_its_denominators(footpath: Command, shop: Path) -> None:
    printed = footpath("evaluate", shop, "--models", "logistic_regression").out
    assert "task click, protocol time" in printed
    assert "users have one class only and no AUC" in printed
    assert "base_rate *" in printed


def test_options_and_models_of_the_other_kind_are_refused(footpath: Command, shop: Path, tmp_path: Path) -> None:
    mixed = footpath("evaluate", shop, "--models", "din,sasrec")
    assert (mixed.code, "evaluate them apart" in mixed.err) == (2, True)
    other = footpath("train", shop, "--model", "popularity", "--threshold", "4", "--into", tmp_path / "run")
    assert (other.code, "--threshold is for models of responses and ratings" in other.err) == (2, True)
    footpath("train", shop, "--model", "popularity", "--into", tmp_path / "popular")
    asked = footpath("recommend", tmp_path / "popular", "--history", "i0001", "--candidates", tmp_path / "popular")
    assert (asked.code, "finds items by itself" in asked.err) == (2, True)
    predicted = footpath("predict", tmp_path / "popular", tmp_path / "rows.csv")
    assert (predicted.code, "ask it with `footpath recommend" in predicted.err) == (2, True)


def test_ratings_are_evaluated_by_fold(footpath: Command, tmp_path: Path) -> None:
    lines = ["user_id,item_id,rating,timestamp"]
    lines += [f"u{u},i{i},{1 + (u * i) % 5},{1_700_000_000 + 50 * i + u}" for u in range(30) for i in range(10)]
    (tmp_path / "ratings.csv").write_text("\n".join(lines) + "\n")
    assert footpath("ingest", tmp_path / "ratings.csv", "--into", tmp_path / "store").code == 0
    done = footpath(
        "evaluate", tmp_path / "store", "--models", "rating_bias,biased_mf", "--protocol", "kfold", "--fold", "2", "--threshold", "4"
    )
    assert done.code == 0, done.err
    assert "NOT causal" in done.out
    assert "rmse" in done.out


@pytest.mark.parametrize(
    ("command", "option"), [("train", "--core 5"), ("train", "--repeat"), ("evaluate", "--k 5"), ("evaluate", "--metric recall@5")]
)
def test_options_of_ranking_are_refused(footpath: Command, shop: Path, tmp_path: Path, command: str, option: str) -> None:
    into = ["--into", tmp_path / "run"] if command == "train" else []
    done = footpath(command, shop, "--model", "logistic_regression", *into, *option.split())
    assert (done.code, f"{option} is for models that say which items come next" in done.err) == (2, True)


def test_the_next_command_trains_on_the_same_examples(footpath: Command, shop: Path) -> None:
    done = footpath(
        "evaluate", shop, "--models", "logistic_regression", "--label", "cart", "--set", "logistic_regression.l2=3", "--calibrate", "platt"
    )
    assert "after calibration" in done.out
    assert (
        done.out.rstrip().splitlines()[-1] == f"Next: footpath train {shop} --model logistic_regression --set l2=3 --label cart --into RUN"
    )


def test_a_pinned_item_has_no_score_and_says_why_it_is_there(footpath: Command, shop: Path, tmp_path: Path) -> None:
    footpath("train", shop, "--model", "logistic_regression", "--into", tmp_path / "run")
    footpath("train", shop, "--model", "popularity", "--into", tmp_path / "popular")
    asked = ("recommend", tmp_path / "run", "--history", "i0001", "-k", "3", "--pin", "2=i0001", "--candidates", tmp_path / "popular")
    printed = footpath(*asked).out
    assert "nan" not in printed
    assert "pinned" in next(line for line in printed.splitlines() if line.startswith("2  i0001"))
    assert f"--candidates {tmp_path / 'popular'}" in printed.rstrip().splitlines()[-1]
