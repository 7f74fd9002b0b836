"""The audit stamp: what makes a table of results worth believing, and what in it does not."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from footpath.errors import ConfigError
from footpath.evaluation.protocol import Evaluation
from footpath.sequences.leakage import Finding, check_leakage
from footpath.sequences.split import Split

ID_ORDER_ROW: Final = "integer_rule"
"""The model that reads nothing but the numbers of items; it must not score."""

POPULARITY_ROWS: Final = ("popularity", "recent_popularity")
"""Models that every table needs, for what does not beat them has learned nothing of the user."""

CHANCE_FACTOR: Final = 3.0
"""How far above chance the id-order row may stay: in one shuffle, a few popular items may happen to lie where the rule points."""

MANY_TIES: Final = 0.2
MUCH_LEFT_OUT: Final = 0.05
FEW_USERS: Final = 30


def audit(rows: Sequence[Evaluation], split: Split) -> dict[str, Any]:
    """The stamp of a table, in plain types: what was asked and left out, leakage, ties, the id-order rule, cold targets, warnings.

    `warnings` are sentences for people; the rest is what they rest on. Raises ConfigError where there are no rows, or where
    they were asked different questions.
    """
    if not rows:
        raise ConfigError("an audit needs a row at least, and there is none")
    strangers = [row.model for row in rows if row.holdout != rows[0].holdout or row.repeat != rows[0].repeat]
    if strangers:
        raise ConfigError(f"{strangers[0]!r} and {rows[0].model!r} were asked different questions: evaluate all rows on the same split")
    findings = check_leakage(split)
    stamp: dict[str, Any] = {
        "protocol": split.protocol,
        "repeat": split.repeat,
        "ranking": "whole catalogue",
        "n_catalogue": split.test.histories.n_items - 1,
        "n_histories": rows[0].n_histories,
        "n_users": rows[0].n_users,
        "n_targets": rows[0].n_targets,
        "left_out": dict(split.test.counts),
        "cold_target_share": _cold_share(rows, split),
        "fitted_on": {row.model: row.fitted_on for row in rows},
        "fitted_after_cut": _fitted_after_cut(rows),
        "leakage": {"verdict": _worst(findings), "checks": [dataclasses.asdict(finding) for finding in findings]},
        "ties": {row.model: {"tie_rate": row.tie_rate, "flat_rate": row.flat_rate} for row in rows},
        "id_order": _id_order(rows, split),
        "popularity_rows": [row.model for row in rows if row.model in POPULARITY_ROWS],
        "split": dict(split.details),
    }
    return stamp | {"warnings": list(_warnings(stamp))}


def _worst(findings: Sequence[Finding]) -> str:
    verdicts = {finding.verdict for finding in findings}
    return next((verdict for verdict in ("leak", "by design", "not checked") if verdict in verdicts), "clean")


def _cold_share(rows: Sequence[Evaluation], split: Split) -> dict[str, float]:
    """The share of targets without an event in what was fitted on."""
    shares: dict[str, float] = {}
    for kind in sorted({row.fitted_on for row in rows}, reverse=True):
        fitted = split.refit if kind == "refit" else split.train
        shares[kind] = float(np.mean(np.bincount(fitted.items, minlength=fitted.n_items)[split.test.items] == 0))
    return shares


def _fitted_after_cut(rows: Sequence[Evaluation]) -> str:
    kinds = {row.fitted_on for row in rows}
    if kinds == {"train"}:
        return "nothing: models are fitted on the training events, and validation may only choose when to stop"
    if kinds == {"refit"}:
        return "the validation events: models are fitted again with them, once settings are chosen"
    return "the validation events in some rows and nothing in others, see fitted_on"


def _id_order(rows: Sequence[Evaluation], split: Split) -> dict[str, Any]:
    """Recall of the id-order row beside that of a random list, k / N: high where item numbers follow the order of the file."""
    found = next((row for row in rows if row.model == ID_ORDER_ROW), None)
    if found is None:
        return {"verdict": "no row"}
    recalls = {int(name.partition("@")[2]): name for name in found.metrics if name.startswith("recall@")}
    if not recalls:
        return {"verdict": "not measured"}
    k = max(recalls)
    recall = found.metrics[recalls[k]]
    chance = min(1.0, k / (split.test.histories.n_items - 1))
    above = recall.low > CHANCE_FACTOR * chance
    return {"metric": recalls[k], **recall.to_dict(), "chance": chance, "verdict": "above chance" if above else "near chance"}


def _warnings(stamp: Mapping[str, Any]) -> Iterator[str]:
    for check in stamp["leakage"]["checks"]:
        if check["verdict"] == "leak":
            yield f"Leak: {check['statement']}."
        elif check["verdict"] == "by design":
            yield f"By design: {check['statement']}."
    order = stamp["id_order"]
    match order["verdict"]:
        case "above chance":
            yield (
                f"The integer rule has {order['metric']} {order['value']:.4f} where a random list has {order['chance']:.4f}: "
                "item numbers tell the answer, so figures of this table say little; build the vocabulary with a shuffle."
            )
        case "no row":
            yield f"No {ID_ORDER_ROW} row: whether item numbers tell the answer was not checked."
        case "not measured":
            yield f"The {ID_ORDER_ROW} row has no recall: whether item numbers tell the answer was not checked."
    if not stamp["popularity_rows"]:
        yield "No popularity row: what these models add to the same list for everyone cannot be seen."
    if len(set(stamp["fitted_on"].values())) > 1:
        yield "Some rows are fitted on the validation events too and others are not: they do not compare."
    for model, ties in stamp["ties"].items():
        if ties["flat_rate"] > 0:
            yield f"{model}: all scores are equal in {ties['flat_rate']:.1%} of the lists, whose order therefore says nothing."
        if ties["tie_rate"] > MANY_TIES:
            yield f"{model}: neighbouring scores are equal in {ties['tie_rate']:.1%} of the lists; there, shuffled item numbers decide."
    for reason in ("unknown_items", "without_history", "seen_targets"):
        n, asked = stamp["left_out"].get(reason, 0), stamp["left_out"].get("asked_events", 0)
        if asked and n > MUCH_LEFT_OUT * asked:
            yield f"{n:,} of {asked:,} events ({n / asked:.0%}) were not asked for: {reason.replace('_', ' ')}."
    if stamp["n_users"] < FEW_USERS:
        yield f"Only {stamp['n_users']} users were asked: intervals of so few are too narrow."
