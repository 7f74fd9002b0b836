from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from footpath.errors import ConfigError, DataError
from footpath.models.layers import (
    AttentionBlock,
    CaserBlock,
    CausalSelfAttention,
    Clock,
    Dropout,
    HSTUBlock,
    LiGRBlock,
    LRUBlock,
    NextItNetBlock,
    RecurrentBlock,
    _LinearRecurrence,
    attention,
    gap_buckets,
)

B, L, D, H = 3, 7, 8, 2


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(B, L, D, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def block() -> AttentionBlock:
    torch.manual_seed(0)
    return AttentionBlock(D, H, dropout=0.5).eval()


@pytest.mark.parametrize("length", [1, L, 60])
def test_plain_causal_attention_equals_torchs(length: int) -> None:
    q, k, v = torch.randn(3, B, H, length, D, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    later = torch.full((length, length), -torch.inf, dtype=torch.float64).triu(1)
    torch.testing.assert_close(attention(q, k, v, later), F.scaled_dot_product_attention(q, k, v, is_causal=True))


def test_long_and_short_sequences_take_different_ways_to_the_same_states() -> None:
    torch.manual_seed(0)
    layer = CausalSelfAttention(D, H)
    x = torch.randn(1, 300, D)
    with torch.no_grad():
        torch.testing.assert_close(layer(x)[:, :200], layer(x[:, :200]), atol=1e-5, rtol=1e-5)


def test_a_later_event_changes_no_earlier_state(x: torch.Tensor, block: AttentionBlock) -> None:
    changed = x.clone()
    changed[:, 4] += 10
    before, after = block(x), block(changed)
    assert torch.equal(before[:, :4], after[:, :4])
    assert (before[:, 4:] != after[:, 4:]).any(dim=2).all()


def test_padding_on_the_right_changes_no_state(x: torch.Tensor, block: AttentionBlock) -> None:
    padded = torch.cat([x, torch.full((B, 5, D), 3.0)], 1)
    torch.testing.assert_close(block(padded)[:, :L], block(x))


def test_the_first_state_sees_itself_alone(x: torch.Tensor) -> None:
    torch.manual_seed(0)
    layer = CausalSelfAttention(D, H)
    alone = layer.combine(layer.project(x[:, 0])[:, 2 * D :])  # the only weight is 1, so the value goes through
    torch.testing.assert_close(layer(x)[:, 0], alone)


def test_dropout_acts_in_training_only(x: torch.Tensor, block: AttentionBlock) -> None:
    assert torch.equal(block(x), block(x))
    block.train()
    assert not torch.equal(block(x), block(x))


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ConfigError, match="got 3 heads and dim 8"):
        CausalSelfAttention(8, 3)


@dataclass(frozen=True)
class Case:
    """A block, and whether its states depend on the clock."""

    name: str
    build: Callable[[], nn.Module]
    timed: bool = False


CASES = [
    Case("rnn", lambda: RecurrentBlock(D, 0.5, "rnn")),
    Case("lstm", lambda: RecurrentBlock(D, 0.5, "lstm")),
    Case("gru", lambda: RecurrentBlock(D, 0.5, "gru")),
    Case("caser", lambda: CaserBlock(D, 0.5, window=3, horizontal=4, vertical=2)),
    Case("nextitnet", lambda: NextItNetBlock(D, 0.5, kernel=3, dilation=2)),
    Case("attention", lambda: AttentionBlock(D, H, 0.5)),
    Case("attention with time", lambda: AttentionBlock(D, H, 0.5, time_bias=True), timed=True),
    Case("ligr", lambda: LiGRBlock(D, H, 0.5, expansion=2)),
    Case("ligr with time", lambda: LiGRBlock(D, H, 0.5, time_bias=True), timed=True),
    Case("hstu", lambda: HSTUBlock(D, H, 0.5, max_len=5), timed=True),
    Case("hstu without biases", lambda: HSTUBlock(D, H, 0.5, max_len=5, time_bias=False, position_bias=False)),
    Case("lru", lambda: LRUBlock(D, 0.5)),
]
every_block = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
sizes = settings(max_examples=12, deadline=None, derandomize=True)
lengths, batches, seeds = st.integers(1, 9), st.integers(1, 3), st.integers(0, 2**16)


def built(case: Case, seed: int, training: bool = False) -> nn.Module:
    """The block with every parameter moved, so that what starts at zero takes part."""
    torch.manual_seed(seed)
    block = case.build()
    with torch.no_grad():
        for parameter in block.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return block.train(training)


def drawn(batch: int, length: int, seed: int) -> tuple[torch.Tensor, Clock]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, length, D, generator=generator)
    gaps = (10 ** (8 * torch.rand(2, batch, length, generator=generator)) * 1e4).long()  # from a hundredth of a second to two weeks
    events = 1_000_000_000_000_000 + gaps[0].cumsum(1)
    return x, Clock(events, events + gaps[1])


