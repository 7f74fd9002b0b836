from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from footpath.errors import ConfigError, DataError
from footpath.training.losses import (
    Popularity,
    bpr_loss,
    gbce_loss,
    sampled_softmax_loss,
    softmax_loss,
    uniform_negatives,
)

T, N, D = 23, 41, 8


def popularity_negatives(counts: Tensor, shape: tuple[int, ...], generator: torch.Generator, power: float = 1.0) -> tuple[Tensor, Tensor]:
    popularity = Popularity.of(counts, power=power)
    return popularity.draw(shape, generator), popularity.log_q


def _inputs(dtype: torch.dtype = torch.float32, scale: float = 1.0) -> tuple[Tensor, Tensor, Tensor, torch.Generator]:
    generator = torch.Generator().manual_seed(0)
    states = (scale * torch.randn(T, D, generator=generator)).to(dtype).requires_grad_()
    table = torch.randn(N, D, generator=generator).to(dtype).requires_grad_()
    return states, table, torch.randint(1, N, (T,), generator=generator), generator


def _with_gradients(loss: Tensor, states: Tensor, table: Tensor) -> list[Tensor]:
    return [loss.detach(), *torch.autograd.grad(3 * loss, [states, table])]


def _assert_equal(found: list[Tensor], expected: list[Tensor]) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def _naive_sampled(states: Tensor, table: Tensor, targets: Tensor, negatives: Tensor, log_q: Tensor | None) -> Tensor:
    losses = []
    for t in range(len(states)):
        drawn = negatives if negatives.dim() == 1 else negatives[t]
        logits = [states[t] @ table[targets[t]]]
        for item in drawn.tolist():
            if item != targets[t]:
                shift = 0.0 if log_q is None else log_q[item] + math.log(len(drawn))
                logits.append(states[t] @ table[item] - shift)
        losses.append(F.cross_entropy(torch.stack(logits)[None], torch.tensor([0])))
    return torch.stack(losses).mean()


@pytest.mark.parametrize("chunk", [1, 3 * N, 10**6])
@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_the_full_softmax_equals_cross_entropy_without_padding(chunk: int, scale: float) -> None:
    states, table, targets, _ = _inputs(scale=scale)
    expected = F.cross_entropy(states @ table[1:].T, targets - 1)
    _assert_equal(
        _with_gradients(softmax_loss(states, table, targets, chunk=chunk), states, table), _with_gradients(expected, states, table)
    )


@pytest.mark.parametrize("pull", [0.0, 1.0, 3.0], ids=["unsure", "half sure", "sure"])
@pytest.mark.parametrize("chunk", [1, 2**22])
def test_in_bf16_loss_and_gradients_are_off_by_less_than_a_hundredth(chunk: int, pull: float) -> None:
    generator = torch.Generator().manual_seed(0)
    table = 0.3 * torch.randn(2101, 64, generator=generator)
    targets = torch.randint(1, 2101, (300,), generator=generator)
    states = pull * table[targets] + 0.3 * torch.randn(300, 64, generator=generator)

    def found(dtype: torch.dtype, *, in_bf16: bool) -> list[Tensor]:
        h, w = states.to(dtype).requires_grad_(), table.to(dtype).requires_grad_()
        return _with_gradients(softmax_loss(h, w, targets, chunk=chunk, in_bf16=in_bf16), h, w)

    loss, *gradients = found(torch.float32, in_bf16=True)
    true, *expected = found(torch.float64, in_bf16=False)
    assert (loss - true).abs() < 1e-4
    for ours, theirs in zip(gradients, expected, strict=True):  # where the target is nearly certain, what is left of it is still right
        assert ours.dtype == torch.float32
        assert 1e-6 < (ours - theirs).norm() / theirs.norm() < 0.01


def test_in_bf16_scores_of_any_size_are_safe() -> None:
    states, table, targets, _ = _inputs(scale=100.0)
    loss, *gradients = _with_gradients(softmax_loss(states, table, targets, in_bf16=True), states, table)
    assert loss.item() == pytest.approx(F.cross_entropy(states @ table[1:].T, targets - 1).item(), rel=0.01)
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("chunk", [1, 3 * N, 10**6])
@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize("shape", [(11,), (T, 11)], ids=["shared", "per position"])
def test_the_sampled_softmax_equals_cross_entropy_over_target_and_negatives(chunk: int, corrected: bool, shape: tuple[int, ...]) -> None:
    states, table, targets, generator = _inputs()
    negatives = uniform_negatives(N, shape, generator)
    negatives[..., 0] = targets[0]  # a negative that is the target of the first position
    log_q = torch.randn(N, generator=generator) if corrected else None
    expected = _naive_sampled(states, table, targets, negatives, log_q)
    found = sampled_softmax_loss(states, table, targets, negatives, log_q=log_q, chunk=chunk)
    _assert_equal(_with_gradients(found, states, table), _with_gradients(expected, states, table))


