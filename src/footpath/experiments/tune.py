"""The settings of one model of any kind, searched on validation: a study that can be killed and gone on with.

TUNING/tuning.json    what is tuned: store, model, protocol, ranges
TUNING/study.journal  optuna's journal of the study
TUNING/trials.json    every trial with its settings, figure, CPU-seconds and state
TUNING/best.json      the best trial and the command that trains with it
TUNING/tuning.html    the picture
"""

from __future__ import annotations

import json
import math
import shlex
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from jaxtyping import Float64

from footpath.analysis import charts
from footpath.errors import ConfigError, DataError, RunError
from footpath.events.log import EventLog
from footpath.events.store import open_store
from footpath.experiments import search_space, validation
from footpath.experiments.picture import Figure, picture
from footpath.experiments.validation import Measure
from footpath.models import catalog
from footpath.page.files import write_text
from footpath.page.text import plain
from footpath.progress import Progress
from footpath.recommender import ClickModel, EpochFigures, Iterative, Recommender, Settled, hyperparameters
from footpath.sequences.impression_splits import ImpressionSplit
from footpath.sequences.split import Split

State = Literal["finished", "pruned", "stopped", "failed"]
"""finished: fitted to its end. pruned: worse than the median at the same epoch. stopped: the time was up. failed: see `note`."""

_OPTIONS: Final = {
    "source": "--examples",
    "labels": "--label",
    "threshold": "--threshold",
    "negatives": "--negatives",
    "context": "--context",
}
"""Of the command line, by the names that `footpath.experiments.responses.examples` has for them."""

_RANDOM_TRIALS, _PRUNE_FROM_EPOCH, _PRUNE_AFTER_TRIALS, _TREES = 5, 3, 4, 64


