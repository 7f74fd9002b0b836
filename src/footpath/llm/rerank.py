"""Candidates of a first stage in a new order, as far as a language model was seen to help on validation, and no further.

The model is shown a few events of the user and the candidates behind letters, and only how likely each letter is as the next token is
read. Nothing is generated: what is no candidate, or is there twice, cannot come of it. Models favour places whatever stands there (Hou et
al., "Large language models are zero-shot rankers for recommender systems", ECIR 2024, https://arxiv.org/abs/2305.08845), so several orders
are asked, and what a place gets by itself is taken off (Zhou et al., "Batch calibration", ICLR 2024, https://arxiv.org/abs/2309.17249).
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float64, Int64

from footpath.errors import ConfigError
from footpath.llm.gateway.gateway import NO_MODEL, Gateway
from footpath.llm.gateway.quoting import CLOSE, OPEN, RULE, quoted
from footpath.models.item_text import tfidf
from footpath.sequences.dataset import ItemFeatures
from footpath.statistics import PairedDifference, paired_difference, seeded

LETTERS: Final = "ABCDEFGHIJKLMNOPQRST"
MOST_CANDIDATES: Final = len(LETTERS)
MOST_HISTORY: Final = 10
WEIGHTS: Final = (0.0, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
"""What the model's standard scores are multiplied by before they are added to the first stage's; 0 leaves it alone."""
PURPOSE: Final = "rerank"
NO_WEIGHT: Final = "the weight is 0, so the model is not asked"
NO_HISTORY: Final = "there is no event with a title to tell the model of"

_FORMAT: Final = 1
_TITLE: Final = 60  # characters of a title in a prompt
_READ: Final = 500  # newest titles among which like ones are looked for


@dataclass(frozen=True)
class Candidate:
    """An item that the first stage found, with its score; where it has no title the model is shown its id."""

    item_id: str
    title: str
    score: float


@dataclass(frozen=True, eq=False)
class Weighing:
    """What a model said of the candidates of one question; where `why` is not empty it said nothing, and the arrays are empty.

    orders: which candidate stood at each slot. logprobs: of the letter of each slot. asked: calls to the model. from_cache: answers that
    took none. Tokens, seconds and CPU-seconds are of all.
    """

    orders: Int64[np.ndarray, "P C"]
    logprobs: Float64[np.ndarray, "P C"]
    why: str = ""
    asked: int = 0
    from_cache: int = 0
    tokens: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    def scores(self, bias: Sequence[float] = ()) -> Float64[np.ndarray, " C"]:
        """Of each candidate, the mean over the orders of its log-probability less the bias of the slot where it stood."""
        found = np.empty(self.logprobs.shape)
        off = np.zeros(self.logprobs.shape[1])
        off[: len(bias)] = bias[: len(off)]
        np.put_along_axis(found, self.orders, self.logprobs - off, axis=1)
        return found.mean(axis=0)


@dataclass(frozen=True)
class Reranked:
    """Places of the candidates, best first. model: what was added to their standard scores, before the weight; None where nothing was.

    why: why it is the order of the first stage, or by what it was changed.
    """

    order: tuple[int, ...]
    changed: bool
    why: str
    model: tuple[float, ...] | None = None
    calls: int = 0
    tokens: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0


@dataclass(frozen=True)
class Reranker:
    """A language model behind a first stage. weight, bias: as they were learned on validation, see `learned_weight` and `slot_bias`.

    candidates: how many of the best are put in order, at most 20; those after them stay. history: events that the model is told of, at
    most 10. orders: in which the candidates are shown, an even number. deadline_seconds: of a question; a call that has begun is ended by
    the gateway's own patience.
    """

    gateway: Gateway
    weight: float = 0.0
    bias: tuple[float, ...] = ()
    candidates: int = MOST_CANDIDATES
    history: int = MOST_HISTORY
    orders: int = 4
    seed: int = 0
    deadline_seconds: float = 30.0
    learned: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (np.isfinite(self.weight) and self.weight >= 0):
            raise ConfigError(f"the weight of the model must be 0 or more, got {self.weight:g}")
        if not 2 <= self.candidates <= MOST_CANDIDATES:
            raise ConfigError(f"candidates must be 2 to {MOST_CANDIDATES}, one letter each, got {self.candidates}")
        if not 1 <= self.history <= MOST_HISTORY:
            raise ConfigError(f"history must be 1 to {MOST_HISTORY} events, got {self.history}")
        if self.orders < 2 or self.orders % 2:
            raise ConfigError(f"orders must be an even number of at least 2, each order and its reverse, got {self.orders}")

    def rerank(self, history: Sequence[str], candidates: Sequence[Candidate]) -> Reranked:
        """The candidates, given best first, in their final order; without an answer of the model, in the one they came in.

        history: titles, oldest first. Raises ConfigError for scores that are no numbers, and nothing for what the model does.
        """
        as_given = tuple(range(len(candidates)))
        if self.weight == 0:
            return Reranked(as_given, False, NO_WEIGHT)
        head = candidates[: self.candidates]
        if len(head) < 2:
            return Reranked(as_given, False, f"{len(head)} candidates have one order")
        first = standard(np.array([candidate.score for candidate in head], np.float64))
        weighed = self.weigh(history, head)
        cost: dict[str, Any] = {
            "calls": weighed.asked,
            "tokens": weighed.tokens,
            "seconds": weighed.seconds,
            "cpu_seconds": weighed.cpu_seconds,
        }
        if weighed.why:
            return Reranked(as_given, False, weighed.why, **cost)
        model = standard(weighed.scores(self.bias))
        order = (*fused(first, model, self.weight).tolist(), *as_given[len(head) :])
        said = f"the model's scores count {self.weight:g} times those of the first stage"
        return Reranked(order, order != as_given, said, tuple(model.tolist()), **cost)

    def weigh(self, history: Sequence[str], candidates: Sequence[Candidate]) -> Weighing:
        """How likely each candidate is to be named in each order; nothing of it where one order gets no answer."""
        n = len(candidates)
        if not 2 <= n <= self.candidates:
            raise ConfigError(f"2 to {self.candidates} candidates can be weighed, got {n}")
        if not self.gateway.has_model:
            return _unweighed(NO_MODEL)
        shown = [candidate.title.strip() or candidate.item_id for candidate in candidates]
        told = relevant_history(history, shown, self.history)
        if not told:
            return _unweighed(NO_HISTORY)
        fields = {"item.title": [*told, *(c.title for c in candidates if c.title.strip())]}
        if ids := [c.item_id for c in candidates if not c.title.strip()]:
            fields["item.id"] = ids
        orders = slot_orders(n, self.orders, _question_seed(self.seed, candidates))
        logprobs = np.empty(orders.shape)
        asked = cached = tokens = 0
        cpu_seconds, started = 0.0, time.monotonic()
        for place, order in enumerate(orders):
            if time.monotonic() - started > self.deadline_seconds:
                why = f"the model did not answer {self.orders} orders within {self.deadline_seconds:g} s"
                return _unweighed(why, asked, cached, tokens, time.monotonic() - started, cpu_seconds)
            choice = self.gateway.choose(letter_prompt(told, [shown[c] for c in order]), LETTERS[:n], purpose=PURPOSE, fields=fields)
            asked, cached = asked + choice.calls, cached + (choice.origin == "cache")
            tokens += choice.prompt_tokens + choice.completion_tokens
            cpu_seconds += choice.cpu_seconds
            if choice.logprobs is None:
                return _unweighed(choice.why, asked, cached, tokens, time.monotonic() - started, cpu_seconds)
            logprobs[place] = [choice.logprobs[letter] for letter in LETTERS[:n]]
        if not np.isfinite(logprobs).all():
            return _unweighed("a letter has no log-probability", asked, cached, tokens, time.monotonic() - started, cpu_seconds)
        return Weighing(orders, logprobs, "", asked, cached, tokens, time.monotonic() - started, cpu_seconds)

    def save(self, path: Path) -> None:
        """As JSON: what was learned, and of which model."""
        settings = {name: getattr(self, name) for name in ("weight", "bias", "candidates", "history", "orders", "seed", "deadline_seconds")}
        record = {"format": _FORMAT, "model": model_identity(self.gateway), **settings, "learned": dict(self.learned)}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def read_reranker(path: Path, gateway: Gateway) -> Reranker:
    """What `Reranker.save` wrote. Raises ConfigError for another file, or where the weight was learned for another model."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["format"] != _FORMAT:
            raise ConfigError(f"{path} has format {record['format']}, this version reads {_FORMAT}: learn the weight again")
        settings = {name: record[name] for name in ("weight", "candidates", "history", "orders", "seed", "deadline_seconds")}
        reranker = Reranker(gateway, bias=tuple(float(value) for value in record["bias"]), learned=record["learned"], **settings)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is no reranker ({error}); write one with `footpath rerank STORE --model M --into {path}`") from error
    if reranker.weight and record["model"] != model_identity(gateway):
        raise ConfigError(
            f"{path}: the weight {reranker.weight:g} was learned for {record['model']}, and the model is now "
            f"{model_identity(gateway)}: learn it again with `footpath rerank`"
        )
    return reranker


