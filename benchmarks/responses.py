"""How well models of responses do: on the simulated shop, whose true click probabilities are known, and on MovieLens beside CoLLM.

    python benchmarks/responses.py shop [--events 1000000] [--seed 5] [--models a,b] [--calm] [--picture FILE]
    python benchmarks/responses.py movielens DATA
    python benchmarks/responses.py joint DATA
    python benchmarks/responses.py table

Each measurement is kept in responses.json beside this file; `table` writes them all into docs/quality-responses.md, and README's from them.

shop: the share of the gap in log-loss between the base rate and the truth that a model closes, on the last tenth of the time. What an
observer of the log could close at best is computed too: by Bayes' rule, with every parameter of the shop known but not what a user likes;
and what one could who does not know that a third of the users turned to other categories half way. --calm: a shop where nobody did.
joint: one encoder for the next item, "rated 4 or more" and the rating, against one for each, on ml-100k by time.
Settings are the models' defaults, which were chosen on the validation part of the shop of seed 5, those of most networks hardly searched;
boosting may grow more trees, and validation says how many.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import argparse
import json
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy.special import expit

from footpath.calibration import fit_calibrator
from footpath.evaluation.predictions import ece, gauc, log_loss, log_losses
from footpath.events.contract import EVENT_TYPES
from footpath.events.readers import read_events
from footpath.events.shop import (
    BASE,
    CATEGORIES,
    DECAY,
    DRIFT_AT,
    EXAMINED,
    FIRST,
    RECENT,
    SECOND,
    TEMPTED,
    Shop,
    Stories,
    microseconds,
)  # fmt: skip
from footpath.events.simulate import simulate
from footpath.experiments.responses import choose_impression_split, examples
from footpath.models import catalog
from footpath.recommender import ClickModel
from footpath.sequences.impression_splits import ImpressionSplit, split_impressions
from footpath.sequences.impressions import SEARCHED, Impressions, shown
from footpath.statistics import auc_by_group, auc_interval, paired_difference

MODELS: Final = ("logistic_regression", "gradient_boosting", "deepfm", "dcn_v2", "din", "dien", "bst", "response_head", "stacking")
SETTINGS: Final[dict[str, dict[str, Any]]] = {"gradient_boosting": {"trees": 1_000}, "stacking": {"fields": "gradient_boosting.trees=1000"}}
COLLM: Final = {
    "MF": (0.6482, 0.6361), "LightGCN": (0.5959, 0.6499), "SASRec": (0.7078, 0.6884), "DIN": (0.7166, 0.6459),
    "CTRL (DIN)": (0.7159, 0.6492), "TALLRec": (0.7097, 0.6818), "CoLLM-MF": (0.7295, 0.6875), "CoLLM-LightGCN": (0.7100, 0.6967),
    "CoLLM-SASRec": (0.7235, 0.6990), "CoLLM-DIN": (0.7353, 0.6923),
}  # fmt: skip
"""AUC and per-user AUC of Zhang et al., arXiv:2310.19488v3, table of the overall comparison, ML-1M."""
RESULTS: Final = Path(__file__).with_suffix(".json")
PAGE: Final = Path(__file__).parents[1] / "docs" / "quality-responses.md"
MARK: Final = "<!-- measured -->\n\n"
RATINGS: Final = Path(__file__).with_name("ratings.json")
BEGIN, END = "<!-- responses -->\n\n", "<!-- end of responses -->"
_VISIT_US: Final = 1_800_000_000


def place_of_items(shop: Shop, rows: Impressions) -> np.ndarray:
    """The place in the shop of each index of the vocabulary; -1 for padding and for what was searched."""
    ids = rows.vocabulary.ids.to_pylist()
    known = {id: place for place, id in enumerate(shop.item_ids(np.arange(shop.n_items)).to_pylist())}
    return np.array([-1, *(known.get(id, -1) if not id.startswith(SEARCHED) else -1 for id in ids)])


def recency(shop: Shop, rows: Impressions, places: np.ndarray) -> np.ndarray:
    """What was clicked lately in the visit, for each impression and category, as the shop has it."""
    histories, click = rows.histories, EVENT_TYPES.index("click")
    assert rows.requests is not None
    assert rows.times is not None
    assert histories.times is not None
    assert histories.types is not None
    lists, first, which = np.unique(rows.requests, return_index=True, return_inverse=True)
    found = np.zeros((len(lists), len(CATEGORIES)))
    before, at, since = -1, 0, 0
    for j in np.lexsort((rows.times[first], rows.rows[first])):
        trail, time_ = rows.rows[first[j]], rows.times[first[j]]
        if trail != before or time_ - at > _VISIT_US:
            since = time_
        before, at = trail, time_
        start = histories.offsets[trail]
        events = np.arange(start, start + rows.lengths[first[j]])[-60:]
        for event in events[(histories.types[events] == click) & (histories.times[events] >= since)]:
            found[j] *= DECAY
            found[j, shop.category[places[histories.items[event]]]] += 1
    return found[which]


def true_probabilities(shop: Shop, rows: Impressions) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of a click on each impression; the best estimate of it that the log allows; and that of one who knows of no drift.

    These weigh every pair of liked categories, moved at the drift or not, by how likely the user's clicks, searches and views
    without a page were before; all else of the shop is taken as known.
    """
    places = place_of_items(shop, rows)
    place = places[rows.items]
    category, slot = shop.category[place], rows.context["slot"].to_numpy()
    people = {id: u for u, id in enumerate(shop.user_ids(np.arange(shop.n_users)).to_pylist())}
    user = np.array([people.get(id, -1) for id in rows.histories.users.to_pylist()])[rows.rows]
    assert rows.times is not None
    assert rows.requests is not None
    pull = BASE + shop.quality[place] + RECENT * recency(shop, rows, places)[np.arange(len(rows)), category]
    scale = TEMPTED * np.array(EXAMINED)[slot] * (1 + 0.15 * shop.stories.variant * shop.people.better[user])
    one, two = shop.interests(user, rows.times)
    truth = scale * expit(pull + FIRST * (category == one) + SECOND * (category == two))
    estimates = [_by_bayes(shop, rows, places, category, pull, scale, moved) for moved in (shop.stories.drift / 3, 0.0)]
    return truth, estimates[0], estimates[1]