@pytest.mark.parametrize("shape", [None, (6,), (5, 6)], ids=["full", "shared", "per position"])
def test_gradients_are_those_of_the_loss_in_double_precision(shape: tuple[int, ...] | None) -> None:
    states, table, targets, generator = _inputs(torch.float64)
    states, targets = states.detach()[:5].requires_grad_(), targets[:5]

    def loss(h: Tensor, w: Tensor) -> Tensor:
        if shape is None:
            return softmax_loss(h, w, targets, chunk=4 * N)
        return sampled_softmax_loss(h, w, targets, negatives, chunk=60)

    negatives = uniform_negatives(N, shape or (1,), generator)
    assert torch.autograd.gradcheck(loss, (states, table))


@pytest.mark.parametrize("shape", [(N - 1,), (T, N - 1)], ids=["shared", "per position"])
def test_negatives_that_are_every_item_once_give_the_full_softmax(shape: tuple[int, ...]) -> None:
    states, table, targets, _ = _inputs()
    every = torch.arange(1, N).expand(shape)
    log_q = torch.full((N,), -math.log(N - 1))  # uniform: the correction vanishes
    _assert_equal(
        _with_gradients(sampled_softmax_loss(states, table, targets, every, log_q=log_q), states, table),
        _with_gradients(softmax_loss(states, table, targets), states, table),
    )


def test_the_corrected_sum_over_negatives_estimates_the_sum_over_all_items() -> None:
    states, table, targets, generator = _inputs(scale=0.5)
    popularity = torch.rand(N, generator=generator) + 0.2
    popularity[0] = 0
    log_q = (popularity / popularity.sum()).log()
    negatives = torch.multinomial(popularity, 200_000, replacement=True, generator=generator)
    estimate = sampled_softmax_loss(states, table, targets, negatives, log_q=log_q)
    assert estimate.item() == pytest.approx(softmax_loss(states, table, targets).item(), abs=0.01)


def _naive(states: Tensor, table: Tensor, targets: Tensor, negatives: Tensor, of: Callable[[Tensor, Tensor, int], Tensor]) -> Tensor:
    """The mean over positions of a function of the target's score, those of the negatives that are not it, and S."""
    losses = []
    for t in range(len(states)):
        drawn = negatives if negatives.dim() == 1 else negatives[t]
        others = [int(item) for item in drawn if item != targets[t]]
        losses.append(of(table[targets[t]] @ states[t], table[others] @ states[t], len(drawn)))
    return torch.stack(losses).mean()


def _naive_gbce(chosen: Tensor, others: Tensor, drawn: int, *, n_items: int, t: float) -> Tensor:
    alpha = drawn / (n_items - 2)
    beta = alpha * (t * (1 - 1 / alpha) + 1 / alpha)  # as the paper writes it
    return -(beta * F.logsigmoid(chosen) + F.logsigmoid(-others).sum()) / (len(others) + 1)


def _naive_bpr(chosen: Tensor, others: Tensor, drawn: int) -> Tensor:
    return -F.logsigmoid(chosen - others).mean() if len(others) else 0 * chosen


LOSSES: dict[str, tuple[Callable[..., Tensor], Callable[[Tensor, Tensor, int], Tensor]]] = {
    "softmax": (
        sampled_softmax_loss,
        lambda chosen, others, _: F.cross_entropy(torch.cat([chosen[None], others])[None], torch.tensor([0])),
    ),
    "bce": (partial(gbce_loss, n_items=N, t=0.0), partial(_naive_gbce, n_items=N, t=0.0)),
    "gbce": (partial(gbce_loss, n_items=N), partial(_naive_gbce, n_items=N, t=0.75)),
    "bpr": (bpr_loss, _naive_bpr),
}
each_loss = pytest.mark.parametrize("name", LOSSES)
each_shape = pytest.mark.parametrize("shape", [(11,), (T, 11)], ids=["shared", "per position"])


def _negatives(shape: tuple[int, ...], targets: Tensor, generator: torch.Generator) -> Tensor:
    """Some are targets: that of position 0 everywhere, twice; position 1 draws nothing else where it draws for itself."""
    negatives = uniform_negatives(N, shape, generator)
    negatives[..., :2] = targets[0]
    if negatives.dim() == 2:
        negatives[1] = targets[1]
    return negatives