def model_identity(gateway: Gateway) -> str:
    """What tells its model from any other; `none` without one."""
    return "none" if gateway.backend is None else gateway.backend.identity


def slot_orders(n: int, count: int, seed: int) -> Int64[np.ndarray, "count n"]:
    """Orders of n candidates: rotations of one shuffled order, evenly apart, each followed by its reverse.

    A candidate at slot s of one is at slot n - 1 - s of the next: what grows evenly with the slot cancels.
    """
    base = seeded(seed).permutation(n)
    turns = count // 2
    found = [np.roll(base, -(turn * n // turns)) for turn in range(turns)]
    return np.array([order for turned in found for order in (turned, turned[::-1])], np.int64)


def slot_bias(weighed: Sequence[Weighing], n: int) -> tuple[float, ...]:
    """What each of n slots gets whatever stands there: its mean log-probability over all prompts, less that of all slots.

    Prompts with fewer candidates than n have fewer slots. Zeros where nothing was answered.
    """
    total, seen = np.zeros(n), np.zeros(n)
    for one in weighed:
        slots = one.logprobs.shape[1]
        total[:slots] += (one.logprobs - one.logprobs.mean(axis=1, keepdims=True)).sum(axis=0)
        seen[:slots] += len(one.logprobs)
    return tuple(np.divide(total, seen, out=np.zeros(n), where=seen > 0).tolist())


def standard(scores: Float64[np.ndarray, " C"]) -> Float64[np.ndarray, " C"]:
    """Less their mean, over their standard deviation; zeros where all are equal. Raises ConfigError for what is no number."""
    if not np.isfinite(scores).all():
        raise ConfigError(f"{int((~np.isfinite(scores)).sum())} of {len(scores)} scores are no finite numbers: leave these candidates out")
    away = scores - scores.mean()
    spread = away.std()
    return away / spread if spread > 1e-9 * np.abs(scores).max(initial=0.0) else np.zeros(len(scores))


def fused(first: Float64[np.ndarray, " C"], model: Float64[np.ndarray, " C"], weight: float) -> Int64[np.ndarray, " C"]:
    """Places by `first + weight * model`, best first; equal ones in the order in which they came, as all are at weight 0."""
    if weight == 0:
        return np.arange(len(first))
    return np.argsort(-(first + weight * model), kind="stable")


@dataclass(frozen=True)
class LearnedWeight:
    """The weight that validation bears out. best: the one with the highest mean. gain: of `best` over weight 0, per user.

    confidence: of the interval of the gain, so wide that all weights together are wrongly called a gain in 5 % of cases at most.
    """

    weight: float
    best: float
    gain: PairedDifference
    confidence: float
    why: str


def learned_weight(
    figures: Mapping[float, Float64[np.ndarray, " B"]], *, groups: Int64[np.ndarray, " B"] | None = None, seed: int = 0
) -> LearnedWeight:
    """A weight by a figure of each validation user under each, such as NDCG@10; weight 0 must be among them.

    The rule: the weight with the highest mean, of equal ones the smallest; taken only where its gain over weight 0 has a bootstrap interval
    above zero, at 1 - 0.05 / (number of weights above 0). Else 0.
    """
    if 0.0 not in figures:
        raise ConfigError("weight 0 must be among the weights, for it is what the others are compared with")
    means = {weight: float(np.nanmean(values)) if len(values) else 0.0 for weight, values in sorted(figures.items())}
    best = max(means, key=lambda weight: (round(means[weight], 12), -weight))
    confidence = 1 - 0.05 / max(1, len(figures) - 1)
    if best == 0:
        n = len(figures[0.0])
        return LearnedWeight(0.0, 0.0, PairedDifference(0.0, 0.0, 0.0, 1.0, n), confidence, f"no weight is better on {n} users")
    gain = paired_difference(figures[best], figures[0.0], groups=groups, confidence=confidence, resamples=4_000, seed=seed)
    shown = f"{gain.difference:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}] on {gain.n} users"
    if gain.low > 0:
        return LearnedWeight(best, best, gain, confidence, f"weight {best:g} gains {shown}")
    return LearnedWeight(0.0, best, gain, confidence, f"the best weight, {best:g}, gains {shown}: not told from nothing")


def relevant_history(history: Sequence[str], candidates: Sequence[str], n: int) -> list[str]:
    """At most n different titles, oldest first: the newest half, and of the 500 newest those most like the candidates.

    Likeness: the mean cosine of TF-IDF over these titles; equal ones by age, the newest first.
    """
    newest_first = list(dict.fromkeys(title.strip() for title in reversed(history) if title.strip()))[:_READ]
    if len(newest_first) <= n:
        return newest_first[::-1]
    newest = n - n // 2
    rest = newest_first[newest:]
    texts = ["", *rest, *candidates]
    empty = [""] * len(texts)
    rows = tfidf(ItemFeatures(texts, empty, empty, [()] * len(texts)))
    of_candidates = np.asarray(rows[1 + len(rest) :].mean(axis=0)).ravel()
    likeness = rows[1 : 1 + len(rest)] @ of_candidates
    alike = np.argsort(-np.round(likeness, 9), kind="stable")[: n // 2]
    return [newest_first[place] for place in sorted({*range(newest), *(newest + alike).tolist()}, reverse=True)]


def letter_prompt(history: Sequence[str], candidates: Sequence[str]) -> str:
    """What is asked: first the history in one fence, for what begins alike is computed once; each candidate in a fence of its own."""
    told = quoted("; ".join(as_shown(title) for title in history), limit=(_TITLE + 2) * max(1, len(history)))
    lines = "\n".join(f"{letter}. {quoted(title, limit=_TITLE)}" for letter, title in zip(LETTERS, candidates, strict=False))
    return f"{RULE}\nSomebody chose, oldest first: {told}\nWhat will the same person choose next?\n{lines}\nAnswer with one letter."


def as_shown(title: str) -> str:
    """A title as prompts show it, without its fence."""
    return quoted(title, limit=_TITLE).removeprefix(OPEN).removesuffix(CLOSE)


def _question_seed(seed: int, candidates: Sequence[Candidate]) -> int:
    """Another order for each question, or slots would stand for places of the first stage; the same for the same question."""
    return seed + zlib.crc32("\0".join(candidate.item_id for candidate in candidates).encode(errors="replace"))


def _unweighed(why: str, asked: int = 0, from_cache: int = 0, tokens: int = 0, seconds: float = 0.0, cpu_seconds: float = 0.0) -> Weighing:
    nothing = np.zeros((0, 0))
    return Weighing(nothing.astype(np.int64), nothing, why, asked, from_cache, tokens, seconds, cpu_seconds)
