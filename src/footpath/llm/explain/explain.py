"""Why this item: the user's own events that carry a recommendation, by deletion on the model that serves, and what the log says of them.

Every figure is computed: scores of the model with and without events (`footpath.llm.explain.deletion`), counts of the log
(`footpath.llm.explain.evidence`). The sentences are templates around these figures; where the test fails, they say so and cite nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
from jaxtyping import Int64

from footpath.analysis.charts import bars
from footpath.errors import ConfigError, NotFittedError, did_you_mean
from footpath.events.contract import EVENT_TYPES
from footpath.llm.explain.deletion import FALLEN, Events, Outcome, Search, Trial, check_bounds, drawn_sets, search
from footpath.llm.explain.evidence import Likeness, most_alike, pattern
from footpath.llm.explain.explanation import Alternative, Basis, Citation, Event, Explanation, RandomSets
from footpath.llm.explain.explanation_text import evidence, limits, sentences
from footpath.recommender import Recommender
from footpath.result import Cell, Phrase, Result, say
from footpath.sequences.dataset import ItemFeatures, SequenceDataset

_CLEAR: Final = 0.95
"""Share of the random sets that must leave the item a larger lead, where its place does not tell."""


def explain(
    model: Recommender,
    history: SequenceDataset,
    item: str,
    *,
    k: int = 10,
    most: int = 3,
    newest: int = 50,
    draws: int = 50,
    seed: int = 0,
    repeat: bool = False,
    request_times: Int64[np.ndarray, " 1"] | None = None,
    log: SequenceDataset | None = None,
    features: ItemFeatures | None = None,
    likeness: Likeness | None = None,
) -> Explanation:
    """The events of one history that carry an item, by a deletion test, and what else the log says of them.

    item: an id, recommended or not. k: how long the list is that it is asked about. most: events that may be cited. newest: how many of
    the newest events on known items may be left out; older ones stay. draws: random sets to compare with. repeat: may items of the history
    be listed? log: what the model was fitted on, in its vocabulary, for patterns; the user of the history is left out of its counts.
    features: titles, words and categories, those of the history if not given. likeness: made of the two if not given; pass one to explain
    many.
    Raises ConfigError (an unknown item, a bound below 1, a history in another vocabulary), NotFittedError.
    """
    check_bounds(k=k, most=most, newest=newest, draws=draws)
    features = history.item_features if features is None else features
    likeness = Likeness(model, log, features) if likeness is None else likeness
    trial = Trial(model, history, _index(model, item), repeat, request_times)
    found = search(trial, most=most, newest=newest)
    places, best = trial.places(newest), found.best
    events = {place: _event(trial, features, place, found.outcomes.get((place,))) for place in places}
    random, alike, last = _compared(trial, found, places, likeness, draws, seed)
    basis = _basis(trial, found, random)
    cited = best if basis != "nothing" else ()
    user = history.users[0].as_py()
    explained = Explanation(
        item_id=item,
        title=_title(features, trial.item),
        k=k,
        most=most,
        seed=seed,
        rank=trial.whole.rank,
        n_candidates=int(trial.candidates.sum()),
        n_items=history.n_items - 1,
        seen=int((history.items == trial.item).sum()),
        repeat=repeat,
        empty_rank=trial.whole.kept_rank,
        basis=basis,
        cited=tuple(_citation(trial, likeness, features, log, user, events[place]) for place in cited),
        n_left_out=len(best),
        outcome=found.outcomes[best] if best else None,
        random=random,
        alike_by=likeness.by,
        alike=alike,
        last=last,
        alternative=_alternative(trial, found, k, events, features),
        lowest=max((outcome.rank for outcome in found.outcomes.values()), default=trial.whole.rank),
        largest_drop=max((outcome.drop for outcome in found.outcomes.values()), default=0.0),
        n_sets=len(found.outcomes),
        n_events=history.n_events,
        n_unknown=int((history.items == 0).sum()),
        n_repeated=len(places) - len(np.unique(history.items[list(places)])),
        events=tuple(events.values()),
    )
    return replace(explained, sentences=tuple(sentences(explained)), evidence=tuple(evidence(explained)), limits=tuple(limits(explained)))


def _index(model: Recommender, item: str) -> int:
    if getattr(model, "items", None) is None:
        raise NotFittedError(f"{type(model).__name__} is not fitted: call fit(train) or load a saved model before it explains")
    index = model.items.index(item)
    if not index:
        ids = model.items.ids.to_pylist() if len(model.items) < 100_000 else []
        raise ConfigError(f"the model knows no item {item!r} among its {len(model.items) - 1:,}{did_you_mean(item, ids)}")
    return index


def _title(features: ItemFeatures | None, index: int) -> str:
    return "" if features is None else features.titles[index]


def _event(trial: Trial, features: ItemFeatures | None, place: int, outcome: Outcome | None) -> Event:
    history, index = trial.history, int(trial.history.items[place])
    return Event(
        place + 1,
        str(history.vocabulary.ids[index - 1].as_py()),
        _title(features, index),
        None if history.types is None else EVENT_TYPES[int(history.types[place])],
        None if history.times is None else int(history.times[place]),
        outcome,
    )


def _compared(
    trial: Trial, found: Search, places: Events, likeness: Likeness, draws: int, seed: int
) -> tuple[RandomSets | None, Outcome | None, Outcome | None]:
    """What random events, the ones most like the item and the newest ones come to; None where there are no others than the cited."""
    size = len(found.best)
    if not size or size == len(places):
        return None, None, None
    alike = None
    if likeness.by is not None:
        alike = most_alike(places, likeness.of(trial.history.items[list(places)], trial.item), size)
    sets = drawn_sets(places, size, draws, seed)
    *drawn, last, of_alike = trial.without([*sets, places[-size:], alike or ()])
    cited, ranks = found.outcomes[found.best], np.array([outcome.rank for outcome in drawn])
    drops, leads = np.array([[outcome.drop, outcome.lead] for outcome in drawn]).T
    other = np.array([events != found.best for events in sets])
    random = RandomSets(
        draws,
        less=float((drops < cited.drop - FALLEN).mean()),
        nearer=float((ranks < cited.rank).mean()),
        others=int(other.sum()),
        ahead=float((leads[other] > cited.lead + FALLEN).mean()) if other.any() else 0.0,
        mean_drop=float(drops.mean()),
        mean_rank=float(ranks.mean()),
        median_rank=float(np.median(ranks)),
    )
    return random, of_alike if alike else None, last


def _basis(trial: Trial, found: Search, random: RandomSets | None) -> Basis:
    if not found.best:
        return "nothing"
    cited = found.outcomes[found.best]
    if cited.rank > trial.whole.rank and (random is None or cited.rank > random.mean_rank):
        return "events"
    if random is not None and cited.drop > FALLEN and random.ahead >= _CLEAR:
        return "history"
    return "nothing"


def _citation(
    trial: Trial, likeness: Likeness, features: ItemFeatures | None, log: SequenceDataset | None, user: str, event: Event
) -> Citation:
    index = int(trial.history.items[event.place - 1])
    shared, n_in_category = None, 0
    if features is not None and features.categories[index] and features.categories[index] == features.categories[trial.item]:
        shared = features.categories[index]
        n_in_category = sum(category == shared for category in features.categories)
    return Citation(
        event,
        pattern=None if log is None else pattern(log, index, trial.item, user=user),
        alike=float(likeness.of(np.array([index], np.int32), trial.item)[0]),
        words=likeness.of_words(index, trial.item),
        category=shared,
        n_in_category=n_in_category,
    )


def _alternative(trial: Trial, found: Search, k: int, events: dict[int, Event], features: ItemFeatures | None) -> Alternative | None:
    left_out = found.smallest_beyond(k) if trial.whole.rank <= k else None
    if left_out is None:
        return None
    before, after = trial.best((), k), trial.best(left_out, k)
    new = [index for index in after.tolist() if index not in before]
    place = trial.whole.rank - 1

    def named(index: int) -> tuple[str, str]:
        return str(trial.history.vocabulary.ids[index - 1].as_py()), _title(features, index)

    return Alternative(
        tuple(events[place] for place in left_out),
        found.outcomes[left_out].rank,
        named(new[0]) if new else None,
        named(int(after[place])) if place < len(after) else None,
    )


def result_of(of: Explanation) -> Result:
    """The events with their drops as a table and a chart, and every figure of the sentences as a cell."""
    cited = {citation.event.place for citation in of.cited}
    table = pa.table(
        {
            "place": pa.array([event.place for event in of.events], pa.int64()),
            "item_id": pa.array([event.item_id for event in of.events], pa.string()),
            "title": pa.array([event.title for event in of.events], pa.string()),
            "event_type": pa.array([event.event_type for event in of.events], pa.string()),
            "time": pa.array([event.time for event in of.events], pa.int64()).cast(pa.timestamp("us", "UTC")),
            "score_drop": pa.array([event.outcome and event.outcome.drop for event in of.events], pa.float64()),
            "rank_without": pa.array([event.outcome and event.outcome.rank for event in of.events], pa.int64()),
            "cited": pa.array([event.place in cited for event in of.events], pa.bool_()),
        }
    )
    meta: dict[str, Any] = {
        "definition": say(
            "Each event of the history left out alone, and the model asked again: by how much the score of the item falls, over the mean "
            "of the catalogue, and where it then stands",
            "逐个删去历史中的事件并重新询问模型：物品分数下降多少（相对全部物品的平均），以及它随后的名次",
        ),
        "population": say(
            "{n:,} of {all:,} events of one history", "一段历史 {all:,} 个事件中的 {n:,} 个", n=len(of.events), all=of.n_events
        ),
        "seed": of.seed,
        "warnings": list(of.limits),
    }
    if not of.events:
        meta["empty"] = True
        meta["warnings"] = list(of.sentences)
    return Result("explanation", table, meta, tuple(_cells(of)), chart(of))


def _cells(of: Explanation) -> list[Cell]:
    cells = [
        Cell("rank", of.rank, "place", of.n_candidates),
        Cell("rank.empty_history", of.empty_rank, "place", of.n_candidates),
        Cell("events", of.n_events, "events"),
        Cell("cited", len(of.cited), "events", len(of.events)),
    ]
    if of.outcome is not None:
        cells += [
            Cell("drop", of.outcome.drop, "score"),
            Cell("rank.without", of.outcome.rank, "place", of.n_candidates),
            Cell("rank.kept", of.outcome.kept_rank, "place", of.n_candidates),
        ]
    if of.random is not None:
        cells += [
            Cell("random.less", of.random.less, "share", of.random.draws),
            Cell("random.nearer", of.random.nearer, "share", of.random.draws),
            Cell("random.rank", of.random.mean_rank, "place", of.random.draws),
        ]
    cells += [
        Cell(f"rank.without_{name}", held.rank, "place", of.n_candidates) for name, held in (("alike", of.alike), ("last", of.last)) if held
    ]
    if of.alternative is not None:
        cells.append(Cell("alternative.rank", of.alternative.rank, "place", of.n_candidates, note=", ".join(of.alternative.instead or ())))
    for n, citation in enumerate(of.cited, start=1):
        if citation.pattern is not None:
            p = citation.pattern
            cells += [
                Cell(f"cited{n}.both", p.n_both, "users", p.n_with, note=citation.event.item_id),
                Cell(f"cited{n}.later", p.n_later, "users", p.n_with, note=citation.event.item_id),
                Cell(f"cited{n}.base", p.n_item, "users", p.n_users),
                Cell(f"cited{n}.lift", None if np.isnan(p.lift) else p.lift, "times", p.n_both),
            ]
    return cells


def chart(of: Explanation, newest: int = 20) -> dict[str, Any] | None:
    """A bar an event, oldest first: the cited ones, and the newest others up to `newest` in all; None without events."""
    cited = {citation.event.place for citation in of.cited}
    rest = [event.place for event in of.events if event.place not in cited]
    shown = cited | set(rest[max(0, len(rest) + len(cited) - newest) :])
    events = [event for event in of.events if event.place in shown]
    if not events:
        return None
    drops = {event.place: event.outcome.drop if event.outcome else None for event in events}
    series: dict[str, list[float | None]] = {
        Phrase("cited", "引用的事件"): [drops[event.place] if event.place in cited else None for event in events],
        Phrase("other events", "其他事件"): [None if event.place in cited else drops[event.place] for event in events],
    }
    names = [f"{event.place}. {event.title or event.item_id}" for event in events]
    axis = Phrase("fall of the score without it", "删去后分数的下降")
    return bars(names, series, format="number", horizontal=True, stacked=True, y_name=axis)
