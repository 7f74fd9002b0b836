"""The ways people take: from an act, to an act, between two, and how much of the traffic the most frequent ways cover."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from footpath.analysis.charts import bars, sankey
from footpath.analysis.trail import Trail, following, frequent_labels, gathered, scoped, trail
from footpath.errors import ConfigError, did_you_mean
from footpath.events.log import EventLog
from footpath.result import Cell, Finding, Phrase, Result, say
from footpath.statistics import SMALL, wilson

MOST_STEPS: Final = 100
"""Longer paths are a column a step, and hardly any two alike."""
OTHER: Final = "(other)"
ENDED: Final = "(ended)"
MORE: Final = "…"
NAMED: Final = 0.2
"""Share of the steps of a Sankey with a label of their own, below which it would show little but `(other)`."""

SCHEMA: Final = {
    "rank": pa.int64(),
    "path": pa.string(),
    "labels": pa.list_(pa.string()),
    "n": pa.int64(),
    "n_users": pa.int64(),
    "n_sessions": pa.int64(),
    "share": pa.float64(),
    "low": pa.float64(),
    "high": pa.float64(),
    "covered": pa.float64(),
}
LINKS: Final = {
    "step": pa.int64(),
    "from_label": pa.string(),
    "to_label": pa.string(),
    "n": pa.int64(),
    "n_step": pa.int64(),
    "share": pa.float64(),
}


def paths(
    log: EventLog | Trail,
    *,
    start: str | None = None,
    end: str | None = None,
    edges_only: bool = False,
    max_steps: int = 5,
    top: int = 10,
    collapse_repeats: bool = True,
    by: str | Sequence[str] | None = None,
    within: Literal["session", "history"] = "session",
    confidence: float = 0.95,
) -> Result:
    """The most frequent paths of sessions, the share of traffic they cover, and a Sankey of their steps.

    Each session gives one path of at most `max_steps` labels. start: from its first act of that label. end: up to its first act of
    that label, the last `max_steps` before it. Both: from the first start to the first end after it; a path that is longer than
    `max_steps` ends in `…`. Sessions without the anchors are left out, and their share is said. edges_only: only sessions whose very
    first act is `start`, and whose very last act is `end`.
    collapse_repeats: the same label several times in a row is one step. The last row is `(other)`: all paths beyond the `top`.
    parts: `links`, the counts behind the Sankey; its nodes are named `step:label`, for instance `0:view`. Where fewer than a fifth of its
    steps are of the `top` labels, the chart shows the paths as bars instead.
    """
    t = trail(log) if by is None else trail(log, by=by)
    if not 2 <= max_steps <= MOST_STEPS:
        raise ConfigError(f"max_steps must be at least 2 and at most {MOST_STEPS}, got {max_steps}")
    if top < 1:
        raise ConfigError(f"top must be at least 1, got {top}")
    if edges_only and start is None and end is None:
        raise ConfigError("edges_only needs a start or an end; give start=... or end=...")
    definition = _definition(t, start, end, edges_only, max_steps, collapse_repeats, within)
    for anchor in (start, end):
        if anchor is not None and not t.acts.filter(t.acts.label == anchor).count().to_pyarrow().as_py():
            near = did_you_mean(anchor, frequent_labels(t.acts, 1_000))
            why = say("no act is called {anchor!r}{near}", "没有名为 {anchor!r} 的行为{near}", anchor=anchor, near=near)
            return t.nothing("paths", definition, why, SCHEMA)

    def cut(acts: ir.Table) -> ir.Table:
        return _anchored(scoped(acts, within), start, end, edges_only, max_steps, collapse_repeats)

    def counted(acts: ir.Table) -> ir.Table:
        steps = cut(acts)
        columns = [f"label_{k}" for k in range(max_steps)]
        one = steps.group_by("user_id", "session").agg(**{c: steps.label.max(where=steps.step == k) for k, c in enumerate(columns)})
        found = one.group_by(columns).agg(n=one.count().cast("int64"), n_users=one.user_id.nunique())
        everything = ibis.window()
        found = found.mutate(n_sessions=found.n.sum().over(everything).cast("int64"), n_paths=found.count().over(everything))
        return found.order_by(found.n.desc(), *(found[c].fill_null("") for c in columns)).limit(top)

    rows, query = t.compute(counted)
    if not rows.num_rows:
        why = say("no session has such a path", "没有会话包含这样的路径")
        return t.nothing(
            "paths", definition, why if t.counts.acts else say("no acts are left after the filters", "筛选后没有任何行为"), SCHEMA
        )
    table, n_sessions, n_paths = _table(rows.to_pylist(), max_steps, end if start is not None else None, t, confidence)
    labels = frequent_labels(t.acts, top)

    def flows(acts: ir.Table) -> ir.Table:
        found = following(gathered(cut(acts), labels, OTHER))
        return found.group_by("step", "label", "next_label").agg(n=found.count().cast("int64"))

    flow_rows, flow_query = t.compute(flows)
    links = _links(flow_rows.to_pylist(), max_steps, end is None)
    n_all = t.counts.sessions if within == "session" else t.counts.users
    shown = [row for row in table.to_pylist() if row["rank"] is not None]
    covered = shown[-1]["covered"]
    low_any, high_any = wilson(n_sessions, n_all, confidence)
    low, high = wilson(sum(row["n"] for row in shown), n_sessions, confidence)
    cells = (
        Cell("sessions", n_sessions, "sessions", n_all),
        Cell("anchored", n_sessions / n_all, "share", n_all, float(low_any), float(high_any), "sessions that have the anchors"),
        Cell("distinct_paths", n_paths, "paths", n_sessions),
        Cell("covered", covered, "share", n_sessions, float(low), float(high), f"of the top {len(shown)} paths"),
        *(Cell(f"path{row['rank']}", row["share"], "share", n_sessions, row["low"], row["high"], row["path"]) for row in shown),
    )
    findings = []
    if n_sessions >= SMALL and covered < 0.2 and len(shown) >= 5:
        text = say(
            "The {top} most frequent of {n_paths:,} paths cover only {covered:.0%} of {n:,} sessions: they are examples, not the rule.",
            "{n_paths:,} 条路径中最常见的 {top} 条只覆盖 {n:,} 个会话的 {covered:.0%}：它们只是例子，并非常态。",
            top=len(shown),
            n_paths=n_paths,
            covered=covered,
            n=n_sessions,
        )
        findings.append(Finding("doubt", text, ("covered",), None, 0.5 * (1 - covered)))
    named = _named(links)
    if named < NAMED:
        definition = say(
            "{definition} The chart shows the most frequent paths: the {top} most frequent labels are only {named:.1%} of the steps, too "
            "few for a picture of what leads where.",
            "{definition}图中为最常见的路径：最常见的 {top} 个标签只占全部步骤的 {named:.1%}，不足以画出步骤之间的流向。",
            definition=definition,
            top=len(labels),
            named=named,
        )
    return Result(
        "paths",
        table,
        t.meta(
            definition,
            start=start,
            end=end,
            edges_only=edges_only,
            max_steps=max_steps,
            collapse_repeats=collapse_repeats,
            within=within,
            confidence=confidence,
        ),
        cells,
        _bars(shown) if named < NAMED else _chart(links, t),
        {"links": links},
        tuple(findings),
        {"paths": query, "links": flow_query},
    )


def _anchored(acts: ir.Table, start: str | None, end: str | None, edges_only: bool, max_steps: int, collapse_repeats: bool) -> ir.Table:
    """The acts that lie on the path of their session, `step` numbered anew from 0; paths to an end alone are aligned at the end."""
    in_order = ibis.window(group_by=["user_id", "session"], order_by="position")
    whole = ibis.window(group_by=["user_id", "session"])
    if collapse_repeats:
        acts = acts.mutate(_before=acts.label.lag().over(in_order))
        acts = acts.filter(acts._before.isnull() | (acts.label != acts._before))
        acts = acts.mutate(step=ibis.row_number().over(in_order).cast("int64")).drop("_before")
    if start is not None:
        at = ibis.ifelse(acts.label == start, acts.step, ibis.null("int64"))
        acts = acts.mutate(_at=at)
        acts = acts.mutate(_first=acts._at.min().over(whole))
        acts = acts.filter(acts._first == 0) if edges_only else acts.filter(acts.step >= acts._first)
        acts = acts.mutate(step=acts.step - acts._first).drop("_at", "_first")
    if end is not None:
        found = acts.label == end
        if start is not None:
            found = found & (acts.step > 0)
        acts = acts.mutate(_at=ibis.ifelse(found, acts.step, ibis.null("int64")))
        acts = acts.mutate(_end=acts._at.max().over(whole) if edges_only else acts._at.min().over(whole), _last=acts.step.max().over(whole))
        acts = acts.filter(acts._end == acts._last) if edges_only else acts.filter(acts.step <= acts._end)
        if start is None:
            acts = acts.mutate(step=acts.step - acts._end + max_steps - 1)
        acts = acts.drop("_at", "_end", "_last")
    return acts.filter((acts.step >= 0) & (acts.step < max_steps))


def _table(rows: list[dict[str, Any]], max_steps: int, must_end: str | None, t: Trail, confidence: float) -> tuple[pa.Table, int, int]:
    n_sessions, n_paths = rows[0]["n_sessions"], rows[0]["n_paths"]
    on_path = {row[f"label_{k}"] for row in rows for k in range(max_steps)} - {None}
    shown = t.shown(sorted(on_path))
    made, so_far = [], 0
    for rank, row in enumerate(rows, 1):
        labels = [row[f"label_{k}"] for k in range(max_steps) if row[f"label_{k}"] is not None]
        if must_end is not None and labels[-1] != must_end:
            labels.append(MORE)
        so_far += row["n"]
        low, high = wilson(row["n"], n_sessions, confidence)
        values = (
            rank,
            " → ".join(shown.get(label, label) for label in labels),
            labels,
            row["n"],
            row["n_users"],
            n_sessions,
            row["n"] / n_sessions,
            float(low),
            float(high),
            so_far / n_sessions,
        )
        made.append(dict(zip(SCHEMA, values, strict=True)))
    if so_far < n_sessions:
        rest = n_sessions - so_far
        low, high = wilson(rest, n_sessions, confidence)
        made.append(
            dict(zip(SCHEMA, (None, OTHER, None, rest, None, n_sessions, rest / n_sessions, float(low), float(high), 1.0), strict=True))
        )
    return pa.Table.from_pylist(made, schema=pa.schema(list(SCHEMA.items()))), n_sessions, n_paths


def _links(rows: list[dict[str, Any]], max_steps: int, with_ended: bool) -> pa.Table:
    """From each step to the next; a session that is over goes to `(ended)`, where paths have no end of their own."""
    kept = [row | {"next_label": row["next_label"] or ENDED} for row in rows if row["next_label"] is not None or with_ended]
    kept = sorted(
        (row for row in kept if row["step"] < max_steps - 1), key=lambda row: (row["step"], -row["n"], row["label"], row["next_label"])
    )
    at_step: dict[int, int] = {}
    for row in rows:
        at_step[row["step"]] = at_step.get(row["step"], 0) + row["n"]
    made = [
        dict(
            zip(
                LINKS,
                (row["step"], row["label"], row["next_label"], row["n"], at_step[row["step"]], row["n"] / at_step[row["step"]]),
                strict=True,
            )
        )
        for row in kept
    ]
    return pa.Table.from_pylist(made, schema=pa.schema(list(LINKS.items())))


def _named(links: pa.Table) -> float:
    """The share of the steps that are followed by another, or by the end, with a label of their own."""
    rows = links.to_pylist()
    total = sum(row["n"] for row in rows)
    return sum(row["n"] for row in rows if row["from_label"] != OTHER) / total if total else 1.0


def _bars(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return bars(
        [row["path"] for row in rows],
        {say("sessions", "会话数"): [row["n"] for row in rows]},
        horizontal=True,
        y_name=say("sessions, and their share", "会话数及占比"),
        texts=[f"{row['n']:,} · {row['share']:.2%}" for row in rows],
    )


def _chart(links: pa.Table, t: Trail) -> dict[str, Any] | None:
    """None where every path is a single step, and where there is but one label to go to."""
    rows = links.to_pylist()
    if len({row[side] for row in rows for side in ("from_label", "to_label")} - {ENDED}) < 2:
        return None
    titles = t.shown(sorted({row[side] for row in rows for side in ("from_label", "to_label")}))
    nodes: dict[str, str | Phrase] = {}
    for row in rows:
        for step, label in ((row["step"], row["from_label"]), (row["step"] + 1, row["to_label"])):
            shown = {ENDED: say("(ended)", "（已结束）"), OTHER: say("(other)", "（其他）")}.get(label, titles[label])
            nodes.setdefault(f"{step}:{label}", shown)
    return sankey(
        [{"name": name, "label": label} for name, label in sorted(nodes.items(), key=lambda node: (int(node[0].split(":")[0]), node[0]))],
        [{"source": f"{r['step']}:{r['from_label']}", "target": f"{r['step'] + 1}:{r['to_label']}", "value": r["n"]} for r in rows],
    )


def _definition(
    t: Trail, start: str | None, end: str | None, edges_only: bool, max_steps: int, collapse_repeats: bool, within: str
) -> Phrase:
    if start is not None and end is not None:
        what = say(
            "from the first {start} to the first {end} after it, {n} steps at most",
            "从首个 {start} 到其后首个 {end}，最多 {n} 步",
            start=start,
            end=end,
            n=max_steps,
        )
    elif start is not None:
        what = say("the first {n} steps from the first {start} on", "从首个 {start} 起的前 {n} 步", start=start, n=max_steps)
    elif end is not None:
        what = say("the last {n} steps up to the first {end}", "到首个 {end} 为止的最后 {n} 步", end=end, n=max_steps)
    else:
        what = say("the first {n} steps", "前 {n} 步", n=max_steps)
    if edges_only and end is not None:
        what = say("{what}; only sessions that begin and end so, to their very last act", "{what}；仅限以此开始并以此结束的会话", what=what)
    elif edges_only:
        what = say("{what}; only sessions that begin so", "{what}；仅限以此开始的会话", what=what)
    where = t.session_rule if within == "session" else say("a user's whole history is one session", "用户全部历史视为一个会话")
    repeats = (
        say("repeats in a row are one step", "连续重复计为一步")
        if collapse_repeats
        else say("repeats are steps of their own", "重复行为各计一步")
    )
    return say(
        "One path a session ({where}): {what}; {repeats}. Shares are of the sessions that have such a path.",
        "每个会话一条路径（{where}）：{what}；{repeats}。比例以包含此类路径的会话为分母。",
        where=where,
        what=what,
        repeats=repeats,
    )
