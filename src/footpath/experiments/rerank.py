"""Did the language model help? A reranker's weight learned on validation, and what it does to all test users.

Only the order within the candidates of the first stage changes, so a user whose answer is not among them counts the same before and after:
every user is in every figure, and the model is asked only where the answer could move.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
from jaxtyping import Float64, Int32

from footpath.errors import ConfigError, DataError
from footpath.evaluation.metrics import PER_LIST
from footpath.evaluation.rankings import judge
from footpath.events.log import EventLog
from footpath.events.store import open_store
from footpath.experiments.compare import fit, named
from footpath.experiments.runs import read_record, store_of
from footpath.experiments.validation import check_items, choose_split
from footpath.llm.gateway.gateway import Gateway
from footpath.llm.gateway.quoting import CLOSE, OPEN, RULE, quoted
from footpath.llm.rerank import (
    PURPOSE,
    WEIGHTS,
    Candidate,
    LearnedWeight,
    Reranker,
    Weighing,
    as_shown,
    fused,
    learned_weight,
    model_identity,
    relevant_history,
    slot_bias,
    standard,
)
from footpath.models import catalog
from footpath.progress import Progress
from footpath.recommender import Recommender, recommend
from footpath.sequences.dataset import ItemFeatures, SequenceDataset
from footpath.sequences.split import Holdout, Split
from footpath.statistics import Interval, PairedDifference, bootstrap_means, paired_difference, seeded, wilson

K: Final = 10
_LISTED: Final = 5  # items that the probe asks for
_PROBE_TOKENS: Final = 200

ERRORS: Final = ("off-list", "copy", "duplicate", "history")
"""What a list that a model writes can get wrong: an item that is neither candidate nor history; lines of the prompt in their own order,
three or more, so that nothing was ranked; an item twice; an item of the history."""


@dataclass(frozen=True)
class Row:
    """One way to order the candidates. against_first: NDCG@10 less that of the first stage, on the same users."""

    name: str
    ndcg: Interval
    recall: Interval
    against_first: PairedDifference

    def to_dict(self) -> dict[str, Any]:
        """Plain types only."""
        means = {"ndcg@10": self.ndcg.to_dict(), "recall@10": self.recall.to_dict()}
        return {"name": self.name, **means, "ndcg@10 - first stage": self.against_first.to_dict()}


@dataclass(frozen=True)
class Stability:
    """How much the order in which candidates are shown decides. None where nothing was asked.

    kendall_tau: between the model's rankings under two orders, mean over pairs and users: 1 the same, 0 unrelated. same_first: share of
    pairs whose best is the same candidate. first_slot: share of prompts in which the slot at the top is the likeliest; by chance: 1 / n.
    """

    kendall_tau: float | None
    same_first: float | None
    first_slot: Interval
    chance: float
    n_users: int

    def to_dict(self) -> dict[str, Any]:
        """Plain types only."""
        return dataclasses.asdict(self) | {"first_slot": self.first_slot.to_dict()}


@dataclass(frozen=True)
class Cost:
    """For a thousand users, as it would be where each is asked; None where all answers came from the cache. n_users: measured on these."""

    calls: float | None
    tokens: float | None
    cpu_seconds: float | None
    seconds: float | None
    n_users: int
    from_cache: int
    answers: int


@dataclass(frozen=True, eq=False)
class RerankReport:
    """The table "did it help?". reranker: with what was learned, ready to serve.

    n_users: of the test. n_reachable: of these, with an answer among the candidates: only they can gain or lose. against_chance: NDCG@10
    of the model alone less that of the candidates in random order; None where it never answered. fell_back: questions without an answer of
    the model, by reason; there the first stage's list stands in every row.
    errors: share of the probe's lists with each of `ERRORS`. unlisted: lists that the probe did not get.
    """

    data: str
    protocol: str
    why_protocol: str
    first_stage: str
    reranker: Reranker
    learned: LearnedWeight
    n_validation: int
    n_validation_reachable: int
    n_users: int
    n_reachable: int
    rows: Sequence[Row]
    against_chance: PairedDifference | None
    stability: Stability
    cost: Cost
    errors: Mapping[str, Interval]
    unlisted: int
    fell_back: Mapping[str, int]

    @property
    def verdict(self) -> str:
        """In words, of the learned weight on the test users."""
        if self.against_chance is None:
            return f"not shown: the model answered no question ({', '.join(self.fell_back) or 'no answer is among the candidates'})"
        gain = next(row for row in self.rows if row.name == "fused").against_first
        shown = f"{gain.difference:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}] NDCG@10 on {gain.n:,} users"
        if self.reranker.weight == 0:
            return f"not shown: {self.learned.why}; the weight is 0, so the first stage's list is served and no call is made"
        if gain.low > 0:
            return f"it helped: {shown}"
        return f"it hurt: {shown}" if gain.high < 0 else f"not shown: {shown}"

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints: plain types only."""
        learned = dataclasses.asdict(self.learned) | {"gain": self.learned.gain.to_dict()}
        settings = {name: getattr(self.reranker, name) for name in ("weight", "candidates", "history", "orders", "seed")}
        same = ("data", "protocol", "why_protocol", "first_stage", "n_validation", "n_validation_reachable", "n_users", "n_reachable")
        return {
            **{name: getattr(self, name) for name in same},
            "language_model": model_identity(self.reranker.gateway),
            **settings,
            "learned": learned,
            "rows": [row.to_dict() for row in self.rows],
            "model alone - random order": None if self.against_chance is None else self.against_chance.to_dict(),
            "stability": self.stability.to_dict(),
            "cost_per_1000_users": dataclasses.asdict(self.cost),
            "errors": {name: share.to_dict() for name, share in self.errors.items()},
            "unlisted": self.unlisted,
            "fell_back": dict(self.fell_back),
            "verdict": self.verdict,
        }


