from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from footpath.errors import ConfigError, RunError
from footpath.training.adamw import AdamW, clip_gradients


@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_ten_steps_follow_the_formulas_of_the_paper(l2: float) -> None:
    rng = np.random.default_rng(0)
    start = [rng.normal(size=(4, 3)), rng.normal(size=3)]
    parameters = [torch.from_numpy(values.copy()) for values in start]
    optimizer = AdamW(parameters, l2=l2)
    expected = [values.copy() for values in start]
    mean, square = [np.zeros_like(v) for v in start], [np.zeros_like(v) for v in start]
    for t in range(1, 11):
        rate = 0.1 / t
        for i, parameter in enumerate(parameters):
            gradient = rng.normal(size=start[i].shape)
            parameter.grad = torch.from_numpy(gradient.copy())
            mean[i] = 0.9 * mean[i] + 0.1 * gradient
            square[i] = 0.999 * square[i] + 0.001 * gradient**2
            step = mean[i] / (1 - 0.9**t) / (np.sqrt(square[i] / (1 - 0.999**t)) + 1e-8)
            expected[i] -= rate * (step + (l2 if i == 0 else 0.0) * expected[i])
        optimizer.step(rate)
    for parameter, values in zip(parameters, expected, strict=True):
        np.testing.assert_allclose(parameter.numpy(), values, atol=1e-7)
        assert parameter.grad is None


def test_a_parameter_without_a_gradient_stays() -> None:
    parameter = torch.ones(2, 2)
    AdamW([parameter], l2=0.5).step(0.1)
    assert torch.equal(parameter, torch.ones(2, 2))


def test_a_gradient_laid_out_by_columns_moves_as_one_by_rows() -> None:
    gradient = torch.arange(12.0).reshape(3, 4) - 5
    one, other = torch.ones(3, 4), torch.ones(3, 4)
    one.grad, other.grad = gradient.clone(), gradient.T.contiguous().T
    assert other.grad.stride() != one.grad.stride()
    for parameter in (one, other):
        AdamW([parameter], l2=0.0).step(0.1)
    assert torch.equal(one, other)


def _sparse(rows: list[int], values: Tensor, length: int) -> Tensor:
    return torch.sparse_coo_tensor(torch.tensor([rows]), values, (length, *values.shape[1:]), check_invariants=True)


@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_sparse_gradients_of_every_row_move_as_dense_ones(l2: float) -> None:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    dense, sparse = start.clone(), start.clone()
    optimizers = AdamW([dense], l2=l2), AdamW([sparse], l2=l2)
    for _ in range(5):
        rows = [3, 0, 1, 4, 2, 3, 3]  # a row that is named three times has the sum of the three
        values = torch.randn(7, 3, generator=generator, dtype=torch.float64)
        dense.grad = torch.zeros_like(dense).index_add_(0, torch.tensor(rows), values)
        sparse.grad = _sparse(rows, values, 5)
        for optimizer in optimizers:
            optimizer.step(0.1)
    torch.testing.assert_close(sparse, dense, atol=1e-12, rtol=0)
    assert not torch.allclose(dense, start)
    assert sparse.grad is None


def test_a_sparse_gradient_leaves_other_rows_and_their_moments() -> None:
    table = torch.ones(4, 2)
    optimizer = AdamW([table], l2=0.5)
    table.grad = _sparse([1, 2], torch.tensor([[1.0, -1.0], [2.0, 2.0]]), 4)
    optimizer.step(0.1)
    before, moments = table.clone(), {name: tensor.clone() for name, tensor in optimizer.state().items()}
    # the first step is the learning rate against the sign, after a decay by 0.1 * 0.5
    torch.testing.assert_close(table, torch.tensor([[1, 1], [0.85, 1.05], [0.85, 0.85], [1, 1]]), atol=1e-6, rtol=0)
    table.grad = _sparse([2], torch.tensor([[1.0, 1.0]]), 4)
    optimizer.step(0.1)
    for after, unmoved in (
        (table, before),
        (optimizer.state()["0.mean"], moments["0.mean"]),
        (optimizer.state()["0.square"], moments["0.square"]),
    ):
        assert torch.equal(after[[0, 1, 3]], unmoved[[0, 1, 3]])
        assert not torch.equal(after[2], unmoved[2])


