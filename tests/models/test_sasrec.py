from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from footpath.errors import ConfigError, DataError, NotFittedError, RunError
from footpath.models.sasrec import SASRec
from footpath.recommender import recommend, refit
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.split import Holdout
from footpath.sequences.vocabulary import Vocabulary

RING = 12
QUICK: dict[str, Any] = {"dim": 16, "heads": 2, "max_len": 6, "dropout": 0.1, "epochs": 20, "batch_size": 16, "learning_rate": 0.01}


def ring(n: int = 96, length: int = 5) -> SequenceDataset:
    """Everybody walks around a circle of twelve items, from any place."""
    return SequenceDataset.from_lists([[f"r{(b + t) % RING:02}" for t in range(length)] for b in range(n)])


def next_on_the_ring(log: SequenceDataset) -> Holdout:
    """What comes after the second event; the model may have seen it in training."""
    rows = np.arange(RING)
    items = np.array([log.history(b)[2] for b in rows], np.int32)
    return Holdout(log.prefixes(rows, np.full(RING, 2)), np.arange(RING + 1), items)


@pytest.fixture(scope="module")
def log() -> SequenceDataset:
    return ring()


@pytest.fixture(scope="module")
def model(log: SequenceDataset) -> SASRec:
    return SASRec(**QUICK).fit(log)


def hit_rate(model: SASRec, log: SequenceDataset) -> float:
    """Share of histories whose first recommendation is the next place on the circle."""
    newest = log.vocabulary.decode(log.items[log.offsets[1:] - 1])
    found = recommend(model, log, 1)
    return float(np.mean([found.items(b) == [f"r{(int(str(id_)[1:]) + 1) % RING:02}"] for b, id_ in enumerate(newest)]))


@pytest.mark.parametrize(
    "settings", [{}, {"negatives": 8}, {"blocks": 2, "l2": 0.01, "heads": 1}], ids=["full", "sampled", "two blocks, decay"]
)
def test_learns_the_ring(log: SequenceDataset, settings: dict[str, Any]) -> None:
    assert hit_rate(SASRec(**QUICK | settings).fit(log), log) == 1.0


def test_the_order_of_the_history_matters(log: SequenceDataset, model: SASRec) -> None:
    there, back = SequenceDataset.from_lists([["r03", "r04", "r05"], ["r05", "r04", "r03"]], log.vocabulary).chunks(1)
    assert recommend(model, there, 1, repeat=True).items(0) == ["r06"]
    assert recommend(model, back, 1, repeat=True).items(0) == ["r04"]


def test_only_the_last_max_len_known_events_count(log: SequenceDataset, model: SASRec) -> None:
    window = ["r01", "r05", "r02", "r02", "r07", "r08"]
    short, long = (
        SequenceDataset.from_lists([row], log.vocabulary) for row in (window, ["r11", "r10", *window[:3], "unknown", *window[3:]])
    )
    np.testing.assert_array_equal(model.score(short), model.score(long))


def test_company_in_a_batch_changes_no_score(log: SequenceDataset, model: SASRec) -> None:
    histories = SequenceDataset.from_lists([["r01"], [], ["r01", "r02", "r03", "r04", "r05"], ["r09"], ["?"]], log.vocabulary)
    together = model.score(histories)
    alone = np.concatenate([model.score(histories.between(b, b + 1)) for b in range(len(histories))])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_a_history_without_known_items_is_answered_by_popularity(log: SequenceDataset) -> None:
    favourite = SequenceDataset.from_lists([["r00", "r01"], ["r00", "r02"], ["r00", "r02", "r01", "r02"]], log.vocabulary)
    model = SASRec(**QUICK | {"epochs": 1}).fit(favourite)
    scores = model.score(SequenceDataset.from_lists([[], ["unknown"]], log.vocabulary))
    expected = np.zeros(RING + 1, np.float32)
    expected[log.vocabulary.encode(["r00", "r01", "r02"])] = np.log1p([3, 2, 3])
    np.testing.assert_allclose(scores, [expected, expected], rtol=1e-6)


def test_the_last_position_is_trained(log: SequenceDataset) -> None:
    def position_weights(epochs: int) -> np.ndarray:
        model = SASRec(**QUICK | {"max_len": 3, "epochs": epochs, "dropout": 0.0}).fit(log)
        return model.state()["positions.weight"]

    moved = np.abs(position_weights(2) - position_weights(1)).max(axis=1)
    assert (moved > 0).all()


def test_the_same_seed_gives_the_same_scores_to_the_last_bit(log: SequenceDataset, model: SASRec) -> None:
    torch.manual_seed(123)
    again = SASRec(**QUICK).fit(log)
    assert again.score(log).tobytes() == model.score(log).tobytes()
    other = SASRec(**QUICK | {"seed": 1}).fit(log)
    assert other.score(log).tobytes() != model.score(log).tobytes()


def test_sampled_negatives_are_of_the_seed_too(log: SequenceDataset) -> None:
    first, second = (SASRec(**QUICK | {"negatives": 4, "epochs": 2}).fit(log).score(log) for _ in range(2))
    assert first.tobytes() == second.tobytes()


