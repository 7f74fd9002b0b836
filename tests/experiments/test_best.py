from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from footpath.errors import ConfigError, FootpathError, RunError
from footpath.events.store import ingest, open_store
from footpath.experiments import runs
from footpath.experiments.best import Best, best
from footpath.experiments.ladder import Ladder, Rung, hopeless
from footpath.experiments.tune import alone
from footpath.models import catalog
from footpath.sequences.splits import split
from tests.experiments.made_logs import ring, store


@pytest.fixture(scope="module")
def of_ring(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return store(tmp_path_factory.mktemp("ring"), ring(users=60))


@pytest.fixture(scope="module")
def found(of_ring: Path, tmp_path_factory: pytest.TempPathFactory) -> Best:
    return best(of_ring, tmp_path_factory.mktemp("best") / "run", minutes=0.3, protocol="loo")


def test_what_wins_on_a_ring_reads_the_order_of_events(found: Best) -> None:
    assert catalog.entry(found.figures["model"]).family not in ("popularity", "linear", "neighbours")
    tested = {row["model"]: row["metrics"]["ndcg@10"]["value"] for row in found.figures["test"]["rows"]}
    assert tested[found.figures["winner"]] > 0.9 > tested["popularity"]


def test_the_run_recommends_and_says_how_it_was_chosen(found: Best) -> None:
    run = runs.open_run(found.run.path)
    assert run.record["fitted_on"] == "all events of the store"
    assert "footpath best" in run.record["chosen"]["by"]
    answer = runs.recommend_from(run, history=["i3", "i4", "i5"], k=1)
    assert answer["items"][0]["item_id"] == "i6"


def test_the_card_names_the_figures_that_are_in_the_record(found: Best) -> None:
    card = (found.run.path / "MODEL_CARD.md").read_text()
    figures = json.loads((found.run.path / "best.json").read_text())
    assert figures == found.figures
    for row in figures["test"]["rows"]:
        assert f"{row['metrics']['ndcg@10']['value']:.4f}" in card
    for rung in figures["ladder"]:
        assert rung["name"] in card
        assert rung["ndcg"] is None or f"{rung['ndcg']:.4f}" in card
    for pair in figures["test"]["against"]:
        assert f"{pair['difference']:+.4f} [{pair['low']:+.4f}, {pair['high']:+.4f}]" in card
    assert "Nothing was chosen on test" in card


def test_only_models_that_rank_items_are_on_the_ladder(found: Best) -> None:
    assert {rung["model"] for rung in found.figures["ladder"]} <= set(catalog.names("items"))


def test_the_winner_has_the_best_figure_on_validation(found: Best) -> None:
    judged = {rung["name"]: rung["ndcg"] for rung in found.figures["ladder"] if rung["ndcg"] is not None}
    assert judged[found.figures["winner"]] == max(judged.values())


def test_the_mixture_of_what_was_climbed_is_on_the_ladder(found: Best) -> None:
    mixture = next(rung for rung in found.figures["ladder"] if rung["name"] == "mixture")
    assert mixture["ndcg"] is not None or "time" in mixture["note"]
    assert "shares:" in mixture["note"] or mixture["ndcg"] is None


def test_the_budget_holds_from_begin_to_end(found: Best) -> None:
    assert found.figures["time"]["wall_s"] < 3 * 18  # other work on the machine is not this search's to answer for


def test_sequence_models_read_what_is_written_about_items(tmp_path: Path) -> None:
    events, items = tmp_path / "events.csv", tmp_path / "items.csv"
    events.write_text("user_id,item_id,timestamp\n" + "".join(f"{u},{i},{t}\n" for u, i, t in ring(users=30)), encoding="utf-8")
    items.write_text("item_id,title\n" + "".join(f"i{i},{'odd' if i % 2 else 'even'} thing {i}\n" for i in range(12)), encoding="utf-8")
    ingest([events], tmp_path / "store", items=[items])
    tried = [rung for rung in best(tmp_path / "store", tmp_path / "run", minutes=0.2, protocol="loo").figures["ladder"] if rung["epochs"]]
    assert tried
    assert all(rung["fields"]["item_table"] == "id+text" for rung in tried)


def test_rungs_that_an_earlier_start_finished_are_not_climbed_again(of_ring: Path, tmp_path: Path) -> None:
    into = tmp_path / "run"
    first = best(of_ring, into, minutes=0.1, protocol="loo")
    rung = next(rung for rung in first.figures["ladder"] if rung["name"] == "markov")
    data = first.figures["data"]
    shutil.rmtree(into)
    (into / "ladder").mkdir(parents=True)
    asked = {name: data[name] for name in ("data", "fingerprint", "protocol", "repeat", "event_types", "core", "seed")}
    (into / "ladder" / "asked").write_text(json.dumps(asked))
    (into / "ladder" / "elapsed").write_text('{"seconds": 1.5}')
    kept = {name: value for name, value in rung.items() if name != "wall_s"} | {"note": "of the first start", "ndcg": 0.0}
    (into / "ladder" / "markov.json").write_text(json.dumps(kept))
    again = best(of_ring, into, minutes=0.1, protocol="loo")
    assert next(rung for rung in again.figures["ladder"] if rung["name"] == "markov")["note"] == "of the first start"
    assert again.figures["time"]["earlier_starts_s"] == 1.5


def test_a_tiny_budget_still_leaves_a_run(of_ring: Path, tmp_path: Path) -> None:
    started = time.monotonic()
    found = best(of_ring, tmp_path / "run", minutes=0.1, protocol="loo")
    assert time.monotonic() - started < 12 or os.environ.get("CI") == "true"
    assert any("no time was left" in rung["note"] or "share" in rung["note"] for rung in found.figures["ladder"])


def test_three_users_get_an_answer_that_says_what_it_is_worth(tmp_path: Path) -> None:
    found = best(store(tmp_path, ring(users=3)), tmp_path / "run", minutes=0.08)
    assert "only 3 validation histories: what was chosen on them is close to chance" in found.card


def test_what_cannot_be_asked_is_refused(of_ring: Path, found: Best, tmp_path: Path) -> None:
    for minutes in (0, -3, float("nan")):
        with pytest.raises(ConfigError, match="minutes must be above 0, got"):
            best(of_ring, tmp_path / "run", minutes=minutes)
    with pytest.raises(ConfigError, match="protocol must be one of auto, time, loo, given, got 'cold'"):
        best(of_ring, tmp_path / "run", protocol="cold")
    with pytest.raises(RunError, match="is a finished run already"):
        best(of_ring, found.run.path)
    with pytest.raises(RunError, match="is not what `footpath best` left"):
        best(of_ring, of_ring)
    file = tmp_path / "log.csv"
    file.write_text("user_id,event_type,timestamp\nann,search,1700000000\nbob,search,1700000100\n")
    ingest([file], tmp_path / "without-items", columns={"item_id": "-"})
    with pytest.raises(FootpathError, match="item"):
        best(tmp_path / "without-items", tmp_path / "run")


def test_two_searches_do_not_share_a_directory(of_ring: Path, tmp_path: Path) -> None:
    work = tmp_path / "run" / "ladder"
    work.mkdir(parents=True)
    searching = pytest.raises(RunError, match=r"another process is searching in .*; wait for it or choose another directory")
    with alone(work, "searching"), searching:
        best(of_ring, tmp_path / "run", minutes=0.05)


@pytest.mark.parametrize("scale_s", [0.0, 20.0, 40.0])
@pytest.mark.parametrize("refit_share", [1.05, 1.3, 2.0])
def test_the_first_sequence_model_leaves_the_time_that_its_mixture_takes(
    scale_s: float, refit_share: float, of_ring: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ladder, "_scale_s", lambda _: scale_s)
    classic = [Rung(name, name, ndcg=0.1, fit_s=1.0, judge_s=2.0) for name in ("popularity", "markov", "item_knn", "vsknn")]
    parts = split(open_store(of_ring), "loo")
    search = Ladder(parts, tmp_path, time.monotonic() + 600, 0, refit_share, rungs=classic)
    left, share = search.time_left(), search._share_of_sequence()
    fit_s = share / (1 + refit_share)
    assert 0.5 * left - 1 <= share <= 0.75 * left + 1
    search.rungs.append(Rung("sasrec", "sasrec", ndcg=0.2, epochs=10, fit_s=fit_s, judge_s=2.0))
    search.end -= fit_s + 2.0
    members = {rung.name for rung in search._affordable(search._members())}
    assert members == {"sasrec", "markov", "item_knn", "vsknn"}


def test_a_mixture_without_the_time_for_all_keeps_the_best_and_gives_up_slow_ones_first(
    of_ring: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ladder, "_scale_s", lambda _: 20.0)
    figures = {"markov": (0.16, 1.0), "vsknn": (0.1, 1.0), "gru4rec": (0.15, 60.0), "sasrec": (0.2, 60.0)}
    rungs = [Rung(name, name, ndcg=ndcg, fit_s=fit_s) for name, (ndcg, fit_s) in figures.items()]
    parts = split(open_store(of_ring), "loo")
    kept = []
    for seconds in (1000, 200, 130, 10):
        search = Ladder(parts, tmp_path, time.monotonic() + seconds, 0, 1.0, rungs=list(rungs))
        kept.append([rung.name for rung in search._affordable(search._members())])
    assert kept == [["sasrec", "markov", "gru4rec", "vsknn"], ["sasrec", "markov", "vsknn"], ["sasrec", "markov"], ["sasrec"]]


def test_a_curve_that_still_rises_fast_enough_is_not_hopeless() -> None:
    assert hopeless([0.01, 0.02, 0.021, 0.022, 0.022, 0.022], to_reach=0.1)
    assert not hopeless([0.01, 0.02, 0.03, 0.04, 0.05, 0.06], to_reach=0.09)
    assert not hopeless([0.01, 0.01, 0.011, 0.012, 0.014, 0.017], to_reach=0.09), "gains that still grow foretell nothing"
    assert not hopeless([0.0] * 5, to_reach=0.1)