def test_a_row_first_touched_late_moves_by_three_learning_rates() -> None:
    table = torch.zeros(2, 1)
    optimizer = AdamW([table], l2=0.0)
    optimizer.load({**optimizer.state(), "steps": torch.tensor(20_000)})
    table.grad = _sparse([1], torch.full((1, 1), 7.0), 2)
    optimizer.step(0.1)
    assert table[1].item() == pytest.approx(-0.1 * 0.1 / math.sqrt(0.001), rel=1e-4)


def test_a_sparse_gradient_without_rows_moves_nothing() -> None:
    table = torch.ones(3, 2)
    table.grad = _sparse([], torch.zeros(0, 2), 3)
    assert clip_gradients([table], 1.0) == 0
    AdamW([table], l2=0.5).step(0.1)
    assert torch.equal(table, torch.ones(3, 2))


def test_a_million_rows_of_which_a_hundred_are_read_get_no_dense_gradient() -> None:
    table = torch.zeros(1_000_000, 8).requires_grad_()
    optimizer = AdamW([table], l2=0.1)
    rows = torch.arange(5, 1_000_000, 10_000)
    for _ in range(2):
        F.embedding(rows, table, sparse=True).sum().backward()
        assert table.grad is not None
        assert table.grad.is_sparse
        assert clip_gradients([table], 1.0) == pytest.approx(math.sqrt(800))
        assert table.grad.is_sparse
        assert len(table.grad.values()) == 100
        optimizer.step(0.01)
    touched = torch.zeros(len(table), dtype=torch.bool).index_fill_(0, rows, True)
    for tensor in (table.detach(), optimizer.state()["0.mean"], optimizer.state()["0.square"]):
        assert torch.equal(tensor.any(1), touched)


def test_a_gradient_sparse_in_both_dimensions_is_refused() -> None:
    table = torch.ones(3, 2)
    table.grad = torch.sparse_coo_tensor(torch.tensor([[1], [0]]), torch.ones(1), (3, 2), check_invariants=True)
    with pytest.raises(ConfigError, match="parameter 0 is sparse in 2 dimensions"):
        AdamW([table], l2=0.0).step(0.1)


def _gradients() -> list[Tensor]:
    """Lengths 3 and 4, the second of a row named twice: together 5."""
    dense, table = torch.zeros(2), torch.zeros(4, 2)
    dense.grad = torch.tensor([3.0, 0.0])
    table.grad = _sparse([2, 2], torch.tensor([[0.0, 1.0], [0.0, 3.0]]), 4)
    return [dense, table, torch.zeros(7)]


@pytest.mark.parametrize(("max_norm", "share"), [(1.0, 0.2), (5.0, 1.0), (100.0, 1.0)])
def test_clipping_scales_dense_and_sparse_gradients_together(max_norm: float, share: float) -> None:
    dense, table, without = _gradients()
    assert clip_gradients([dense, table, without], max_norm) == pytest.approx(5)
    assert dense.grad is not None
    assert table.grad is not None
    torch.testing.assert_close(dense.grad, torch.tensor([3 * share, 0]))
    torch.testing.assert_close(table.grad.to_dense()[2], torch.tensor([0, 4 * share]))
    assert without.grad is None


def test_clipping_gives_what_torch_gives() -> None:
    generator = torch.Generator().manual_seed(0)
    ours, theirs = [torch.zeros(5, 3), torch.zeros(4)], [torch.zeros(5, 3), torch.zeros(4)]
    for a, b in zip(ours, theirs, strict=True):
        a.grad = torch.randn(a.shape, generator=generator)
        b.grad = a.grad.clone()
    assert clip_gradients(ours, 0.5) == pytest.approx(torch.nn.utils.clip_grad_norm_(theirs, 0.5).item(), rel=1e-5)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.grad, b.grad, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_a_gradient_that_is_not_finite_is_told_and_not_spread(bad: float) -> None:
    dense, table, _ = _gradients()
    assert dense.grad is not None
    dense.grad[1] = bad
    assert not math.isfinite(clip_gradients([dense, table], 1.0))
    assert table.grad is not None
    assert table.grad.to_dense()[2, 1] == 4