def _by_bayes(
    shop: Shop, rows: Impressions, places: np.ndarray, category: np.ndarray, pull: np.ndarray, scale: np.ndarray, moved: float
) -> np.ndarray:
    kinds = len(CATEGORIES)
    one, two = (grid.ravel() for grid in np.meshgrid(range(kinds), range(kinds), indexing="ij"))
    one, two = one[one != two], two[one != two]
    prior = np.log(shop._popular[one] / (kinds - 1))
    prior = np.concatenate([prior + np.log(1 - moved), prior + np.log(moved)]) if moved else prior
    shifts = (0, 2) if moved else (0,)
    drift, label, histories = microseconds(DRIFT_AT), rows.label("click"), rows.histories
    assert rows.times is not None
    assert histories.times is not None
    assert histories.types is not None
    view, search = EVENT_TYPES.index("view"), EVENT_TYPES.index("search")
    words = {SEARCHED + name: c for c, name in enumerate(CATEGORIES)}
    searched = np.array([-1, *(words.get(id, -1) for id in rows.vocabulary.ids.to_pylist())])
    click = EVENT_TYPES.index("click")
    order = np.lexsort((rows.times, rows.rows))
    begins = np.flatnonzero(np.diff(rows.rows[order], prepend=-1) != 0)
    found = np.empty(len(rows))
    for begin, end in zip(begins, np.append(begins[1:], len(order)), strict=True):
        at = order[begin:end]
        times, trail = rows.times[at], rows.rows[at[0]]
        late = (times >= drift)[:, None]

        def liked(shift: int, at: np.ndarray = at) -> np.ndarray:
            shown_kind = category[at][:, None]
            lift = FIRST * (shown_kind == (one + shift) % kinds) + SECOND * (shown_kind == (two + shift) % kinds)
            return scale[at][:, None] * expit(pull[at][:, None] + lift)

        still = liked(0)
        p = np.concatenate([still] + ([np.where(late, liked(2), still)] if moved else []), axis=1)
        told = np.where(label[at][:, None] > 0, np.log(p), np.log1p(-p))
        before = np.searchsorted(times, times, side="left")
        evidence = np.concatenate([np.zeros((1, p.shape[1])), np.cumsum(told, axis=0)])[before]
        events = np.arange(histories.offsets[trail], histories.offsets[trail + 1])
        clicked: set[int] = set()
        extra, moments = [np.zeros(p.shape[1])], []
        for event in events:
            kind, item = histories.types[event], histories.items[event]
            if kind == click:
                clicked.add(int(item))
            asked = searched[item] if kind == search else -1
            alone = kind == view and places[item] >= 0 and int(item) not in clicked
            if asked < 0 and not alone:
                continue
            c = asked if asked >= 0 else shop.category[places[item]]
            parts = []
            for shift in shifts:
                moved_by = shift if histories.times[event] >= drift else 0
                first, second = (one + moved_by) % kinds == c, (two + moved_by) % kinds == c
                parts.append(np.log(0.6 * first + 0.2 * second + 0.2 / kinds) if asked >= 0 else np.log(0.7 * first + 0.3 / kinds))
            extra.append(extra[-1] + np.concatenate(parts))
            moments.append(histories.times[event])
        evidence = evidence + np.stack(extra)[np.searchsorted(np.array(moments, np.int64), times, side="left")] + prior
        weights = np.exp(evidence - evidence.max(axis=1, keepdims=True))
        found[at] = (weights * p).sum(axis=1) / weights.sum(axis=1)
    return found


