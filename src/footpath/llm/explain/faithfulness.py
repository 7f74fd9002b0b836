"""Whether the events that explanations cite are those that carry the recommendations: a deletion test over many users of one model.

Deletion and sufficiency as in DeYoung et al., "ERASER", ACL 2020 (arXiv:1911.03429), by the place in the list instead of a probability.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
from jaxtyping import Int64

from footpath.errors import DataError
from footpath.llm.explain.deletion import check_bounds
from footpath.llm.explain.evidence import Likeness
from footpath.llm.explain.explain import explain
from footpath.llm.explain.explanation import Explanation
from footpath.progress import Progress
from footpath.recommender import Recommender, recommend
from footpath.result import Cell, Result, say
from footpath.sequences.dataset import ItemFeatures, SequenceDataset
from footpath.statistics import Interval, bootstrap_means, seeded

KEPT_WITHIN: Final = 20
"""With nothing but the cited events the item must stay among so many, or they do not suffice."""
FEWEST_EVENTS: Final = 5


def faithfulness(
    model: Recommender,
    histories: SequenceDataset,
    *,
    users: int = 300,
    most: int = 3,
    newest: int = 50,
    draws: int = 50,
    seed: int = 0,
    repeat: bool = False,
    request_times: Int64[np.ndarray, " B"] | None = None,
    log: SequenceDataset | None = None,
    features: ItemFeatures | None = None,
    progress: Progress | None = None,
) -> Result:
    """How often the cited events matter more than others, over the first recommendation of random users.

    users: so many, of those with at least 5 events on known items and more than `most`. The other options are those of
    `explain.explain`. A row a user; a cell a share, with a 95 % bootstrap interval over users, or a median. An equal place
    counts as not lower. Raises ConfigError, DataError (no user has enough events), NotFittedError.
    """
    check_bounds(users=users, most=most, newest=newest, draws=draws)
    fewest = max(FEWEST_EVENTS, most + 1)
    known = np.bincount(histories.rows[histories.items > 0], minlength=len(histories))
    enough = np.flatnonzero(known >= fewest)
    if not len(enough):
        raise DataError(
            f"none of the {len(histories):,} histories has {fewest} events on items that the model knows: ask with a smaller most"
        )
    rows = np.sort(seeded(seed).choice(enough, min(users, len(enough)), replace=False))
    chosen = histories.take(rows)
    times = None if request_times is None else request_times[rows]
    listed = recommend(model, chosen, 1, repeat=repeat, request_times=times)
    likeness = Likeness(model, log, features)
    explained: list[Explanation] = []
    for b in range(len(chosen)):
        asked = None if times is None else times[b : b + 1]
        options: dict[str, Any] = {"most": most, "newest": newest, "draws": draws, "repeat": repeat, "request_times": asked}
        # no log here: the patterns of an explanation are no part of the test
        found = explain(model, chosen.between(b, b + 1), listed.items(b)[0], k=1, seed=seed + b, likeness=likeness, **options)
        explained.append(found)
        if progress is not None:
            progress("explaining", b + 1, len(chosen))
    table = _table(chosen, explained)
    meta: dict[str, Any] = {
        "definition": say(
            "The first recommendation of each user is explained by at most {most} events; then the cited events, random ones of the same "
            "number ({draws} draws), the most alike and the newest are left out, and the model is asked again; equal places count as not "
            "lower",
            "用至多 {most} 个事件解释每位用户的第一条推荐；再分别删去引用的事件、同样数目的随机事件（{draws} 次）、最相似的和最新的事件，"
            "并重新询问模型；名次相同算作没有降低",
            most=most,
            draws=draws,
        ),
        "population": say(
            "{n:,} of {all:,} histories with at least {fewest} known events",
            "{all:,} 段至少有 {fewest} 个已知事件的历史中的 {n:,} 段",
            n=len(chosen),
            all=len(enough),
            fewest=fewest,
        ),
        "alike_by": likeness.by,
        "seed": seed,
        "warnings": [],
    }
    return Result("faithfulness", table, meta, tuple(_cells(table)))


def _table(histories: SequenceDataset, explained: Sequence[Explanation]) -> pa.Table:
    rows = []
    for user, of in zip(histories.users.to_pylist(), explained, strict=True):
        assert of.outcome is not None  # every history that was chosen has events to leave out, and others beside them
        assert of.random is not None
        assert of.last is not None
        rows.append(
            {
                "user_id": user,
                "item_id": of.item_id,
                "n_events": len(of.events),
                "basis": of.basis,
                "n_cited": of.n_left_out,
                "rank": of.rank,
                "rank_without": of.outcome.rank,
                "rank_random": of.random.mean_rank,
                "rank_random_median": of.random.median_rank,
                "nearer": of.random.nearer,
                "rank_without_alike": None if of.alike is None else of.alike.rank,
                "rank_without_last": of.last.rank,
                "rank_kept": of.outcome.kept_rank,
                "rank_kept_alike": None if of.alike is None else of.alike.kept_rank,
                "rank_kept_last": of.last.kept_rank,
                "drop": of.outcome.drop,
                "drop_random": of.random.mean_drop,
            }
        )
    return pa.Table.from_pylist(rows)


def _cells(table: pa.Table) -> list[Cell]:
    columns = {
        name: np.array(table[name].to_pylist(), np.float64) for name in table.column_names if name not in ("user_id", "item_id", "basis")
    }
    basis = np.array(table["basis"].to_pylist())
    without, kept = columns["rank_without"], columns["rank_kept"]
    outcomes = {
        "beyond_random": without > columns["rank_random"],
        "beyond_one_draw": columns["nearer"],
        "beyond_alike": _compared(without, columns["rank_without_alike"]),
        "level_with_alike": _compared(without, columns["rank_without_alike"], level=True),
        "beyond_last": without > columns["rank_without_last"],
        "level_with_last": without == columns["rank_without_last"],
        "unmoved": without <= columns["rank"],
        "kept": kept <= KEPT_WITHIN,
        "kept_alike": _compared(np.full(len(kept), KEPT_WITHIN + 1.0), columns["rank_kept_alike"]),
        "kept_last": columns["rank_kept_last"] <= KEPT_WITHIN,
        **{f"basis_{name}": basis == name for name in ("events", "history", "nothing")},
    }
    matrix = np.stack([np.asarray(values, np.float64) for values in outcomes.values()], axis=1)
    cells = [_share(name, interval) for name, interval in zip(outcomes, bootstrap_means(matrix), strict=True)]
    medians = (
        "rank_without",
        "rank_random",
        "rank_without_alike",
        "rank_without_last",
        "rank_kept",
        "drop",
        "drop_random",
        "n_cited",
        "n_events",
    )
    return cells + [Cell(f"median.{name}", _median(columns[name]), name.partition("_")[0], len(table)) for name in medians]


def _compared(first: np.ndarray, second: np.ndarray, *, level: bool = False) -> np.ndarray:
    """Whether first is larger, or as large; NaN where there is no second."""
    return np.where(np.isnan(second), np.nan, first == second if level else first > second)


def _median(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else None


def _share(name: str, interval: Interval) -> Cell:
    value, low, high = (None if np.isnan(bound) else bound for bound in (interval.value, interval.low, interval.high))
    return Cell(name, value, "share", interval.n, low, high)
