from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from footpath.errors import ConfigError
from footpath.training.loop import EarlyStop, Epoch, GradientStep, Schedule, isolated_seed, train


class Numbers:
    """Four batches of one number each."""

    def __len__(self) -> int:
        return 4

    def shuffled(self, rng: np.random.Generator) -> Iterator[float]:
        yield from rng.permutation(4).astype(float).tolist()


class Point(nn.Module):
    def __init__(self, start: float = 0.0) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.full((1, 1), start))
        self.vector = nn.Parameter(torch.full((1,), start))


def test_the_weights_of_the_best_epoch_are_kept() -> None:
    point = Point()

    def step(batch: float) -> float:
        with torch.no_grad():
            point.matrix += 1
        return batch

    figures = iter([0.1, 0.3, 0.2, 0.25])
    history = train(point, Numbers(), step, epochs=4, seed=0, evaluate=lambda: next(figures))
    assert history.best_epoch == 2
    assert point.matrix.item() == 8  # four batches in each of two epochs
    assert [epoch.validation for epoch in history.epochs] == [0.1, 0.3, 0.2, 0.25]
    assert [epoch.loss for epoch in history.epochs] == [1.5] * 4  # mean of 0, 1, 2, 3
    assert [epoch.number for epoch in history.epochs] == [1, 2, 3, 4]
    assert not point.training


@pytest.mark.parametrize(
    ("patience", "min_epochs", "figures", "epochs_run"),
    [
        (2, 1, [0.3, 0.2, 0.1, 0.9, 0.9], 3),
        (2, 4, [0.3, 0.2, 0.1, 0.2, 0.9], 4),
        (1, 1, [0.1, 0.2, 0.2, 0.9, 0.9], 3),
        (None, 1, [0.3, 0.2, 0.1, 0.1, 0.1], 5),
    ],
)
def test_training_stops_after_patience_but_not_before_the_minimum(
    patience: int | None, min_epochs: int, figures: list[float], epochs_run: int
) -> None:
    given = iter(figures)
    early_stop = EarlyStop(patience, min_epochs)
    history = train(Point(), Numbers(), lambda batch: batch, epochs=5, seed=0, evaluate=lambda: next(given), early_stop=early_stop)
    assert len(history.epochs) == epochs_run


def test_without_validation_the_last_epoch_is_kept() -> None:
    history = train(Point(), Numbers(), lambda batch: batch, epochs=3, seed=0)
    assert history.best_epoch == 3
    assert history.epochs[-1].validation is None


def test_progress_counts_every_batch() -> None:
    seen = []
    train(Point(), Numbers(), lambda batch: batch, epochs=2, seed=0, progress=lambda *step: seen.append(step))
    assert seen == [("training", done, 8) for done in range(1, 9)]


def test_the_order_of_batches_is_of_the_seed() -> None:
    def order(seed: int) -> list[float]:
        seen: list[float] = []
        train(Point(), Numbers(), lambda batch: seen.append(batch) or batch, epochs=3, seed=seed)
        return seen

    assert order(1) == order(1) != order(2)


def test_one_step_of_adamw_moves_by_the_learning_rate_and_decays_matrices_only() -> None:
    point = Point(1.0)
    step: GradientStep[float] = GradientStep(point, lambda batch: point.matrix.sum() + point.vector.sum(), learning_rate=0.1, l2=0.5)
    assert step(0.0) == 2.0
    assert point.matrix.item() == pytest.approx(1 * (1 - 0.1 * 0.5) - 0.1, abs=1e-6)
    assert point.vector.item() == pytest.approx(1 - 0.1, abs=1e-6)


@pytest.mark.parametrize(
    ("schedule", "total_steps", "rates"),
    [
        ("constant", None, [0.5, 1, 1, 1, 1, 1]),
        ("constant", 4, [0.5, 1, 1, 1, 1, 1]),
        ("linear", 6, [0.5, 1, 1, 0.75, 0.5, 0.25, 0, 0]),
        ("cosine", 6, [0.5, 1, 1, (1 + 0.5**0.5) / 2, 0.5, (1 - 0.5**0.5) / 2, 0, 0]),
    ],
)
def test_the_rate_follows_its_schedule(schedule: Schedule, total_steps: int | None, rates: list[float]) -> None:
    point = Point()
    step: GradientStep[float] = GradientStep(
        point, lambda batch: point.vector.sum(), learning_rate=1.0, schedule=schedule, warmup_steps=2, total_steps=total_steps
    )
    places = [point.vector.item()] + [point.vector.item() for _ in rates if step(0.0) is not None]
    assert -np.diff(places) == pytest.approx(rates, abs=1e-4)  # under a constant gradient Adam moves by the rate