def shop_table(events: int, seed: int, names: list[str], calm: bool, picture: Path | None) -> dict[str, Any]:
    made = simulate(events, seed=seed, stories=Stories(drift=0.0) if calm else None)
    rows = shown(made.log)
    parts = split_impressions(rows)
    truth_of_all, bayes_of_all, blind_of_all = true_probabilities(made.shop, rows)
    assert rows.times is not None
    tested = np.flatnonzero(rows.times >= np.min(parts.test.times))  # type: ignore[arg-type]
    truth, bayes, label = truth_of_all[tested], bayes_of_all[tested], parts.test.label("click")
    assert (rows.items[tested] == parts.test.items).all()
    users, base = parts.test.rows, float(parts.train.label("click").mean())

    def figures(p: np.ndarray) -> dict[str, float]:
        interval = auc_interval(label, p, groups=users)
        return {
            "log_loss": log_loss(label, p), "gap_closed": _closed(label, p, truth, base), "auc": interval.value, "auc_low": interval.low,
            "auc_high": interval.high, "gauc": gauc(label, p, users).value, "ece": ece(label, p, bins=10, equal="mass"),
        }  # fmt: skip

    found: dict[str, Any] = {
        "base rate": figures(np.full(len(label), base)), "by Bayes' rule": figures(bayes), "the truth": figures(truth),
    }  # fmt: skip
    if not calm:
        found["by Bayes' rule, without the drift"] = figures(blind_of_all[tested])
    predictions = {}
    for name in names:
        spent = time.process_time()
        fitted = catalog.click_model(name, **SETTINGS.get(name, {})).fit(parts.train, validation=parts.validation)
        spent = time.process_time() - spent
        assert parts.validation is not None
        curve = fit_calibrator(parts.validation.label("click"), fitted.predict(parts.validation)[:, 0])
        raw = fitted.predict(parts.test)[:, 0]
        predictions[name] = curve(raw)
        found[name] = figures(predictions[name]) | {"ece_uncalibrated": ece(label, raw, bins=10, equal="mass"), "fit_cpu_s": spent}
        print(name, json.dumps(found[name]), flush=True)
    against = {}
    for reference in ("logistic_regression", "gradient_boosting"):
        for name in names:
            if reference in predictions and name != reference:
                test = paired_difference(log_losses(label, predictions[name]), log_losses(label, predictions[reference]), groups=users)
                against[f"{name} - {reference}"] = test.to_dict()
    if picture is not None:
        _draw(parts, names, picture)
    told = {"events": events, "seed": seed, "calm": calm, "n_train": len(parts.train), "n_test": len(label)}
    return {**told, "clicks": int(label.sum()), "n_users": len(np.unique(users)), "base": base, "rows": found, "paired": against}


def _closed(label: np.ndarray, p: np.ndarray, truth: np.ndarray, base: float) -> float:
    """The share of the gap in expected log-loss between the base rate and the truth, the expectation taken with the true probabilities."""

    def expected(q: np.ndarray) -> float:
        q = np.clip(q, 1e-12, 1 - 1e-12)
        return float(-(truth * np.log(q) + (1 - truth) * np.log(1 - q)).mean())

    worst = expected(np.full(len(label), base))
    return (worst - expected(p)) / (worst - expected(truth))


