"""What every model of responses and ratings must do. A new model is covered by its line in the catalog."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from planted_impressions import tastes

from footpath.errors import ConfigError, DataError, NotFittedError
from footpath.evaluation.predictions import log_loss, rmse
from footpath.models import catalog, storage
from footpath.recommender import ClickModel, hyperparameters
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.impressions import Impressions
from footpath.statistics import auc

QUICK_RESPONSE: dict[str, Any] = {"dim": 8, "epochs": 6, "batch_size": 64, "learning_rate": 0.01}
QUICK: dict[str, dict[str, Any]] = {
    "stacking": {"models": "gradient_boosting,logistic_regression", "fields": "gradient_boosting.fewest=10"},
    "bst": QUICK_RESPONSE | {"epochs": 15},
}
HAND_MADE = ("logistic_regression", "gradient_boosting")


def is_rating(name: str) -> bool:
    return catalog.entry(name).answers == "ratings"


def new(name: str) -> ClickModel:
    fields = QUICK.get(name, {} if is_rating(name) or name in HAND_MADE else QUICK_RESPONSE)
    return catalog.click_model(name, **fields)


def data(name: str) -> tuple[Impressions, Impressions]:
    """Train and test, parted in time."""
    rows = tastes(rating=is_rating(name))
    assert rows.times is not None
    late = rows.times >= np.quantile(rows.times, 0.75)
    return rows.take(~late), rows.take(late)


@pytest.fixture(params=[*catalog.names("responses"), *catalog.names("ratings")])
def name(request: pytest.FixtureRequest) -> str:
    return request.param


_FITTED: dict[str, ClickModel] = {}


@pytest.fixture
def model(name: str) -> ClickModel:
    """Fitted once for all tests of this file: none may change it."""
    if name not in _FITTED:
        _FITTED[name] = new(name).fit(data(name)[0])
    return _FITTED[name]


def test_learns_whose_items_are_liked(name: str, model: ClickModel) -> None:
    train, test = data(name)
    predicted = model.predict(test)
    if is_rating(name):
        truth = test.label("rating")
        base = rmse(truth, np.full(len(test), train.label("rating").mean()))
        assert rmse(truth, predicted[:, 0]) < (0.97 if catalog.entry(name).module == "rating_bias" else 0.75) * base
        return
    label = test.label("click")
    base = log_loss(label, np.full(len(test), train.label("click").mean()))
    if name == "logistic_regression":  # without crosses it can only learn which items are better
        assert auc(label, predicted[:, 0]) > 0.53
        return
    assert log_loss(label, predicted[:, 0]) < 0.8 * base
    assert auc(label, predicted[:, 0]) > 0.83


def test_predicts_a_column_a_task(name: str, model: ClickModel) -> None:
    _, test = data(name)
    predicted = model.predict(test)
    assert model.tasks == test.tasks
    assert predicted.shape == (len(test), len(test.tasks))
    assert predicted.dtype == np.float64
    assert np.isfinite(predicted).all()
    if not is_rating(name):
        assert ((predicted >= 0) & (predicted <= 1)).all()


def test_no_impression_is_no_row(name: str, model: ClickModel) -> None:
    _, test = data(name)
    assert model.predict(test.take(np.zeros(0, np.int64))).shape == (0, len(test.tasks))


def test_labels_are_not_read_when_asked(name: str, model: ClickModel) -> None:
    _, test = data(name)
    unlabelled = dataclasses.replace(test, labels={})
    np.testing.assert_array_equal(model.predict(unlabelled), model.predict(test))


def test_what_comes_later_changes_nothing(name: str, model: ClickModel) -> None:
    _, test = data(name)
    histories = test.histories
    cut = int(test.lengths.max())
    shortest = histories.prefixes(np.arange(len(histories)), np.minimum(histories.lengths, cut))
    short = dataclasses.replace(test, histories=shortest, events=None)
    early = test.take(np.arange(20))
    own = histories.prefixes(early.rows, early.lengths)
    alone = dataclasses.replace(
        early,
        histories=own,
        rows=np.arange(20),
        user_columns=early.user_columns.take(pa.array(early.rows)),
        events=None,
    )
    np.testing.assert_allclose(model.predict(short), model.predict(test), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.predict(alone), model.predict(test)[:20], rtol=1e-4, atol=1e-5)


def test_company_changes_nothing(name: str, model: ClickModel) -> None:
    _, test = data(name)
    order = np.random.default_rng(0).permutation(len(test))[:50]
    together = model.predict(test)
    np.testing.assert_allclose(model.predict(test.take(order)), together[order], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.predict(test.take(order[:1])), together[order[:1]], rtol=1e-4, atol=1e-5)


def test_the_same_seed_gives_the_same_predictions(name: str, model: ClickModel) -> None:
    train, test = data(name)
    np.testing.assert_array_equal(new(name).fit(train).predict(test), model.predict(test))


def test_saving_and_loading_change_nothing(name: str, model: ClickModel, tmp_path: Path) -> None:
    _, test = data(name)
    storage.save_model(model, tmp_path / "model")
    loaded = storage.load_click_model(tmp_path / "model")
    assert type(loaded) is type(model)
    assert hyperparameters(loaded) == hyperparameters(model)
    assert loaded.tasks == model.tasks
    assert loaded.predict(test).tobytes() == model.predict(test).tobytes()


def test_strangers_and_unknown_items_get_an_answer(name: str, model: ClickModel) -> None:
    _, test = data(name)
    few = test.take(np.arange(6))
    strange = dataclasses.replace(few, lengths=np.zeros(6, np.int64), items=np.array([0, 0, 0, 1, 2, 3], np.int32))
    assert np.isfinite(model.predict(strange)).all()


def test_a_history_of_ids_alone_and_no_history_at_all_get_an_answer(name: str) -> None:
    train, test = data(name)
    trails_of = dataclasses.replace(train.histories, types=np.where(np.arange(train.histories.n_events) % 2, 1, 2).astype(np.int8))
    model = new(name).fit(dataclasses.replace(train, histories=trails_of))  # which has learned to read types, times and values
    few = test.take(np.arange(6))
    for trails in ([["t0-1", "t0-2"]] * 6, [[]] * 6):
        histories = SequenceDataset.from_lists(trails, test.vocabulary)
        bare = dataclasses.replace(
            few, histories=histories, rows=np.arange(6), lengths=histories.lengths, user_columns=pa.table({}), times=None, events=None
        )
        assert np.isfinite(model.predict(bare)).all()


def test_missing_columns_are_unknown(name: str, model: ClickModel) -> None:
    _, test = data(name)
    bare = dataclasses.replace(test, context=pa.table({}), user_columns=pa.table({}), item_columns=pa.table({}))
    assert np.isfinite(model.predict(bare)).all()


def test_an_unfitted_model_says_so(name: str) -> None:
    with pytest.raises(NotFittedError, match=rf"{type(new(name)).__name__} is not fitted"):
        new(name).predict(data(name)[1])


def test_impressions_of_another_vocabulary_are_refused(name: str, model: ClickModel) -> None:
    foreign = tastes(4, rating=is_rating(name), seed=1)
    ids = pa.array([*foreign.vocabulary.ids.to_pylist(), "more"])
    histories = dataclasses.replace(foreign.histories, vocabulary=type(foreign.vocabulary)(ids), item_features=None)
    with pytest.raises(ConfigError, match="vocabulary"):
        model.predict(dataclasses.replace(foreign, histories=histories, item_columns=pa.table({})))


def test_labels_that_say_nothing_are_refused(name: str) -> None:
    train, _ = data(name)
    unlabelled = dataclasses.replace(train, labels={})
    with pytest.raises(DataError, match="no labels"):
        new(name).fit(unlabelled)
    if not is_rating(name):
        one_class = dataclasses.replace(train, labels={"click": np.zeros(len(train), np.float32)})
        with pytest.raises(DataError, match=r"click.*only 0"):
            new(name).fit(one_class)


def test_rows_whose_labels_nobody_knows_are_left_out(name: str) -> None:
    train, test = data(name)
    unknown = {task: np.where(np.arange(len(test)) % 3 == 0, np.nan, label).astype(np.float32) for task, label in test.labels.items()}
    held = dataclasses.replace(test, labels=unknown)
    known = held.take(np.arange(len(test)) % 3 > 0)
    predicted = [new(name).fit(train, validation=part).predict(test) for part in (held, known)]
    np.testing.assert_allclose(predicted[0], predicted[1], rtol=1e-4, atol=1e-5)


def test_a_hyperparameter_out_of_range_names_itself_and_its_value(name: str) -> None:
    build = catalog.model_class(name)
    for field, default in hyperparameters(new(name)).items():
        if isinstance(default, bool) or field == "without":  # which columns there are is known at fit
            continue
        bad: object = "nonsense" if isinstance(default, str) else -1
        with pytest.raises(ConfigError, match=rf"{field} .*{bad}"):
            build(**{field: bad})
        if isinstance(default, float):
            with pytest.raises(ConfigError, match=rf"{field} .*nan"):
                build(**{field: float("nan")})