@dataclass(frozen=True)
class Trial:
    """One fit with drawn settings. value: of validation, None where it failed; low, high: 95 %. settled: what validation chose."""

    number: int
    parameters: Mapping[str, Any]
    state: State
    value: float | None
    low: float | None = None
    high: float | None = None
    epochs: int | None = None
    cpu_s: float = 0.0
    settled: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Tuning:
    """What was asked and every trial. importances: shares of the variance of the figure, summing to 1; empty where nothing can be said."""

    asked: Mapping[str, Any]
    measure: Measure
    trials: Sequence[Trial]
    importances: Mapping[str, float]
    command: str
    warnings: Sequence[str] = ()

    @property
    def ranked(self) -> list[Trial]:
        """Best first, the earlier of equals first; trials that failed last."""
        return sorted(self.trials, key=lambda trial: (trial.value is None, -self.measure.goodness(trial.value or 0.0)))

    @property
    def best(self) -> Trial:
        """The trial with the best figure; raises ConfigError where all failed."""
        if not self.trials or self.ranked[0].value is None:
            raise ConfigError(
                f"every trial of {self.asked['model']} failed; the first: {self.trials[0].note if self.trials else 'none ran'}"
            )
        return self.ranked[0]

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints: plain types only."""
        return {
            "asked": dict(self.asked),
            "best": vars(self.best) | {"command": self.command},
            "importances": dict(self.importances),
            "trials": [dict(vars(trial)) for trial in self.trials],
            "warnings": list(self.warnings),
        }


def tune(
    store: Path,
    model: str,
    into: Path,
    *,
    trials: int = 10,
    timeout_minutes: float | None = None,
    fixed: Mapping[str, object] | None = None,
    protocol: str = "auto",
    event_types: Sequence[str] | None = None,
    core: int = 1,
    seed: int = 0,
    repeat: bool = False,
    examples: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Tuning:
    """Search the ranges of a model's file for the best figure on the validation part; the test part is never read.

    The figure is NDCG@10, the log-loss of a model of responses, the RMSE of one of ratings. The first trial is the model's defaults; the
    next four are random, and from then on optuna's TPE draws. Models trained by epochs are pruned by the median. The same directory goes
    on where it stopped, up to `trials` in all; a trial that was running is run again.
    examples: of a model of responses or ratings, options of `footpath.experiments.responses.examples`: source, labels, threshold,
    negatives, context. Such a model takes neither `core` nor `repeat`, and `event_types` are those of its histories.
    Raises ConfigError, DataError, StoreError, MissingExtraError, and RunError where the directory is of another study or is something else.
    """
    if trials < 1:
        raise ConfigError(f"trials must be at least 1, got {trials}")
    if timeout_minutes is not None and not 0 < timeout_minutes < math.inf:
        raise ConfigError(f"the timeout must be above 0 minutes, got {timeout_minutes:g}")
    deadline = None if timeout_minutes is None else time.monotonic() + 60 * timeout_minutes
    fixed, examples = dict(fixed or {}), dict(examples or {})
    space = search_space.searched(model, fixed)
    search_space.the_optuna()
    _check_kind(model, examples, core=core, repeat=repeat)
    log = open_store(store)
    parts: Split | ImpressionSplit
    if catalog.entry(model).answers == "items":
        parts, why = validation.choose_split(log, protocol, event_types=event_types, core=core, seed=seed, repeat=repeat)
        measure = validation.of_items(parts)
    else:
        parts, measure, why = _impressions(log, model, protocol, {**examples, "history_types": event_types}, seed)
    given = {name: hyperparameters(catalog.create(model, **fixed))[name] for name in fixed}
    asked = {
        "model": model,
        "data": log.name,
        "fingerprint": log.fingerprint,
        "protocol": parts.protocol,
        "event_types": list(event_types) if event_types else None,
        "core": core,
        "seed": seed,
        "repeat": repeat,
        "examples": examples,
        "fixed": given,
        "space": {name: list(given) for name, given in space.items()},
        "metric": measure.on_validation,
        "tasks": list(measure.tasks),
    }
    open_directory(into, "tuning.json", asked, "a tuning")
    tuned = search(parts, asked, into, measure=measure, trials=trials, deadline=deadline, progress=progress)
    warning = validation.few(measure.n, measure.rows)
    tuned = replace(
        tuned,
        asked=asked | {"store": str(store), "why": why, "n_validation": measure.n},
        command=_training(store, {**asked, "fixed": {**given, **tuned.best.parameters}}),
        warnings=[warning] if warning else [],
    )
    printed = tuned.to_dict()
    write_json(into / "trials.json", {"asked": printed["asked"], "trials": printed["trials"], "importances": printed["importances"]})
    write_json(into / "best.json", printed["best"])
    write_text(into / "tuning.html", _page(tuned))
    return tuned


def _check_kind(model: str, examples: Mapping[str, Any], *, core: int, repeat: bool) -> None:
    """Raises ConfigError for options that are of the other kind of model."""
    if catalog.entry(model).answers == "items":
        if examples:
            given = ", ".join(f"{name} ({_OPTIONS[name]})" for name in examples)
            raise ConfigError(
                f"{model} says which items come next and learns from events, not from examples: leave out {given}, or tune a model of "
                "responses such as logistic_regression"
            )
        return
    for option, is_given in {"core": core != 1, "repeat": repeat}.items():
        if is_given:
            raise ConfigError(f"{option} is for models that say which items come next, and {model} does not: leave it out")


def _impressions(log: EventLog, model: str, protocol: str, options: Mapping[str, Any], seed: int) -> tuple[ImpressionSplit, Measure, str]:
    """The split of the examples that a model learns from, which has validation rows, and in words why this one."""
    from footpath.experiments import responses

    rows = responses.examples_for(log, [model], **options, seed=seed)
    parts, why = responses.choose_impression_split(rows, protocol, seed=seed)
    if parts.validation is None:
        raise DataError(f"protocol {parts.protocol!r} leaves no validation example to choose by; use another protocol or a larger log")
    return parts, validation.of_responses(parts.validation), why


def _training(store: Path, asked: Mapping[str, Any]) -> str:
    """The command that trains with these settings on the same events."""
    command = ["footpath", "train", str(store), "--model", asked["model"]]
    for name, value in asked["fixed"].items():
        command += ["--set", f"{name}={value}"]
    for name in asked["event_types"] or ():
        command += ["--event-type", name]
    for option, value in asked["examples"].items():
        for one in value if isinstance(value, list | tuple) else [value]:
            command += [_OPTIONS[option], f"{one:g}" if isinstance(one, float) else str(one)]
    core, seed = asked["core"], asked["seed"]
    command += [*(["--core", str(core)] if core != 1 else []), *(["--seed", str(seed)] if seed else [])]
    return shlex.join([*command, *(["--repeat"] if asked["repeat"] else []), "--into", "RUN"])


def search(
    parts: Split | ImpressionSplit,
    asked: Mapping[str, Any],
    directory: Path,
    *,
    measure: Measure,
    trials: int,
    deadline: float | None = None,
    known: float | None = None,
    keep: Callable[[Trial, Any, Float64[np.ndarray, "B ..."]], None] | None = None,
    progress: Progress | None = None,
) -> Tuning:
    """The study of `tune` on a split that is there, in a directory that is there. deadline: on the monotonic clock.

    known: the figure of the model's defaults, where they need not be fitted again. keep: is given every trial that ended with a figure,
    its model, and what each validation row adds to the figure.
    """
    optuna = search_space.the_optuna()
    model, fixed, seed = asked["model"], asked["fixed"], asked["seed"]
    space = {name: given for name, given in catalog.search_space(model).items() if name not in fixed}
    drawn_from = search_space.distributions(space)
    with alone(directory, "tuning"), warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        journal = directory / "study.journal"
        _whole_lines(journal)
        backend = optuna.storages.journal.JournalFileBackend(str(journal), optuna.storages.journal.JournalFileOpenLock(str(journal)))
        study = optuna.create_study(
            storage=optuna.storages.JournalStorage(backend),
            study_name=f"{model} by {measure.on_validation}",
            direction="maximize",  # of a loss its negative, as models report it after each epoch
            load_if_exists=True,
        )
        if not study.trials:
            own = search_space.defaults(model, space)
            if known is None or set(own) != set(space):
                study.enqueue_trial(own)
            else:
                told = {"state": "finished", "value": known, "cpu_s": 0.0}
                good = measure.goodness(known)
                study.add_trial(optuna.trial.create_trial(params=own, distributions=drawn_from, value=good, user_attrs=told))
        for left in study.trials:
            if left.state == optuna.trial.TrialState.RUNNING:  # it was running when the process ended
                study.tell(left.number, state=optuna.trial.TrialState.FAIL)
                if set(left.params) == set(drawn_from):
                    study.enqueue_trial(left.params)
        while (done := len(_trials(study, space))) < trials and (deadline is None or time.monotonic() < deadline or not done):
            if progress is not None:
                progress("trials", done, trials)
            # a sampler a trial, so that the trial after a kill is drawn as it would have been
            study.sampler = optuna.samplers.TPESampler(seed=seed + done, n_startup_trials=_RANDOM_TRIALS)
            study.pruner = optuna.pruners.MedianPruner(n_startup_trials=_PRUNE_AFTER_TRIALS, n_warmup_steps=_PRUNE_FROM_EPOCH)
            trial = study.ask(drawn_from)
            fresh = catalog.create(model, **fixed, **search_space.settings(trial.params, space))
            fitted = _run(study, trial, fresh, parts, measure, deadline, progress)
            if fitted is not None and keep is not None:
                keep(_trials(study, space)[-1], *fitted)
        if progress is not None:
            progress("trials", done, trials)
        found = _trials(study, space)
        return Tuning(asked, measure, found, _importances(study, drawn_from, seed), "")


def _run(
    study: Any,
    trial: Any,
    model: Any,
    parts: Split | ImpressionSplit,
    measure: Measure,
    deadline: float | None,
    progress: Progress | None,
) -> tuple[Any, Float64[np.ndarray, "B ..."]] | None:
    """Fit, judge, and tell the study; settings that cannot be fitted are a failed trial, not the end of the study."""
    optuna = search_space.the_optuna()
    ended: list[State] = []
    epochs: list[int] = []

    def watch(epoch: EpochFigures) -> bool:
        epochs.append(epoch.number)
        if epoch.validation is None:
            return False
        trial.report(epoch.validation, epoch.number)
        if trial.should_prune():
            ended.append("pruned")
        elif deadline is not None and time.monotonic() > deadline:
            ended.append("stopped")
        return bool(ended)

    def tell(what: str, done: int, total: int) -> None:
        if progress is not None:
            progress(f"trial {trial.number + 1}: {what}", done, total)

    if isinstance(model, Iterative):
        model = model.observed(watch=watch)
    cpu = time.process_time()
    try:
        fitted = model.fit(parts.train, validation=parts.validation, progress=tell)
        figure, per_row = measure.judge(fitted, tell)
    except ConfigError as error:
        trial.set_user_attr("note", str(error))
        trial.set_user_attr("cpu_s", round(time.process_time() - cpu, 2))
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return None
    told = {"value": figure.value, "low": figure.low, "high": figure.high, "cpu_s": round(time.process_time() - cpu, 2)}
    for name, value in plain(told | {"epochs": epochs[-1] if epochs else None, "state": ended[0] if ended else "finished"}).items():
        trial.set_user_attr(name, value)
    trial.set_user_attr("settled", plain(_settled(model, fitted)))
    if ended:
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    else:
        study.tell(trial, measure.goodness(figure.value))
    return fitted, per_row


def _settled(before: Recommender | ClickModel, fitted: Recommender | ClickModel) -> dict[str, Any]:
    if not isinstance(fitted, Settled):
        return {}
    old, new = hyperparameters(before), hyperparameters(fitted.settled())
    return {name: new[name] for name in new if new[name] != old[name]}


def _trials(study: Any, space: Mapping[str, Any]) -> list[Trial]:
    """Those that ended by themselves, numbered from 1 as they ran; what a kill interrupted is not among them."""
    failed = search_space.the_optuna().trial.TrialState.FAIL
    ended = [trial for trial in study.trials if trial.state.is_finished() and ("note" in trial.user_attrs or trial.state != failed)]
    return [
        Trial(
            number=number,
            parameters=search_space.settings(trial.params, space),
            state=trial.user_attrs.get("state", "failed"),
            **{name: trial.user_attrs.get(name) for name in ("value", "low", "high", "epochs")},
            cpu_s=trial.user_attrs["cpu_s"],
            settled=trial.user_attrs.get("settled", {}),
            note=trial.user_attrs.get("note", ""),
        )
        for number, trial in enumerate(ended, start=1)
    ]


def _importances(study: Any, drawn_from: Mapping[str, Any], seed: int) -> dict[str, float]:
    """Shares of the variance by functional ANOVA on a random forest; empty below four finished trials, two fields or without variance.

    Hutter, Hoos and Leyton-Brown, ICML 2014.
    """
    optuna = search_space.the_optuna()
    values = [trial.value for trial in study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
    if len(values) < 4 or len(drawn_from) < 2 or np.ptp(values) == 0:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=_TREES, seed=seed)
    return {name: float(share) for name, share in optuna.importance.get_param_importances(study, evaluator=evaluator).items()}


def open_directory(into: Path, name: str, asked: Mapping[str, Any], what: str) -> None:
    """Make a directory for work that can be gone on with, or check that the one that is there was made for the same.

    Raises RunError where it is something else, is damaged, or was made for something else, naming what differs.
    """
    record = into / name
    wanted = json.loads(json.dumps(plain(asked)))
    if not record.is_file():
        if into.exists() and (not into.is_dir() or any(path.name != ".lock" for path in into.iterdir())):
            raise RunError(f"{into} exists and is not {what}; choose another directory")
        into.mkdir(parents=True, exist_ok=True)
        write_json(record, wanted)
        return
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
        differing = [key for key in {**found, **wanted} if found.get(key) != wanted.get(key)]
    except (ValueError, TypeError, AttributeError) as error:
        raise RunError(f"{record} is damaged ({error}); remove {into} or choose another directory") from error
    if differing:
        said = "; ".join(f"{key} was {found.get(key)!r} and is now {wanted.get(key)!r}" for key in differing)
        raise RunError(f"{into} holds {what} of something else: {said}; ask the same as before or choose another directory")


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """A JSON file, written whole or not at all."""
    write_text(path, json.dumps(plain(value), ensure_ascii=False, indent=2, allow_nan=False) + "\n")


@contextmanager
def alone(directory: Path, doing: str) -> Iterator[None]:
    """No second process works in the directory meanwhile; a process that is killed holds nothing. Raises RunError."""
    import fcntl

    with (directory / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunError(f"another process is {doing} in {directory}; wait for it or choose another directory") from error
        for stale in directory.glob("study.journal.lock*"):
            stale.unlink()
        yield


def _whole_lines(journal: Path) -> None:
    """Cut off a last line that a kill left unfinished."""
    if journal.is_file():
        content = journal.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            journal.write_bytes(whole)


STATES: Final[Mapping[str, str]] = {
    "finished": "finished",
    "pruned": "pruned: worse than the median at the same epoch",
    "stopped": "stopped: the time was up",
    "failed": "failed",
}


def in_words(tuned: Tuning) -> str:
    """By what was chosen: log-loss of `click` on the validation part of the time split (as asked), 2,025 examples; lower is better."""
    measure, asked = tuned.measure, tuned.asked
    tasks = " and ".join(f"`{task}`" for task in measure.tasks)
    figure = measure.name + (f" of {tasks}" if tasks else "") + (" (their mean)" if len(measure.tasks) > 1 else "")
    better = "; lower is better" if measure.lower else ""
    return f"{figure} on the validation part of the {asked['protocol']} split ({asked['why']}), {measure.n:,} {measure.rows}{better}"


def _page(tuned: Tuning) -> str:
    asked, best, measure = tuned.asked, tuned.best, tuned.measure
    trials = list(tuned.trials)
    pruned = sum(trial.state == "pruned" for trial in trials)
    so_far: list[float | None] = []
    for trial in trials:
        known = [value for value in (*so_far[-1:], trial.value) if value is not None]
        so_far.append(max(known, key=measure.goodness) if known else None)
    numbers = [str(trial.number) for trial in trials]
    columns: dict[str, list[Any]] = {"trial": numbers}
    for name in asked["space"]:
        given = [trial.parameters.get(name) for trial in trials]
        columns[name] = [f"{value:.4g}" if isinstance(value, float) else value for value in given]  # as text: a learning rate is no share
    for name in ("value", "low", "high"):  # to the digits by which trials differ
        columns[name] = [None if (value := getattr(trial, name)) is None else f"{value:.4f}" for trial in trials]
    columns |= {name: [getattr(trial, name) for trial in trials] for name in ("epochs", "cpu_s")}
    columns["state"] = [trial.state + (f": {trial.note}" if trial.note else "") for trial in trials]
    if all(value is None for value in columns["epochs"]):
        del columns["epochs"]
    labels = {"value": measure.name, "low": "from", "high": "to", "cpu_s": "CPU-s", **{name: name for name in asked["space"]}}
    figures = [
        Figure(
            "trials",
            "The best so far",
            f"{measure.on_validation}; the first trial is the model's defaults" + ("; pruned trials are not drawn" if pruned else ""),
            charts.lines(
                numbers,
                {"best so far": so_far, "each trial": [None if trial.state == "pruned" else trial.value for trial in trials]},
                format="number",
                x_name="trial",
                y_name=measure.on_validation,
                from_zero=not measure.lower,  # no model comes near a loss of 0
            ),
        )
    ]
    if tuned.importances:
        finished = sum(trial.state == "finished" for trial in trials)
        figures.append(
            Figure(
                "importance",
                "Which settings matter",
                f"The share of the variance of {measure.name} between trials that each setting explains "
                "(functional ANOVA on a random forest)",
                charts.bars(list(tuned.importances), {"share": list(tuned.importances.values())}, format="share", horizontal=True),
                {"setting": list(tuned.importances), "share": list(tuned.importances.values())},
                notes=[f"From {finished} finished trials: with few of them, read the order and not the figures"],
            )
        )
    about = "95 % intervals by bootstrap over users" + (f"; {STATES['pruned']}" if pruned else "")
    of_words = {name for name in asked["space"] for trial in trials if isinstance(trial.parameters.get(name), str | bool)}
    right = ["value", "low", "high", *(name for name in asked["space"] if name not in of_words)]
    figures.append(Figure("table", "Every trial", about, None, columns, labels, right=right))
    return picture(
        f"Tuning {asked['model']} on {asked['data']}",
        [
            f"Chosen by {in_words(tuned)}; the test part was not read",
            *tuned.warnings,
        ],
        {
            f"Best {measure.name}": (
                f"{best.value:.4f}",
                f"{best.low:.4f} to {best.high:.4f}" if best.low is not None and best.high else "",
            ),
            "Defaults": (f"{trials[0].value:.4f}" if trials[0].value is not None else "–", "trial 1"),
            "Trials": (f"{len(trials)}", f"{pruned} pruned"),
            "CPU": (f"{sum(trial.cpu_s for trial in trials):,.0f} s", "to fit and to judge"),
        },
        figures,
        commands=[tuned.command],
        notes=[
            "The best of many trials on one validation set looks better than it is: `footpath evaluate` with these settings measures it on "
            f"{measure.rows} that chose nothing",
        ],
    )