def _draw(parts: ImpressionSplit, names: list[str], picture: Path) -> None:
    from footpath.evaluation.responses import compare_responses, evaluate_references, evaluate_responses, response_report
    from footpath.experiments.reliability import write_reliability

    rows = []
    for name in names:
        fitted = catalog.click_model(name, **SETTINGS.get(name, {})).fit(parts.train, validation=parts.validation)
        rows += evaluate_responses(fitted, parts, name=name, calibrator="auto")
    rows += evaluate_references(parts)
    write_reliability(response_report(rows, parts, compare_responses(rows, names[0])), picture)


def movielens_table(data: Path) -> dict[str, Any]:
    """AUC and per-user AUC (a plain mean over users with both classes, as CoLLM has it) of "rating above 3", the split as given."""
    log = read_events(data / "ml-1m-2001-2003" / "interactions.csv.gz")
    rows = examples(log, "ratings", threshold=1, values=False)
    parts, _ = choose_impression_split(rows, "given")
    found = {}
    for name in MODELS:
        fitted = catalog.click_model(name).fit(parts.train, validation=parts.validation)
        found[name] = _of_users(parts, fitted)
    valued = examples(log, "ratings", threshold=1)
    both, _ = choose_impression_split(valued.with_tasks(["rating"]), "given")
    for name in ("biased_mf", "svdpp", "rating_knn"):
        fitted = catalog.click_model(name).fit(both.train)
        found[name] = _of_users(parts, fitted)
    return {"n_test": len(parts.test), "rows": found, "published": {name: {"auc": a, "uauc": u} for name, (a, u) in COLLM.items()}}


JOINT: Final[dict[str, Any]] = {"encoder": "sasrec", "dim": 32, "epochs": 12, "learning_rate": 0.002}
NEXT_ITEM: Final = 0.3
"""Weight of the next item beside the other tasks; the first that was tried, nothing was searched."""


def joint_table(data: Path, seeds: int = 3) -> dict[str, Any]:
    """Each head alone and all on one encoder, as means over seeds; the next item by NDCG@10 of a full ranking, seen items masked."""
    from footpath.models.response_head import ResponseHead
    from footpath.recommender import masked

    parts, _ = choose_impression_split(examples(read_events(data / "ml-100k" / "ml-100k.inter.gz"), "ratings", threshold=4), "time")
    assert parts.validation is not None
    histories, which = parts.test.asked()
    _, first = np.unique(which, return_index=True)
    targets = parts.test.items[first]

    def next_item(model: ResponseHead) -> float:
        scores = masked(model.score(histories), histories, repeat=False)
        own = np.take_along_axis(scores, targets[:, None].astype(np.int64), axis=1)
        rank = (scores > own).sum(axis=1)
        asked = np.isfinite(own[:, 0]) & (histories.lengths > 0)
        return float(np.where(rank < 10, 1 / np.log2(rank + 2.0), 0.0)[asked].mean())

    def figures(tasks: tuple[str, ...], weight: float, seed: int) -> dict[str, float]:
        model = ResponseHead(**JOINT, next_item=weight, seed=seed)
        fitted = model.fit(parts.train.with_tasks(tasks), validation=parts.validation.with_tasks(tasks))  # type: ignore[union-attr]
        p = fitted.predict(parts.test)
        found = {}
        if "rating" in tasks:
            found["rating: RMSE"] = float(np.sqrt(np.mean((p[:, tasks.index("rating")] - parts.test.label("rating")) ** 2)))
        if "liked" in tasks:
            found["liked: log-loss"] = log_loss(parts.test.label("liked"), p[:, tasks.index("liked")])
        if weight:
            found["next item: NDCG@10"] = next_item(fitted)
        return found

    def mean(tasks: tuple[str, ...], weight: float) -> dict[str, list[float]]:
        rows = [figures(tasks, weight, seed) for seed in range(seeds)]
        return {name: [row[name] for row in rows] for name in rows[0]}

    alone = mean(("rating",), 0.0) | mean(("liked",), 0.0)
    alone["next item: NDCG@10"] = mean(("liked",), 30.0)["next item: NDCG@10"]  # the response hardly counts beside it
    return {"n_test": len(parts.test), "alone": alone, "joint": mean(("rating", "liked"), NEXT_ITEM)}