@each_loss
@each_shape
@pytest.mark.parametrize("chunk", [1, 100, 10**6])
@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_a_sampled_loss_and_its_gradients_are_those_of_the_formula(name: str, shape: tuple[int, ...], chunk: int, scale: float) -> None:
    ours, formula = LOSSES[name]
    states, table, targets, generator = _inputs(torch.float64, scale)
    negatives = _negatives(shape, targets, generator)
    found = _with_gradients(ours(states, table, targets, negatives, chunk=chunk), states, table)
    expected = _with_gradients(_naive(states, table, targets, negatives, formula), states, table)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-7, rtol=1e-7)  # F.softplus is a straight line above 20, 2e-9 off


@each_loss
@each_shape
def test_a_sampled_loss_passes_the_check_by_differences(name: str, shape: tuple[int, ...]) -> None:
    states, table, targets, generator = _inputs(torch.float64)
    states, targets = states.detach()[:5].requires_grad_(), targets[:5]
    negatives = _negatives((5, 11) if len(shape) == 2 else shape, targets, generator)
    assert torch.autograd.gradcheck(lambda h, w: LOSSES[name][0](h, w, targets, negatives, chunk=60), (states, table))


@each_loss
@each_shape
@pytest.mark.parametrize("size", [1e4, 1e18])
def test_extreme_scores_give_finite_losses_and_gradients(name: str, shape: tuple[int, ...], size: float) -> None:
    states, table, targets, generator = _inputs(scale=size)
    found = _with_gradients(LOSSES[name][0](states, table, targets, _negatives(shape, targets, generator)), states, table)
    assert all(bool(tensor.isfinite().all()) for tensor in found)
    assert found[0] > size / 100  # it is what the wrong order of such scores costs


@each_loss
@each_shape
def test_rows_that_were_gathered_serve_as_well_as_the_whole_table(name: str, shape: tuple[int, ...]) -> None:
    ours = LOSSES[name][0]
    states, table, targets, generator = _inputs()
    negatives = _negatives(shape, targets, generator)
    used, places = torch.cat([targets, negatives.flatten()]).unique(return_inverse=True)
    small = table.detach()[used].requires_grad_()
    assert (places == 0).any()  # its row 0 is an item
    gathered = _with_gradients(ours(states, small, places[:T], places[T:].view(shape)), states, small)
    whole = _with_gradients(ours(states, table, targets, negatives), states, table)
    unused = torch.ones(N, dtype=torch.bool).index_fill_(0, used, False)
    assert unused[0]
    assert not whole[2][unused].any()
    whole[2] = whole[2][used]
    _assert_equal(gathered, whole)


@each_loss
@each_shape
def test_a_sampled_loss_without_gradients_is_the_same(name: str, shape: tuple[int, ...]) -> None:
    states, table, targets, generator = _inputs()
    negatives = _negatives(shape, targets, generator)
    loss = LOSSES[name][0](states, table, targets, negatives)
    with torch.no_grad():
        quiet = LOSSES[name][0](states, table, targets, negatives)
    assert not quiet.requires_grad
    assert quiet.item() == pytest.approx(loss.item(), rel=1e-6)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_negatives_of_each_position_that_are_alike_are_shared_negatives(data: st.DataObject) -> None:
    seed, drawn, rows = data.draw(st.integers(0, 2**20)), data.draw(st.integers(1, 7)), data.draw(st.integers(1, 6))
    name = data.draw(st.sampled_from(sorted(LOSSES)))
    generator = torch.Generator().manual_seed(seed)
    states = torch.randn(rows, 3, generator=generator, dtype=torch.float64).requires_grad_()
    table = torch.randn(4, 3, generator=generator, dtype=torch.float64).requires_grad_()
    targets, negatives = uniform_negatives(4, (rows,), generator), uniform_negatives(4, (drawn,), generator)
    one = _with_gradients(LOSSES[name][0](states, table, targets, negatives), states, table)
    other = _with_gradients(LOSSES[name][0](states, table, targets, negatives.expand(rows, drawn)), states, table)
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("shape", [(1,), (1, 1)])
@pytest.mark.parametrize(("t", "beta"), [(0.0, 1.0), (0.5, 0.75), (1.0, 0.5)])
def test_gbce_of_three_items_by_hand(shape: tuple[int, ...], t: float, beta: float) -> None:
    # scores log 3 of the target and -log 3 of the negative: sigmoids 3/4 and 1/4; one of two other items is sampled: alpha 1/2
    states, table = torch.ones(1, 1), torch.tensor([[99.0], [math.log(3)], [-math.log(3)], [0.0]])
    loss = gbce_loss(states, table, torch.tensor([1]), torch.full(shape, 2), n_items=4, t=t)
    assert loss.item() == pytest.approx((beta * math.log(4 / 3) + math.log(4 / 3)) / 2, rel=1e-6)


