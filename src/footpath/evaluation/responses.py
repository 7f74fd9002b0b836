"""How well a model says what comes of an impression: acts as probabilities, ratings as values; with intervals, and calibration."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, get_args

import numpy as np
from jaxtyping import Float32, Float64, Int64

from footpath.calibration import Calibrator, Method, fit_calibrator
from footpath.errors import ConfigError, DataError, NotFittedError, did_you_mean
from footpath.evaluation.predictions import gauc, lift_interval, log_losses, probability_intervals, rating_intervals
from footpath.evaluation.protocol import FittedOn
from footpath.evaluation.references import REFERENCES, Reference, ReferenceName
from footpath.progress import Progress
from footpath.recommender import hyperparameters
from footpath.sequences.impression_splits import ImpressionSplit
from footpath.sequences.impressions import VALUE_TASK, Impressions
from footpath.statistics import (
    Calibration,
    Interval,
    PairedDifference,
    auc_interval,
    bootstrap_means,
    calibration,
    check_probabilities,
    holm,
    paired_difference,
)

BINS: Final = 10
"""Bins of equal mass, of which `ece`, the calibration table and the reliability picture are made."""
FEW_USERS: Final = 30
_AT_ONCE: Final = 2**17


class Predictor(Protocol):
    """What is evaluated: a `ClickModel`, a `Reference`, or anything else that is fitted and predicts."""

    @property
    def tasks(self) -> tuple[str, ...]: ...

    def predict(self, rows: Impressions) -> Float64[np.ndarray, "R M"]:
        """A column for each task."""
        ...


@dataclass(frozen=True, eq=False)
class ResponseEvaluation:
    """One row of a table of results: a model on a task.

    metrics: by name. Of acts: auc, gauc, log_loss, normalised_entropy, ece, lift@10%; of ratings: rmse, mae, and auc and gauc of "at least
    `threshold`" where there is one. auc, gauc and lift are of the predictions as the model gave them; the others are of the calibrated
    ones where there is a calibrator, and those before it are in `uncalibrated`. NaN where undefined.
    base: the rate of these rows, or their mean rating. n_positive: None for ratings without a threshold. n_unlabelled: test rows whose
    label nobody knows. n_one_class: users without both classes, who have no AUC; the n of gauc is that of the other users.
    losses: the log-loss or the squared error of each row. users: the user of each as a code. calibration: by bins of equal mass.
    predict_cpu_s: CPU-seconds of this process to predict all tasks of all test rows. fit_cpu_s: as the caller measured it.
    holdout: a fingerprint of the questions and the labels; rows compare only where it is the same. warnings: what in the row says less.
    """

    model: str
    task: str
    protocol: str
    causal: bool
    fitted_on: FittedOn
    metrics: Mapping[str, Interval]
    n: int
    n_users: int
    n_positive: int | None
    base: float
    n_unlabelled: int
    n_one_class: int | None
    losses: Float64[np.ndarray, " R"]
    users: Int64[np.ndarray, " R"]
    holdout: str
    predict_cpu_s: float
    threshold: float | None = None
    uncalibrated: Mapping[str, Interval] = field(default_factory=dict)
    calibrator: Calibrator | None = None
    calibration: Calibration | None = None
    calibration_before: Calibration | None = None
    fit_cpu_s: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()

    @property
    def loss(self) -> str:
        """What `losses` are: the error that comparisons are made of."""
        return "squared_error" if self.task == VALUE_TASK else "log_loss"

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints: plain types only."""
        return {
            "model": self.model,
            "task": self.task,
            "metrics": {name: interval.to_dict() for name, interval in self.metrics.items()},
            "uncalibrated": {name: interval.to_dict() for name, interval in self.uncalibrated.items()},
            "calibrator": None if self.calibrator is None else self.calibrator.to_dict(),
            "calibration": _table(self.calibration),
            "calibration_before": _table(self.calibration_before),
            **{name: getattr(self, name) for name in ("fitted_on", "n", "n_users", "n_positive", "n_unlabelled", "n_one_class")},
            **{name: getattr(self, name) for name in ("base", "threshold", "fit_cpu_s", "predict_cpu_s")},
            "settings": dict(self.settings),
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True)
class ResponseComparison:
    """Whether a model's error on a task differs from the reference's on the same rows; below 0: it errs less. p_adjusted: by Holm."""

    model: str
    reference: str
    task: str
    loss: str
    test: PairedDifference
    p_adjusted: float

    def to_dict(self) -> dict[str, Any]:
        """Plain types only."""
        adjusted = None if np.isnan(self.p_adjusted) else self.p_adjusted
        about = {name: getattr(self, name) for name in ("model", "reference", "task", "loss")}
        return {**about, **self.test.to_dict(), "p_adjusted": adjusted}