def _of_users(parts: ImpressionSplit, fitted: ClickModel) -> dict[str, float]:
    label, p = parts.test.label("liked"), fitted.predict(parts.test)[:, 0]
    interval = auc_interval(label, p, groups=parts.test.rows)
    per_user, n = auc_by_group(label, p, parts.test.rows)
    return {
        "auc": interval.value, "low": interval.low, "high": interval.high, "uauc": float(np.nanmean(per_user[n > 0])),
        "gauc": gauc(label, p, parts.test.rows).value, "n_one_class": int(np.isnan(per_user[n > 0]).sum()),
    }  # fmt: skip


def read_results() -> dict[str, Any]:
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}


def tables(found: dict[str, Any]) -> str:
    """Everything that was measured, in Markdown."""
    parts = []
    for key in ("shop", "shop, calm"):
        if key not in found:
            continue
        shop = found[key]
        drift = "nobody's interests move" if shop["calm"] else "a third of the users turn to other categories half way"
        flag = " --calm" if shop["calm"] else ""
        parts.append(
            f"## The simulated shop, {'without' if shop['calm'] else 'with'} drift\n\n"
            f"`python benchmarks/responses.py shop --events {shop['events']} --seed {shop['seed']}{flag}{_only(shop)}`: {drift}; "
            f"protocol time, {shop['n_train']:,} training impressions, {shop['n_test']:,} test impressions of {shop['n_users']:,} users, "
            f"{shop['clicks']:,} clicked; calibrated on validation.\n\n{_shop(shop)}\n\n{_paired(shop)}"
        )
    if "movielens" in found:
        parts.append(
            "## MovieLens 2001-2003, beside CoLLM\n\n`python benchmarks/responses.py movielens DATA`: is a rating above 3? Protocol given, "
            f"{found['movielens']['n_test']:,} test rows; intervals draw users. Per-user AUC is a plain mean over users with both classes, "
            "GAUC one weighted by rows. Published: Zhang et al., arXiv:2310.19488v3; their models know of a history what was liked in "
            "training, ours every rating that is older than the question.\n\n" + _movielens(found["movielens"])
        )
    if "joint" in found:
        parts.append(
            "## One encoder for three heads\n\n`python benchmarks/responses.py joint DATA`: ml-100k by time, "
            f"{found['joint']['n_test']:,} test ratings, means of {_seeds(found['joint'])} seeds [each seed].\n\n" + _joint(found["joint"])
        )
    return "\n\n".join(parts) + "\n"


def readme_tables(found: dict[str, Any], ratings: dict[str, Any]) -> str:
    """What README shows: models of responses on the shop, models of ratings on ml-100k."""
    rows = sorted(found["shop"]["rows"].items(), key=lambda pair: -pair[1]["gap_closed"])
    lines = ["| will it be clicked? | source | gap closed | AUC | ECE |", "|---|---|---|---|---|"]
    for name, row in rows:
        called = f"{'[`' + name + '`](docs/models/responses.md)' if name in MODELS else name}"
        area = f"{row['auc']:.4f} [{row['auc_low']:.4f}, {row['auc_high']:.4f}]"
        source = catalog.entry(name).paper if name in MODELS else ""
        lines.append(f"|  {called} | {source} | {row['gap_closed']:.3f} | {area} | {row['ece']:.4f} |")
    lines += ["", "| how will it be rated? | source | RMSE, five folds | RMSE, last fifth | GAUC, last fifth |", "|---|---|---|---|---|"]
    for name in sorted(catalog.names("ratings"), key=lambda name: np.mean(ratings["kfold"][name]["rmse"])):
        tail, folds = ratings["user-tail"][name], float(np.mean(ratings["kfold"][name]["rmse"]))
        figures = [f"{value:.4f} [{low:.4f}, {high:.4f}]" for value, low, high in (tail["rmse"], tail["gauc"])]
        lines.append(f"|  [`{name}`](docs/models/ratings.md) | {catalog.entry(name).paper} | {folds:.4f} | {' | '.join(figures)} |")
    for name, row in ratings["surprise"]["models"].items():
        lines.append(f"|  Surprise 1.1.5 {name} | | {np.mean(row['rmse']):.4f} | | |")
    return "\n".join(lines) + "\n"