def stepped(block: nn.Module, x: torch.Tensor, clock: Clock | None) -> torch.Tensor:
    state, states = block.initial(len(x)), []
    for t in range(x.shape[1]):
        now = None if clock is None else Clock(clock.events[:, t : t + 1], clock.requests[:, t : t + 1])
        y, state = block.step(x[:, t], state, now)
        states.append(y)
    return torch.stack(states, 1)


@every_block
@sizes
@given(batch=batches, length=st.integers(2, 9), seed=seeds, data=st.data())
def test_no_state_depends_on_later_inputs_or_times(case: Case, batch: int, length: int, seed: int, data: st.DataObject) -> None:
    block, (x, clock) = built(case, seed), drawn(batch, length, seed)
    t = data.draw(st.integers(1, length - 1))
    changed, events, requests = x.clone(), clock.events.clone(), clock.requests.clone()
    changed[:, t:] += 10
    events[:, t:] += 10**10
    requests[:, t:] += 10**11
    with torch.no_grad():
        before = block(x, clock)
        torch.testing.assert_close(block(changed, Clock(events, requests))[:, :t], before[:, :t])
        torch.testing.assert_close(block(x[:, :t], Clock(clock.events[:, :t], clock.requests[:, :t])), before[:, :t], atol=1e-5, rtol=1e-5)


@every_block
@sizes
@given(batch=batches, length=st.integers(2, 9), seed=seeds, data=st.data())
def test_a_state_depends_on_no_request_but_its_own(case: Case, batch: int, length: int, seed: int, data: st.DataObject) -> None:
    block, (x, clock) = built(case, seed), drawn(batch, length, seed)
    t = data.draw(st.integers(0, length - 1))
    requests = clock.requests.clone()
    requests[:, t] += 10**12
    others = torch.arange(length) != t
    with torch.no_grad():
        before, after = block(x, clock), block(x, Clock(clock.events, requests))
    torch.testing.assert_close(after[:, others], before[:, others])
    if not case.timed:
        assert torch.equal(after, before)


@pytest.mark.parametrize("case", [case for case in CASES if case.timed], ids=lambda case: case.name)
def test_a_state_depends_on_when_it_is_asked_for_and_when_events_happened(case: Case) -> None:
    block, (x, clock) = built(case, 0), drawn(B, L, 0)
    later = Clock(clock.events, clock.requests + 10**14)
    earlier = Clock(torch.cat([clock.events[:, :1] - 10**14, clock.events[:, 1:]], 1), clock.requests)
    before = block(x, clock)
    for other in (later, earlier):
        assert (block(x, other)[:, -1] != before[:, -1]).any(1).all()


@every_block
@sizes
@given(batch=batches, length=lengths, padding=st.integers(1, 4), seed=seeds)
def test_padding_on_the_right_changes_no_real_state_and_stays_finite(case: Case, batch: int, length: int, padding: int, seed: int) -> None:
    block, (x, clock) = built(case, seed), drawn(batch, length, seed)
    garbage = 1000 * torch.randn(batch, padding, D)
    garbage[:, :1] = 0
    zeros = torch.zeros(batch, padding, dtype=torch.int64)
    padded = Clock(torch.cat([clock.events, zeros], 1), torch.cat([clock.requests, zeros], 1))
    x.requires_grad_()
    states = block(torch.cat([x, garbage], 1), padded)
    torch.testing.assert_close(states[:, :length], block(x, clock), atol=1e-5, rtol=1e-5)
    assert states.isfinite().all()
    states.sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


@every_block
@pytest.mark.parametrize("with_clock", [True, False])
@sizes
@given(batch=batches, length=lengths, seed=seeds)
def test_one_event_at_a_time_gives_the_states_of_the_batch(case: Case, with_clock: bool, batch: int, length: int, seed: int) -> None:
    block, (x, clock) = built(case, seed), drawn(batch, length, seed)
    with torch.no_grad():
        used = clock if with_clock else None
        torch.testing.assert_close(stepped(block, x, used), block(x, used), atol=1e-5, rtol=1e-5)


