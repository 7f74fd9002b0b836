"""What people do at the first, second, third ... act of a session, and how many have left by then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from footpath.analysis.charts import heatmap
from footpath.analysis.trail import Trail, frequent_labels, gathered, scoped, trail
from footpath.errors import ConfigError
from footpath.events.log import EventLog
from footpath.result import Cell, Result, say
from footpath.statistics import wilson

OTHER: Final = "(other)"
ENDED: Final = "(ended)"

SCHEMA: Final = {
    "step": pa.int64(),
    "label": pa.string(),
    "n": pa.int64(),
    "n_sessions": pa.int64(),
    "share": pa.float64(),
    "low": pa.float64(),
    "high": pa.float64(),
}


def step_matrix(
    log: EventLog | Trail,
    *,
    max_steps: int = 10,
    top: int = 10,
    by: str | Sequence[str] | None = None,
    within: Literal["session", "history"] = "session",
    confidence: float = 0.95,
) -> Result:
    """The share of all sessions in each label at each step (0 is the first act), with those that have ended; a step sums to 1.

    top: labels told apart, those with most acts; all others are `(other)`. A session with fewer acts is `(ended)` from then on.
    """
    t = trail(log) if by is None else trail(log, by=by)
    if max_steps < 1:
        raise ConfigError(f"max_steps must be at least 1, got {max_steps}")
    definition = say(
        "Of all {n:,} sessions ({rule}), the share whose act at each step has each label; a session with fewer acts counts as ended.",
        "在全部 {n:,} 个会话（{rule}）中，每一步行为属于各标签的比例；行为数不足的会话计为已结束。",
        n=t.counts.sessions,
        rule=t.session_rule,
    )
    labels = frequent_labels(t.acts, top)

    def steps(acts: ir.Table) -> ir.Table:
        early = scoped(acts, within)
        early = gathered(early.filter(early.step < max_steps), labels, OTHER)
        return early.group_by("step", "label").agg(n=early.count().cast("int64"))

    rows, query = t.compute(steps)
    if not rows.num_rows:
        return t.nothing("step_matrix", definition, say("no acts are left after the filters", "筛选后没有任何行为"), SCHEMA)
    n_sessions = t.counts.sessions if within == "session" else t.counts.users
    counted = {(row["step"], row["label"]): row["n"] for row in rows.to_pylist()}
    n_steps = 1 + max(step for step, _ in counted)
    names = [*labels, *([OTHER] if any(label == OTHER for _, label in counted) and OTHER not in labels else [])]
    made: list[dict[str, Any]] = []
    for step in range(n_steps):
        here = [counted.get((step, name), 0) for name in names]
        here.append(n_sessions - sum(here))
        low, high = wilson(here, np.full(len(here), n_sessions), confidence)
        for k, name in enumerate([*names, ENDED]):
            made.append(
                dict(zip(SCHEMA, (step, name, here[k], n_sessions, here[k] / n_sessions, float(low[k]), float(high[k])), strict=True))
            )
    cells = [
        Cell(f"step{row['step']}.ended", row["share"], "share", n_sessions, row["low"], row["high"])
        for row in made
        if row["label"] == ENDED and row["step"]
    ]
    y = [*names, ENDED]
    special = {ENDED: say("(ended)", "（已结束）"), OTHER: say("(other)", "（其他）")}
    titles = t.shown(names)
    shown = [special.get(name, titles.get(name, name)) for name in y]
    chart = heatmap(
        [str(step) for step in range(n_steps)],
        shown,
        [(row["step"], y.index(row["label"]), row["share"]) for row in made],
        x_name=say("step in the session, 0 the first", "会话中的步骤（0 为第一步）"),
        name=say("share of sessions", "会话占比"),
        low=0.0,
        high=1.0,
    )
    return Result(
        "step_matrix",
        pa.Table.from_pylist(made, schema=pa.schema(list(SCHEMA.items()))),
        t.meta(definition, within=within, confidence=confidence),
        (Cell("sessions", n_sessions, "sessions"), *cells),
        chart,
        queries={"step_matrix": query},
    )
