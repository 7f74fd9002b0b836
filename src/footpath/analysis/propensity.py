"""Who is likely to buy, or to leave, within a horizon: learned from earlier cuts in time, calibrated, and held to a later one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float64
from scipy.special import ndtr

from footpath.analysis.charts import lines
from footpath.analysis.trail import CENTURY_DAYS, Trail, main_categories, trail
from footpath.calibration import fit_calibrator
from footpath.errors import ConfigError, DataError, did_you_mean
from footpath.events.contract import EVENT_TYPES
from footpath.events.log import EventLog
from footpath.result import Cell, Finding, Phrase, Result, say
from footpath.statistics import auc_interval, calibration, seeded, wilson

Model = Callable[[Sequence[str], datetime], Float64[np.ndarray, " U"]]
"""The users and a moment to scores in [0, 1], from what they did before it: a sequence model's head, for one."""

MIN_CASES: Final = 50
"""Users with and without the outcome that each part needs; below, a figure would say more of chance than of people."""
CUTS: Final = 4
"""Training cuts, each a horizon before the next."""
LOOKBACK: Final = 4
"""Horizons before a cut in which a user must have acted to be asked about a purchase; about leaving, one."""
MAX_USERS: Final = 200_000
DECILES: Final = 10
SCHEMA: Final = {
    "bin": pa.int64(),
    "n": pa.int64(),
    "predicted": pa.float64(),
    "n_positive": pa.int64(),
    "observed": pa.float64(),
    "low": pa.float64(),
    "high": pa.float64(),
    "lift": pa.float64(),
}
MARKS: Final = {
    "feature": pa.string(),
    "gain_share": pa.float64(),
    "threshold": pa.float64(),
    "n": pa.int64(),
    "rate": pa.float64(),
    "n_others": pa.int64(),
    "rate_others": pa.float64(),
    "ratio": pa.float64(),
    "low": pa.float64(),
    "high": pa.float64(),
    "adjusted_ratio": pa.float64(),
    "p_value": pa.float64(),
}
PARTS: Final = {
    "part": pa.string(), "cut": pa.timestamp("us"), "n_users": pa.int64(), "n_positive": pa.int64(), "base_rate": pa.float64(),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Cases:
    """Users at a cut: what they did before it, and whether the event came within the horizon after it."""

    cut: datetime
    users: list[str]
    features: Float64[np.ndarray, "U F"]
    outcome: Bool[np.ndarray, " U"]

    @property
    def positive(self) -> int:
        return int(self.outcome.sum())


def propensity(
    log: EventLog | Trail,
    *,
    event: str = "churn",
    horizon_days: float | None = None,
    cut: datetime | str | None = None,
    model: Model | None = None,
    seed: int = 0,
) -> Result:
    """How likely each user is to have an event within a horizon, as probabilities that are held to what then happened.

    event: `churn` (no act within the horizon, asked of users with an act within one horizon before the cut) or an event type, asked of
    users with an act within four horizons. horizon_days: without it the first of 7, 14, 28 and 56 that has enough cases and fits six times
    into the log; a sixth of a shorter log. cut: where the test begins; without it one horizon before the end of the log. Features are of
    acts before a cut, outcomes of the horizon after it: test at the cut, calibration one horizon earlier, training at up to four cuts
    before that, so that no outcome reaches into a later part.
    model: scores of users at a cut from above, in place of gradient boosting; calibrated and held to the same test. Calibration is isotonic
    with 500 users of both outcomes, else Platt's. parts: `parts`, `marks` (what marks the likely ones: gain in the trees, and the rates of
    users with more and with less of it), `users` (probabilities from the end of the log). Empty, and says so, under 50 users with and 50
    without the outcome in each part. Raises NotInLogError without a clock or the type, ConfigError for options that cannot be.

    Ke et al., LightGBM, NeurIPS 2017; Niculescu-Mizil and Caruana, ICML 2005; DeLong et al., Biometrics 1988.
    """
    t = trail(log)
    t.need_clock("propensity")
    if event != "churn" and event not in EVENT_TYPES:
        known = ("churn", *EVENT_TYPES)
        raise ConfigError(f"event must be churn or an event type, got {event!r}{did_you_mean(event, known)}")
    if horizon_days is not None and not 0 < horizon_days <= CENTURY_DAYS:
        raise ConfigError(f"horizon_days must be above 0 and at most {CENTURY_DAYS:.0f}, got {horizon_days:g}")
    if not t.counts.acts:
        why = say("no acts are left after the filters", "筛选后没有任何行为")
        return t.nothing("propensity", _definition(event, timedelta(days=horizon_days or 7), None), why, SCHEMA)
    if event != "churn":
        t.need_types("propensity", [event])
    first, last = t.counts.first, t.counts.last
    assert first is not None
    assert last is not None
    names = _feature_names(t)
    for days in _horizons(first, last, horizon_days):
        horizon, at = _when(first, last, days, cut)
        train = [
            _cases(t, names, moment, horizon, event, seed)
            for moment in (at - horizon * (2 + i) for i in range(CUTS))
            if moment - (horizon if event == "churn" else horizon * 2) >= first
        ]
        checked, test = (_cases(t, names, moment, horizon, event, seed) for moment in (at - horizon, at))
        refused = _too_few(train, checked, test, event, model is not None)
        if refused is None:
            break
    definition = _definition(event, horizon, at)
    parts = _parts(train, checked, test)
    if refused is not None:
        result = t.nothing("propensity", definition, refused, SCHEMA)
        return Result(result.name, result.table, result.meta, result.cells, None, {"parts": parts})
    everybody = _cases(t, names, last + timedelta(microseconds=1), horizon, event, seed)
    if model is None:
        scores, gains = _boosted(train, [checked, test, everybody], seed)
    else:
        scores, gains = [_asked(model, part) for part in (checked, test, everybody)], None
    calibrated = fit_calibrator(checked.outcome, scores[0])
    p, p_now = calibrated(scores[1]), calibrated(scores[2])
    table = _table(test, p, scores[1])
    marks = _marks([*train, checked, test], names, gains)
    area = auc_interval(test.outcome, scores[1])
    error = calibration(test.outcome, p, bins=DECILES, equal="mass").expected_error
    top = table.to_pylist()[-1]
    base = test.positive / len(test.users)
    base_low, base_high = wilson(test.positive, len(test.users))
    cells = [
        Cell("base_rate", base, "share", len(test.users), float(base_low), float(base_high)),
        Cell("auc", area.value, "share", len(test.users), area.low, area.high),
        Cell("top_decile_rate", top["observed"], "share", top["n"], top["low"], top["high"]),
        Cell("top_decile_lift", top["lift"], "times", top["n"], top["low"] / base, top["high"] / base),
        Cell("calibration_error", error, "share", len(test.users)),
        Cell("users", len(everybody.users), "users"),
    ]
    cells += [
        Cell(f"mark.{row['feature']}", row["ratio"], "times", min(row["n"], row["n_others"]), row["low"], row["high"])
        for row in marks.to_pylist() if row["ratio"] is not None
    ]  # fmt: skip
    now = sorted(zip(everybody.users, p_now.tolist(), strict=True), key=lambda row: (-row[1], row[0]))
    warnings = [_said_parts(event)]
    if len(everybody.users) >= MAX_USERS:
        warnings.append(say("each part is of {n:,} users drawn at random", "每个部分为随机抽取的 {n:,} 位用户", n=MAX_USERS))
    return Result(
        "propensity",
        table,
        t.meta(
            definition, warnings=warnings, event=event, horizon_days=horizon / timedelta(days=1), cut=f"{at:%Y-%m-%d %H:%M}", seed=seed,
            model="lightgbm" if model is None else getattr(model, "__name__", type(model).__name__),
            n_train=sum(len(part.users) for part in train),
        ),
        tuple(cells),
        _chart(table),
        {
            "parts": parts,
            "marks": marks,
            "users": pa.table(
                {"user_id": pa.array([user for user, _ in now], pa.string()), "probability": pa.array([x for _, x in now], pa.float64())}
            ),
        },
        tuple(_findings(event, horizon, area, table, base, marks, error)),
        {"features": _features(t, t.lazy, names, at, horizon)},
    )  # fmt: skip


def _horizons(first: datetime, last: datetime, horizon_days: float | None) -> list[float]:
    if horizon_days is not None:
        return [horizon_days]
    sixth = (last - first) / timedelta(days=6)
    return [days for days in (7.0, 14.0, 28.0, 56.0) if days <= sixth] or [max(sixth, 1 / 24)]


def _when(first: datetime, last: datetime, days: float, cut: datetime | str | None) -> tuple[timedelta, datetime]:
    horizon = timedelta(seconds=max(1, round(days * 86_400)))
    if cut is None:
        return horizon, last - horizon + timedelta(microseconds=1)  # the last act of the log is within the last horizon
    try:
        at = cut if isinstance(cut, datetime) else datetime.fromisoformat(cut)
    except ValueError:
        raise ConfigError(f"cut must be a date or a time such as 2026-01-31T12:00, got {cut!r}") from None
    if at.tzinfo is not None:
        from datetime import UTC

        at = at.astimezone(UTC).replace(tzinfo=None)
    if at + horizon > last or at <= first:
        raise ConfigError(
            f"cut must leave a horizon of {days:g} days before the end of the log, {last:%Y-%m-%d %H:%M}, and acts before it; got {cut}"
        )
    return horizon, at


def _definition(event: str, horizon: timedelta, at: datetime | None) -> Phrase:
    days = horizon / timedelta(days=1)
    when = Phrase("", "") if at is None else say(" from {at:%Y-%m-%d %H:%M} on", "（自 {at:%Y-%m-%d %H:%M} 起）", at=at)
    if event == "churn":
        return say(
            "churn: no act within {days:g} days{when}, of users with an act in the {days:g} days before; "
            "probabilities are calibrated one horizon earlier and learned before that",
            "流失：在此前 {days:g} 天内有行为的用户中，其后 {days:g} 天{when}内没有任何行为；"
            "概率在早一个窗口的数据上校准，模型用更早的数据训练",
            days=days, when=when,
        )  # fmt: skip
    return say(
        "{event} within {days:g} days{when}, of users with an act in the {back:g} days before; "
        "probabilities are calibrated one horizon earlier and learned before that",
        "在此前 {back:g} 天内有行为的用户中，其后 {days:g} 天{when}内发生 {event}；概率在早一个窗口的数据上校准，模型用更早的数据训练",
        event=event, days=days, back=days * LOOKBACK, when=when,
    )  # fmt: skip


def _feature_names(t: Trail) -> list[str]:
    types = sorted(t.types)
    names = ["acts", "recent_acts", "sessions", "recent_sessions", "days_since_last", "days_since_first", "mean_pause_days"]
    if len(types) > 1:
        names += [f"{kind}{when}" for kind in types for when in ("_acts", "_recent")]
        names += [f"last_{kind}" for kind in types] + [f"before_last_{kind}" for kind in types]
    if t.counts.items:
        names += ["items", "repeat_share"]
        if main_categories(t.log) is not None:
            names.append("categories")
    if "n_results" in t.acts.columns and "search" in t.types:
        names += ["failed_searches", "recent_failed_searches", "last_failed_searches"]
    return names


def _features(t: Trail, acts: ir.Table, names: Sequence[str], cut: datetime, horizon: timedelta) -> ir.Table:
    """One row a user with acts before the cut: a column a feature. recent: within a horizon before the cut."""
    moment = ibis.literal(cut, type="timestamp")
    recent = ibis.literal(cut - horizon, type="timestamp")
    before = acts.filter(acts.timestamp < moment)
    types = [name.removesuffix("_recent") for name in names if name.endswith("_recent")]
    failed = "failed_searches" in names
    back = ibis.row_number().over(ibis.window(group_by="user_id", order_by=before.position.desc()))
    rows = before.mutate(_back=back, _recent=(before.timestamp >= recent).cast("int64"))
    if "categories" in names:
        found = main_categories(t.log)
        assert found is not None
        lookup = found.select(_key=found.item_id, _category=found.category)
        rows = rows.left_join(lookup, rows.item_id == lookup._key).drop("_key")
    made: dict[str, Any] = {
        "acts": rows.count(),
        "recent_acts": rows._recent.sum(),
        "sessions": (rows.step == 0).cast("int64").sum(),
        "recent_sessions": ((rows.step == 0) & (rows._recent == 1)).cast("int64").sum(),
        "_first": rows.timestamp.min(),
        "_last": rows.timestamp.max(),
    }
    for kind in types:
        own = (rows.event_type == kind).cast("int64")
        made[f"{kind}_acts"] = own.sum()
        made[f"{kind}_recent"] = (own * rows._recent).sum()
        made[f"last_{kind}"] = ((rows.event_type == kind) & (rows._back == 0)).cast("int64").sum()
        made[f"before_last_{kind}"] = ((rows.event_type == kind) & (rows._back == 1)).cast("int64").sum()
    if "items" in names:
        made["items"] = rows.item_id.nunique()
        made["_named"] = rows.item_id.count()
    if "categories" in names:
        made["categories"] = rows._category.nunique()
    if failed:
        empty = ((rows.event_type == "search") & (rows.n_results.cast("float64") == 0)).fill_null(False).cast("int64")
        made["failed_searches"] = empty.sum()
        made["recent_failed_searches"] = (empty * rows._recent).sum()
        made["last_failed_searches"] = (empty * (rows._back < 5).cast("int64")).sum()
    users = rows.group_by("user_id").agg(**made)
    seconds = {name: users[name].truncate("s").epoch_seconds().cast("float64") for name in ("_first", "_last")}
    now = float(int((cut - datetime(1970, 1, 1)).total_seconds()))
    more: dict[str, Any] = {
        "days_since_last": (now - seconds["_last"]) / 86_400,
        "days_since_first": (now - seconds["_first"]) / 86_400,
        "mean_pause_days": (seconds["_last"] - seconds["_first"]) / 86_400 / ibis.greatest(users.sessions - 1, 1).cast("float64"),
    }
    if "repeat_share" in names:
        more["repeat_share"] = 1 - users["items"].cast("float64") / ibis.greatest(users._named, 1).cast("float64")
    users = users.mutate(**more)
    return users.select("user_id", "_last", **{name: users[name].cast("float64") for name in names})


def _outcomes(acts: ir.Table, cut: datetime, horizon: timedelta, event: str) -> ir.Table:
    begin, end = (ibis.literal(moment, type="timestamp") for moment in (cut, cut + horizon))
    after = acts.filter((acts.timestamp >= begin) & (acts.timestamp < end))
    if event != "churn":
        after = after.filter(after.event_type == event)
    return after.select("user_id").distinct()


def _cases(t: Trail, names: Sequence[str], cut: datetime, horizon: timedelta, event: str, seed: int) -> Cases:
    users = _features(t, t.acts, names, cut, horizon)
    active = ibis.literal(cut - horizon * (1 if event == "churn" else LOOKBACK), type="timestamp")
    users = users.filter(users._last >= active)
    came = _outcomes(t.acts, cut, horizon, event)
    came = came.select(_came=came.user_id)
    joined = users.left_join(came, users.user_id == came._came)
    rows = joined.mutate(outcome=joined._came.notnull()).drop("_came", "_last").to_pyarrow().sort_by("user_id")
    if rows.num_rows > MAX_USERS:
        kept = np.sort(seeded(seed).choice(rows.num_rows, MAX_USERS, replace=False))
        rows = rows.take(pa.array(kept))
    outcome = rows["outcome"].to_numpy()
    features = np.column_stack([rows[name].to_numpy() for name in names]) if rows.num_rows else np.zeros((0, len(names)))
    return Cases(cut, rows["user_id"].to_pylist(), features, ~outcome if event == "churn" else outcome)


def _parts(train: list[Cases], checked: Cases, test: Cases) -> pa.Table:
    named = [*(("train", part) for part in reversed(train)), ("calibration", checked), ("test", test)]
    rows = [
        {"part": name, "cut": part.cut, "n_users": len(part.users), "n_positive": part.positive,
         "base_rate": part.positive / len(part.users) if part.users else None}
        for name, part in named
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=pa.schema(list(PARTS.items())))


def _too_few(train: list[Cases], checked: Cases, test: Cases, event: str, given: bool) -> Phrase | None:
    """Why nothing can be said, or None."""
    learned = (sum(p.positive for p in train), sum(len(p.users) - p.positive for p in train))
    named = [] if given else [(say("training", "训练"), *learned)]
    named += [
        (name, part.positive, len(part.users) - part.positive)
        for name, part in ((say("calibration", "校准"), checked), (say("test", "测试"), test))
    ]
    for name, positive, negative in named:
        if min(positive, negative) < MIN_CASES:
            return say(
                "no probability is given: the {name} part has {positive:,} users with {event} and {negative:,} without, and needs "
                "{least} of each; a longer log or another `horizon_days` may have them",
                "不给出概率：{name}部分有 {positive:,} 位用户发生{event}、{negative:,} 位未发生，而两者各需至少 {least} 位；"
                "更长的日志或另一个 `horizon_days` 或可满足",
                name=name, positive=positive, negative=negative, least=MIN_CASES,
                event=say("churn", "流失") if event == "churn" else say("{event}", " {event}", event=event),
            )  # fmt: skip
    return None


def _boosted(train: list[Cases], asked: list[Cases], seed: int) -> tuple[list[Float64[np.ndarray, " U"]], Float64[np.ndarray, " F"]]:
    import lightgbm

    data = np.concatenate([part.features for part in train])
    label = np.concatenate([part.outcome for part in train]).astype(np.float64)
    settings = {
        "objective": "binary", "learning_rate": 0.05, "num_leaves": 15, "min_data_in_leaf": 20, "lambda_l2": 1.0, "feature_fraction": 0.8,
        "seed": seed, "num_threads": 1, "deterministic": True, "force_row_wise": True, "verbosity": -1,
    }  # fmt: skip
    booster = lightgbm.train(settings, lightgbm.Dataset(data, label), num_boost_round=100)
    return [np.asarray(booster.predict(part.features), np.float64) if part.users else np.zeros(0) for part in asked], np.asarray(
        booster.feature_importance("gain"), np.float64
    )


def _asked(model: Model, part: Cases) -> Float64[np.ndarray, " U"]:
    scores = np.asarray(model(part.users, part.cut), np.float64)
    if scores.shape != (len(part.users),):
        raise DataError(f"the model must give one score for each of {len(part.users)} users, got an array of shape {scores.shape}")
    if not ((scores >= 0) & (scores <= 1)).all():
        raise DataError("the model must give scores between 0 and 1")
    return scores


def _table(test: Cases, p: Float64[np.ndarray, " U"], scores: Float64[np.ndarray, " U"]) -> pa.Table:
    """Tenths of the tested users by probability, the least likely first: what was said and what happened."""
    order = np.lexsort((np.arange(len(p)), scores))
    base = test.positive / len(test.users)
    rows = []
    for i, members in enumerate(np.array_split(order, DECILES)):
        n, k = len(members), int(test.outcome[members].sum())
        low, high = wilson(k, n)
        rows.append(
            {
                "bin": i + 1, "n": n, "predicted": float(p[members].mean()), "n_positive": k, "observed": k / n, "low": float(low),
                "high": float(high), "lift": k / n / base,
            }
        )  # fmt: skip
    return pa.Table.from_pylist(rows, schema=pa.schema(list(SCHEMA.items())))


def _marks(parts: list[Cases], names: list[str], gains: Float64[np.ndarray, " F"] | None) -> pa.Table:
    """Users with more of a feature against those with less, over all cuts; adjusted: within tenths of recent activity and recency.

    A user stands once for each cut, so errors are over users (a sandwich by cut would be too few). Mantel and Haenszel, JNCI 1959.
    """
    data = np.concatenate([part.features for part in parts])
    outcome = np.concatenate([part.outcome for part in parts])
    users = np.unique(np.concatenate([np.array(part.users, object) for part in parts]), return_inverse=True)[1]
    strata = _strata(data, names)
    total = gains.sum() if gains is not None else 0.0
    rows = []
    for f, name in enumerate(names):
        column = data[:, f]
        threshold = _threshold(name, column)
        with_, without = column >= threshold, column < threshold
        n, m = int(with_.sum()), int(without.sum())
        row: dict[str, Any] = {
            "feature": name, "gain_share": float(gains[f] / total) if gains is not None and total else None, "threshold": float(threshold),
            "n": n, "rate": float(outcome[with_].mean()) if n else None, "n_others": m,
            "rate_others": float(outcome[without].mean()) if m else None,
        }  # fmt: skip
        rows.append(row | _ratio(outcome, with_, users, strata))
    rows.sort(key=lambda row: (-(row["gain_share"] or 0.0), row["feature"]))
    return pa.Table.from_pylist(rows, schema=pa.schema(list(MARKS.items())))


def _threshold(name: str, column: Float64[np.ndarray, " E"]) -> float:
    """Two for failed searches, one for what most users lack, else the median."""
    if name.endswith("failed_searches"):
        return 2.0
    middle = float(np.median(column))
    return middle if middle > 0 else float(np.min(column[column > 0], initial=np.inf)) if (column > 0).any() else 1.0


def _strata(data: Float64[np.ndarray, "E F"], names: list[str]) -> np.ndarray:
    codes = np.zeros(len(data), np.int64)
    for name in ("recent_acts", "days_since_last"):
        column = data[:, names.index(name)]
        edges = np.unique(np.quantile(column, np.linspace(0, 1, 6)[1:-1]))
        codes = codes * 5 + np.searchsorted(edges, column, side="right")
    return codes


def _ratio(outcome: np.ndarray, with_: np.ndarray, users: np.ndarray, strata: np.ndarray) -> dict[str, Any]:
    """The ratio of rates with an interval over users, and the Mantel-Haenszel ratio over strata with its test over users."""
    n, m = int(with_.sum()), int((~with_).sum())
    k, j = int(outcome[with_].sum()), int(outcome[~with_].sum())
    nothing: dict[str, Any] = dict.fromkeys(("ratio", "low", "high", "adjusted_ratio", "p_value"))
    if not (n and m and k and j):
        return nothing
    p, q = k / n, j / m
    # influence of each row on log(p / q), summed over the rows of a user
    influence = np.where(with_, (outcome - p) / (n * p), -(outcome - q) / (m * q))
    error = float(np.sqrt((np.bincount(users, influence) ** 2).sum()))
    half = 1.959964 * error
    top = bottom = 0.0
    score = np.zeros(len(outcome))
    for s in np.unique(strata):
        here = strata == s
        a, b = here & with_, here & ~with_
        if not (a.any() and b.any()):
            continue
        size = here.sum()
        top += outcome[a].sum() * b.sum() / size
        bottom += outcome[b].sum() * a.sum() / size
        # the score of the Cochran-Mantel-Haenszel test: outcome against its mean, weighed by who has the feature against theirs
        score[here] = (outcome[here] - outcome[here].mean()) * (with_[here] - with_[here].mean())
    per_user = np.bincount(users, score)
    variance = float((per_user**2).sum())
    z = per_user.sum() / np.sqrt(variance) if variance > 0 else 0.0
    return {
        "ratio": p / q, "low": p / q * float(np.exp(-half)), "high": p / q * float(np.exp(half)),
        "adjusted_ratio": top / bottom if bottom > 0 else None, "p_value": float(2 * ndtr(-abs(z))),
    }  # fmt: skip


def _said_parts(event: str) -> Phrase:
    return say(
        "what marks users is no cause: the trees and the rates tell who {what}, not what would change it",
        "特征标记并非原因：模型与比率说明哪些用户{zh}，而非怎样改变它",
        what="leaves" if event == "churn" else f"comes to a {event}",
        zh="会流失" if event == "churn" else f"会发生 {event}",
    )


def _chart(table: pa.Table) -> dict[str, Any]:
    rows = table.to_pylist()
    observed = say("observed", "实际")
    return lines(
        [str(row["bin"]) for row in rows],
        {observed: [row["observed"] for row in rows], say("predicted", "预测"): [row["predicted"] for row in rows]},
        bands={observed: ([row["low"] for row in rows], [row["high"] for row in rows])},
        format="share",
        x_name=say("tenth of users by probability", "按概率分成十份的用户"),
        y_name=say("share", "比例"),
    )


def _findings(event: str, horizon: timedelta, area: Any, table: pa.Table, base: float, marks: pa.Table, error: float) -> list[Finding]:
    found = []
    by = {row["feature"]: row for row in marks.to_pylist()}
    days = horizon / timedelta(days=1)
    failed = by.get("last_failed_searches") or {}
    if (
        event == "churn" and failed.get("ratio") is not None and min(failed["n"], failed["n_others"]) >= 30 and failed["low"] > 1.1
        and (failed["adjusted_ratio"] or 0) > 1.1 and failed["p_value"] < 0.01
    ):  # fmt: skip
        found.append(
            Finding(
                "finding",
                say(
                    "Users who lately searched twice in vain are {ratio:.1f} times as likely to leave within {days:g} days "
                    "[{low:.1f}, {high:.1f}]: {rate:.0%} against {others:.0%}",
                    "最近两次搜索无果的用户在 {days:g} 天内流失的可能性是其他用户的 {ratio:.1f} 倍 [{low:.1f}, {high:.1f}]："
                    "{rate:.0%} 对 {others:.0%}",
                    ratio=failed["ratio"], low=failed["low"], high=failed["high"], rate=failed["rate"], others=failed["rate_others"],
                    days=days,
                ),
                ("mark.last_failed_searches",),
                failed["p_value"],
                min(1.0, 0.4 + failed["n"] / (failed["n"] + failed["n_others"]) * failed["ratio"]),
            )
        )  # fmt: skip
    top = table.to_pylist()[-1]
    what = say("leave", "流失") if event == "churn" else say("have a {event}", "发生 {event}", event=event)
    if area.low > 0.55 and top["n"] >= 30 and top["lift"] >= 1.2:
        found.append(
            Finding(
                "question",
                say(
                    "Whom to write to? Of the tenth most likely to {what} within {days:g} days {rate:.0%} did, of all users {base:.0%}. "
                    "For the list: `footpath analyze STORE --only propensity --tables lists`",
                    "应联系谁？最可能在 {days:g} 天内{what}的十分之一用户中有 {rate:.0%} 如此，全部用户为 {base:.0%}。"
                    "名单：`footpath analyze STORE --only propensity --tables lists`",
                    what=what, days=days, rate=top["observed"], base=base,
                ),
                ("top_decile_rate", "base_rate", "auc"),
                weight=min(1.0, (area.value - 0.5) * 2),
            )
        )  # fmt: skip
    if error > 0.1:
        found.append(
            Finding(
                "doubt",
                say(
                    "The probabilities to {what} are off by {error:.0%} on average: people changed between the cuts, trust the order only",
                    "预测的{what}概率平均偏离 {error:.0%}：各时点之间用户行为有变化，只宜相信排序",
                    what=what, error=error,
                ),
                ("calibration_error",),
                weight=min(1.0, error * 2),
            )
        )  # fmt: skip
    return found[:3]
