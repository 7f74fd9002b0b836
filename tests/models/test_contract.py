"""What every model of the catalog must do. A new model is covered by its line in the catalog.

Below, each family says which planted pattern its models can learn; models that need many steps get fewer for these small logs.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from planted_logs import CLUSTER_SIZE, RING, clusters, ring

from footpath.errors import ConfigError, NotFittedError
from footpath.models import catalog, storage
from footpath.recommender import Recommender, hyperparameters, recommend, refit
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.vocabulary import Vocabulary

PATTERN = {
    "popularity": "favourite",
    "audit": "integers",
    "sequence": "ring",
    "recurrence": "ring",
    "convolution": "ring",
    "attention": "ring",
    "generative": "ring",
    "mixture": "ring",
    "neighbours": "clusters",
    "content": "clusters",
    "linear": "clusters",
    "factorisation": "clusters",
    "two stages": "clusters",
}
QUICK: dict[str, dict[str, Any]] = {
    "als": {"dim": 8},
    "bpr": {"dim": 8, "epochs": 60, "learning_rate": 0.05},
    "bert4rec": {"dim": 32, "epochs": 200},
    "tiger": {"dim": 16, "epochs": 40, "batch_size": 16, "learning_rate": 0.01, "levels": 2, "codes": 4},
    "mixture": {"models": "markov,item_knn"},
    "two_stage": {"n_candidates": 12},
}
QUICK_SEQUENCE_MODEL: dict[str, Any] = {"dim": 16, "epochs": 30, "batch_size": 16, "learning_rate": 0.01}


def family(name: str) -> str:
    return catalog.entry(name).family


def new(name: str) -> Recommender:
    shared = QUICK_SEQUENCE_MODEL if family(name) in ("recurrence", "convolution", "attention") else {}
    return catalog.create(name, **shared | QUICK.get(name, {}))


@pytest.fixture(scope="module")
def log() -> SequenceDataset:
    return clusters()


@pytest.fixture(scope="module")
def fitted(log: SequenceDataset) -> dict[str, Recommender]:
    return {}


@pytest.fixture(params=catalog.names("items"))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def model(name: str, fitted: dict[str, Recommender], log: SequenceDataset) -> Recommender:
    """Fitted on the clusters, once for all tests of this file: none may change it."""
    if name not in fitted:
        fitted[name] = new(name).fit(log)
    return fitted[name]


def test_every_family_says_what_its_models_can_learn() -> None:
    assert {family(name) for name in catalog.names("items")} <= set(PATTERN)


def test_learns_its_planted_pattern(name: str, log: SequenceDataset) -> None:
    pattern = PATTERN[family(name)]
    if pattern == "ring":
        train = ring()
        histories = train.prefixes(np.arange(RING), np.full(RING, 4))
        found = recommend(new(name).fit(train), histories, 1)
        assert [found.items(b) for b in range(RING)] == [[f"r{(b + 4) % RING}"] for b in range(RING)]
        return
    fitted = new(name).fit(log)
    if pattern == "favourite":
        nobody = SequenceDataset.from_lists([[]], log.vocabulary)
        assert recommend(fitted, nobody, 1).items(0) == ["c0-7"]
    elif pattern == "integers":
        found = recommend(fitted, log.between(0, 20), 1, repeat=True).indexes[:, 0]
        assert found.tolist() == [int(log.history(b).max()) % (log.n_items - 1) + 1 for b in range(20)]
    else:
        found = recommend(fitted, log.prefixes(np.arange(40), np.full(40, 4)), CLUSTER_SIZE - 4)
        inside = [id.split("-")[0] == f"c{b % 4}" for b in range(40) for id in found.items(b)]
        assert np.mean(inside) > 0.95


def test_scores_every_item_after_every_history(model: Recommender, log: SequenceDataset) -> None:
    scores = model.score(log)
    assert scores.shape == (len(log), log.n_items)
    assert scores.dtype == np.float32
    assert np.isfinite(scores[:, 1:]).all()


def test_no_history_is_no_row(model: Recommender, log: SequenceDataset) -> None:
    assert model.score(log.between(0, 0)).shape == (0, log.n_items)


def test_writing_to_scores_does_not_change_the_model(model: Recommender, log: SequenceDataset) -> None:
    first = model.score(log.between(0, 3))
    kept = first.copy()
    first[:] = -np.inf
    np.testing.assert_array_equal(model.score(log.between(0, 3)), kept)


def test_the_future_does_not_leak(model: Recommender, log: SequenceDataset) -> None:
    other_future = SequenceDataset.from_lists([[*(_ids(log, b)[:3]), "c3-1", "c3-2"] for b in range(20)], log.vocabulary)
    past = np.full(20, 3)
    asked = model.score(log.prefixes(np.arange(20), past))
    np.testing.assert_array_equal(asked, model.score(other_future.prefixes(np.arange(20), past)))


def test_company_in_a_batch_changes_nothing(model: Recommender, log: SequenceDataset) -> None:
    lengths = np.arange(20) % 5
    together = model.score(log.prefixes(np.arange(20), lengths))
    alone = [model.score(log.prefixes(np.array([b]), lengths[b : b + 1])) for b in range(20)]
    np.testing.assert_allclose(together, np.concatenate(alone), rtol=1e-4, atol=1e-5)


def test_unknown_items_change_nothing(model: Recommender, log: SequenceDataset) -> None:
    rows = [_ids(log, b)[:3] for b in range(20)]
    known = SequenceDataset.from_lists(rows, log.vocabulary)
    mixed = SequenceDataset.from_lists([["new", *row[:2], "newer", row[2], "newest"] for row in rows], log.vocabulary)
    np.testing.assert_allclose(model.score(mixed), model.score(known), rtol=1e-4, atol=1e-5)


def test_the_same_seed_gives_the_same_scores(name: str, model: Recommender, log: SequenceDataset) -> None:
    np.testing.assert_array_equal(new(name).fit(log).score(log), model.score(log))


def test_a_refitted_model_has_the_same_settings(name: str, model: Recommender, log: SequenceDataset) -> None:
    again = refit(model, log.between(0, 60))
    assert type(again) is type(model)
    if not hasattr(model, "settled"):
        assert hyperparameters(again) == hyperparameters(model)


def test_saving_and_loading_change_nothing(name: str, model: Recommender, log: SequenceDataset, tmp_path: Path) -> None:
    storage.save_model(model, tmp_path / "model")
    loaded = storage.load_model(tmp_path / "model")
    assert type(loaded) is type(model)
    assert hyperparameters(loaded) == hyperparameters(model)
    assert loaded.items == model.items
    assert loaded.score(log).tobytes() == model.score(log).tobytes()


def test_an_unseen_user_and_an_empty_history_get_an_answer(name: str, model: Recommender, log: SequenceDataset) -> None:
    strangers = SequenceDataset.from_lists([[], ["never seen"], ["c1-2"]], log.vocabulary, users=["a", "b", "c"])
    found = recommend(model, strangers, 5)
    assert [len(found.items(b)) for b in range(3)] == [5, 5, 5]
    assert found.items(0) == found.items(1)
    if family(name) != "audit":
        assert found.items(0)[0] == "c0-7"


def test_an_unfitted_model_says_so(name: str, log: SequenceDataset) -> None:
    with pytest.raises(NotFittedError, match=rf"{type(new(name)).__name__} is not fitted"):
        new(name).score(log)


def test_histories_of_another_vocabulary_are_refused(name: str, model: Recommender) -> None:
    foreign = SequenceDataset.from_lists([["c0-1"]], Vocabulary.build(["c0-1", "c0-2"]))
    with pytest.raises(ConfigError, match=r"vocabulary"):
        model.score(foreign)


def test_an_equal_vocabulary_is_as_good_as_the_same_one(model: Recommender, log: SequenceDataset) -> None:
    twin = dataclasses.replace(log, vocabulary=Vocabulary(log.vocabulary.ids))
    np.testing.assert_array_equal(model.score(twin), model.score(log))


def test_a_log_of_two_events_can_be_fitted(name: str) -> None:
    tiny = clusters(n_users=1).prefixes(np.array([0]), np.array([2]))
    assert np.isfinite(new(name).fit(tiny).score(tiny)[:, 1:]).all()


def test_a_hyperparameter_out_of_range_names_itself_and_its_value(name: str) -> None:
    with pytest.raises(ConfigError, match=r"no hyper-parameter 'no_such_field'"):
        catalog.create(name, no_such_field=1)
    build = catalog.model_class(name)
    for field, default in hyperparameters(new(name)).items():
        if isinstance(default, bool):  # a yes or no has no range
            continue
        bad: object = "nonsense" if isinstance(default, str) else -1
        with pytest.raises(ConfigError, match=rf"{field} .*{bad}"):
            build(**{field: bad})
        if isinstance(default, float):
            with pytest.raises(ConfigError, match=rf"{field} .*nan"):
                build(**{field: float("nan")})


def _ids(log: SequenceDataset, b: int) -> list[str]:
    return [str(id) for id in log.vocabulary.decode(log.history(b))]