@pytest.mark.parametrize("shape", [(2,), (1, 2)])
def test_bpr_of_three_items_by_hand(shape: tuple[int, ...]) -> None:
    # the target is log 3 above one negative and 2 log 3 above the other: sigmoids 3/4 and 9/10
    states, table = torch.ones(1, 1), torch.tensor([[99.0], [math.log(3)], [-math.log(3)], [0.0]])
    loss = bpr_loss(states, table, torch.tensor([1]), torch.tensor([2, 3]).expand(shape))
    assert loss.item() == pytest.approx((math.log(10 / 9) + math.log(4 / 3)) / 2, rel=1e-6)


def test_calibrated_gbce_finds_the_true_probabilities_where_plain_bce_does_not() -> None:
    # one state, four items that follow with these shares, each position with one uniform negative that is not its target
    shares = torch.tensor([0.5, 0.3, 0.15, 0.05], dtype=torch.float64)
    targets, negatives, states = [], [], torch.ones(60 * 20, 1, dtype=torch.float64)
    for item, share in enumerate(shares.tolist(), start=1):
        for other in {1, 2, 3, 4} - {item}:
            times = round(share * len(states) / 3)
            targets += times * [item]
            negatives += times * [[other]]
    found = {}
    for t in (0.0, 1.0):
        table = torch.zeros(5, 1, dtype=torch.float64).requires_grad_()
        for _ in range(400):
            loss = gbce_loss(states, table, torch.tensor(targets), torch.tensor(negatives), n_items=5, t=t)
            (gradient,) = torch.autograd.grad(loss, table)
            with torch.no_grad():
                table -= 8 * gradient
        found[t] = table.detach()[1:, 0].sigmoid()
    torch.testing.assert_close(found[1.0], shares, atol=1e-3, rtol=0)
    assert (found[0.0] > shares + 0.05).all()


@pytest.mark.parametrize(
    ("n_items", "t", "message"), [(9, 1.5, "got 1.5"), (9, -0.1, "got -0.1"), (9, math.nan, "got nan"), (2, 0.5, "n_items 2")]
)
def test_gbce_refuses_a_calibration_or_a_catalogue_that_cannot_be(n_items: int, t: float, message: str) -> None:
    states, table, targets, generator = _inputs()
    with pytest.raises(ConfigError, match=message):
        gbce_loss(states, table, targets, uniform_negatives(N, (3,), generator), n_items=n_items, t=t)


@pytest.mark.parametrize("per_position", [False, True])
def test_the_corrected_sum_over_few_negatives_is_right_in_expectation(per_position: bool) -> None:
    states, table, targets, generator = _inputs(torch.float64, scale=0.5)
    state, target = states.detach()[:1], targets[:1]
    popularity = Popularity.of(torch.arange(N) + 3.0, power=0.5)
    weight = (table.detach()[1:] @ state[0]).exp()
    exact = weight.sum().item()
    own = weight[target - 1].item()
    estimates = []
    for _ in range(3000):
        negatives = popularity.draw((1, 4) if per_position else (4,), generator)
        loss = sampled_softmax_loss(state, table.detach(), target, negatives, log_q=popularity.log_q.double())
        estimates.append(own * math.exp(loss.item()))  # the loss is log(sum) - log(own)
    mean, error = torch.tensor(estimates).mean().item(), torch.tensor(estimates).std().item() / math.sqrt(3000)
    assert abs(mean - exact) < 4 * error
    assert error < exact / 50


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_items_are_drawn_by_a_power_of_their_counts_and_log_q_says_so(power: float) -> None:
    counts = torch.tensor([1000, 1, 4, 0, 16, 100, 0])
    negatives, log_q = popularity_negatives(counts, (300, 1000), torch.Generator().manual_seed(0), power=power)
    assert negatives.shape == (300, 1000)
    weights = [0.0, 1.0, 4**power, 0.0, 16**power, 100**power, 0.0]
    shares = torch.tensor(weights, dtype=torch.float64) / sum(weights)
    torch.testing.assert_close(log_q, shares.log().float())
    drawn = torch.bincount(negatives.flatten(), minlength=7) / negatives.numel()
    assert (drawn[shares == 0] == 0).all()
    assert ((drawn - shares).abs() <= 5 * (shares * (1 - shares) / negatives.numel()).sqrt()).all()