@dataclass(frozen=True, eq=False)
class ResponseReport:
    """A table of results with what it was measured on. details: cuts, seeds and counts of the split. warnings: sentences for people."""

    protocol: str
    causal: bool
    data: str
    rows: Sequence[ResponseEvaluation]
    comparisons: Sequence[ResponseComparison]
    details: Mapping[str, Any]
    warnings: Sequence[str]

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row.task for row in self.rows))

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints: plain types only."""
        return {
            "protocol": self.protocol,
            "causal": self.causal,
            "data": self.data,
            "rows": [row.to_dict() for row in self.rows],
            "comparisons": [comparison.to_dict() for comparison in self.comparisons],
            "split": dict(self.details),
            "warnings": list(self.warnings),
        }


def evaluate_responses(
    model: Predictor,
    split: ImpressionSplit,
    *,
    name: str | None = None,
    tasks: Sequence[str] | None = None,
    fitted_on: FittedOn = "train",
    calibrator: Method | Calibrator | Mapping[str, Calibrator] | None = None,
    threshold: float | None = None,
    share: float = 0.1,
    bins: int = BINS,
    fit_cpu_s: float | None = None,
    resamples: int = 1_000,
    confidence: float = 0.95,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[ResponseEvaluation]:
    """A row for each task: the model is asked about all test rows, without their labels.

    tasks: of the model's; None for all that the test rows have labels of. calibrator: a method fits one for each task on the validation
    rows, which is refused for a model that was fitted on them (`fitted_on="refit"`): it remembers their answers. One that was fitted
    before is applied as it is: for the only task, or several by task. Ratings are never calibrated. threshold: the rating from which on
    an item is liked, for auc and gauc of ratings. share: of the rows, for lift. bins: for ece and the calibration tables.
    Raises ConfigError, NotFittedError, and DataError for predictions that are none, with their row.
    """
    if fitted_on not in ("train", "refit"):
        raise ConfigError(f"fitted_on must be 'train' or 'refit', got {fitted_on!r}")
    asked = _tasks(model, split, tasks)
    called = type(model).__name__ if name is None else name
    given, method = _given(calibrator, asked, split, fitted_on)
    started = time.process_time()
    predicted = predictions(model, split.test, asked, name=called, progress=progress)
    predict_cpu_s = time.process_time() - started
    notes: dict[str, list[str]] = {task: [] for task in asked}
    if method is not None and split.validation is not None:
        acts = [task for task in asked if task != VALUE_TASK]
        checked = predictions(model, split.validation, acts, name=called, progress=progress)
        for task, p in checked.items():
            label = split.validation.label(task)
            known = ~np.isnan(label)
            try:
                given[task] = fit_calibrator(label[known], p[known], method)
            except DataError as error:
                notes[task].append(f"No calibration of {called} on {task}: {error}.")
    common: dict[str, Any] = {
        "model": called,
        "protocol": split.protocol,
        "causal": split.causal,
        "fitted_on": fitted_on,
        "predict_cpu_s": predict_cpu_s,
        "fit_cpu_s": fit_cpu_s,
        "settings": hyperparameters(model) if dataclasses.is_dataclass(model) else {},
    }
    draws: dict[str, Any] = {"resamples": resamples, "confidence": confidence, "seed": seed}
    return [
        _of_ratings(split.test, predicted[task], threshold, common, draws)
        if task == VALUE_TASK
        else _of_acts(task, split.test, predicted[task], given.get(task), share, bins, notes[task], common, draws)
        for task in asked
    ]


def evaluate_references(
    split: ImpressionSplit,
    *,
    names: Sequence[ReferenceName] = REFERENCES,
    fitted_on: FittedOn = "train",
    **options: Any,
) -> list[ResponseEvaluation]:
    """The rows of the references, fitted on these rows; options: those of `evaluate_responses`."""
    rows: list[ResponseEvaluation] = []
    for name in names:
        started = time.process_time()
        fitted = Reference(name).fit(split.refit if fitted_on == "refit" else split.train)
        spent = time.process_time() - started
        rows += evaluate_responses(fitted, split, name=name, fitted_on=fitted_on, fit_cpu_s=spent, **options)
    return rows


def compare_responses(
    rows: Sequence[ResponseEvaluation], reference: str, *, resamples: int = 1_000, permutations: int = 9_999, seed: int = 0
) -> list[ResponseComparison]:
    """Of each task, every other model against the one of that name: the mean difference of log-losses, or of squared errors of ratings.

    Users are drawn and swapped with all of their rows; p-values are adjusted for the number of all comparisons (Holm). Raises ConfigError
    where a task has no such row, or where rows were asked different questions.
    """
    pairs: list[tuple[ResponseEvaluation, ResponseEvaluation]] = []
    for task in dict.fromkeys(row.task for row in rows):
        of_task = [row for row in rows if row.task == task]
        names = [row.model for row in of_task]
        if reference not in names:
            known = f"{did_you_mean(reference, names)}; rows: {', '.join(names)}"
            raise ConfigError(f"no row {reference!r} of task {task!r} to compare with{known}")
        base = of_task[names.index(reference)]
        pairs += [(row, base) for row in of_task if row is not base]
    _check_same_questions(rows)
    tests = [
        paired_difference(row.losses, base.losses, groups=base.users, resamples=resamples, permutations=permutations, seed=seed)
        for row, base in pairs
    ]
    adjusted = holm([test.p_value for test in tests])
    return [
        ResponseComparison(row.model, reference, row.task, row.loss, test, float(p))
        for (row, _), test, p in zip(pairs, tests, adjusted, strict=True)
    ]


def response_report(
    rows: Sequence[ResponseEvaluation], split: ImpressionSplit, comparisons: Sequence[ResponseComparison] = (), *, data: str | None = None
) -> ResponseReport:
    """A table with what makes it say less. data: what it is called, else the name of the log that the split tells.

    Raises ConfigError without rows, and where rows of a task were asked different questions.
    """
    if not rows:
        raise ConfigError("a report needs a row at least, and there is none")
    _check_same_questions(rows)
    named = str(split.details.get("log", "")) if data is None else data
    return ResponseReport(split.protocol, split.causal, named, rows, comparisons, split.details, list(_warnings(rows, split)))


def _tasks(model: Predictor, split: ImpressionSplit, asked: Sequence[str] | None) -> list[str]:
    if not getattr(model, "tasks", ()):  # before fit, tasks are absent or empty
        raise NotFittedError(f"{type(model).__name__} is not fitted: call fit(train) before it is evaluated")
    if asked is None:
        found = [task for task in model.tasks if task in split.test.labels]
        if not found:
            raise ConfigError(
                f"{type(model).__name__} answers {', '.join(model.tasks)}, and the test rows have labels of "
                f"{', '.join(split.test.tasks) or 'nothing'}: fit it on impressions with labels of what is asked"
            )
        return found
    for task in asked:
        split.test.label(task)
        if task not in model.tasks:
            there_are = f"; it answers: {', '.join(model.tasks)}"
            raise ConfigError(f"{type(model).__name__} has no task {task!r}{did_you_mean(task, model.tasks)}{there_are}")
    if not asked:
        raise ConfigError("tasks must name one at least")
    return list(dict.fromkeys(asked))


def _given(
    calibrator: Method | Calibrator | Mapping[str, Calibrator] | None, tasks: Sequence[str], split: ImpressionSplit, fitted_on: FittedOn
) -> tuple[dict[str, Calibrator], Method | None]:
    """Calibrators by task, or the method to fit them with."""
    acts = [task for task in tasks if task != VALUE_TASK]
    if calibrator is None:
        return {}, None
    if not acts:
        raise ConfigError(f"task {VALUE_TASK!r} is of values, which are no probabilities: leave the calibrator out")
    if isinstance(calibrator, Calibrator):
        if len(acts) > 1:
            raise ConfigError(f"one calibrator for {len(acts)} tasks ({', '.join(acts)}): give a mapping with one for each")
        return {acts[0]: calibrator}, None
    if isinstance(calibrator, Mapping):
        for task in calibrator:
            if task not in acts:
                raise ConfigError(f"a calibrator for task {task!r}, which is not asked{did_you_mean(task, acts)}; asked: {', '.join(acts)}")
        return dict(calibrator), None
    methods = get_args(Method)
    if calibrator not in methods:
        raise ConfigError(f"no calibration method {calibrator!r}{did_you_mean(calibrator, methods)}; there are: {', '.join(methods)}")
    if fitted_on == "refit":
        raise ConfigError(
            "a model that was fitted on the validation rows (fitted_on='refit') cannot be calibrated on them, for it remembers their "
            "answers: give the calibrator of the model that was fitted on train, or evaluate that one"
        )
    if split.validation is None:
        raise ConfigError(f"protocol {split.protocol!r} left no validation rows to calibrate on: leave the calibrator out")
    return {}, calibrator


def predictions(
    model: Predictor, rows: Impressions, tasks: Sequence[str], *, name: str | None = None, progress: Progress | None = None
) -> dict[str, Float64[np.ndarray, " R"]]:
    """The predictions of these tasks, made without labels. Raises DataError, naming the row, where one is no number or no probability."""
    called = type(model).__name__ if name is None else name
    bare = dataclasses.replace(rows, labels={})
    parts = []
    for chunk in bare.chunks(_AT_ONCE):
        table = np.asarray(model.predict(chunk), np.float64)
        if table.shape != (len(chunk), len(model.tasks)):
            raise ConfigError(
                f"{type(model).__name__}.predict must return a row for each impression and a column for each task, "
                f"{(len(chunk), len(model.tasks))}, got {table.shape}"
            )
        parts.append(table)
        if progress is not None:
            progress(f"predicting with {called}", sum(map(len, parts)), len(rows))
    whole = np.concatenate(parts) if parts else np.zeros((0, len(model.tasks)))
    columns = {task: whole[:, model.tasks.index(task)] for task in tasks}
    for task, column in columns.items():
        wrong = ~np.isfinite(column)
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise DataError(f"{called} predicts {column[row]:g} for task {task!r} at row {row} ({int(wrong.sum())} of {len(column)} rows)")
        if task != VALUE_TASK:
            check_probabilities(column)
    return columns


def _of_acts(
    task: str,
    rows: Impressions,
    predicted: Float64[np.ndarray, " R"],
    calibrator: Calibrator | None,
    share: float,
    bins: int,
    notes: Sequence[str],
    common: Mapping[str, Any],
    draws: Mapping[str, Any],
) -> ResponseEvaluation:
    known, label, users, asked = _labelled(rows, task)
    p = predicted[known]
    order, n_one_class = _order(label, p, users, draws)
    errors = probability_intervals(label, p, users, bins=bins, equal="mass", **draws)
    before, curve = {}, calibration(label, p, bins=bins, equal="mass")
    curve_before, q = None, p
    warnings = [*notes, *_undefined(task, label, order["gauc"])]
    if calibrator is not None:
        q, before, curve_before = calibrator(p), errors, curve
        errors = probability_intervals(label, q, users, bins=bins, equal="mass", **draws)
        curve = calibration(label, q, bins=bins, equal="mass")
        gain = bootstrap_means((log_losses(label, q) - log_losses(label, p))[:, None], groups=users, **draws)[0]
        if gain.low > 0:
            worse = f"from {before['log_loss'].value:.4f} to {errors['log_loss'].value:.4f}"
            warnings.append(
                f"Calibration raises the log-loss of {common['model']} on {task} {worse}: it does not carry over to the test rows."
            )
    lifted = lift_interval(label, p, users, share=share, confidence=draws["confidence"])
    return ResponseEvaluation(
        task=task,
        metrics={**order, **errors, f"lift@{100 * share:g}%": lifted},
        n_positive=int(label.sum()),
        n_one_class=n_one_class,
        losses=log_losses(label, q),
        uncalibrated=before,
        calibrator=calibrator,
        calibration=curve,
        calibration_before=curve_before,
        warnings=warnings,
        **asked,
        **common,
    )


def _of_ratings(
    rows: Impressions, predicted: Float64[np.ndarray, " R"], threshold: float | None, common: Mapping[str, Any], draws: Mapping[str, Any]
) -> ResponseEvaluation:
    known, label, users, asked = _labelled(rows, VALUE_TASK)
    value = predicted[known]
    metrics = rating_intervals(label, value, users, **draws)
    liked, n_one_class, warnings = None, None, []
    if threshold is not None:
        liked = (label >= threshold).astype(np.float64)
        order, n_one_class = _order(liked, value, users, draws)
        metrics |= order
        warnings = _undefined(f"{VALUE_TASK} of at least {threshold:g}", liked, order["gauc"])
    return ResponseEvaluation(
        task=VALUE_TASK,
        metrics=metrics,
        n_positive=None if liked is None else int(liked.sum()),
        n_one_class=n_one_class,
        losses=(label - value) ** 2,
        threshold=threshold,
        warnings=warnings,
        **asked,
        **common,
    )


def _labelled(rows: Impressions, task: str) -> tuple[np.ndarray, Float64[np.ndarray, " K"], Int64[np.ndarray, " K"], dict[str, Any]]:
    """Which rows have a label, these labels, the user of each as a code, and what was asked, as fields of an evaluation."""
    label = rows.label(task)
    known = ~np.isnan(label)
    if not known.any():
        raise DataError(f"no test row has a label of {task!r}: choose another task or another split")
    users = np.unique(rows.rows[known], return_inverse=True)[1].astype(np.int64)
    asked = {
        "n": int(known.sum()),
        "n_users": int(users.max()) + 1,
        "base": float(label[known].mean(dtype=np.float64)),
        "n_unlabelled": int((~known).sum()),
        "users": users,
        "holdout": _fingerprint(rows, label),
    }
    return known, label[known].astype(np.float64), users, asked


def _order(
    label: Float64[np.ndarray, " R"], scores: Float64[np.ndarray, " R"], users: Int64[np.ndarray, " R"], draws: Mapping[str, Any]
) -> tuple[dict[str, Interval], int]:
    """AUC and GAUC, and the users that are not in the latter."""
    grouped = gauc(label, scores, users, **draws)
    of_users = Interval(grouped.value, grouped.low, grouped.high, grouped.n_groups)
    return {"auc": auc_interval(label, scores, groups=users, confidence=draws["confidence"]), "gauc": of_users}, grouped.n_one_class


def _undefined(task: str, label: Float64[np.ndarray, " R"], grouped: Interval) -> list[str]:
    if label.min() == label.max():
        return [f"One class: all {len(label):,} test labels of {task} are {label[0]:g}, where AUC, GAUC and lift say nothing."]
    if np.isnan(grouped.value):
        return [f"No GAUC of {task}: no user has test rows of both classes."]
    return []


def _fingerprint(rows: Impressions, label: Float32[np.ndarray, " R"]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for array in (rows.rows, rows.lengths, rows.items, label):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _check_same_questions(rows: Sequence[ResponseEvaluation]) -> None:
    first: dict[str, ResponseEvaluation] = {}
    for row in rows:
        base = first.setdefault(row.task, row)
        if row.holdout != base.holdout:
            raise ConfigError(
                f"{row.model!r} and {base.model!r} were asked different rows of {row.task!r}: evaluate both on the same split"
            )


def _warnings(rows: Sequence[ResponseEvaluation], split: ImpressionSplit) -> Iterator[str]:
    if not split.causal:
        yield f"Not causal: protocol {split.protocol!r} lets a model learn from what came after a test row: these are no forecasts."
    yield from dict.fromkeys(warning for row in rows for warning in row.warnings)
    if len({row.fitted_on for row in rows}) > 1:
        yield "Some rows are fitted on the validation rows too and others are not: they do not compare."
    for task in dict.fromkeys(row.task for row in rows):
        of_task = [row for row in rows if row.task == task]
        if absent := [name for name in REFERENCES if name not in {row.model for row in of_task}]:
            yield f"{task}: no row {', '.join(absent)}, so that it cannot be seen what the models add to such means."
        if of_task[0].n_users < FEW_USERS:
            yield f"{task}: only {of_task[0].n_users} users were asked: intervals of so few are too narrow."
        if of_task[0].n_unlabelled:
            asked = of_task[0].n + of_task[0].n_unlabelled
            yield f"{task}: {of_task[0].n_unlabelled:,} of {asked:,} test rows have no label and were left out."


def _table(curve: Calibration | None) -> dict[str, list] | None:
    return None if curve is None else {name: getattr(curve, name).tolist() for name in ("n", "predicted", "observed")}
