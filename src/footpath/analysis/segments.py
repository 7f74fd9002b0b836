"""Kinds of users by how they go about it: clusters of sequences, how stable they are, and what marks each.

k-means on order-aware features; k by the silhouette (Rousseeuw, J. Comput. Appl. Math. 1987, doi:10.1016/0377-0427(87)90125-7); held
against one cloud of the same covariance (Liu, Hayes, Nobel, Marron, SigClust, JASA 2008, doi:10.1198/016214508000000454); stability as
the adjusted Rand index (Hubert and Arabie, Journal of Classification 1985, doi:10.1007/BF01908075).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from jaxtyping import Float64, Int64
from scipy import stats
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, silhouette_score

from footpath.analysis import charts
from footpath.analysis.coded_acts import CodedActs, code_acts
from footpath.analysis.trail import Trail, trail
from footpath.errors import ConfigError
from footpath.events.log import EventLog
from footpath.result import Cell, Finding, Phrase, Result, say
from footpath.statistics import benjamini_hochberg, seeded, wilson

MAX_ACTS: Final = 10_000_000
MAX_FITTED: Final = 50_000
MAX_K: Final = 8
MIN_USERS: Final = 20
UNSTABLE: Final = 0.6
"""An adjusted Rand index below which segments are not worth telling of."""
LABELS: Final = 12
PAIRS: Final = 20
CLOUDS: Final = 39
"""Draws from one cloud of the same covariance: a p-value of 1/40 at least."""
SILHOUETTE_ROWS: Final = 1_500
WEIGHTS: Final = {"labels": 1.0, "repeats": 0.5, "first": 0.5, "last": 0.5, "steps": 1.0, "pauses": 0.5, "activity": 0.5}
"""Variance of each kind of feature: what people do and in which order tells more than how much of it."""
_SCHEMA: Final = {
    "segment": pa.string(), "name": pa.string(), "n_users": pa.int64(), "n": pa.int64(), "share": pa.float64(), "low": pa.float64(),
    "high": pa.float64(), "acts_per_user": pa.float64(), "sessions_per_user": pa.float64(),
}  # fmt: skip
_DEFINITION: Final = say(
    "Users clustered by what they do and in which order: label shares, how sessions begin and end, which step follows which, pauses, "
    "session length and activity; shares and steps weigh twice as much as each of the others.",
    "按用户做什么及其先后次序聚类：各标签占比、会话的起始与结束、步骤之间的转移、停顿、会话长度与活跃度；占比与转移的权重为其余各类的两倍。",
)


@dataclass(frozen=True, eq=False)
class Features:
    """One row a user. names, family: of each column; said: how those are called who have more of it, and those who have less."""

    values: Float64[np.ndarray, "U F"]
    names: list[Phrase]
    family: list[str]
    said: list[tuple[Phrase, Phrase]]

    def scaled(self) -> Float64[np.ndarray, "U F"]:
        """Mean 0 and, over each family, a variance of its weight; columns that do not vary are 0."""
        centred = self.values - self.values.mean(axis=0)
        spread = centred.std(axis=0)
        varies = spread > 1e-12
        scaled = np.zeros_like(centred)
        scaled[:, varies] = centred[:, varies] / spread[varies]
        for family in set(self.family):
            columns = np.array([name == family for name in self.family])
            scaled[:, columns] *= np.sqrt(WEIGHTS[family] / max(1, int((columns & varies).sum())))
        return scaled


def segments(
    log: EventLog | Trail, *, k: int | None = None, by: str | Sequence[str] | None = None, seed: int = 0, seeds: int = 5
) -> Result:
    """Clusters of users on order-aware features, with their stability and a profile of what marks each.

    k: 2 to 8 by the silhouette unless given. seeds: fits on other halves of the users, to see whether the same segments come out.
    Parts: `members` (user_id, segment) and `profile` (each feature of each segment against all others: means, difference in standard
    deviations, q-value; the segments were made from these very features, so q says what marks them and not that they exist).
    Fitted on 50 thousand users at most; the others go to the nearest centre.
    Raises ConfigError for a k or a number of seeds that cannot be.
    """
    if k is not None and k < 2:
        raise ConfigError(f"k must be at least 2, got {k}")
    if seeds < 2:
        raise ConfigError(f"seeds must be at least 2, for stability to be seen, got {seeds}")
    t = trail(log) if by is None else trail(log, by=by)
    if not t.counts.acts:
        return t.nothing("segments", _DEFINITION, say("no acts are left after the filters", "筛选后没有任何行为"), _SCHEMA)
    if t.counts.users < max(MIN_USERS, k or 0):
        why = say("{n:,} users are too few to cluster", "{n:,} 位用户过少，无法聚类", n=t.counts.users)
        return t.nothing("segments", _DEFINITION, why, _SCHEMA)
    acts = code_acts(t, max_acts=MAX_ACTS, seed=seed)
    features = features_of(acts, t.has_sessions)
    fitted = _fit(features, k, seed, seeds)
    if fitted is None:
        return t.nothing("segments", _DEFINITION, say("users do not differ enough to cluster", "用户之间差异过小，无法聚类"), _SCHEMA)
    return _result(t, acts, features, fitted, seed, seeds)


def features_of(acts: CodedActs, has_sessions: bool) -> Features:
    """What each user's sequence is like."""
    n_users, n_labels = len(acts.users), min(LABELS, len(acts.labels))
    # where steps are items, a dozen of them says little of anyone
    few = len(acts.labels) <= LABELS or 2 * int((acts.label < LABELS - 1).sum()) >= len(acts.label)
    user, label = acts.user.astype(np.int64), np.minimum(acts.label, n_labels - 1)
    shown = acts.labels[:n_labels] if len(acts.labels) <= LABELS else [*acts.labels[: n_labels - 1], "other"]
    order = np.argsort(acts.session, kind="stable")
    user, label, session = user[order], label[order], acts.session[order]
    begins = np.ones(len(user), bool)
    begins[1:] = session[1:] != session[:-1]
    ends = np.append(begins[1:], True)
    acts_of, sessions_of = np.bincount(user, minlength=n_users), np.bincount(user[begins], minlength=n_users)
    columns: list[np.ndarray] = []
    names: list[Phrase] = []
    family: list[str] = []
    said: list[tuple[Phrase, Phrase]] = []

    def add(values: np.ndarray, name: Phrase, kind: str, more: Phrase, less: Phrase) -> None:
        columns.append(values.astype(np.float64))
        names.append(name)
        family.append(kind)
        said.append((more, less))

    def shares(rows: np.ndarray, total: np.ndarray, english: str, chinese: str, kind: str) -> None:
        more, less = _SHARES[kind]
        counts = np.bincount(user[rows] * n_labels + label[rows], minlength=n_users * n_labels).reshape(n_users, n_labels)
        for code, name in enumerate(shown):
            if name == "other" and len(acts.labels) > LABELS:
                continue
            called = (say(str(more), more.zh, label=name), say(str(less), less.zh, label=name))
            add(counts[:, code] / np.maximum(1, total), say(english, chinese, label=name), kind, *called)

    everything = np.ones(len(user), bool)
    if few:
        shares(everything, acts_of, "{label}", "{label}", "labels")
        shares(begins, sessions_of, "sessions begun with {label}", "以 {label} 开始的会话", "first")
        shares(ends, sessions_of, "sessions ended with {label}", "以 {label} 结束的会话", "last")
    inner = np.flatnonzero(~begins)
    pair = label[inner - 1].astype(np.int64) * n_labels + label[inner]
    counts = np.bincount(pair, minlength=n_labels * n_labels)
    top = np.argsort(-counts, kind="stable")[: min(PAIRS, int((counts > 0).sum()))] if few else np.zeros(0, np.int64)
    steps_of = np.maximum(1, np.bincount(user[inner], minlength=n_users))
    for code in top:
        a, b = shown[code // n_labels], shown[code % n_labels]
        more, less = _REPEATED if a == b else _STEPS
        add(
            np.bincount(user[inner[pair == code]], minlength=n_users) / steps_of, say("{a} > {b}", "{a} > {b}", a=a, b=b), "steps",
            say(str(more), more.zh, a=a, b=b), say(str(less), less.zh, a=a, b=b),
        )  # fmt: skip
    exact = acts.label[order].astype(np.int64)
    same = inner[exact[inner] == exact[inner - 1]]
    add(
        np.bincount(user[same], minlength=n_users) / steps_of, say("same step twice in a row", "连续两次相同步骤"), "repeats",
        say("often take the same step twice in a row", "常连续重复同一步骤"),
        say("seldom take the same step twice in a row", "很少连续重复同一步骤"),
    )  # fmt: skip
    if not few:
        distinct = np.bincount(np.unique(user * len(acts.labels) + exact) // len(acts.labels), minlength=n_users)
        add(
            (acts_of - distinct) / acts_of, say("return to what they had before", "回到此前有过的内容"), "repeats",
            say("often return to what they had before", "常回到此前有过的内容"),
            say("seldom return to what they had before", "很少回到此前有过的内容"),
        )  # fmt: skip
    if acts.time is not None:
        time = acts.time[order]
        pause = np.log1p(np.maximum(0, time[inner] - time[inner - 1]) / 1e6)
        add(
            _mean(pause, user[inner], n_users),
            say("pauses between acts", "行为间的停顿"),
            "pauses",
            *_long("pauses between acts", "行为间的停顿"),
        )
        first = np.flatnonzero(begins)
        again = np.flatnonzero(user[first[1:]] == user[first[:-1]]) + 1
        away = np.log1p(np.maximum(0, time[first[again]] - time[first[again] - 1]) / 3.6e9)
        between = say("long breaks between sessions", "会话间隔长"), say("short breaks between sessions", "会话间隔短")
        add(_mean(away, user[first[again]], n_users), say("time between sessions", "会话间隔"), "pauses", *between)
    add(np.log(acts_of), say("acts", "行为数"), "activity", *_many("acts", "行为"))
    if has_sessions:
        add(
            np.log(acts_of / np.maximum(1, sessions_of)),
            say("acts per session", "每会话行为数"),
            "activity",
            *_many("acts per session", "每次会话行为"),
        )
        add(np.log(np.maximum(1, sessions_of)), say("sessions", "会话数"), "activity", *_many("sessions", "会话"))
    return Features(np.stack(columns, axis=1), names, family, said)


_SHARES: Final = {
    "labels": (Phrase("a high share of {label}", "{label} 占比高"), Phrase("a low share of {label}", "{label} 占比低")),
    "first": (
        Phrase("sessions often begin with {label}", "会话常以 {label} 开始"),
        Phrase("sessions seldom begin with {label}", "会话很少以 {label} 开始"),
    ),
    "last": (
        Phrase("sessions often end with {label}", "会话常以 {label} 结束"),
        Phrase("sessions seldom end with {label}", "会话很少以 {label} 结束"),
    ),
}
_STEPS: Final = (Phrase("often go from {a} to {b}", "常从 {a} 到 {b}"), Phrase("seldom go from {a} to {b}", "很少从 {a} 到 {b}"))
_REPEATED: Final = (Phrase("often repeat {a}", "常连续 {a}"), Phrase("seldom repeat {a}", "很少连续 {a}"))


def _long(english: str, chinese: str) -> tuple[Phrase, Phrase]:
    return Phrase(f"long {english}", f"{chinese}长"), Phrase(f"short {english}", f"{chinese}短")


def _many(english: str, chinese: str) -> tuple[Phrase, Phrase]:
    return Phrase(f"many {english}", f"{chinese}多"), Phrase(f"few {english}", f"{chinese}少")


def _mean(values: np.ndarray, user: np.ndarray, n_users: int) -> Float64[np.ndarray, " U"]:
    """Of each user; that of all users where a user has none."""
    n = np.bincount(user, minlength=n_users)
    overall = float(values.mean()) if len(values) else 0.0
    return np.where(n > 0, np.bincount(user, values, n_users) / np.maximum(1, n), overall)


@dataclass(frozen=True, eq=False)
class _Fitted:
    segment: Int64[np.ndarray, " U"]
    """Codes from 0, the largest segment first."""
    k: int
    silhouette: float
    silhouette_cloud: float
    p_value: float
    stability: tuple[float, float, float]
    tried: dict[int, float]


def _fit(features: Features, k: int | None, seed: int, seeds: int) -> _Fitted | None:
    rng = seeded(seed, 3)
    scaled = features.scaled()
    if not scaled.any():
        return None
    drawn = np.sort(rng.permutation(len(scaled))[:MAX_FITTED])
    n_components = min(10, scaled.shape[1], len(drawn) - 1)
    pca = PCA(n_components, svd_solver="full" if len(drawn) < 5_000 else "covariance_eigh", random_state=seed).fit(scaled[drawn])
    points = pca.transform(scaled)
    distinct = len(np.unique(np.round(points[drawn], 9), axis=0))
    choices = [k] if k is not None else list(range(2, MAX_K + 1))
    choices = [number for number in choices if number <= distinct and number < len(drawn)]
    if not choices:
        return None
    judged = np.sort(rng.permutation(drawn)[:SILHOUETTE_ROWS])
    models = {number: _means(points[drawn], number, seed) for number in choices}
    tried = {number: _silhouette(points[judged], model.predict(points[judged])) for number, model in models.items()}
    best = max(tried, key=lambda number: (tried[number], -number))
    codes = models[best].predict(points)
    order = np.argsort(-np.bincount(codes, minlength=best), kind="stable")
    place = np.empty(best, np.int64)
    place[order] = np.arange(best)
    # one cloud of the same covariance, cut into as many parts
    spread = points[judged].std(axis=0)
    clouds = []
    for _ in range(CLOUDS):
        cloud = rng.normal(0.0, 1.0, (len(judged), len(spread))) * spread
        clouds.append(_silhouette(cloud, _means(cloud, best, seed, starts=1).labels_))
    p = (1 + sum(value >= tried[best] for value in clouds)) / (1 + CLOUDS)
    return _Fitted(place[codes], best, tried[best], float(np.mean(clouds)), p, _stability(points, drawn, codes, best, rng, seeds), tried)


def _means(points: np.ndarray, k: int, seed: int, starts: int = 4) -> Any:
    if len(points) > 20_000:
        return MiniBatchKMeans(k, n_init=starts, random_state=seed, batch_size=4_096).fit(points)
    return KMeans(k, n_init=starts, random_state=seed).fit(points)


def _silhouette(points: np.ndarray, codes: np.ndarray) -> float:
    found = len(np.unique(codes))
    return float(silhouette_score(points, codes)) if 2 <= found < len(points) else 0.0


def _stability(
    points: np.ndarray, drawn: np.ndarray, codes: np.ndarray, k: int, rng: np.random.Generator, seeds: int
) -> tuple[float, float, float]:
    """The adjusted Rand index of these segments with those of fits on random halves: mean and its t interval."""
    found = []
    for number in range(seeds):
        half = points[rng.permutation(drawn)[: max(k + 1, len(drawn) // 2)]]
        if len(np.unique(np.round(half, 9), axis=0)) < k:
            continue
        found.append(adjusted_rand_score(codes[drawn], _means(half, k, number + 1).predict(points[drawn])))
    if len(found) < 2:
        return (np.nan, np.nan, np.nan)
    mean = float(np.mean(found))
    half_width = float(stats.t.ppf(0.975, len(found) - 1) * np.std(found, ddof=1) / np.sqrt(len(found)))
    return mean, max(-1.0, mean - half_width), min(1.0, mean + half_width)


def _profile(features: Features, segment: np.ndarray, k: int) -> list[dict[str, Any]]:
    """Each feature of each segment against all other users, largest differences first."""
    rows: list[dict[str, Any]] = []
    spread = features.values.std(axis=0)
    for code in range(k):
        inside = segment == code
        ours, others = features.values[inside], features.values[~inside]
        n, m = len(ours), len(others)
        gap = ours.mean(axis=0) - others.mean(axis=0)
        error = np.sqrt(ours.var(axis=0, ddof=1 if n > 1 else 0) / n + others.var(axis=0, ddof=1 if m > 1 else 0) / m)
        for f, name in enumerate(features.names):
            if spread[f] <= 1e-12:
                continue
            d, half = gap[f] / spread[f], 1.96 * error[f] / spread[f]
            p = float(2 * stats.norm.sf(abs(gap[f]) / error[f])) if error[f] > 0 and n > 1 else None
            rows.append({
                "segment": code, "feature": name, "family": features.family[f], "n": n, "mean": float(ours[:, f].mean()), "n_others": m,
                "mean_others": float(others[:, f].mean()), "difference": float(d), "low": float(d - half), "high": float(d + half),
                "p_value": p, "said": features.said[f][0 if gap[f] > 0 else 1],
            })  # fmt: skip
    q = benjamini_hochberg([np.nan if row["p_value"] is None else row["p_value"] for row in rows])
    for row, value in zip(rows, q, strict=True):
        row["q_value"] = None if np.isnan(value) else float(value)
    return sorted(rows, key=lambda row: (row["segment"], -abs(row["difference"]), row["feature"]))


def _marks(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What marks a segment most: up to two features of different kinds."""
    found: list[dict[str, Any]] = []
    for row in rows:
        sure = row["q_value"] is not None and row["q_value"] < 0.05 and abs(row["difference"]) >= 0.3
        if sure and _kind(row) not in {_kind(other) for other in found} and len(found) < 2:
            found.append(row)
    return found


def _kind(row: dict[str, Any]) -> str:
    """The family of a feature; from a step to the same again is a repeat."""
    a, arrow, b = str(row["feature"]).partition(" > ")
    return "repeats" if arrow and a == b else row["family"]


def _named(rows: Sequence[dict[str, Any]]) -> Phrase:
    parts = [row["said"] for row in _marks(rows)]
    if not parts:
        return say("like the others", "与其他用户相近")
    return Phrase(", ".join(parts), "，".join(part.zh for part in parts))


def _result(t: Trail, acts: CodedActs, features: Features, fitted: _Fitted, seed: int, seeds: int) -> Result:
    profile = _profile(features, fitted.segment, fitted.k)
    n_users = len(acts.users)
    sizes = np.bincount(fitted.segment, minlength=fitted.k)
    n_acts = np.diff(acts.offsets)
    n_sessions = np.bincount(acts.user[np.unique(acts.session, return_index=True)[1]], minlength=n_users)
    low, high = wilson(sizes, np.full(fitted.k, n_users))
    names = [_named([row for row in profile if row["segment"] == code]) for code in range(fitted.k)]
    table = pa.table(
        {
            "segment": [str(code + 1) for code in range(fitted.k)],
            "name": pa.array([str(name) for name in names], pa.string()),
            "n_users": sizes.astype(np.int64),
            "n": np.full(fitted.k, n_users),
            "share": sizes / n_users,
            "low": low,
            "high": high,
            "acts_per_user": [float(n_acts[fitted.segment == code].mean()) for code in range(fitted.k)],
            "sessions_per_user": [float(n_sessions[fitted.segment == code].mean()) for code in range(fitted.k)],
        }
    )
    members = pa.table({"user_id": acts.users, "segment": pa.array([str(code + 1) for code in fitted.segment.tolist()])})
    columns = ("segment", "feature", "n", "mean", "n_others", "mean_others", "difference", "low", "high", "p_value", "q_value")
    shown = [row | {"segment": str(row["segment"] + 1), "feature": str(row["feature"])} for row in profile]
    parts = {"members": members, "profile": pa.table({name: [row[name] for row in shown] for name in columns})}
    stable = fitted.stability
    known = not np.isnan(stable[0])
    cells = [
        Cell("k", fitted.k, "segments", n_users),
        Cell("silhouette", fitted.silhouette, "score", n_users),
        Cell("silhouette_one_cloud", fitted.silhouette_cloud, "score", n_users),
        Cell(
            "stability", stable[0] if known else None, "adjusted Rand", n_users, stable[1] if known else None, stable[2] if known else None
        ),
    ]
    cells += [
        Cell(f"share_{code + 1}", float(sizes[code] / n_users), "share", n_users, float(low[code]), float(high[code]), note=names[code])
        for code in range(fitted.k)
    ]
    definition = say(
        "{what} k-means on principal components, {how}; {seeds} fits on random halves of the users give the stability (adjusted Rand, "
        "1 the same, 0 chance). Features are compared with all other users in standard deviations; the segments were made from them, so "
        "the q-values say what marks a segment and not that it exists.",
        "{what}在主成分上做 k-means，{how}；用 {seeds} 次对随机一半用户的拟合衡量稳定性（调整兰德指数，1 为一致，0 为随机）。"
        "各特征与其余用户之差以标准差计；分群本身由这些特征得出，q 值只说明分群的特点，不证明其存在。",
        what=_DEFINITION, seeds=seeds,
        how=_how(fitted),
    )  # fmt: skip
    warnings: list[Phrase] = [*acts.sampled]
    if known and stable[0] < UNSTABLE:
        warnings.append(
            say(
                "the segments depend on which users are looked at (adjusted Rand {ari:.2f} between fits); take another k",
                "分群结果依赖于所抽取的用户（各次拟合间的调整兰德指数为 {ari:.2f}），可改用其他 k",
                ari=stable[0],
            )
        )  # fmt: skip
    if fitted.p_value > 0.05:
        warnings.append(
            say(
                "users form one cloud rather than groups: cutting a single cloud gives segments as clear (silhouette {one:.2f} "
                "against {ours:.2f})",
                "用户更像一个整体而非若干群体：对单一分布切分也能得到同样清晰的分群（轮廓系数 {one:.2f}，实际 {ours:.2f}）",
                one=fitted.silhouette_cloud, ours=fitted.silhouette,
            )
        )  # fmt: skip
    meta = t.meta(
        definition, warnings=warnings, seed=seed, seeds=seeds, silhouettes={str(number): value for number, value in fitted.tried.items()}
    )
    telling = [
        code
        for code in range(fitted.k)
        if any(mark["family"] != "activity" for mark in _marks([r for r in profile if r["segment"] == code])[:1])
    ]
    findings = _findings(fitted, names, telling, sizes, n_users, low, high)
    return Result("segments", table, meta, tuple(cells), _chart(profile, names, fitted.k), parts, findings, {"labels": acts.labels_query})


def _how(fitted: _Fitted) -> Phrase:
    if len(fitted.tried) == 1:
        return say("k = {k}", "k = {k}", k=fitted.k)
    tried = ", ".join(map(str, fitted.tried))
    return say("k = {k}, of {tried} by the silhouette", "k = {k}（按轮廓系数从 {tried} 中选出）", k=fitted.k, tried=tried)


def _chart(profile: Sequence[dict[str, Any]], names: Sequence[Phrase], k: int) -> dict[str, Any]:
    """The features that mark segments most, each for all segments."""
    strongest: dict[Any, float] = {}
    for row in profile:
        strongest[row["feature"]] = max(strongest.get(row["feature"], 0.0), abs(row["difference"]))
    features = sorted(strongest, key=lambda name: (-strongest[name], name))[:10]
    at = {(row["segment"], row["feature"]): (row["difference"], row["low"], row["high"]) for row in profile}
    series: dict[str, Any] = {
        say("{n}: {name}", "{n}：{name}", n=code + 1, name=names[code]): [at[code, name] for name in features] for code in range(k)
    }
    return charts.intervals(
        features, series, format="number", x_name=say("standard deviations from the other users", "与其余用户之差（标准差）")
    )  # fmt: skip


def _findings(
    fitted: _Fitted, names: Sequence[Phrase], telling: Sequence[int], sizes: np.ndarray, n_users: int, low: np.ndarray, high: np.ndarray
) -> tuple[Finding, ...]:
    """The largest segment but one that is told by more than how much its users do, where segments are there and come out again."""
    if fitted.p_value > 0.05 or not fitted.stability[1] >= UNSTABLE:
        return ()
    worth = [code for code in telling if code and sizes[code] >= 30 and sizes[code] >= 0.05 * n_users]
    if not worth:
        return ()
    code = worth[0]
    text = say(
        "{share:.1%} [{low:.1%}, {high:.1%}] of users are a group of their own: {name}; fits on other users give the same segments "
        "(adjusted Rand {ari:.2f}).",
        "{share:.1%} [{low:.1%}, {high:.1%}] 的用户自成一类：{name}；换用其他用户拟合得到同样的分群（调整兰德指数 {ari:.2f}）。",
        share=sizes[code] / n_users, low=low[code], high=high[code], name=names[code], ari=fitted.stability[0],
    )  # fmt: skip
    return (Finding("finding", text, (f"share_{code + 1}", "stability"), None, float(0.3 * sizes[code] / n_users)),)