def test_the_log_probabilities_are_the_widths_that_are_drawn_from() -> None:
    generator = torch.Generator().manual_seed(0)
    popularity = Popularity.of(torch.randint(0, 10**6, (5000,), generator=generator), power=0.75)
    widths = popularity.shares.diff(prepend=torch.zeros(1, dtype=torch.float64))
    assert popularity.shares[0] == 0
    assert popularity.shares[-1] == 1
    torch.testing.assert_close(popularity.log_q.double().exp(), widths, rtol=1e-5, atol=0)


def test_the_same_generator_draws_the_same_and_one_item_is_drawn_always() -> None:
    counts = torch.tensor([5.0, 1.0, 2.0, 3.0])
    one, other = (popularity_negatives(counts, (50,), torch.Generator().manual_seed(3))[0] for _ in range(2))
    assert torch.equal(one, other)
    negatives, log_q = popularity_negatives(torch.tensor([9, 0, 2, 0]), (100,), torch.Generator().manual_seed(0))
    assert (negatives == 2).all()
    assert log_q.tolist() == [-math.inf, -math.inf, 0, -math.inf]


@pytest.mark.parametrize(
    ("counts", "power", "error", "message"),
    [
        ([5, 0, 0], 1.0, DataError, "none of 2 items has a count"),
        ([5], 1.0, DataError, "none of 0 items"),
        ([0, 1, -2], 1.0, DataError, "got -2.0 for item 2"),
        ([0, math.nan, 1], 1.0, DataError, "got nan for item 1"),
        ([0, 1, 1], -1.0, ConfigError, "got -1"),
        ([0, 1, 1], math.inf, ConfigError, "got inf"),
    ],
)
def test_counts_that_cannot_be_drawn_from_are_refused(counts: list[float], power: float, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        popularity_negatives(torch.tensor(counts), (3,), torch.Generator(), power=power)


def test_padding_takes_no_probability_and_no_gradient() -> None:
    states, table, targets, generator = _inputs()
    with torch.no_grad():
        table[0] = 1e4  # would swallow everything if it took part
    negatives = uniform_negatives(N, (500,), generator)
    assert 0 not in negatives
    for loss in (
        softmax_loss(states, table, targets),
        sampled_softmax_loss(states, table, targets, negatives),
        gbce_loss(states, table, targets, negatives, n_items=N),
        bpr_loss(states, table, targets, negatives),
    ):
        assert loss.item() < 20
        assert not torch.autograd.grad(loss, table)[0][0].any()


def test_no_gradient_is_made_where_none_is_asked_for() -> None:
    states, table, targets, _ = _inputs()
    with torch.no_grad():
        loss = softmax_loss(states, table, targets)
    assert not loss.requires_grad
    torch.testing.assert_close(loss, F.cross_entropy(states @ table[1:].T, targets - 1).detach())


def test_full_chunks_keep_single_precision_and_the_setting_of_the_caller() -> None:
    generator = torch.Generator().manual_seed(0)
    states, table = torch.randn(200, 64, generator=generator), torch.randn(1001, 64, generator=generator)
    targets = torch.randint(1, 1001, (200,), generator=generator)
    states.requires_grad_()
    table.requires_grad_()
    before = torch.get_float32_matmul_precision()
    found = _with_gradients(softmax_loss(states, table, targets, chunk=64 * 1000), states, table)
    assert torch.get_float32_matmul_precision() == before
    exact_states, exact_table = states.detach().double().requires_grad_(), table.detach().double().requires_grad_()
    exact = _with_gradients(F.cross_entropy(exact_states @ exact_table[1:].T, targets - 1), exact_states, exact_table)
    for ours, theirs in zip(found, exact, strict=True):
        assert ((ours - theirs).abs().max() / theirs.abs().max()).item() < 3e-6


@pytest.mark.parametrize("size", [0.5, 40.0, 400.0])
def test_scores_beyond_the_range_of_exponentials_give_the_loss_and_gradients_of_double_precision(size: float) -> None:
    generator = torch.Generator().manual_seed(3)
    states, table = (size * torch.randn(300, 4, generator=generator), torch.randn(2000, 4, generator=generator))
    targets = torch.randint(1, 2000, (300,), generator=generator)
    h, w = (tensor.double().requires_grad_() for tensor in (states, table))
    expected = F.cross_entropy(h @ w[1:].T, targets - 1)
    expected.backward()
    states.requires_grad_()
    table.requires_grad_()
    found = softmax_loss(states, table, targets)
    found.backward()
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-4)
    assert h.grad is not None
    assert w.grad is not None
    torch.testing.assert_close(states.grad, h.grad.float(), rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(table.grad, w.grad.float(), rtol=1e-3, atol=1e-4 * size)