def rerank_report(
    log: EventLog,
    model: str,
    gateway: Gateway,
    *,
    fields: Mapping[str, object] | None = None,
    protocol: str = "auto",
    candidates: int = 20,
    history: int = 10,
    orders: int = 4,
    validation_users: int | None = 60,
    users: int | None = None,
    probes: int = 20,
    event_types: Sequence[str] | None = None,
    core: int = 1,
    repeat: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> RerankReport:
    """Fit a first stage on the training events, learn the weight on validation users, and hold both to the test users.

    validation_users: at most so many with an answer among the candidates, users drawn in random order until that many are found; users:
    drawn of the test; None for all. probes: lists that the model is asked to write, on test users, whatever their answers. protocol: as
    `validation.choose_split` takes it. Raises ConfigError, DataError (a log without titles).
    """
    reranker = Reranker(gateway, candidates=candidates, history=history, orders=orders, seed=seed)
    for name, number in (("validation_users", validation_users), ("users", users)):
        if number is not None and number < 1:
            raise ConfigError(f"{name} must be at least 1, got {number}")
    if probes < 0:
        raise ConfigError(f"probes must be 0 or more, got {probes}")
    check_items(model, "a first stage")
    fresh = catalog.recommender(model, **(fields or {}))
    parts, why = choose_split(log, protocol, event_types=event_types, core=core, seed=seed, repeat=repeat)
    titles = _titles(parts.train.item_features, log.name)
    first_stage, _ = fit(fresh, parts, refit_on_validation=False, progress=named(model, progress))
    assert parts.validation is not None  # choose_split sees to it
    held = _Questions.of(first_stage, parts.validation, parts, reranker, titles).shuffled(seed)
    held = held.first_reachable(validation_users)
    weighed = held.weighed(reranker, "validation users", progress)
    bias = slot_bias([one for one in weighed.values() if not one.why], candidates)
    tried = {weight: held.figures(weighed, bias, weight)["ndcg"] for weight in WEIGHTS}
    learned = learned_weight(tried, groups=held.groups, seed=seed)
    reranker = dataclasses.replace(reranker, weight=learned.weight, bias=bias, learned={"why": learned.why, "users": len(held)})

    test = _Questions.of(first_stage, parts.test, parts, reranker, titles).shuffled(seed)
    test = test if users is None else test.take(np.arange(min(users, len(test))))
    answered = test.weighed(reranker, "test users", progress)
    said = {row: one for row, one in answered.items() if not one.why}
    first = test.figures({}, bias, 0.0)
    random = test.in_random_order()
    ways = {"first stage": first, "random order": random}
    if said:
        ways["model alone"] = test.figures(said, bias, None)
    ways["fused"] = test.figures(said, bias, learned.weight)
    if learned.weight == 0 and learned.best > 0:
        ways[f"unguarded, weight {learned.best:g}"] = test.figures(said, bias, learned.best)
    errors, unlisted = _errors(gateway, test, min(probes, len(test)), reranker, progress)
    return RerankReport(
        data=log.name,
        protocol=parts.protocol,
        why_protocol=why,
        first_stage=model,
        reranker=reranker,
        learned=learned,
        n_validation=len(held),
        n_validation_reachable=len(weighed),
        n_users=len(test),
        n_reachable=len(answered),
        rows=[_row(name, figures, first, test.groups, seed) for name, figures in ways.items()],
        against_chance=paired_difference(ways["model alone"]["ndcg"], random["ndcg"], groups=test.groups, seed=seed) if said else None,
        stability=_stability(list(said.values()), candidates),
        cost=_cost([*weighed.values(), *answered.values()], orders),
        errors=errors,
        unlisted=unlisted,
        fell_back=Counter(one.why for one in (*weighed.values(), *answered.values()) if one.why),
    )


def first_stage_of(source: Path, model: str | None, fields: Mapping[str, object]) -> tuple[EventLog, str, dict[str, Any]]:
    """The log, the model and the options of `rerank_report` that a store and a name say, or a run alone.

    Raises ConfigError where both or neither name a model.
    """
    if not (source / "run.json").is_file():
        if model is None:
            raise ConfigError(f"{source} is a store: name the first stage with --model; `footpath models` lists all")
        return open_store(source), model, {"fields": dict(fields)}
    record, _ = read_record(source)
    if model is not None or fields:
        raise ConfigError(f"{source} is a run of {record['model']}, fitted anew here with its own settings: leave out --model and --set")
    data = record["data"]
    options = {"fields": record["hyperparameters"], "repeat": record["repeat"], "event_types": data["event_types"]}
    return open_store(store_of(source, record)), record["model"], options | {"core": data["core"], "seed": data["seed"]}


@dataclass(frozen=True, eq=False)
class _Questions:
    """Histories with what the first stage found for each, and what was right. places: of `items`, 0 where there are fewer."""

    histories: SequenceDataset
    holdout: Holdout
    trained_on: SequenceDataset
    items: Int32[np.ndarray, "B C"]
    scores: Float64[np.ndarray, "B C"]
    titles: Sequence[str]

    @classmethod
    def of(cls, model: Recommender, asked: Holdout, parts: Split, reranker: Reranker, titles: Sequence[str]) -> _Questions:
        if not len(asked):
            raise DataError(f"protocol {parts.protocol!r} asks nobody: use another protocol or a larger log")
        found = recommend(model, asked.histories, reranker.candidates, repeat=parts.repeat, request_times=asked.request_times)
        return cls(asked.histories, asked, parts.train, found.indexes, found.scores.astype(np.float64), titles)

    def __len__(self) -> int:
        return len(self.histories)

    def take(self, rows: np.ndarray) -> _Questions:
        """These rows, in this order."""
        sizes = np.diff(self.holdout.offsets)[rows]
        starts = self.holdout.offsets[rows]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        places = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], sizes)
        times = None if self.holdout.request_times is None else self.holdout.request_times[rows]
        histories = self.histories.take(rows)
        holdout = Holdout(histories, offsets, self.holdout.items[places], times)
        return dataclasses.replace(self, histories=histories, holdout=holdout, items=self.items[rows], scores=self.scores[rows])

    def shuffled(self, seed: int) -> _Questions:
        return self.take(seeded(seed).permutation(len(self)))

    @property
    def groups(self) -> np.ndarray:
        """The user of each row as a code: a user who is asked several times is drawn with all of these."""
        return self.histories.users.dictionary_encode().indices.to_numpy(zero_copy_only=False).astype(np.int64)

    @property
    def reachable(self) -> np.ndarray:
        """Rows with an answer among the candidates."""
        return np.flatnonzero(judge(self.items, self.holdout, self.trained_on).hits.any(axis=1))

    def first_reachable(self, n: int | None) -> _Questions:
        """The first rows, so many that n of them are reachable."""
        reachable = self.reachable
        return self if n is None or len(reachable) <= n else self.take(np.arange(reachable[n - 1] + 1))

    def history(self, row: int) -> list[str]:
        return [self.titles[item] for item in self.histories.history(row)]

    def candidates(self, row: int) -> list[Candidate]:
        """Those with a score that is a number; `order` puts the others behind."""
        ids = self.histories.vocabulary.decode(self.items[row])
        return [
            Candidate(str(id), self.titles[item], float(score))
            for id, item, score in zip(ids, self.items[row], self.scores[row], strict=True)
            if item > 0 and np.isfinite(score)
        ]

    def weighed(self, reranker: Reranker, what: str, progress: Progress | None) -> dict[int, Weighing]:
        """What the model says where the answer could move."""
        found: dict[int, Weighing] = {}
        rows = self.reachable
        for done, row in enumerate(rows):
            if progress is not None:
                progress(f"asking about {what}", done, len(rows))
            some = self.candidates(int(row))
            if len(some) > 1:
                found[int(row)] = reranker.weigh(self.history(int(row)), some)
        return found

    def figures(self, weighed: Mapping[int, Weighing], bias: Sequence[float], weight: float | None) -> dict[str, Float64[np.ndarray, " B"]]:
        """NDCG and recall at 10 of each user under a weight; None for the model's scores alone. Unanswered ones keep their list."""
        items = self.items.copy()
        for row, one in weighed.items():
            if one.why or weight == 0:
                continue
            n = one.logprobs.shape[1]
            model = standard(one.scores(bias))
            order = fused(np.zeros(n), model, 1.0) if weight is None else fused(standard(self.scores[row, :n]), model, weight)
            items[row, :n] = items[row, :n][order]
        lists = judge(items[:, :K], self.holdout, self.trained_on)
        return {name: PER_LIST[name](lists) for name in ("ndcg", "recall")}

    def in_random_order(self) -> dict[str, Float64[np.ndarray, " B"]]:
        """What the candidates bring on average over all their orders."""
        lists = judge(self.items, self.holdout, self.trained_on)
        n = np.maximum((self.items > 0).sum(axis=1), 1)
        hits = lists.hits.sum(axis=1)
        discounts = 1 / np.log2(np.arange(2, K + 2))
        gained = np.concatenate([[0.0], np.cumsum(discounts)])
        relevant = lists.n_relevant
        return {
            "ndcg": hits / n * gained[np.minimum(n, K)] / gained[np.minimum(relevant, K)],
            "recall": hits / n * np.minimum(n, K) / relevant,
        }