def with_tables(text: str, found: dict[str, Any], ratings: dict[str, Any]) -> str:
    """A README with these tables between its marks."""
    before, rest = text.split(BEGIN)
    return before + BEGIN + readme_tables(found, ratings) + "\n" + END + rest.split(END)[1]


def _only(found: dict[str, Any]) -> str:
    """The option that names the models, where not all were measured."""
    names = [name for name in found["rows"] if name in MODELS]
    return "" if len(names) == len(MODELS) else f" --models {','.join(names)}"


def _shop(found: dict[str, Any]) -> str:
    lines = ["| | log-loss | gap closed | AUC | GAUC | ECE (before calibration) | CPU-s to fit |", "|---|---|---|---|---|---|---|"]
    for name, row in sorted(found["rows"].items(), key=lambda pair: -pair[1]["gap_closed"]):
        before = f" ({row['ece_uncalibrated']:.4f})" if "ece_uncalibrated" in row else ""
        called = f"`{name}`" if name in MODELS else name
        cpu = f"{row['fit_cpu_s']:.0f}" if "fit_cpu_s" in row else ""
        area = f"{row['auc']:.4f} [{row['auc_low']:.4f}, {row['auc_high']:.4f}]"
        figures = f"{row['log_loss']:.4f} | {row['gap_closed']:.3f} | {area} | {row['gauc']:.4f} | {row['ece']:.4f}{before}"
        lines.append(f"| {called} | {figures} | {cpu} |")
    return "\n".join(lines)


def _paired(found: dict[str, Any]) -> str:
    lines = ["| difference of log-loss on the same rows | mean [95 %] | p |", "|---|---|---|"]
    lines += [
        f"| {pair} | {test['difference']:+.5f} [{test['low']:+.5f}, {test['high']:+.5f}] | {test['p_value']:.4f} |"
        for pair, test in found["paired"].items()
    ]
    return "\n".join(lines)


def _movielens(found: dict[str, Any]) -> str:
    lines = ["| model | AUC | per-user AUC | GAUC |", "|---|---|---|---|"]
    lines += [
        f"| `{name}` | {row['auc']:.4f} [{row['low']:.4f}, {row['high']:.4f}] | {row['uauc']:.4f} | {row['gauc']:.4f} |"
        for name, row in sorted(found["rows"].items(), key=lambda pair: -pair[1]["auc"])
    ]
    lines += [f"| {name}, published | {row['auc']:.4f} | {row['uauc']:.4f} | |" for name, row in found["published"].items()]
    return "\n".join(lines)


def _seeds(found: dict[str, Any]) -> int:
    return len(next(iter(found["joint"].values())))


def _joint(found: dict[str, Any]) -> str:
    lines = ["| head | alone | joint | lost |", "|---|---|---|---|"]
    for name, alone in found["alone"].items():
        joint = found["joint"][name]
        a, b = float(np.mean(alone)), float(np.mean(joint))
        lost = (a - b) / a if "NDCG" in name else (b - a) / a
        each = [f"{np.mean(values):.4f} [{', '.join(f'{value:.4f}' for value in values)}]" for values in (alone, joint)]
        lines.append(f"| {name} | {each[0]} | {each[1]} | {lost:+.1%} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("shop", "movielens", "joint", "table"))
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--calm", action="store_true", help="a shop where nobody's interests move")
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    if given.what in ("movielens", "joint") and given.data is None:
        parser.error(f"{given.what} needs the folder of the real logs")
    if given.what == "table":
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(text[: text.index(MARK) + len(MARK)] + tables(read_results()), encoding="utf-8")
        ratings = json.loads(RATINGS.read_text(encoding="utf-8"))
        for name in ("README.md", "README.zh.md"):
            readme = PAGE.parents[1] / name
            readme.write_text(with_tables(readme.read_text(encoding="utf-8"), read_results(), ratings), encoding="utf-8")
        return
    key = "shop, calm" if given.calm else given.what
    if given.what == "shop":
        measured = shop_table(given.events, given.seed, given.models.split(","), given.calm, given.picture)
    else:
        measured = movielens_table(given.data) if given.what == "movielens" else joint_table(given.data)
    RESULTS.write_text(json.dumps(read_results() | {key: measured}, indent=1) + "\n", encoding="utf-8")
    print(tables({key: measured}))


if __name__ == "__main__":
    main()
