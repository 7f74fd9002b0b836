"""Blocks that models share. Every one maps (B, L, D) to (B, L, D), and state t depends on events 0..t only.

`forward(x, clock)` gives all states of a batch; `initial(batch)` and `step(x, state, clock)` give the same states one event at a time,
and leave the state that they were given as it is. Only blocks with a time bias read the clock.
Right-padded input needs no mask beside the causal one: padding comes after all that is real.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Complex64, Float, Int32, Int64
from torch import Tensor, nn

from footpath.errors import ConfigError, DataError

State = dict[str, Tensor]

_LONG: Final = 256  # up to here, plain products are two to eight times faster on CPU than the fused kernel, which saves memory above
_BUCKETS: Final = 64  # of time gaps; the last begins at 2^31.5 seconds, so that no gap of a log reaches it
_SECOND: Final = 1_000_000


@dataclass(frozen=True, eq=False)
class Clock:
    """When each event happened, and the moment for which state t is asked, in microseconds: a state sees gaps from its own moment.

    requests: that of event t itself, or of the next event or request where this is known.
    """

    events: Int64[Tensor, "B L"]
    requests: Int64[Tensor, "B L"]
    _cache: dict[int, Tensor] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        if self.events.shape != self.requests.shape:
            raise DataError(f"a clock needs one request time an event, got {tuple(self.requests.shape)} for {tuple(self.events.shape)}")

    def buckets(self, n: int = _BUCKETS) -> Int32[Tensor, "B L L"]:
        """`gap_buckets` from the moment of each state (row) to each event (column), computed once for all blocks of a batch."""
        if n not in self._cache:
            self._cache[n] = gap_buckets(self.requests, self.events, n)
        return self._cache[n]


def gap_buckets(requests: Int64[Tensor, "B Q"], events: Int64[Tensor, "B K"], n: int = _BUCKETS) -> Int32[Tensor, "B Q K"]:
    """Two buckets to each doubling of the gap in seconds, in [0, n): 0 below 1.5 s or negative, 1 from 1.5 s, 2 from 2 s, 3 from 3 s.

    The public code of HSTU takes floor(ln(seconds) / 0.301), 2.3 to a doubling. Exponent and first fraction bit of a float are nearly
    that, several times faster than logarithms, and the same for one gap as for millions.
    """
    seconds = (requests[:, :, None] - events[:, None, :]).float().div_(_SECOND)
    halves = seconds.view(torch.int32).bitwise_right_shift_(22)  # the exponent, counted from 127, and one bit
    return halves.sub_(2 * 127).clamp_(0, n - 1)


class TimeBias(nn.Module):
    """A learned number for each bucket of time gaps and each head, added to scores; zero at the start."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.weight = nn.Parameter(torch.zeros(heads * _BUCKETS))  # flat, so that what fills matrices at random leaves it at zero

    def forward(self, buckets: Int32[Tensor, "B Q K"]) -> Float[Tensor, "B H Q K"]:
        where = buckets.flatten()  # one-dimensional look-ups have by far the fastest backward
        return torch.stack([weight.index_select(0, where).view(buckets.shape) for weight in self.weight.view(self.heads, _BUCKETS)], 1)