def test_schedules_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"constant, linear, cosine, got 'cosin'; did you mean 'cosine'\?"):
        GradientStep(Point(), lambda batch: torch.zeros(()), learning_rate=1.0, schedule="cosin")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="a cosine schedule needs total_steps above the 0 steps of warm-up, got None"):
        GradientStep(Point(), lambda batch: torch.zeros(()), learning_rate=1.0, schedule="cosine")


def test_a_watch_ends_training_and_the_best_weights_so_far_are_kept() -> None:
    point, seen = Point(), []

    def step(batch: float) -> float:
        with torch.no_grad():
            point.matrix += 1
        return batch

    def watch(epoch: Epoch) -> bool:
        seen.append((epoch.number, epoch.validation))
        return epoch.number == 3

    figures = iter([0.3, 0.9, 0.2])
    history = train(point, Numbers(), step, epochs=9, seed=0, evaluate=lambda: next(figures), watch=watch)
    assert seen == [(1, 0.3), (2, 0.9), (3, 0.2)]
    assert len(history.epochs) == 3
    assert history.best_epoch == 2
    assert point.matrix.item() == 8


def test_a_decay_that_ends_before_the_warm_up_is_refused() -> None:
    with pytest.raises(ConfigError, match="above the 5 steps of warm-up, got 5"):
        GradientStep(Point(), lambda batch: torch.zeros(()), learning_rate=1.0, warmup_steps=5, total_steps=5, schedule="linear")


def test_clipping_shortens_the_gradient_before_the_moments_see_it() -> None:
    def moved(clip_norm: float | None) -> float:
        point, slopes = Point(), iter([1.0, 100.0])
        step: GradientStep[float] = GradientStep(
            point, lambda batch: next(slopes) * point.vector.sum(), learning_rate=0.1, clip_norm=clip_norm
        )
        step(0.0)
        step(0.0)
        return -point.vector.item()

    assert moved(1.0) == pytest.approx(0.2, abs=1e-4)  # two equal gradients of length 1
    assert moved(None) < 0.19


def test_a_loss_that_is_no_number_stops_before_it_reaches_the_weights() -> None:
    point = Point(1.0)
    step: GradientStep[float] = GradientStep(point, lambda batch: point.vector.sum() * float("nan"), learning_rate=0.3)
    with pytest.raises(ConfigError, match=r"the loss became nan at learning_rate 0\.3: lower learning_rate"):
        step(0.0)
    assert point.vector.item() == 1.0


def test_an_infinite_gradient_under_clipping_is_refused() -> None:
    point = Point(0.0)

    def loss(batch: float) -> Tensor:
        return point.vector.sqrt().sum()  # value 0, slope infinite

    step: GradientStep[float] = GradientStep(point, loss, learning_rate=0.3, clip_norm=1.0)
    with pytest.raises(ConfigError, match=r"the gradient became (inf|nan) at learning_rate 0\.3"):
        step(0.0)


def test_weights_and_figures_that_are_no_numbers_are_refused() -> None:
    point = Point()
    with pytest.raises(ConfigError, match="validation figure of epoch 1 is nan"):
        train(point, Numbers(), lambda batch: batch, epochs=1, seed=0, evaluate=lambda: float("nan"))
    with torch.no_grad():
        point.vector += torch.inf
    with pytest.raises(ConfigError, match="weight vector is no longer finite after epoch 1"):
        train(point, Numbers(), lambda batch: batch, epochs=1, seed=0)


@pytest.mark.parametrize("epochs", [0, -1])
def test_no_epochs_are_refused(epochs: int) -> None:
    with pytest.raises(ConfigError, match=f"got {epochs}"):
        train(Point(), Numbers(), lambda batch: batch, epochs=epochs, seed=0)


def test_no_patience_is_refused() -> None:
    with pytest.raises(ConfigError, match="got 0"):
        EarlyStop(0)


def test_the_callers_random_numbers_go_on_undisturbed() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    with isolated_seed(0):
        inside = torch.rand(3)
    assert torch.equal(torch.rand(3), expected)
    with isolated_seed(0):
        assert torch.equal(torch.rand(3), inside)
