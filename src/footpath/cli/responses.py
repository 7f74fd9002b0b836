"""What `train`, `evaluate` and `recommend` print of models of responses and ratings."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from footpath.cli import console
from footpath.errors import ConfigError

_SHOWN: Final = ("auc", "gauc", "log_loss", "ece", "rmse", "mae")  # what fits a terminal; --json has all
_OPTIONS: Final = {
    "source": "--examples", "labels": "--label", "threshold": "--threshold", "negatives": "--negatives", "context": "--context",
    "history_types": "--event-type",
}  # fmt: skip
_AS_GIVEN: Final = {"k": 10, "core": 1, "targets": "first"}  # of options that rank the catalogue; others are off


def answers(names: Sequence[str]) -> str:
    """`items`, or `responses` for models of responses and ratings; raises ConfigError where both kinds are named."""
    from footpath.models import catalog

    kinds = ["items" if catalog.entry(name).answers == "items" else "responses" for name in names]
    if len(set(kinds)) > 1:
        one, other = names[kinds.index("items")], names[kinds.index("responses")]
        raise ConfigError(f"{one} says which items come next and {other} how likely an act is: evaluate them apart")
    return kinds[0] if kinds else "items"


def options(
    examples: str, labels: Sequence[str] | None, threshold: float | None, negatives: int | None, context: Sequence[str] | None,
    event_types: Sequence[str] | None,
) -> dict[str, Any]:  # fmt: skip
    """Those of `footpath.experiments.responses.examples` that were given."""
    given = {"source": examples, "labels": labels, "threshold": threshold, "negatives": negatives, "context": context}
    given["history_types"] = event_types
    return {name: value for name, value in given.items() if value is not None and value != []}


def only_for_responses(**given: object) -> None:
    """Raises ConfigError where an option of responses was given for a model that says which items come next."""
    for name, value in given.items():
        if value not in (None, [], "auto", 0):
            raise ConfigError(f"--{name.replace('_', '-')} is for models of responses and ratings, and this one says which items come next")


def only_for_items(**given: object) -> None:
    """Raises ConfigError where an option of ranking the catalogue was given for a model of responses or ratings."""
    for name, value in given.items():
        value = value[0] if isinstance(value, list) and value else value
        if value not in (None, [], False, _AS_GIVEN.get(name)):
            given_as = f"--{name.replace('_', '-')}" + ("" if value is True else f" {value}")
            raise ConfigError(
                f"{given_as} is for models that say which items come next, not for those of responses and ratings: leave it out"
            )


def training(store: Path, model: str, options: Mapping[str, Any], fields: Mapping[str, object]) -> str:
    """The command that trains on the same examples."""
    command = ["footpath", "train", str(store), "--model", model]
    command += [word for name, value in fields.items() for word in ("--set", f"{name}={value}")]
    for name, value in options.items():
        for one in value if isinstance(value, list) else [value]:
            if (name, one) != ("source", "auto"):
                command += [_OPTIONS[name], f"{one:g}" if isinstance(one, float) else str(one)]
    return shlex.join([*command, "--into", "RUN"])


def print_report(report: Mapping[str, Any], requested: Sequence[str]) -> None:
    """A table for each task, the comparisons with the first model, and what makes the figures say less."""
    split = report["split"]
    causal = "" if report["causal"] else ", NOT causal: later ratings of a user are among what is learned"
    for task in dict.fromkeys(row["task"] for row in report["rows"]):
        rows = [row for row in report["rows"] if row["task"] == task]
        first = rows[0]
        metrics = [name for name in first["metrics"] if name in _SHOWN]
        of = f"{first['n_positive']:,} positive" if first["n_positive"] is not None else f"mean {first['base']:.3f}"
        one_class = f"; {first['n_one_class']:,} users have one class only and no AUC" if first["n_one_class"] else ""
        fitted = {"train": "training impressions", "refit": "training and validation impressions"}[first["fitted_on"]]
        loss = "rmse" if "rmse" in metrics else "log_loss"
        calibrated = "; log_loss and ece after calibration" if any(row["calibrator"] for row in rows) else ""
        console.table(
            f"{report['data']}, task {task}, protocol {report['protocol']}{causal}\n"
            f"{first['n']:,} test impressions of {first['n_users']:,} users, {of}{one_class}; fitted on {split['n_train']:,} {fitted}",
            ["model", *metrics, "CPU-s"],
            [
                [
                    row["model"] if row["model"] in requested else f"{row['model']} *",
                    *(console.figure(row["metrics"][name]) if name in row["metrics"] else "" for name in metrics),
                    f"{(row['fit_cpu_s'] or 0) + row['predict_cpu_s']:.1f}",
                ]
                for row in sorted(rows, key=lambda row: _loss(row, loss))
            ],
            right=[*metrics, "CPU-s"],
            caption=f"Lowest {loss} first{calibrated}. [ ]: 95 % interval over users. CPU-s: to fit and to predict. * added for reference.",
        )
    for found in report["comparisons"]:
        if found["model"] in requested:
            p = found["p_adjusted"]
            console.out.print(
                f"{found['model']} against {found['reference']}, {found['task']}, {found['loss']}: {found['difference']:+.4f} "
                f"[{found['low']:+.4f}, {found['high']:+.4f}] on the same rows" + ("" if p is None else f", p = {p:.4f} (Holm)")
            )
    for warning in report["warnings"]:
        console.out.print(f"  - {warning}")


def _loss(row: Mapping[str, Any], name: str) -> float:
    value = row["metrics"][name]["value"]
    return float("inf") if value is None else value


def best(report: Mapping[str, Any], requested: Sequence[str]) -> str:
    """The model with the lowest loss on the first task."""
    rows = [row for row in report["rows"] if row["model"] in requested and row["task"] == report["rows"][0]["task"]]
    loss = "rmse" if "rmse" in rows[0]["metrics"] else "log_loss"
    return min(rows, key=lambda row: _loss(row, loss))["model"]


def print_run(record: Mapping[str, Any], into: Path) -> None:
    """What was fitted on what."""
    told = record["examples"]
    rates = ", ".join(f"{task} {rate:.4f}" for task, rate in told["rates"].items())
    data = record["data"]
    console.out.print(
        f"{record['model']} fitted on {told['n']:,} impressions ({told['source']}; mean {rates}) of {data['n_users']:,} users and "
        f"{data['n_items']:,} items of {data['name']} in {record['fit_cpu_s']:.1f} CPU-s -> {into}"
    )
    chosen = record["chosen"]
    settings = ", ".join(f"{name}={value}" for name, value in chosen.get("fields", {}).items() if value is not None)
    console.out.print(f"Settings: {chosen['by']}{f': {settings}' if settings else ''}; then fitted on everything.")
    for task, told_of in record["calibration"].items():
        console.out.print(f"Calibrated: {task}, {told_of['method']}, on {told_of['n']:,} validation impressions.")
    for note in record["calibration_notes"]:
        console.out.print(f"  - {note}")