def test_fitting_restoring_and_scoring_leave_the_callers_torch_as_it_was(log: SequenceDataset) -> None:
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    precision, threads = torch.get_float32_matmul_precision(), torch.get_num_threads()
    fitted = SASRec(**QUICK | {"epochs": 1}).fit(log)
    SASRec(**QUICK).restore(log.vocabulary, fitted.state()).score(log)
    assert torch.equal(torch.rand(4), expected)
    assert (torch.get_float32_matmul_precision(), torch.get_num_threads()) == (precision, threads)


def test_validation_chooses_the_epoch_whose_weights_are_kept(log: SequenceDataset) -> None:
    # two more epochs than patience allows after the best one are never run; the kept weights are those of a run that ends there
    model = SASRec(**QUICK | {"epochs": 40, "patience": 2}).fit(log, validation=next_on_the_ring(log))
    assert model.history is not None
    figures = [epoch.validation or 0.0 for epoch in model.history.epochs]
    best = int(np.argmax(figures)) + 1
    assert model.history.best_epoch == best
    assert len(figures) == max(best + 2, 5)
    assert max(figures) == pytest.approx(1.0)
    until_there = model.settled().fit(log)
    assert until_there.score(log).tobytes() == model.score(log).tobytes()


def test_settled_settings_run_the_chosen_epochs_without_early_stop(log: SequenceDataset) -> None:
    model = SASRec(**QUICK | {"patience": 1}).fit(log, validation=next_on_the_ring(log))
    assert model.history is not None
    settled = model.settled()
    assert settled == dataclasses.replace(model, epochs=model.history.best_epoch, patience=None)
    assert not hasattr(settled, "items")
    again = refit(model, log)
    assert isinstance(again, SASRec)
    assert again.history is not None
    assert len(again.history.epochs) == model.history.best_epoch


def test_validation_counts_repeats_where_repeats_are_asked_for() -> None:
    log = SequenceDataset.from_lists([["a", "b"] * 4, ["b", "a"] * 4] * 20)
    a, b = log.vocabulary.encode(["a", "b"])
    asked = SequenceDataset.from_lists([["a", "b"], ["b", "a"]], log.vocabulary)
    model = SASRec(**QUICK).fit(log, validation=Holdout(asked, np.arange(3), np.array([a, b], np.int32)))
    assert model.history is not None
    assert max(epoch.validation or 0.0 for epoch in model.history.epochs) == pytest.approx(1.0)


def test_a_restored_model_scores_the_same_and_knows_its_epochs(log: SequenceDataset, model: SASRec) -> None:
    restored = SASRec(**QUICK).restore(log.vocabulary, {name: array.copy() for name, array in model.state().items()})
    assert restored.score(log).tobytes() == model.score(log).tobytes()
    assert restored.settled() == model.settled()


def test_weights_of_another_shape_or_incomplete_ones_are_refused(log: SequenceDataset, model: SASRec) -> None:
    with pytest.raises(RunError, match=r"items\.weight must have shape \(13, 8\), got \(13, 16\)"):
        SASRec(**QUICK | {"dim": 8}).restore(log.vocabulary, model.state())
    state = {name: array for name, array in model.state().items() if name != "norm.bias"}
    with pytest.raises(RunError, match=r"norm\.bias must have shape \(16,\), got None"):
        SASRec(**QUICK).restore(log.vocabulary, state)


def test_a_learning_rate_that_diverges_is_named(log: SequenceDataset) -> None:
    with pytest.raises(ConfigError, match=r"learning_rate 1e\+30: lower learning_rate"):
        SASRec(**QUICK | {"learning_rate": 1e30, "l2": 0.5}).fit(log)


def test_foreign_histories_and_unfitted_models_are_refused(log: SequenceDataset, model: SASRec) -> None:
    foreign = SequenceDataset.from_lists([["x", "y", "z"]])
    with pytest.raises(ConfigError, match="vocabulary"):
        model.score(foreign)
    with pytest.raises(ConfigError, match="vocabulary of 3 items, the training sequences with another of 12"):
        SASRec(**QUICK).fit(log, validation=Holdout(foreign, np.array([0, 1]), np.array([1], np.int32)))
    with pytest.raises(NotFittedError, match="SASRec is not fitted"):
        SASRec().score(log)
    with pytest.raises(NotFittedError, match="no number of epochs is chosen"):
        SASRec().settled()


def test_a_log_without_a_next_item_is_refused() -> None:
    with pytest.raises(DataError, match="none of 1 sequences has two known events"):
        SASRec().fit(SequenceDataset.from_lists([["?", "a"]], Vocabulary.build(["a"])))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dim": 0}, "dim must be at least 1, got 0"),
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"dim": 64, "heads": 3}, "got 3 heads and dim 64"),
        ({"dropout": 1.0}, r"dropout must be at least 0 and below 1, got 1\.0"),
        ({"learning_rate": 0.0}, r"learning_rate must be above 0 and finite, got 0\.0"),
        ({"negatives": -1}, "negatives must be at least 0, got -1"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"l2": -0.5}, r"l2 must be at least 0 .*, got -0\.5"),
        ({"patience": 0}, "patience must be at least 1 epoch, or None for all epochs, got 0"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SASRec(**settings)