class Dropout(nn.Module):
    """nn.Dropout in a third of the CPU time: 16 random bits decide an element, so `share` is exact to 1 in 65,536."""

    def __init__(self, share: float) -> None:
        super().__init__()
        if not 0 <= share < 1:
            raise ConfigError(f"dropout must be at least 0 and below 1, got {share}")
        self.share = share

    def forward(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        if not self.training or self.share == 0:
            return x
        if x.device.type != "cpu":
            return F.dropout(x, self.share)
        kept = min(max(1, round((1 - self.share) * 2**16)), 2**16 - 1)
        bits = torch.empty(x.numel() // 4 + 1, dtype=torch.int64).random_(-(2**63), None)
        keep = bits.view(torch.int16)[: x.numel()].view(x.shape) < kept - 2**15
        return x * keep.to(x.dtype).mul_(2**16 / kept)


def feed_forward(dim: int, hidden: int, activation: nn.Module, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(dim, hidden), activation, Dropout(dropout), nn.Linear(hidden, dim))


class CausalSelfAttention(nn.Module):
    """Softmax attention of every event to itself and those before it; `heads` must divide `dim`.

    time_bias: scores depend also on how long before the moment of the state an event happened, where a clock is given.
    """

    def __init__(self, dim: int, heads: int, time_bias: bool = False) -> None:
        super().__init__()
        _check_heads(dim, heads)
        self.dim, self.heads = dim, heads
        self.project = nn.Linear(dim, 3 * dim)
        self.combine = nn.Linear(dim, dim)
        self.time_bias = TimeBias(heads) if time_bias else None
        self.later: Tensor
        self.register_buffer("later", _later(_LONG), persistent=False)

    def forward(self, x: Float[Tensor, "B L D"], clock: Clock | None = None) -> Float[Tensor, "B L D"]:
        b, length, dim = x.shape
        q, k, v = self.project(x).view(b, length, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4).contiguous()  # (B, H, L, D / H)
        timed = self.time_bias is not None and clock is not None
        if length > _LONG and not timed:
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            bias = self.later[:length, :length] if length <= _LONG else _later(length).to(x)
            if self.time_bias is not None and clock is not None:
                bias = self.time_bias(clock.buckets()) + bias
            mixed = attention(q, k, v, bias)
        return self.combine(mixed.transpose(1, 2).reshape(b, length, dim))

    def initial(self, batch: int) -> State:
        return _no_keys(batch, self.heads, self.project.weight, self.time_bias is not None)

    def step(self, x: Float[Tensor, "B D"], state: State, clock: Clock | None = None) -> tuple[Float[Tensor, "B D"], State]:
        b, dim = x.shape
        q, k, v = self.project(x).view(b, 3, self.heads, 1, dim // self.heads).unbind(1)  # (B, H, 1, D / H)
        state = _with_key(state, k, v, clock)
        scores = (q * q.shape[3] ** -0.5) @ state["keys"].transpose(2, 3)  # (B, H, 1, t + 1)
        if self.time_bias is not None and clock is not None:
            scores = scores + self.time_bias(gap_buckets(clock.requests, state["events"]))
        return self.combine((scores.softmax(3) @ state["values"]).reshape(b, dim)), state


def attention(
    q: Float[Tensor, "B H L E"], k: Float[Tensor, "B H L E"], v: Float[Tensor, "B H L E"], bias: Float[Tensor, "*B_H L L"]
) -> Float[Tensor, "B H L E"]:
    """Scaled softmax attention by way of (B, H, L, L) weights; the bias is added to query-by-key scores, -inf hides a key."""
    scores = (q * q.shape[3] ** -0.5) @ k.transpose(2, 3) + bias  # (B, H, L, L)
    return scores.softmax(3) @ v


class _AttentionThen(nn.Module):
    """Attention of a normalised copy, then what `_rest` makes of it and of the block's own input."""

    def __init__(self, dim: int, heads: int, time_bias: bool) -> None:
        super().__init__()
        self.attention_norm, self.feed_forward_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = CausalSelfAttention(dim, heads, time_bias)

    def forward(self, x: Float[Tensor, "B L D"], clock: Clock | None = None) -> Float[Tensor, "B L D"]:
        return self._rest(x, self.attention(self.attention_norm(x), clock))

    def initial(self, batch: int) -> State:
        return self.attention.initial(batch)

    def step(self, x: Float[Tensor, "B D"], state: State, clock: Clock | None = None) -> tuple[Float[Tensor, "B D"], State]:
        attended, state = self.attention.step(self.attention_norm(x), state, clock)
        return self._rest(x, attended), state

    def _rest(self, x: Float[Tensor, "*B D"], attended: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        raise NotImplementedError


class AttentionBlock(_AttentionThen):
    """Attention, then a feed-forward layer of the same width; each reads a normalised copy and adds to its input (SASRec)."""

    def __init__(self, dim: int, heads: int, dropout: float, time_bias: bool = False) -> None:
        super().__init__(dim, heads, time_bias)
        self.feed_forward = feed_forward(dim, dim, nn.ReLU(), dropout)
        self.dropout = Dropout(dropout)

    def _rest(self, x: Float[Tensor, "*B D"], attended: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        x = x + self.dropout(attended)
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))


class SwiGLU(nn.Module):
    """Feed-forward layer with a gate: W3 (SiLU(W1 x) * W2 x), without biases. Shazeer, 2020 (https://arxiv.org/abs/2002.05202)."""

    def __init__(self, dim: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.widen = nn.Linear(dim, 2 * hidden, bias=False)
        self.narrow = nn.Linear(hidden, dim, bias=False)
        self.dropout = Dropout(dropout)

    def forward(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        gate, value = self.widen(x).chunk(2, -1)
        return self.narrow(self.dropout(F.silu(gate) * value))


class LiGRBlock(_AttentionThen):
    """Attention, then SwiGLU, each of a normalised copy, and each added as far as a sigmoid of the block's own input lets it.

    x + sigmoid(W x) * f(norm(x)): Borisyuk et al., "From features to transformers", 2025 (https://arxiv.org/abs/2502.03417), as in eSASRec,
    Tikhonovich et al., RecSys 2025 (https://arxiv.org/abs/2508.06450), and its code, RecTools, where the gate reads what is not normalised
    and the feed-forward layer is SwiGLU without biases, `expansion` times as wide. Theirs also drops attention weights in training.
    """

    def __init__(self, dim: int, heads: int, dropout: float, expansion: int = 4, time_bias: bool = False) -> None:
        super().__init__(dim, heads, time_bias)
        if expansion < 1:
            raise ConfigError(f"expansion must be at least 1, got {expansion}")
        self.feed_forward = SwiGLU(dim, expansion * dim, dropout)
        self.attention_gate, self.feed_forward_gate = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.dropout = Dropout(dropout)

    def _rest(self, x: Float[Tensor, "*B D"], attended: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        x = x + self.attention_gate(x).sigmoid() * self.dropout(attended)
        return x + self.feed_forward_gate(x).sigmoid() * self.dropout(self.feed_forward(self.feed_forward_norm(x)))


class HSTUBlock(nn.Module):
    """Attention whose weights are SiLU of the scores instead of a softmax, so that how much there is counts and not only its shares.

    u, q, k, v = SiLU(W norm(x)); x + W'(u * norm(sum over j <= t of SiLU(q_t k_j + position bias + time bias) v_j / (t + 1))).
    Zhai et al., "Actions speak louder than words", ICML 2024 (https://arxiv.org/abs/2402.17152). Their code divides by the length of the
    padded batch; here by the number of events that are seen. Biases are shared by heads and start at zero; the position bias of events
    `max_len` or more apart is that of `max_len` - 1. Normalisations have no parameters, as in their code.
    """

    def __init__(self, dim: int, heads: int, dropout: float, max_len: int, time_bias: bool = True, position_bias: bool = True) -> None:
        super().__init__()
        _check_heads(dim, heads)
        if max_len < 1:
            raise ConfigError(f"max_len must be at least 1, got {max_len}")
        self.heads = heads
        self.norm = nn.LayerNorm(dim, eps=1e-6, elementwise_affine=False)  # for both: without parameters there is nothing to tell apart
        self.project = nn.Linear(dim, 4 * dim, bias=False)
        self.combine = nn.Linear(dim, dim)
        self.time_bias = TimeBias(1) if time_bias else None
        self.position_bias = nn.Parameter(torch.zeros(max_len)) if position_bias else None
        self.dropout = Dropout(dropout)

    def forward(self, x: Float[Tensor, "B L D"], clock: Clock | None = None) -> Float[Tensor, "B L D"]:
        b, length, dim = x.shape
        projected = F.silu(self.project(self.norm(x)))
        q, k, v = projected[:, :, dim:].view(b, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4).contiguous()  # (B, H, L, D / H)
        places = torch.arange(length, device=x.device)
        scores = self._scores(q, k, places[:, None] - places, clock.buckets() if clock is not None and self.time_bias is not None else None)
        mixed = (F.silu(scores).tril_() @ v).transpose(1, 2).reshape(b, length, dim) / (places + 1)[:, None]
        return self._rest(x, projected[:, :, :dim], mixed)

    def initial(self, batch: int) -> State:
        return _no_keys(batch, self.heads, self.project.weight, self.time_bias is not None)

    def step(self, x: Float[Tensor, "B D"], state: State, clock: Clock | None = None) -> tuple[Float[Tensor, "B D"], State]:
        b, dim = x.shape
        projected = F.silu(self.project(self.norm(x)))
        q, k, v = projected[:, dim:].view(b, 3, self.heads, 1, -1).unbind(1)  # (B, H, 1, D / H)
        state = _with_key(state, k, v, clock)
        seen = state["keys"].shape[2]
        timed = clock is not None and self.time_bias is not None
        buckets = gap_buckets(clock.requests, state["events"]) if clock is not None and timed else None
        scores = self._scores(q, state["keys"], torch.arange(seen - 1, -1, -1, device=x.device)[None], buckets)
        mixed = (F.silu(scores) @ state["values"]).reshape(b, dim) / seen
        return self._rest(x, projected[:, :dim], mixed), state

    def _scores(
        self,
        q: Float[Tensor, "B H Q E"],
        k: Float[Tensor, "B H K E"],
        distances: Int64[Tensor, "Q K"],
        buckets: Int32[Tensor, "B Q K"] | None,
    ) -> Float[Tensor, "B H Q K"]:
        scores = q @ k.transpose(2, 3)
        if self.position_bias is not None:
            near = distances.clamp(0, len(self.position_bias) - 1)
            scores += self.position_bias.index_select(0, near.flatten()).view(distances.shape)
        if self.time_bias is not None and buckets is not None:
            scores += self.time_bias(buckets)
        return scores

    def _rest(self, x: Float[Tensor, "*B D"], gate: Float[Tensor, "*B D"], mixed: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        return x + self.combine(self.dropout(gate * self.norm(mixed)))


class RecurrentBlock(nn.Module):
    """One layer of a recurrent network as Torch has it, then dropout.

    rnn: Elman, Cognitive Science 1990, with tanh. lstm: Hochreiter and Schmidhuber, Neural Computation 1997.
    gru: Cho et al., EMNLP 2014 (https://arxiv.org/abs/1406.1078).
    """

    def __init__(self, dim: int, dropout: float, kind: Literal["rnn", "lstm", "gru"]) -> None:
        super().__init__()
        layers: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
        if kind not in layers:
            raise ConfigError(f"kind must be one of {', '.join(layers)}, got {kind!r}")
        self.dim = dim
        self.memories = ("hidden", "cell") if kind == "lstm" else ("hidden",)
        self.layer = layers[kind](dim, dim, batch_first=True)
        self.dropout = Dropout(dropout)

    def forward(self, x: Float[Tensor, "B L D"], clock: Clock | None = None) -> Float[Tensor, "B L D"]:
        return self.dropout(self.layer(x)[0])

    def initial(self, batch: int) -> State:
        return {name: next(self.parameters()).new_zeros(batch, self.dim) for name in self.memories}

    def step(self, x: Float[Tensor, "B D"], state: State, clock: Clock | None = None) -> tuple[Float[Tensor, "B D"], State]:
        before = tuple(state[name][None] for name in self.memories)
        y, after = self.layer(x[:, None], before if len(before) > 1 else before[0])
        return self.dropout(y[:, 0]), dict(zip(self.memories, (h[0] for h in (after if len(before) > 1 else (after,))), strict=True))


class CausalConvolution(nn.Module):
    """A convolution along time whose output t reads `kernel` inputs, `dilation` apart, the last of them input t."""

    def __init__(self, dim: int, filters: int, kernel: int, dilation: int = 1) -> None:
        super().__init__()
        if min(kernel, dilation) < 1:
            raise ConfigError(f"kernel and dilation must be at least 1, got {kernel} and {dilation}")
        self.kernel, self.dilation, self.reach = kernel, dilation, (kernel - 1) * dilation
        self.weights = nn.Linear(kernel * dim, filters)

    def forward(self, x: Float[Tensor, "B reach+L D"]) -> Float[Tensor, "B L filters"]:
        """The first `reach` positions are only read."""
        length = x.shape[1] - self.reach
        starts = range(0, self.reach + 1, self.dilation)
        return self.weights(torch.cat([x[:, start : start + length] for start in starts], 2))


class CaserBlock(nn.Module):
    """Convolutions over the last `window` inputs, at every position at once; before the first input are zeros.

    Tang and Wang, WSDM 2018 (https://arxiv.org/abs/1809.07426), without the user's vector. horizontal: filters of each height from 1 to
    `window`, as wide as the input, of which the largest value inside the window counts. vertical: filters that weigh the inputs of the
    window, the same in every dimension. A linear layer and ReLU lead back to D.
    """

    def __init__(self, dim: int, dropout: float, window: int = 5, horizontal: int = 16, vertical: int = 4) -> None:
        super().__init__()
        if min(window, horizontal, vertical) < 1:
            raise ConfigError(f"window, horizontal and vertical must be at least 1, got {window}, {horizontal} and {vertical}")
        self.dim, self.window = dim, window
        self.horizontal = nn.ModuleList(nn.Linear(height * dim, horizontal) for height in range(1, window + 1))
        self.vertical = nn.Linear(window, vertical)
        self.combine = nn.Linear(window * horizontal + vertical * dim, dim)
        self.dropout = Dropout(dropout)

    def forward(self, x: Float[Tensor, "B L D"], clock: Clock | None = None) -> Float[Tensor, "B L D"]:
        return self._states(F.pad(x, (0, 0, self.window - 1, 0)))

    def initial(self, batch: int) -> State:
        return {"recent": self.combine.weight.new_zeros(batch, self.window - 1, self.dim)}

    def step(self, x: Float[Tensor, "B D"], state: State, clock: Clock | None = None) -> tuple[Float[Tensor, "B D"], State]:
        recent = torch.cat([state["recent"], x[:, None]], 1)
        return self._states(recent)[:, 0], {"recent": recent[:, 1:]}

    def _states(self, x: Float[Tensor, "B window-1+L D"]) -> Float[Tensor, "B L D"]:
        places, width = x.shape[1], self.window * self.dim
        before = F.pad(x, (0, 0, self.window - 1, 0))
        windows = torch.cat([before[:, start : start + places] for start in range(self.window)], 2)  # (B, places, width)
        weights, biases = zip(*((filters.weight, filters.bias) for filters in self.horizontal), strict=True)
        weight = torch.cat([F.pad(w, (width - w.shape[1], 0)) for w in weights])  # one product for all heights
        values = F.linear(windows, weight, torch.cat(biases)).transpose(1, 2)
        parts = []
        for height, inside in enumerate(values.chunk(self.window, 1), start=1):  # (B, filters, places), by where the filter ends
            parts.append(F.max_pool1d(inside[:, :, height - 1 :], self.window - height + 1, 1).transpose(1, 2).relu())
        parts.append(self.vertical(x.unfold(1, self.window, 1)).flatten(2))  # (B, L, D, window) to (B, L, D * vertical)
        return self.combine(self.dropout(torch.cat(parts, 2))).relu()


class NextItNetBlock(nn.Module):
    """Two dilated causal convolutions, the second twice as far apart, each normalised and cut off at zero, added to the input.

    Yuan et al., "A simple convolutional generative network for next item recommendation", WSDM 2019 (https://arxiv.org/abs/1808.05163),
    residual block (b). Before the first input are zeros.
    """

    def __init__(self, dim: int, dropout: float, kernel: int = 3, dilation: int = 1) -> None:
        super().__init__()
        self.dim = dim
        self.near = CausalConvolution(dim, dim, kernel, dilation)
        self.far = CausalConvolution(dim, dim, kernel, 2 * dilation)
        self.near_norm, self.far_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.dropout = Dropout(dropout)

    def forward(self, x: Float[Tensor, "B L D"], clock: Clock | None = None) -> Float[Tensor, "B L D"]:
        near = self.near_norm(self.near(F.pad(x, (0, 0, self.near.reach, 0)))).relu()
        far = self.far_norm(self.far(F.pad(near, (0, 0, self.far.reach, 0)))).relu()
        return x + self.dropout(far)

    def initial(self, batch: int) -> State:
        weight = self.near_norm.weight
        return {"x": weight.new_zeros(batch, self.near.reach, self.dim), "near": weight.new_zeros(batch, self.far.reach, self.dim)}

    def step(self, x: Float[Tensor, "B D"], state: State, clock: Clock | None = None) -> tuple[Float[Tensor, "B D"], State]:
        xs = torch.cat([state["x"], x[:, None]], 1)
        nears = torch.cat([state["near"], self.near_norm(self.near(xs)).relu()], 1)
        far = self.far_norm(self.far(nears)).relu()[:, 0]
        return x + self.dropout(far), {"x": xs[:, 1:], "near": nears[:, 1:]}


class LRUBlock(nn.Module):
    """A linear recurrence of complex numbers, each turning and fading at its own learned pace, then a feed-forward layer.

    h_t = lambda * h_{t-1} + gamma * B x_t with lambda = exp(-exp(nu) + i exp(theta)), so that |lambda| < 1 whatever is learned; the output
    is the real part of C h_t. Orvieto et al., ICML 2023 (https://arxiv.org/abs/2303.06349); for recommendation LRURec, Yue et al.,
    WSDM 2024 (https://arxiv.org/abs/2310.02367), from which are 2 D numbers, |lambda| between 0.8 and 0.99 at the start, gamma that begins
    as sqrt(1 - |lambda|^2) and is learned, normalisation after each sum, and GELU at four times the width.
    """

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.size = 2 * dim
        modulus = (torch.rand(self.size) * (0.99**2 - 0.8**2) + 0.8**2).sqrt()
        self.nu = nn.Parameter((-modulus.log()).log())
        self.theta = nn.Parameter((torch.rand(self.size) * 2 * math.pi).clamp(min=1e-6).log())
        self.gamma = nn.Parameter((1 - modulus**2).sqrt().log())
        self.read = nn.Linear(dim, 2 * self.size)  # B: real and imaginary part of each number side by side
        self.write = nn.Linear(2 * self.size, dim)  # C, whose imaginary part is here with the other sign
        self.recurrence_norm, self.feed_forward_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.feed_forward = feed_forward(dim, 4 * dim, nn.GELU(), dropout)
        self.dropout = Dropout(dropout)

    def forward(self, x: Float[Tensor, "B L D"], clock: Clock | None = None) -> Float[Tensor, "B L D"]:
        h: Tensor = _LinearRecurrence.apply(self._inputs(x.transpose(0, 1)), self._decay())  # type: ignore[no-untyped-call]
        return self._rest(x, h.transpose(0, 1))

    def initial(self, batch: int) -> State:
        return {"h": torch.zeros(batch, self.size, dtype=torch.complex64, device=self.nu.device)}

    def step(self, x: Float[Tensor, "B D"], state: State, clock: Clock | None = None) -> tuple[Float[Tensor, "B D"], State]:
        h = self._decay() * state["h"] + self._inputs(x)
        return self._rest(x, h), {"h": h}

    def _decay(self) -> Complex64[Tensor, " S"]:
        return torch.polar((-self.nu.exp()).exp(), self.theta.exp())

    def _inputs(self, x: Float[Tensor, "*B D"]) -> Complex64[Tensor, "*B S"]:
        gamma = self.gamma.exp().repeat_interleave(2)
        u = F.linear(x, self.read.weight * gamma[:, None], self.read.bias * gamma)
        return torch.view_as_complex(u.float().view(*u.shape[:-1], self.size, 2))  # there are no complex numbers of bf16

    def _rest(self, x: Float[Tensor, "*B D"], h: Complex64[Tensor, "*B S"]) -> Float[Tensor, "*B D"]:
        x = self.recurrence_norm(x + self.dropout(self.write(torch.view_as_real(h).flatten(-2))))
        return self.feed_forward_norm(x + self.dropout(self.feed_forward(x)))


class _LinearRecurrence(torch.autograd.Function):
    """h_t = decay * h_{t-1} + u_t. One position after another, in place: a sixth of the CPU time of recursive doubling at L = 200."""

    @staticmethod
    def forward(ctx: Any, u: Complex64[Tensor, "L B S"], decay: Complex64[Tensor, " S"]) -> Complex64[Tensor, "L B S"]:
        h = u.clone(memory_format=torch.contiguous_format)
        for t in range(1, len(h)):
            h[t].addcmul_(decay, h[t - 1])
        ctx.save_for_backward(h, decay)
        return h

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        h, decay = ctx.saved_tensors
        to_u, back = gradients[0].clone(memory_format=torch.contiguous_format), decay.conj().resolve_conj()
        for t in range(len(h) - 2, -1, -1):
            to_u[t].addcmul_(back, to_u[t + 1])
        return to_u, (to_u[1:] * h[:-1].conj()).sum((0, 1))


def _check_heads(dim: int, heads: int) -> None:
    if dim % heads:
        raise ConfigError(f"heads must divide dim, got {heads} heads and dim {dim}")


def _later(length: int) -> Float[Tensor, "L L"]:
    """The causal mask: minus infinity where the key comes after the query."""
    return torch.full((length, length), -torch.inf).triu(1)


def _no_keys(batch: int, heads: int, weight: Tensor, timed: bool) -> State:
    nothing = weight.new_zeros(batch, heads, 0, weight.shape[1] // heads)
    times = {"events": torch.zeros(batch, 0, dtype=torch.int64, device=weight.device)} if timed else {}
    return {"keys": nothing, "values": nothing, **times}


def _with_key(state: State, k: Float[Tensor, "B H 1 E"], v: Float[Tensor, "B H 1 E"], clock: Clock | None) -> State:
    """One more event behind those that were seen; raises DataError where some of them have a time and others have none."""
    after = {"keys": torch.cat([state["keys"], k], 2), "values": torch.cat([state["values"], v], 2)}
    if "events" not in state:
        return after
    if state["keys"].shape[2] and (clock is None) != (state["events"].shape[1] == 0):
        raise DataError(f"all events of a history need a time, or none: event {state['keys'].shape[2] + 1} differs from those before it")
    return {**after, "events": state["events"] if clock is None else torch.cat([state["events"], clock.events], 1)}