def _titles(features: ItemFeatures | None, name: str) -> list[str]:
    if features is None or not any(features.titles):
        raise DataError(f"log {name!r} has no item titles, and a language model knows items by what they are called: ingest an item table")
    return list(features.titles)


def _row(name: str, figures: Mapping[str, np.ndarray], first: Mapping[str, np.ndarray], groups: np.ndarray, seed: int) -> Row:
    ndcg, recall = bootstrap_means(np.stack([figures["ndcg"], figures["recall"]], axis=1), groups=groups, seed=seed)
    return Row(name, ndcg, recall, paired_difference(figures["ndcg"], first["ndcg"], groups=groups, seed=seed))


def _stability(weighed: Sequence[Weighing], n: int) -> Stability:
    taus, same, firsts, prompts, slots = [], [], 0, 0, []
    for one in weighed:
        by_candidate = np.empty(one.logprobs.shape)
        np.put_along_axis(by_candidate, one.orders, one.logprobs, axis=1)
        for a, b in itertools.combinations(by_candidate, 2):
            taus.append(kendall_tau(a, b))
            same.append(float(a.argmax() == b.argmax()))
        firsts += int((one.logprobs.argmax(axis=1) == 0).sum())
        prompts += len(one.logprobs)
        slots.append(one.logprobs.shape[1])
    chance = float(np.mean([1 / width for width in slots])) if slots else 1 / n
    if not prompts:
        return Stability(None, None, Interval(np.nan), chance, 0)
    return Stability(float(np.mean(taus)), float(np.mean(same)), _share(firsts, prompts), chance, len(weighed))