@pytest.mark.parametrize("max_norm", [0.0, -1.0, math.nan])
def test_a_longest_gradient_that_is_not_positive_is_refused(max_norm: float) -> None:
    with pytest.raises(ConfigError, match=str(max_norm)):
        clip_gradients([], max_norm)


def test_gradients_of_none_have_no_length() -> None:
    assert clip_gradients([torch.ones(2)], 1.0) == 0


def _run(parameters: list[Tensor], optimizer: AdamW, steps: range) -> None:
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        parameters[0].grad = torch.randn(6, 3, generator=generator)
        parameters[1].grad = torch.randn(3, generator=generator)
        rows = torch.randint(0, 50, (9,), generator=generator).tolist()
        parameters[2].grad = _sparse(rows, torch.randn(9, 3, generator=generator), 50)
        optimizer.step(0.01)


def test_training_goes_on_from_a_state_bit_for_bit() -> None:
    shapes = [(6, 3), (3,), (50, 3)]
    undisturbed = [torch.ones(shape) for shape in shapes]
    _run(undisturbed, AdamW(undisturbed, l2=0.1), range(12))
    first = [torch.ones(shape) for shape in shapes]
    optimizer = AdamW(first, l2=0.1)
    _run(first, optimizer, range(7))
    state = optimizer.state()
    assert set(state) == {"0.mean", "0.square", "1.mean", "1.square", "2.mean", "2.square", "steps"}
    second = [parameter.clone() for parameter in first]
    resumed = AdamW(second, l2=0.1)
    resumed.load({name: tensor.clone() for name, tensor in state.items()})
    _run(second, resumed, range(7, 12))
    for ours, theirs in zip(second, undisturbed, strict=True):
        assert torch.equal(ours, theirs)


def test_a_loaded_state_is_a_copy() -> None:
    one, other = torch.ones(2), torch.ones(2)
    optimizer = AdamW([one], l2=0.0)
    resumed = AdamW([other], l2=0.0)
    resumed.load(optimizer.state())
    other.grad = torch.ones(2)
    resumed.step(0.1)
    assert not optimizer.state()["0.mean"].any()
    assert resumed.state()["steps"] == 1
    assert optimizer.state()["steps"] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"1.mean": None}, "lacks '1.mean'"),
        ({"2.mean": torch.zeros(2)}, "unknown '2.mean'"),
        ({"0.square": torch.zeros(2, 3)}, r"0.square must have shape \(3, 2\), got \(2, 3\)"),
        ({"steps": torch.tensor([1, 2])}, r"steps must have shape \(\), got \(2,\)"),
        ({"steps": torch.tensor(-4)}, "got -4"),
        ({"steps": torch.tensor(1.5)}, "got 1.5"),
    ],
)
def test_a_state_of_another_model_is_refused_and_changes_nothing(change: dict[str, Tensor | None], message: str) -> None:
    parameters = [torch.ones(3, 2), torch.ones(2)]
    optimizer = AdamW(parameters, l2=0.0)
    good = {name: torch.ones_like(tensor) for name, tensor in optimizer.state().items()}
    bad = {name: tensor for name, tensor in {**good, **change}.items() if tensor is not None}
    with pytest.raises(RunError, match=message):
        optimizer.load(bad)
    assert all(not tensor.any() for tensor in optimizer.state().values())
    optimizer.load(good)
    assert optimizer.state()["steps"] == 1


def test_training_does_not_load_the_compiler_of_torch() -> None:
    code = """
import sys
from footpath.models.sasrec import SASRec
from footpath.sequences.dataset import SequenceDataset
SASRec(dim=4, epochs=1).fit(SequenceDataset.from_lists([["a", "b"], ["b", "a"]]))
print("torch._dynamo" in sys.modules)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
