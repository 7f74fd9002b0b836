from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from footpath.errors import ConfigError, DataError, RunError
from footpath.events.store import open_store
from footpath.experiments import responses, tune, validation
from footpath.experiments.tune import Tuning
from footpath.models import catalog
from footpath.sequences.impression_splits import ImpressionSplit
from footpath.sequences.impressions import Impressions
from footpath.sequences.splits import from_iso_time
from tests.experiments.made_logs import clusters, ring, shop, store


def told(found: Tuning) -> list[tuple[object, ...]]:
    """All of a study but the seconds that it took."""
    return [(trial.parameters, trial.state, trial.value) for trial in found.trials]


def killed_in_the_third_trial(log: Path, model: str, into: Path, protocol: str) -> None:
    code = (
        "import sys, pathlib; from footpath.experiments import tune\n"
        "tune.tune(pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3]), trials=6, protocol=sys.argv[4])"
    )
    killed = subprocess.Popen([sys.executable, "-c", code, str(log), model, str(into), protocol], env=os.environ)
    journal, deadline = into / "study.journal", time.monotonic() + 60
    while time.monotonic() < deadline and killed.poll() is None:
        if journal.is_file() and journal.read_bytes().count(b'"cpu_s"') >= 2:  # two trials are done, the third runs
            break
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    killed.wait()


@pytest.fixture
def of_clusters(tmp_path: Path) -> Path:
    return store(tmp_path, clusters(users=60, n_clusters=4, size=8, length=5))


@pytest.fixture(scope="module")
def of_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shop(tmp_path_factory.mktemp("shop"))


def test_a_study_that_is_gone_on_with_is_the_study_that_was_never_stopped(of_clusters: Path, tmp_path: Path) -> None:
    whole = tune.tune(of_clusters, "item_knn", tmp_path / "whole", trials=8, protocol="loo")
    tune.tune(of_clusters, "item_knn", tmp_path / "parts", trials=3, protocol="loo")
    gone_on = tune.tune(of_clusters, "item_knn", tmp_path / "parts", trials=8, protocol="loo")
    assert told(gone_on) == told(whole)
    assert len(whole.trials) == 8
    assert whole.trials[0].parameters == {"weighting": "bm25", "neighbours": 100, "k1": 1.2, "b": 0.75}
    best = json.loads((tmp_path / "whole" / "best.json").read_text())
    assert best["value"] == whole.best.value == max(trial.value or 0 for trial in whole.trials)
    assert f"--set neighbours={best['parameters']['neighbours']}" in best["command"]
    assert whole.command.startswith(f"footpath train {of_clusters} --model item_knn --set ")


def test_a_study_that_is_killed_runs_its_trial_again_and_ends_as_it_would_have(of_clusters: Path, tmp_path: Path) -> None:
    killed_in_the_third_trial(of_clusters, "bpr", tmp_path / "killed", "loo")
    gone_on = tune.tune(of_clusters, "bpr", tmp_path / "killed", trials=6, protocol="loo")
    assert len(gone_on.trials) == 6
    assert told(gone_on) == told(tune.tune(of_clusters, "bpr", tmp_path / "whole", trials=6, protocol="loo"))


def test_a_journal_whose_last_line_was_cut_off_is_read(of_clusters: Path, tmp_path: Path) -> None:
    tune.tune(of_clusters, "markov", tmp_path / "t", trials=2, protocol="loo")
    with (tmp_path / "t" / "study.journal").open("a") as file:
        file.write('{"op_code": 4, "wor')
    assert len(tune.tune(of_clusters, "markov", tmp_path / "t", trials=3, protocol="loo").trials) == 3


def test_what_is_in_the_test_part_changes_nothing(tmp_path: Path) -> None:
    rows = ring(users=80, length=10)
    parts, _ = validation.choose_split(open_store(store(tmp_path, rows)), "time")
    cut = from_iso_time(parts.details["cuts"][1]) // 1_000_000
    garbage = [(user, item if at < cut else f"i{at // 3600 * 5 % 12}", at) for user, item, at in rows]
    assert garbage != rows
    true = tune.tune(store(tmp_path, rows, "true"), "item_knn", tmp_path / "a", trials=6, protocol="time")
    false = tune.tune(store(tmp_path, garbage, "false"), "item_knn", tmp_path / "b", trials=6, protocol="time")
    assert told(true) == told(false)


