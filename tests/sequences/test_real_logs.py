from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from footpath.events.readers import read_events
from footpath.sequences.build import to_sequences
from footpath.sequences.leakage import check_leakage
from footpath.sequences.sessions import sessionize
from footpath.sequences.splits import from_iso_time, split

pytestmark = pytest.mark.real


def test_yoochoose_is_asked_for_every_click_after_the_first_of_a_session(real_data: Path) -> None:
    folder = real_data / "yoochoose-100k"
    made = split(read_events(folder / "train_full.tsv.gz", test=folder / "test.tsv.gz"), "given", repeat=True)
    # 13,568 clicks in 3,416 test sessions; the last tenth of 17,794 training sessions is validation
    assert len(made.test) == 13_568 - 3_416
    assert made.test.histories.lengths.min() == 1
    assert made.train.n_items - 1 == 2_933
    assert (len(made.refit), len(made.refit) - len(made.train)) == (17_794, 1_779)
    assert {finding.verdict for finding in check_leakage(made)} == {"clean"}


def test_beauty_holds_two_events_of_each_user_out(real_data: Path) -> None:
    folder = real_data / "amazon-beauty"
    made = split(read_events(folder / "interactions.csv.gz", items=folder / "items.csv.gz"), "loo")
    assert len(made.test) == len(made.validation or ()) == 22_363
    assert made.train.n_events == 198_502 - 2 * 22_363
    assert made.refit.n_events == 198_502 - 22_363
    assert made.train.n_items - 1 == 12_101
    assert {finding.verdict for finding in check_leakage(made)} == {"clean", "not checked", "by design"}
    ids = np.array([int(id) for id in made.train.vocabulary.ids.to_pylist()])
    assert abs(np.corrcoef(ids, np.arange(len(ids)))[0, 1]) < 0.03, "file order must not show in the indexes"
    features = made.train.item_features
    assert features is not None
    assert sum(title != "" for title in features.titles) == 12_094


def test_movielens_is_cut_in_time_for_all_users_at_once(real_data: Path) -> None:
    log = read_events(real_data / "ml-100k" / "ml-100k.inter.gz")
    made = split(log, "time", targets="all")
    first, second = (from_iso_time(cut) for cut in made.details["cuts"])
    assert made.train.times is not None
    assert made.refit.times is not None
    assert made.test.request_times is not None
    assert made.train.times.max() < first <= made.refit.times.max() < second <= made.test.request_times.min()
    assert made.train.n_events + made.refit.n_events == pytest.approx(170_000, abs=10)
    assert {finding.verdict for finding in check_leakage(made)} == {"clean"}


def test_the_given_split_of_users_who_are_in_all_parts_shows_their_past(real_data: Path) -> None:
    made = split(read_events(real_data / "ml-1m-2001-2003" / "interactions.csv.gz"), "given")
    assert (made.train.n_events, made.refit.n_events, made.details["asked_events"]) == (33_891, 33_891 + 10_401, 7_331)
    assert made.validation is not None
    assert {finding.verdict for finding in check_leakage(made)} == {"clean"}
    assert made.test.histories.lengths.mean() > 50


def test_instacart_orders_are_sessions_and_yoochoose_clicks_fall_into_visits(real_data: Path) -> None:
    data, numbers = sessionize(read_events(real_data / "instacart-sample" / "orders.csv.gz"))
    assert data.times is None
    assert len(np.unique(numbers)) == 15_183
    visits, by_gap = sessionize(read_events(real_data / "yoochoose-100k" / "test.tsv.gz"), gap_minutes=30)
    pauses = np.diff(visits.times)[np.diff(visits.rows) == 0]  # type: ignore[arg-type]
    assert len(np.unique(by_gap)) == 3_416 + int((pauses > 30 * 60 * 1_000_000).sum())


def test_the_core_of_real_clicks_holds(real_data: Path) -> None:
    data = to_sequences(read_events(real_data / "yoochoose-100k" / "train_full.tsv.gz"), core=5)
    assert data.lengths.min() >= 5
    assert np.bincount(data.items)[1:].min() >= 5
    assert 10_000 < data.n_events < 70_277