def kendall_tau(a: Float64[np.ndarray, " C"], b: Float64[np.ndarray, " C"]) -> float:
    """Pairs in the same order less pairs in the other, over all pairs; a tie counts as neither."""
    above = np.triu_indices(len(a), 1)
    agree = np.sign(a[:, None] - a)[above] * np.sign(b[:, None] - b)[above]
    return float(agree.mean())


def _cost(weighed: Sequence[Weighing], orders: int) -> Cost:
    fresh = [one for one in weighed if not one.why and one.from_cache == 0]
    cached, answers = sum(one.from_cache for one in weighed), sum(len(one.logprobs) for one in weighed)
    if not fresh:
        return Cost(None, None, None, None, 0, cached, answers)
    per_user = {name: 1000 * float(np.mean([getattr(one, name) for one in fresh])) for name in ("tokens", "cpu_seconds", "seconds")}
    return Cost(1000.0 * orders, **per_user, n_users=len(fresh), from_cache=cached, answers=answers)


def _share(count: int, n: int) -> Interval:
    low, high = wilson(count, n)
    return Interval(count / n if n else np.nan, float(low), float(high), n)


def _errors(gateway: Gateway, test: _Questions, n: int, reranker: Reranker, progress: Progress | None) -> tuple[dict[str, Interval], int]:
    """What goes wrong where the model writes the list itself, as nothing here lets it do otherwise."""
    from pydantic import BaseModel, Field

    class Slate(BaseModel):
        items: Annotated[list[Annotated[str, Field(max_length=80)]], Field(min_length=1, max_length=_LISTED)]

    found: Counter[str] = Counter()
    answers = 0
    for row in range(n):
        if progress is not None:
            progress("asking for lists", row, n)
        shown = [as_shown(candidate.title or candidate.item_id) for candidate in test.candidates(row)]
        told = [as_shown(title) for title in relevant_history(test.history(row), shown, reranker.history)]
        answer = gateway.ask(
            list_prompt(told, shown), Slate, purpose=f"{PURPOSE} probe", fields={"item.title": [*told, *shown]}, max_tokens=_PROBE_TOKENS
        )
        if answer.value is not None:
            answers += 1
            found.update(list_errors(answer.value.items, shown, told))
    return {name: _share(found[name], answers) for name in ERRORS}, n - answers


