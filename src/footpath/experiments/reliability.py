"""A picture of whether probabilities mean what they say: for each task and model what was predicted against what then happened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from footpath.analysis import charts
from footpath.errors import ConfigError
from footpath.evaluation.responses import ResponseEvaluation, ResponseReport
from footpath.experiments.picture import Figure, picture
from footpath.page.files import write_text
from footpath.sequences.impressions import VALUE_TASK
from footpath.statistics import SMALL, Calibration, Interval, wilson

DRAWN: Final = 6
"""Models of a task that are drawn, those with the lowest log-loss; the table has all."""
ERRORS: Final = {"log_loss": "log-loss", "normalised_entropy": "normalised entropy", "ece": "calibration error"}
RARE: Final = 0.15
"""Tasks of a smaller rate are drawn by the square root."""
_METHODS: Final = {"isotonic": "isotonic", "platt": "Platt's"}
_NAMES: Final = {"auc": "AUC", "gauc": "GAUC", "rmse": "RMSE", "mae": "MAE", **ERRORS}


def write_reliability(report: ResponseReport, path: Path, *, commands: Sequence[str] = ()) -> Path:
    """One HTML file that asks nothing of the network. commands: what to run next. Raises ConfigError as `reliability_page` does."""
    return write_text(path, reliability_page(report, commands=commands))


def reliability_page(report: ResponseReport, *, commands: Sequence[str] = ()) -> str:
    """The page. Raises ConfigError where no row is of acts, for ratings have no probabilities to rely on."""
    tasks = [task for task in report.tasks if task != VALUE_TASK]
    if not tasks:
        raise ConfigError(f"a reliability picture is of probabilities, and the report has rows of {', '.join(report.tasks)} alone")
    figures: list[Figure] = []
    headlines: dict[str, tuple[str, str]] = {}
    for place, task in enumerate(tasks):
        rows = sorted((row for row in report.rows if row.task == task), key=lambda row: row.metrics["log_loss"].value)
        best = rows[0]
        headlines[f"{task}: lowest log-loss"] = (
            f"{best.metrics['log_loss'].value:.4f}",
            f"{best.model}, {_bounds(best.metrics['log_loss'])}",
        )
        headlines[f"{task}: rate"] = (f"{100 * best.base:.3g}%", f"{best.n_positive:,} of {best.n:,} test rows, {best.n_users:,} users")
        figures += _overview(f"task-{place}", task, rows, report)
        top = _top(rows[:DRAWN])
        figures += [_diagram(f"task-{place}-{i}", row, top) for i, row in enumerate(rows[:DRAWN])]
    details = report.details
    parts = " · ".join(f"{details[f'n_{part}']:,} {part}" for part in ("train", "validation", "test") if f"n_{part}" in details)
    when = "nothing that is fitted came after a test row" if report.causal else "not causal: some of what is fitted came after a test row"
    return picture(
        f"How far probabilities can be relied on{f': {report.data}' if report.data else ''}",
        [f"Protocol `{report.protocol}`, {when}. Measured on the test part{f'; impressions: {parts}' if parts else ''}"],
        headlines,
        figures,
        said=report.warnings,
        commands=commands,
        notes=[
            "Each dot is a bin of about as many test rows as the others, smallest predictions first; equal predictions stay together. "
            "On the dashed line what was said is what happened; below the diagram stand the rows behind each dot. "
            f"Where the rate is below {RARE:.0%}, axes are by the square root: small shares get room, and bins of as many rows get "
            "whiskers of about the same length",
            "Whiskers are 95 % Wilson intervals of the observed share, which take every row for independent: rows of one user are not, so "
            "that they are somewhat short. Other intervals are 95 %, over users",
            "AUC, GAUC and lift are of the predictions as the model gave them; errors are after calibration where there was one, "
            "fitted on the validation part and never on test rows",
        ],
    )


def _overview(id: str, task: str, rows: Sequence[ResponseEvaluation], report: ResponseReport) -> Iterator[Figure]:
    """The log-loss of every model, what the paired comparisons say, and all figures."""
    models = [row.model for row in rows]
    first, losses = rows[0], [row.metrics["log_loss"] for row in rows]
    behind = f"{first.n:,} test rows of {first.n_users:,} users, {first.n_positive:,} of them positive"
    table: dict[str, list[Any]] = {"model": models, "log_loss": [loss.value for loss in losses]}
    table |= {"low": [_known(loss.low) for loss in losses], "high": [_known(loss.high) for loss in losses]}
    if any(row.uncalibrated for row in rows):
        table["before"] = [_known(row.uncalibrated["log_loss"].value) if row.uncalibrated else None for row in rows]
        table["calibration"] = ["none" if row.calibrator is None else _METHODS[row.calibrator.method] for row in rows]
    table |= {"fitted_on": [row.fitted_on for row in rows], "predict_cpu_s": [row.predict_cpu_s for row in rows]}
    others = ", ".join(f"`{row.model}`" for row in rows[DRAWN:])
    tested = [comparison for comparison in report.comparisons if comparison.task == task]
    yield Figure(
        f"{id}-loss",
        f"{task}: log-loss",
        f"Of {behind}; lower is better, 95 % intervals by bootstrap over users",
        charts.intervals(models, {"log-loss": [_numbers(loss) for loss in losses]}, format="number", x_name="log-loss in nats a row"),
        table,
        {"low": "from", "high": "to", "before": "before", "fitted_on": "fitted on", "predict_cpu_s": "CPU-s to predict", **ERRORS},
        [f"Drawn below are the {DRAWN} models of {len(rows)} with the lowest log-loss: all but {others}"] if others else [],
        half=bool(tested),
    )
    if tested:
        tested.sort(key=lambda comparison: comparison.test.difference)
        yield Figure(
            f"{id}-against",
            f"{task}: against {tested[0].reference}",
            f"Differences of log-loss on the same rows; below 0 a model errs less. p by swapping users, adjusted by Holm for "
            f"{len(report.comparisons)} comparisons",
            charts.intervals(
                [found.model for found in tested],
                {"difference": [(found.test.difference, _known(found.test.low), _known(found.test.high)) for found in tested]},
                format="number",
                x_name="difference of log-loss",
                reference=0,
            ),
            {
                "model": [found.model for found in tested],
                "difference": [found.test.difference for found in tested],
                "low": [_known(found.test.low) for found in tested],
                "high": [_known(found.test.high) for found in tested],
                "p_value": [_known(found.p_adjusted) for found in tested],
            },
            {"low": "from", "high": "to", "p_value": "p"},
            half=True,
        )
    found = [(name, row) for name in dict.fromkeys(name for row in rows for name in row.metrics) for row in rows if name in row.metrics]
    every = [row.metrics[name] for name, row in found]
    yield Figure(
        f"{id}-all",
        f"{task}: all figures",
        f"Of {behind}; rows are users with both classes for GAUC, and test rows for everything else",
        None,
        {
            "figure": [_NAMES.get(name, name) for name, _ in found],
            "model": [row.model for _, row in found],
            **{part: [_known(getattr(interval, part)) for interval in every] for part in ("value", "low", "high")},
            "n": [interval.n for interval in every],
        },
        {"low": "from", "high": "to", "n": "rows"},
    )


def _diagram(id: str, row: ResponseEvaluation, top: float) -> Figure:
    curves = _curves(row)
    table: dict[str, list[Any]] = {name: [] for name in ("when", "predicted", "observed", "low", "high", "n", "n_positive")}
    for when, curve in curves.items():
        for predicted, observed, low, high, n in _points(curve):
            for name, value in zip(table, (when, predicted, observed, low, high, n, round(observed * n)), strict=True):
                table[name].append(value)
    if len(curves) == 1:
        del table["when"]
    error = row.metrics["ece"]
    about = f"Calibration error {_percent(error)}"
    if row.calibrator is not None:
        about = f"Calibration error {_percent(row.uncalibrated['ece'])} before and {_percent(error)} after, "
        about += f"{_METHODS[row.calibrator.method]} on {row.calibrator.n:,} validation rows, {row.calibrator.n_positive:,} positive"
    return Figure(
        id,
        f"{row.task}: {row.model}",
        f"{about}. Protocol {row.protocol}, test part: {row.n:,} rows, {row.n_positive:,} positive",
        charts.reliability(
            {when: _points(curve) for when, curve in curves.items()},
            n_name="test rows",
            top=top,
            scale="root" if row.base < RARE else "linear",
        ),
        table,
        {"n": "test rows", "n_positive": "positive", "low": "from", "high": "to", "when": "calibration"},
        half=True,
    )


def _curves(row: ResponseEvaluation) -> dict[str, Calibration]:
    named = {"before": row.calibration_before, "after": row.calibration} if row.calibration_before is not None else {"": row.calibration}
    return {when: curve for when, curve in named.items() if curve is not None}


def _points(curve: Calibration) -> list[tuple[float, float, float, float, int]]:
    low, high = wilson(np.round(curve.observed * curve.n), curve.n)
    columns = (curve.predicted, curve.observed, low, high, curve.n)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _top(rows: Sequence[ResponseEvaluation]) -> float:
    """Where the axes of a task end: beyond every dot, and every whisker that is not of a small cell."""
    points = [point for row in rows for curve in _curves(row).values() for point in _points(curve)]
    largest = max((max(p[0], p[1], p[3] if p[4] >= SMALL else 0.0) for p in points), default=1.0)
    return min(1.0, 1.04 * largest) or 1.0


def _numbers(interval: Interval) -> tuple[float | None, float | None, float | None]:
    return _known(interval.value), _known(interval.low), _known(interval.high)


def _known(number: float) -> float | None:
    return None if np.isnan(number) else number


def _bounds(interval: Interval) -> str:
    return "no interval" if np.isnan(interval.low) else f"{interval.low:.4f} to {interval.high:.4f}"


def _percent(interval: Interval) -> str:
    if np.isnan(interval.value):
        return "undefined"
    bounds = "" if np.isnan(interval.low) else f" [{100 * interval.low:.2f} %, {100 * interval.high:.2f} %]"
    return f"{100 * interval.value:.2f} %{bounds}"