def test_trials_below_the_median_are_pruned_and_say_after_how_many_epochs(tmp_path: Path) -> None:
    made = store(tmp_path, ring(users=40))
    fixed = {"epochs": "14", "dim": "16", "blocks": "1", "max_len": "10", "dropout": "0.1", "patience": "none", "l2": "0"}
    found = tune.tune(made, "sasrec", tmp_path / "t", trials=12, fixed=fixed, protocol="loo")
    pruned = [trial for trial in found.trials if trial.state == "pruned"]
    assert pruned
    assert all(trial.epochs is not None and trial.epochs < 14 for trial in pruned)
    assert all(trial.epochs == 14 for trial in found.trials if trial.state == "finished")
    assert found.best.state == "finished"
    assert all((trial.value or 0) < (found.best.value or 0) for trial in pruned)


def test_settings_that_cannot_be_fitted_are_failed_trials_that_say_why(of_clusters: Path, tmp_path: Path) -> None:
    found = tune.tune(of_clusters, "vsknn", tmp_path / "t", trials=2, fixed={"recent_sessions": "100"}, protocol="loo")
    failed = [trial for trial in found.trials if trial.state == "failed"]
    assert all("recent_sessions" in trial.note for trial in failed)
    assert found.best.value is not None


def test_another_model_or_store_in_the_same_directory_is_refused_by_name(of_clusters: Path, tmp_path: Path) -> None:
    tune.tune(of_clusters, "markov", tmp_path / "t", trials=1, protocol="loo")
    with pytest.raises(RunError, match="model was 'markov' and is now 'ease'"):
        tune.tune(of_clusters, "ease", tmp_path / "t", trials=1, protocol="loo")
    with pytest.raises(RunError, match="fingerprint was"):
        tune.tune(store(tmp_path, ring(), "other"), "markov", tmp_path / "t", trials=1, protocol="loo")
    with pytest.raises(RunError, match="exists and is not a tuning"):
        tune.tune(of_clusters, "markov", of_clusters, trials=1, protocol="loo")


def test_options_that_cannot_be_used_are_refused(of_clusters: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="trials must be at least 1, got 0"):
        tune.tune(of_clusters, "ease", tmp_path / "t", trials=0)
    with pytest.raises(ConfigError, match="above 0 minutes, got -1"):
        tune.tune(of_clusters, "ease", tmp_path / "t", timeout_minutes=-1)
    with pytest.raises(ConfigError, match="no protocol 'tine' to choose by; did you mean 'time'"):
        tune.tune(of_clusters, "ease", tmp_path / "t", protocol="tine")


def test_the_picture_holds_every_trial_and_the_command(of_clusters: Path, tmp_path: Path) -> None:
    found = tune.tune(of_clusters, "item_knn", tmp_path / "t", trials=5, protocol="loo")
    page = (tmp_path / "t" / "tuning.html").read_text()
    assert found.command in page
    assert "The best so far" in page
    for trial in found.trials:
        assert str(trial.parameters["neighbours"]) in page


def test_settings_stand_in_the_picture_as_they_are_given(of_clusters: Path, tmp_path: Path) -> None:
    found = tune.tune(of_clusters, "bpr", tmp_path / "t", trials=2, protocol="loo")
    table = (tmp_path / "t" / "tuning.html").read_text().split('id="table"')[1].split("</article>")[0]
    for trial in found.trials:
        assert f">{trial.parameters['learning_rate']:.4g}<" in table


CLICK_MODELS = ("logistic_regression", "gradient_boosting", "deepfm")


@pytest.mark.parametrize("model", CLICK_MODELS)
def test_a_model_of_responses_is_tuned_by_its_log_loss_which_is_lowest_for_the_best(model: str, of_shop: Path, tmp_path: Path) -> None:
    whole = tune.tune(of_shop, model, tmp_path / "whole", trials=3)
    tune.tune(of_shop, model, tmp_path / "parts", trials=1)
    assert told(tune.tune(of_shop, model, tmp_path / "parts", trials=3)) == told(whole)
    assert whole.asked["metric"] == "log-loss on validation, lower is better"
    assert whole.asked["tasks"] == ["click"]
    assert whole.best.value == min(trial.value or np.inf for trial in whole.trials)
    assert [trial.value for trial in whole.ranked] == sorted(trial.value or np.inf for trial in whole.trials)
    assert whole.best.low is not None
    assert whole.best.high is not None
    assert whole.best.low < (whole.best.value or 0) < whole.best.high
    best = json.loads((tmp_path / "whole" / "best.json").read_text())
    assert best["value"] == whole.best.value
    settings = " ".join(f"--set {name}={value}" for name, value in best["parameters"].items())
    assert best["command"] == f"footpath train {of_shop} --model {model} {settings} --into RUN"