@every_block
def test_a_step_leaves_the_state_that_it_was_given(case: Case) -> None:
    block, (x, clock) = built(case, 0), drawn(B, 4, 0)
    now = [Clock(clock.events[:, t : t + 1], clock.requests[:, t : t + 1]) for t in range(4)]
    with torch.no_grad():
        state = block.initial(B)
        for t in range(3):
            _, state = block.step(x[:, t], state, now[t])
        kept = {name: tensor.clone() for name, tensor in state.items()}
        first, after = block.step(x[:, 3], state, now[3])
        again, _ = block.step(x[:, 3], state, now[3])
    assert state.keys() == after.keys() == kept.keys()
    assert all(torch.equal(state[name], kept[name]) for name in kept)
    assert torch.equal(first, again)
    assert any(after[name].shape != kept[name].shape or not torch.equal(after[name], kept[name]) for name in kept)


@every_block
def test_gradients_reach_every_parameter(case: Case) -> None:
    x, clock = drawn(8, 9, 0)
    block = built(case, 0, training=True)
    (block(x, clock) * torch.randn(8, 9, D)).sum().backward()
    for name, parameter in block.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert (parameter.grad != 0).any(), name


@pytest.mark.parametrize("case", [case for case in CASES if case.timed], ids=lambda case: case.name)
def test_a_time_bias_starts_without_effect(case: Case) -> None:
    torch.manual_seed(0)
    block, (x, clock) = case.build().eval(), drawn(B, L, 0)
    assert torch.equal(block(x, clock), block(x))


@pytest.mark.parametrize("case", [case for case in CASES if case.timed], ids=lambda case: case.name)
def test_a_history_whose_events_have_times_only_here_and_there_is_refused(case: Case) -> None:
    block, (x, clock) = built(case, 0), drawn(B, 2, 0)
    now = Clock(clock.events[:, :1], clock.requests[:, :1])
    for first, second in ((now, None), (None, now)):
        _, state = block.step(x[:, 0], block.initial(B), first)
        with pytest.raises(DataError, match="event 2 differs"):
            block.step(x[:, 1], state, second)


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [
        (-5, 0),
        (0, 0),
        (1, 0),
        (1.499999, 0),
        (1.5, 1),
        (1.999999, 1),
        (2, 2),
        (3, 3),
        (4, 4),
        (5.999999, 4),
        (6, 5),
        (86_400, 32),
        (1e12, 63),
    ],
)
def test_two_buckets_to_each_doubling_of_a_gap(seconds: float, bucket: int) -> None:
    event = torch.tensor([[1_000_000_000_000_000]])
    assert gap_buckets(event + round(seconds * 1e6), event).item() == bucket  # 86,400 lies between 2^16 and 1.5 * 2^16
    assert gap_buckets(event + round(seconds * 1e6), event, 8).item() == min(bucket, 7)


def test_buckets_go_from_the_moment_of_the_state_to_the_event_and_are_computed_once() -> None:
    second = 1_000_000
    clock = Clock(torch.tensor([[0, 10 * second]]), torch.tensor([[4 * second, 14 * second]]))
    assert clock.buckets().tolist() == [[[4, 0], [7, 4]]]  # 4 s, -6 s; 14 s lies between 12 and 16, 4 s
    assert clock.buckets() is clock.buckets()
    assert clock.buckets(4) is not clock.buckets()
    assert clock.buckets(4).max() == 3


def test_a_clock_needs_one_request_an_event() -> None:
    with pytest.raises(DataError, match=r"got \(1, 2\) for \(1, 3\)"):
        Clock(torch.zeros(1, 3, dtype=torch.int64), torch.zeros(1, 2, dtype=torch.int64))


def test_dropout_keeps_its_share_and_the_mean_and_gives_gradients_to_what_it_kept() -> None:
    torch.manual_seed(0)
    x = torch.ones(999, 101, requires_grad=True)
    y = Dropout(0.3)(x)
    assert (y == 0).float().mean().item() == pytest.approx(0.3, abs=0.01)  # six standard deviations are 0.009
    assert y[y != 0].unique().item() == pytest.approx(1 / 0.7, rel=1e-4)
    y.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, y.detach())