def list_prompt(history: Sequence[str], candidates: Sequence[str]) -> str:
    """The same question with a list for an answer."""
    told = quoted("; ".join(history), limit=1_000)
    lines = "\n".join(f"- {quoted(title)}" for title in candidates)
    return (
        f"{RULE}\nSomebody chose, oldest first: {told}\nCandidates:\n{lines}\n"
        f"List the {_LISTED} candidates that the same person will choose next, best first, spelled as above."
    )


def list_errors(listed: Sequence[str], candidates: Sequence[str], history: Sequence[str]) -> set[str]:
    """Which of `ERRORS` a list has; titles are compared without case, blanks, fences and the marks of a list around them."""
    items, shown, told = ([_bare(title) for title in titles] for titles in (listed, candidates, history))
    found = set()
    if any(item not in shown and item not in told for item in items):
        found.add("off-list")
    if any(item in told and item not in shown for item in items):
        found.add("history")
    if len(set(items)) < len(items):
        found.add("duplicate")
    if len(items) >= 3 and any(items == lines[start : start + len(items)] for lines in (shown, told) for start in range(len(lines))):
        found.add("copy")
    return found


def _bare(title: str) -> str:
    return " ".join(title.replace(OPEN, " ").replace(CLOSE, " ").casefold().split()).strip(" -,;")