def test_the_figure_is_the_mean_log_loss_of_the_validation_rows(of_shop: Path, tmp_path: Path) -> None:
    found = tune.tune(of_shop, "logistic_regression", tmp_path / "t", trials=1, protocol="time")
    parts, _ = responses.choose_impression_split(responses.examples(open_store(of_shop)), "time")
    rows = parts.validation
    assert rows is not None
    fitted = catalog.click_model("logistic_regression", **found.best.parameters).fit(parts.train)
    p, y = fitted.predict(rows)[:, 0], rows.label("click")
    assert found.best.value == pytest.approx(np.mean([-np.log(a if b else 1 - a) for a, b in zip(p, y, strict=True)]))
    assert found.measure.n == found.asked["n_validation"] == len(rows)


def test_a_study_of_a_model_of_responses_that_is_killed_ends_as_it_would_have(of_shop: Path, tmp_path: Path) -> None:
    killed_in_the_third_trial(of_shop, "gradient_boosting", tmp_path / "killed", "auto")
    gone_on = tune.tune(of_shop, "gradient_boosting", tmp_path / "killed", trials=6)
    assert len(gone_on.trials) == 6
    assert told(gone_on) == told(tune.tune(of_shop, "gradient_boosting", tmp_path / "whole", trials=6))


def test_a_model_of_responses_is_pruned_where_its_loss_is_above_the_median(of_shop: Path, tmp_path: Path) -> None:
    fixed = {"epochs": "8", "patience": "none", "hidden": "32", "dim": "8"}
    found = tune.tune(of_shop, "deepfm", tmp_path / "t", trials=12, fixed=fixed)
    pruned = [trial for trial in found.trials if trial.state == "pruned"]
    assert pruned
    assert all(trial.epochs is not None and trial.epochs < 8 for trial in pruned)
    assert all((trial.value or 0) > (found.best.value or 0) for trial in pruned)
    assert found.best.state == "finished"


def test_several_labels_are_judged_by_the_mean_of_their_losses(of_shop: Path, tmp_path: Path) -> None:
    options = {"labels": ["click", "cart"]}
    found = tune.tune(of_shop, "logistic_regression", tmp_path / "t", trials=1, examples=options)
    alone = [
        tune.tune(of_shop, "logistic_regression", tmp_path / task, trials=1, examples={"labels": [task]}).best.value
        for task in options["labels"]
    ]
    assert found.best.value == pytest.approx(np.mean([value or 0 for value in alone]), rel=1e-4)
    assert found.command.endswith("--label click --label cart --into RUN")
    assert "log-loss of `click` and `cart` (their mean) on the validation part" in tune.in_words(found)


def test_a_model_of_ratings_is_tuned_by_its_rmse(of_shop: Path, tmp_path: Path) -> None:
    found = tune.tune(of_shop, "rating_bias", tmp_path / "t", trials=3)
    assert found.asked["metric"] == "RMSE on validation, lower is better"
    assert found.best.value == min(trial.value or np.inf for trial in found.trials)
    assert found.warnings == [f"only {found.measure.n} validation examples: what was chosen on them is close to chance"]


class Constant:
    """Says the same of every row."""

    def __init__(self, **answers: float) -> None:
        self.tasks, self.answers = tuple(answers), list(answers.values())

    def predict(self, rows: Impressions) -> np.ndarray:
        assert not rows.labels
        return np.tile(self.answers, (len(rows), 1))