def test_dropout_is_drawn_anew_and_repeats_with_its_seed() -> None:
    x, dropout = torch.ones(1000), Dropout(0.5)
    torch.manual_seed(0)
    first, second = dropout(x), dropout(x)
    torch.manual_seed(0)
    assert torch.equal(dropout(x), first)
    assert not torch.equal(first, second)
    assert (first * second).count_nonzero().item() == pytest.approx(250, abs=80)


def test_no_dropout_where_the_share_is_zero_or_nothing_is_trained() -> None:
    x = torch.randn(10)
    assert Dropout(0)(x) is x
    assert Dropout(0.9).eval()(x) is x
    with pytest.raises(ConfigError, match=r"got 1\.0"):
        Dropout(1.0)


def numbers(module: nn.Module) -> dict[str, np.ndarray]:
    return {name: parameter.detach().double().numpy() for name, parameter in module.named_parameters()}


def sigmoid(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


def normal(a: np.ndarray, weight: np.ndarray | float = 1.0, bias: np.ndarray | float = 0.0, eps: float = 1e-5) -> np.ndarray:
    return (a - a.mean(-1, keepdims=True)) / np.sqrt(a.var(-1, keepdims=True) + eps) * weight + bias


def bucket_of(microseconds: int) -> int:
    """The number of half-open steps 1.5, 2, 3, 4, 6, 8, ... that a gap in seconds has passed."""
    borders = sorted([2.0**e for e in range(1, 33)] + [1.5 * 2.0**e for e in range(32)])
    return min(63, sum(microseconds / 1e6 >= border for border in borders))


def compared(block: nn.Module, expected: Callable[[np.ndarray, Clock, int], np.ndarray], length: int = L) -> None:
    """The states of one batch against `expected(inputs (L, D), clock, row)` for each of its rows."""
    x, clock = drawn(2, length, 5)
    with torch.no_grad():
        states = block(x, clock).double().numpy()
    for row in range(2):
        np.testing.assert_allclose(states[row], expected(x[row].double().numpy(), clock, row), atol=2e-5, rtol=1e-4)


def softmax_attention(w: dict[str, np.ndarray], x: np.ndarray, clock: Clock, row: int) -> np.ndarray:
    """Causal attention with H heads and a time bias, one query and one key at a time."""
    e = D // H
    bias = w["attention.time_bias.weight"].reshape(H, 64)
    q, k, v = np.split(x @ w["attention.project.weight"].T + w["attention.project.bias"], 3, axis=1)
    mixed = np.zeros_like(x)
    for t in range(len(x)):
        for h in range(H):
            part = slice(h * e, (h + 1) * e)
            gaps = [int(clock.requests[row, t] - clock.events[row, j]) for j in range(t + 1)]
            weights = np.exp([q[t, part] @ k[j, part] / np.sqrt(e) + bias[h, bucket_of(gaps[j])] for j in range(t + 1)])
            mixed[t, part] = sum(weights[j] * v[j, part] for j in range(t + 1)) / weights.sum()
    return mixed @ w["attention.combine.weight"].T + w["attention.combine.bias"]


def test_the_attention_block_is_its_formula() -> None:
    block = built(Case("", lambda: AttentionBlock(D, H, 0.5, time_bias=True)), 1)
    w = numbers(block)

    def expected(x: np.ndarray, clock: Clock, row: int) -> np.ndarray:
        x = x + softmax_attention(w, normal(x, w["attention_norm.weight"], w["attention_norm.bias"]), clock, row)
        hidden = normal(x, w["feed_forward_norm.weight"], w["feed_forward_norm.bias"]) @ w["feed_forward.0.weight"].T
        return x + np.maximum(hidden + w["feed_forward.0.bias"], 0) @ w["feed_forward.3.weight"].T + w["feed_forward.3.bias"]

    compared(block, expected)


def test_the_ligr_block_is_its_formula() -> None:
    block = built(Case("", lambda: LiGRBlock(D, H, 0.5, expansion=2, time_bias=True)), 1)
    w = numbers(block)

    def expected(x: np.ndarray, clock: Clock, row: int) -> np.ndarray:
        attended = softmax_attention(w, normal(x, w["attention_norm.weight"], w["attention_norm.bias"]), clock, row)
        x = x + sigmoid(x @ w["attention_gate.weight"].T + w["attention_gate.bias"]) * attended
        inner = normal(x, w["feed_forward_norm.weight"], w["feed_forward_norm.bias"])
        first, second = np.split(inner @ w["feed_forward.widen.weight"].T, 2, axis=1)
        narrowed = (first * sigmoid(first) * second) @ w["feed_forward.narrow.weight"].T
        return x + sigmoid(x @ w["feed_forward_gate.weight"].T + w["feed_forward_gate.bias"]) * narrowed

    compared(block, expected)


def test_the_hstu_block_is_its_formula() -> None:
    max_len = 4  # below the length, so that far events share the last position bias
    block = built(Case("", lambda: HSTUBlock(D, H, 0.5, max_len)), 1)
    w, e = numbers(block), D // H

    def expected(x: np.ndarray, clock: Clock, row: int) -> np.ndarray:
        projected = normal(x, eps=1e-6) @ w["project.weight"].T
        u, q, k, v = np.split(projected * sigmoid(projected), 4, axis=1)
        mixed = np.zeros_like(x)
        for t in range(len(x)):
            for h in range(H):
                part = slice(h * e, (h + 1) * e)
                for j in range(t + 1):
                    gap = bucket_of(int(clock.requests[row, t] - clock.events[row, j]))
                    score = q[t, part] @ k[j, part] + w["position_bias"][min(t - j, max_len - 1)] + w["time_bias.weight"][gap]
                    mixed[t, part] += score * sigmoid(score) * v[j, part] / (t + 1)
        return x + (u * normal(mixed, eps=1e-6)) @ w["combine.weight"].T + w["combine.bias"]

    compared(block, expected)


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_a_recurrent_block_is_its_formula(kind: Literal["rnn", "lstm", "gru"]) -> None:
    block = built(Case("", lambda: RecurrentBlock(D, 0.5, kind)), 1)
    w = numbers(block)

    def expected(x: np.ndarray, clock: Clock, row: int) -> np.ndarray:
        h, c, states = np.zeros(D), np.zeros(D), []
        for event in x:
            read = w["layer.weight_ih_l0"] @ event + w["layer.bias_ih_l0"]
            kept = w["layer.weight_hh_l0"] @ h + w["layer.bias_hh_l0"]
            if kind == "rnn":
                h = np.tanh(read + kept)
            elif kind == "lstm":
                enter, forget, candidate, leave = np.split(read + kept, 4)
                c = sigmoid(forget) * c + sigmoid(enter) * np.tanh(candidate)
                h = sigmoid(leave) * np.tanh(c)
            else:
                (read_r, read_z, read_n), (kept_r, kept_z, kept_n) = np.split(read, 3), np.split(kept, 3)
                reset, update = sigmoid(read_r + kept_r), sigmoid(read_z + kept_z)
                h = (1 - update) * np.tanh(read_n + reset * kept_n) + update * h
            states.append(h)
        return np.array(states)

    compared(block, expected)


@pytest.mark.parametrize("window", [1, 3, 9])
def test_the_caser_block_is_a_window_at_every_position(window: int) -> None:
    block = built(Case("", lambda: CaserBlock(D, 0.5, window, horizontal=3, vertical=2)), 1)
    w = numbers(block)

    def expected(x: np.ndarray, clock: Clock, row: int) -> np.ndarray:
        padded, states = np.concatenate([np.zeros((window - 1, D)), x]), []
        for t in range(len(x)):
            seen = padded[t : t + window]
            parts = []
            for height in range(1, window + 1):
                weight, bias = w[f"horizontal.{height - 1}.weight"], w[f"horizontal.{height - 1}.bias"]
                values = [weight @ seen[top : top + height].ravel() + bias for top in range(window - height + 1)]
                parts.append(np.maximum(np.max(values, axis=0), 0))
            parts.append((w["vertical.weight"] @ seen + w["vertical.bias"][:, None]).T.ravel())
            states.append(np.maximum(w["combine.weight"] @ np.concatenate(parts) + w["combine.bias"], 0))
        return np.array(states)

    compared(block, expected)


def test_the_nextitnet_block_is_its_formula() -> None:
    block = built(Case("", lambda: NextItNetBlock(D, 0.5, kernel=3, dilation=2)), 1)
    w = numbers(block)

    def convolution(name: str, a: np.ndarray, dilation: int) -> np.ndarray:
        rows = []
        for t in range(len(a)):
            read = [a[t - back * dilation] if t >= back * dilation else np.zeros(D) for back in (2, 1, 0)]
            rows.append(w[f"{name}.weights.weight"] @ np.concatenate(read) + w[f"{name}.weights.bias"])
        return np.maximum(normal(np.array(rows), w[f"{name}_norm.weight"], w[f"{name}_norm.bias"]), 0)

    compared(block, lambda x, clock, row: x + convolution("far", convolution("near", x, 2), 4), length=12)


def test_the_lru_block_is_its_formula() -> None:
    block = built(Case("", lambda: LRUBlock(D, 0.5)), 1)
    w = numbers(block)

    def expected(x: np.ndarray, clock: Clock, row: int) -> np.ndarray:
        decay = np.exp(-np.exp(w["nu"]) + 1j * np.exp(w["theta"]))
        inputs = x @ w["read.weight"].T + w["read.bias"]
        h, outputs = np.zeros(2 * D, complex), []
        for event in inputs:
            h = decay * h + np.exp(w["gamma"]) * (event[0::2] + 1j * event[1::2])
            outputs.append(w["write.weight"][:, 0::2] @ h.real + w["write.weight"][:, 1::2] @ h.imag + w["write.bias"])
        x = normal(x + np.array(outputs), w["recurrence_norm.weight"], w["recurrence_norm.bias"])
        hidden = x @ w["feed_forward.0.weight"].T + w["feed_forward.0.bias"]
        hidden = hidden * (1 + np.vectorize(math.erf)(hidden / math.sqrt(2))) / 2
        x = x + hidden @ w["feed_forward.3.weight"].T + w["feed_forward.3.bias"]
        return normal(x, w["feed_forward_norm.weight"], w["feed_forward_norm.bias"])

    compared(block, expected)


def test_the_recurrence_has_the_gradients_of_a_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    u = torch.randn(6, 2, 3, generator=generator, dtype=torch.complex128).requires_grad_()
    decay = (0.9 * torch.exp(1j * torch.rand(3, generator=generator, dtype=torch.float64))).requires_grad_()
    weight = torch.randn(6, 2, 3, generator=generator, dtype=torch.complex128)
    states = [u[0]]
    for t in range(1, 6):
        states.append(decay * states[-1] + u[t])
    expected = torch.autograd.grad((torch.stack(states) * weight).real.sum(), [u, decay])
    h = _LinearRecurrence.apply(u, decay)
    torch.testing.assert_close(h, torch.stack(states))
    for found, wanted in zip(torch.autograd.grad((h * weight).real.sum(), [u, decay]), expected, strict=True):
        torch.testing.assert_close(found, wanted)


def test_the_lru_starts_in_its_ring_and_remembers_in_proportion() -> None:
    torch.manual_seed(0)
    block = LRUBlock(256, 0.0)
    modulus = block._decay().abs()
    assert modulus.min() >= 0.8
    assert modulus.max() <= 0.99
    torch.testing.assert_close(block.gamma.exp(), (1 - modulus**2).sqrt(), atol=1e-4, rtol=1e-4)


def test_fitted_sasrec_blocks_still_load() -> None:
    names = ["attention_norm", "feed_forward_norm", "attention.project", "attention.combine", "feed_forward.0", "feed_forward.3"]
    assert set(AttentionBlock(D, H, 0.5).state_dict()) == {f"{name}.{kind}" for name in names for kind in ("weight", "bias")}


def test_attention_beyond_the_mask_in_store_reads_the_clock_too() -> None:
    block = built(Case("", lambda: AttentionBlock(D, H, 0.5, time_bias=True)), 0)
    x, clock = drawn(1, 300, 0)
    with torch.no_grad():
        short = block(x[:, :200], Clock(clock.events[:, :200], clock.requests[:, :200]))
        torch.testing.assert_close(block(x, clock)[:, :200], short, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: RecurrentBlock(D, 0.5, "grru"), "rnn, lstm, gru, got 'grru'"),
        (lambda: CaserBlock(D, 0.5, window=0), "got 0, 16 and 4"),
        (lambda: NextItNetBlock(D, 0.5, kernel=3, dilation=0), "got 3 and 0"),
        (lambda: LiGRBlock(D, H, 0.5, expansion=0), "expansion must be at least 1, got 0"),
        (lambda: HSTUBlock(D, H, 0.5, max_len=0), "max_len must be at least 1, got 0"),
        (lambda: HSTUBlock(D, 3, 0.5, max_len=4), "got 3 heads and dim 8"),
    ],
)
def test_settings_that_make_no_block_are_refused(build: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build()
