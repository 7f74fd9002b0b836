from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from footpath.errors import ConfigError, DataError, NotInLogError
from footpath.events.store import ingest
from footpath.experiments import probes, runs
from footpath.experiments.probes import Part, auc_intervals, judge, probe
from footpath.statistics import auc
from tests.experiments.made_logs import ring, store

SETTINGS = {"dim": "8", "epochs": "6", "patience": "none", "batch_size": "16", "learning_rate": "0.03", "dropout": "0"}
DAY = 86_400
DAY_0 = 1_700_006_400  # a midnight


def planted(days: int = 5, users: int = 60, seed: int = 0) -> list[tuple[str, str, int]]:
    """Each day new users who take five items of a set of eight: of the set `a` nobody returns, of `b` everybody does, the day after.

    Who returns takes five of `a` and leaves. Counts, times and gaps say nothing of the sets, and there are no categories.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for day in range(days):
        for n in range(users):
            visits = [("a", day)] if n % 2 else [("b", day), ("a", day + 1)]
            for kind, on in visits:
                if on < days:
                    start = DAY_0 + on * DAY + int(rng.integers(0, DAY - 1_000))
                    chosen = rng.permutation(8)[:5]
                    rows += [(f"u{day}-{n}", f"{kind}{item}", start + 60 * step) for step, item in enumerate(chosen)]
    return [*rows, ("last", "a0", DAY_0 + days * DAY - 1)]  # the log ends with a day


def shop(folder: Path) -> Path:
    """The planted log with a purchase, decided by chance, of every third item, and with two categories in each set."""
    rng = np.random.default_rng(1)
    lines = [f"{u},{i},{t},view" for u, i, t in planted()]
    lines += [f"{u},{i},{t + 1},purchase" for u, i, t in planted() if rng.random() < 0.33]
    (folder / "shop.csv").write_text("user_id,item_id,timestamp,event_type\n" + "\n".join(lines) + "\n")
    (folder / "items.csv").write_text("item_id,category\n" + "".join(f"{kind}{n},{kind}{n % 2}\n" for kind in "ab" for n in range(8)))
    ingest([folder / "shop.csv"], folder / "shop-store", items=folder / "items.csv")
    return folder / "shop-store"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> runs.Run:
    folder = tmp_path_factory.mktemp("probes")
    return runs.train(store(folder, planted()), "gru4rec", folder / "run", fields=SETTINGS)


def test_vectors_know_what_counts_do_not_say(run: runs.Run) -> None:
    found = probe(run, horizon_days=1)
    churn = found.probes[0]
    assert (churn.name, churn.figure, churn.refused) == ("churn", "auc", "")
    assert churn.n_test == 60 + 30
    assert churn.base == pytest.approx(60 / 90)
    assert churn.vectors.value > 0.95
    assert churn.vectors.low > 0.9
    assert churn.gain.low > 0
    assert churn.features.value < 0.9 < churn.both.low
    assert found.second_cut.isoformat() == "2023-11-18T23:59:59.000001"  # a day before the end, just after the last act
    assert found.first_cut.isoformat() == "2023-11-17T23:59:59.000001"
    assert found.record["encoder"]["fitted_before"] == "2023-11-17T23:59:59.000001+00:00"
    assert found.record["encoder"]["n_users"] == 180
    assert "0 users with purchase" in found.probes[1].refused
    assert "0 users with a next category" in found.probes[2].refused
    assert found.to_dict()["probes"][1]["vectors"]["value"] is None


def test_until_ends_the_log_that_is_probed(run: runs.Run) -> None:
    found = probe(run, horizon_days=1, until="2023-11-19")
    assert found.end.isoformat() <= "2023-11-19T00:00:00"
    assert found.first_cut.isoformat() < "2023-11-17T00:00:00"
    assert found.probes[0].vectors.value > 0.9


def test_all_three_are_asked_of_a_shop(tmp_path: Path) -> None:
    made = runs.train(shop(tmp_path), "gru4rec", tmp_path / "run", fields=SETTINGS | {"epochs": "4"})
    churn, purchase, category = probe(made, horizon_days=1, resamples=200).probes
    assert [churn.refused, purchase.refused, category.refused] == ["", "", ""]
    assert churn.features.value > 0.95  # the category of the last item is a feature
    assert category.n_test == 30
    assert category.vectors.value < 0.8  # of two, decided by chance
    assert 0.2 < category.base < 0.8
    assert purchase.base == pytest.approx(30 / 240, abs=0.03)  # nearly all who return buy one of five


def part(rng: np.random.Generator, labels: np.ndarray) -> Part:
    """The label is the sign of the first number of the vector; features are noise."""
    n = len(labels)
    told = np.column_stack([2 * labels - 1 + rng.normal(size=n), rng.normal(size=(n, 3))]).astype(np.float32)
    return Part(told, rng.normal(size=(n, 4)), labels)


def test_shuffled_labels_are_at_chance_and_true_ones_are_not() -> None:
    rng = np.random.default_rng(0)
    fit, test = (part(rng, rng.integers(0, 2, 600)) for _ in range(2))
    true = judge("churn", fit, test)
    assert true.vectors.low > 0.85
    assert true.gain.low > 0
    assert true.features.low < 0.5 < true.features.high
    for name, chance in (("churn", 0.5), ("category", 0.5)):
        shuffled = judge(
            name,  # type: ignore[arg-type]
            Part(fit.vectors, fit.features, rng.permutation(fit.labels)),
            Part(test.vectors, test.features, rng.permutation(test.labels)),
        )
        for interval in (shuffled.vectors, shuffled.features, shuffled.both):
            assert interval.low < chance < interval.high
            assert abs(interval.value - chance) < 0.07


def test_categories_are_classes_and_rare_ones_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "TOP_CATEGORIES", 2)
    rng = np.random.default_rng(0)
    labels = np.repeat([7, 3, 5, 9, -1], [50, 40, 20, 10, 30])
    seen = Part(np.eye(10, dtype=np.float32)[labels] + rng.normal(size=(150, 10)).astype(np.float32) / 10, np.zeros((150, 1)), labels)
    found = judge("category", seen, seen)
    assert (found.n_fit, found.n_test, found.figure) == (120, 120, "accuracy")
    assert found.base == pytest.approx(50 / 120)
    assert found.vectors.value == 1
    assert found.features.value == pytest.approx(50 / 120)  # nothing but the commonest class to name


def test_the_bootstrap_is_of_the_area_itself() -> None:
    rng = np.random.default_rng(3)
    labels = rng.random(40) < 0.4
    scores = np.round(rng.normal(size=(40, 3)) + labels[:, None] * [0.5, 1, 2], 1)  # with ties
    counts = rng.multinomial(40, np.full(40, 1 / 40), size=50).astype(np.float64)
    for column in scores.T:
        naive = [auc(np.repeat(labels, row.astype(int)), np.repeat(column, row.astype(int))) for row in counts]
        assert probes._weighted_auc(labels, column, counts) == pytest.approx(naive)
    *areas, gain = auc_intervals(labels, scores, resamples=300)
    for area, column in zip(areas, scores.T, strict=True):
        assert area.value == auc(labels, column)
        assert area.low < area.value < area.high
    assert gain.value == pytest.approx(areas[2].value - areas[1].value)


@pytest.mark.parametrize("positive", [0, 9, 591, 600])
def test_a_class_with_hardly_anybody_is_refused_with_its_numbers(positive: int) -> None:
    rng = np.random.default_rng(0)
    fit, test = part(rng, rng.integers(0, 2, 600)), part(rng, (np.arange(600) < positive).astype(np.int64))
    found = judge("purchase", fit, test)
    assert found.refused == f"the test part has {positive} users with purchase and {600 - positive} without; it needs 10 of each"
    assert np.isnan(found.vectors.value)


def test_features_of_an_act_after_the_cut_are_none(tmp_path: Path) -> None:
    from footpath.events.store import open_store

    cut = (DAY_0 + 2 * DAY) * 10**6
    log = probes._read(open_store(shop(tmp_path)))
    earlier = log.times < cut
    past = probes._Acts(log.users, log.rows[earlier], log.times[earlier], log.types[earlier], log.categories[earlier])
    of_all, of_past = (probes._features(acts, cut, DAY * 10**6, cut) for acts in (log, past))
    assert np.array_equal(of_all, of_past)
    assert of_all.shape[1] == 3 * 2 + 4 + 2 * 4
    assert of_all.std(axis=0).min() > 0


def test_a_log_without_a_clock_has_no_probes(tmp_path: Path) -> None:
    file = tmp_path / "clockless.csv"
    file.write_text("user_id,item_id,position\n" + "".join(f"u{u},i{(u + step) % 6},{step}\n" for u in range(20) for step in range(5)))
    ingest([file], tmp_path / "store")
    made = runs.train(tmp_path / "store", "gru4rec", tmp_path / "run", fields=SETTINGS | {"epochs": "1"})
    with pytest.raises(NotInLogError, match="has no clock, and probes are divided in time"):
        probe(made)


def test_a_horizon_that_does_not_fit_is_refused(run: runs.Run) -> None:
    with pytest.raises(ConfigError, match=r"horizon_days must fit three times into the log.* got 2"):
        probe(run, horizon_days=2)
    with pytest.raises(ConfigError, match="horizon_days must be above 0 and finite, got -1"):
        probe(run, horizon_days=-1)


def test_a_log_that_answers_nothing_says_why(tmp_path: Path) -> None:
    made = runs.train(store(tmp_path, ring(users=8)), "gru4rec", tmp_path / "run", fields=SETTINGS | {"epochs": "1"})
    with pytest.raises(DataError, match=r"answers no probe: churn: .*purchase: .*category: "):
        probe(made)