def test_figures_of_responses_come_out_as_worked_by_hand(of_shop: Path) -> None:
    rows = responses.examples(open_store(of_shop)).take(np.arange(4))
    nan = np.nan
    two = {"click": np.array([1, 0, nan, nan], np.float32), "cart": np.array([0, 0, 0, nan], np.float32)}
    measure = validation.of_responses(dataclasses.replace(rows, labels=two))
    figure, losses = measure.judge(Constant(cart=0.5, click=0.8), None)
    # click: -(ln 0.8 + ln 0.2) / 2; cart: -ln 0.5
    assert figure.value == pytest.approx((0.9162907 + 0.6931472) / 2)
    assert losses.shape == (4, 2)
    assert np.isnan(losses[:, 0]).tolist() == [False, False, True, True]
    ratings = {"rating": np.array([1, 2, 3, nan], np.float32)}
    measure = validation.of_responses(dataclasses.replace(rows, labels=ratings))
    assert measure.judge(Constant(rating=3.0), None)[0].value == pytest.approx(np.sqrt((4 + 1 + 0) / 3))
    both = validation.of_responses(dataclasses.replace(rows, labels={**ratings, **two}))
    assert (both.name, both.tasks) == ("log-loss", ("click", "cart"))
    with pytest.raises(DataError, match="no validation row has a label"):
        validation.of_responses(dataclasses.replace(rows, labels={"click": np.full(4, nan, np.float32)}))


class Unread:
    """A part of a split that nobody may look at."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the test part was asked for {name}")


@pytest.mark.parametrize("model", [*CLICK_MODELS, "rating_bias"])
def test_the_test_part_of_impressions_is_not_looked_at(model: str, of_shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choose = responses.choose_impression_split

    def blind(rows: Impressions, protocol: str = "auto", *, seed: int = 0) -> tuple[ImpressionSplit, str]:
        parts, why = choose(rows, protocol, seed=seed)
        return dataclasses.replace(parts, test=Unread(), refit=Unread()), why

    monkeypatch.setattr(responses, "choose_impression_split", blind)
    assert tune.tune(of_shop, model, tmp_path / "t", trials=1).best.value is not None


def test_options_of_the_other_kind_of_model_are_refused(of_shop: Path, of_clusters: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"item_knn says which items come next and learns from events.*leave out labels \(--label\), or tune"
    ):
        tune.tune(of_clusters, "item_knn", tmp_path / "t", examples={"labels": ["click"]})
    with pytest.raises(ConfigError, match="core is for models that say which items come next, and deepfm does not: leave it out"):
        tune.tune(of_shop, "deepfm", tmp_path / "t", core=2)
    with pytest.raises(ConfigError, match="repeat is for models that say which items come next, and rating_bias does not"):
        tune.tune(of_shop, "rating_bias", tmp_path / "t", repeat=True)
    with pytest.raises(ConfigError, match="no protocol 'loo' for impressions"):
        tune.tune(of_shop, "logistic_regression", tmp_path / "t", protocol="loo")
    assert not (tmp_path / "t").exists()


def test_other_examples_or_a_study_of_an_older_version_in_the_same_directory_are_refused(of_shop: Path, tmp_path: Path) -> None:
    tune.tune(of_shop, "logistic_regression", tmp_path / "t", trials=1)
    with pytest.raises(RunError, match=r"examples was \{\} and is now \{'labels': \['cart'\]\}; tasks was \['click'\]"):
        tune.tune(of_shop, "logistic_regression", tmp_path / "t", trials=1, examples={"labels": ["cart"]})
    record = tmp_path / "t" / "tuning.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"metric": "ndcg@10 on validation"}))
    with pytest.raises(RunError, match="metric was 'ndcg@10 on validation' and is now 'log-loss on validation, lower is better'"):
        tune.tune(of_shop, "logistic_regression", tmp_path / "t", trials=1)


def test_the_picture_of_a_loss_names_it_and_goes_down(of_shop: Path, tmp_path: Path) -> None:
    found = tune.tune(of_shop, "gradient_boosting", tmp_path / "t", trials=5)
    page = (tmp_path / "t" / "tuning.html").read_text()
    embedded = re.search(r"<script[^>]*application/json[^>]*>(.*?)</script>", page, re.DOTALL)
    assert embedded is not None
    chart = json.loads(embedded[1])["charts"]["chart-trials"]
    assert chart["yAxis"]["name"] == "log-loss on validation, lower is better"
    best, each = (next(line["data"] for line in chart["series"] if line["name"] == name) for name in ("best so far", "each trial"))
    assert each == [trial.value for trial in found.trials]
    assert best == np.minimum.accumulate(each).tolist()
    assert "Log-loss on validation, lower is better" in page
    assert "Best log-loss" in page
    assert "NDCG" not in page.replace(embedded[0], "")
    for trial in found.trials:
        assert f"<td class=number>{trial.value:.4f}</td>" in page
