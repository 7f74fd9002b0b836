"""Models that say how likely an act on an item is, or how it will be rated: from a log to a table of results, a run, and predictions.

RUN/run.json and RUN/model/ are as `footpath.experiments.runs` has them; `examples` in run.json says what the impressions were made of, and
`calibration` holds the calibrator of each task, fitted on validation.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from jaxtyping import Float64, Int32

from footpath.calibration import Calibrator, Method, fit_calibrator
from footpath.errors import ColumnError, ConfigError, DataError, RunError, did_you_mean
from footpath.evaluation.responses import (
    ResponseReport,
    compare_responses,
    evaluate_references,
    evaluate_responses,
    response_report,
)
from footpath.events.log import EventLog
from footpath.events.store import open_store
from footpath.experiments import runs
from footpath.experiments.compare import Candidate, named
from footpath.models import catalog, storage
from footpath.progress import Progress
from footpath.recommender import ClickModel, Settled, hyperparameters
from footpath.rules import Rules
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.impression_splits import ImpressionSplit, split_impressions
from footpath.sequences.impressions import LIKED, SEARCHED, VALUE_TASK, Impressions, chosen, from_table, rated, shown, trails_of

Source = Literal["auto", "impressions", "ratings", "next"]
SOURCES: Final = ("auto", "impressions", "ratings", "next")
Calibration = Method | Literal["none"]

_PREDICTED_AT_ONCE: Final = 2**16
_MOST_RANKED: Final = 50_000  # items that a click model ranks for one user without candidates
_SETTLED_BY: Final = "the hyper-parameters as given; nothing was chosen on validation"


def examples(
    log: EventLog,
    source: str = "auto",
    *,
    labels: Sequence[str] | None = None,
    threshold: float | None = None,
    negatives: int = 4,
    context: Sequence[str] | None = None,
    history_types: Sequence[str] | None = None,
    values: bool = True,
    seed: int = 0,
) -> Impressions:
    """What a model of responses learns from. auto: impressions where the log has them, else ratings, else what came next.

    labels: of impressions, event types (click where None). threshold: of ratings, adds the task `liked`. negatives: drawn beside what came
    next. values: whether the task `rating` is kept; a threshold is needed without it. Raises ConfigError for an option that the source
    does not take, NotInLogError, DataError.
    """
    if source not in SOURCES:
        raise ConfigError(f"no source of examples {source!r}{did_you_mean(source, SOURCES)}; there are: {', '.join(SOURCES)}")
    if source == "auto":
        source = _source_of(log)
    if source != "impressions" and labels:
        raise ConfigError(
            f"labels are acts on what was shown, and examples come from {source}: use examples=impressions, or leave them out"
        )
    if source != "ratings" and threshold is not None:
        raise ConfigError(f"a threshold is for ratings, got {threshold:g} for examples from {source}")
    how: dict[str, Any] = {"history_types": history_types, "seed": seed}
    if source == "impressions":
        return shown(log, labels=tuple(labels) if labels else ("click",), context=context, **how)
    if source == "next":
        if context:
            raise ConfigError("items that were drawn have no context: leave it out, or use examples=impressions")
        return chosen(log, negatives=negatives, **how)
    rows = rated(log, threshold=threshold, context=context, **how)
    if values:
        return rows
    if threshold is None:
        raise ConfigError("a model of responses needs to know which ratings are good: give a threshold, such as 4")
    return rows.with_tasks([LIKED])


def _source_of(log: EventLog) -> str:
    acts = log.table
    for kind, source in (("impression", "impressions"), ("rating", "ratings")):
        if acts.filter(acts.event_type == kind).limit(1).count().to_pyarrow().as_py():
            return source
    return "next"


def examples_for(log: EventLog, models: Sequence[str], **options: Any) -> Impressions:
    """`examples` with the tasks that models of these names can learn: ratings as values, where none of them answers with a probability."""
    of_ratings = [catalog.entry(name).answers == "ratings" for name in models]
    if any(of_ratings) and not all(of_ratings):
        raise ConfigError(
            f"{models[of_ratings.index(True)]} answers with ratings and {models[of_ratings.index(False)]} with probabilities: "
            "compare models of one kind"
        )
    if all(of_ratings):
        source = options.get("source", "auto")
        if source not in ("auto", "ratings"):
            raise ConfigError(f"{models[0]} learns from ratings, and examples come from {source}: use examples=ratings")
        rows = examples(log, **{**options, "source": "ratings"})
        return rows.with_tasks([VALUE_TASK])
    joint = all(catalog.entry(name).module == "response_head" for name in models) and options.get("threshold") is None
    return examples(log, **options, values=joint)


def choose_impression_split(rows: Impressions, protocol: str = "auto", *, seed: int = 0) -> tuple[ImpressionSplit, str]:
    """The split whose validation part chooses and calibrates, and in words why this one. auto: the source's own split, else by time."""
    if protocol != "auto":
        return split_impressions(rows, protocol, seed=seed), "as asked"  # type: ignore[arg-type]
    if rows.given is not None:
        return split_impressions(rows, "given", seed=seed), "the log comes with a split of its own"
    if rows.times is not None:
        return split_impressions(rows, "time", seed=seed), "the log has a clock"
    return split_impressions(rows, "user-tail", seed=seed), "the log has no clock; the last impressions of each user, which is not causal"


def compare(
    log: EventLog,
    candidates: Sequence[Candidate],
    *,
    protocol: str = "auto",
    options: Mapping[str, Any] | None = None,
    calibrate: str = "none",
    refit_on_validation: bool = False,
    fold: int = 0,
    seed: int = 0,
    references: bool = True,
    progress: Progress | None = None,
) -> ResponseReport:
    """Fit every candidate on the same impressions and hold it to the same test rows, beside the rates of everything, users and items.

    options: of `examples`. calibrate: auto, isotonic or platt fits a calibrator of each task on validation. Paired tests of the loss are
    against the first candidate. Raises ConfigError, DataError.
    """
    if not candidates:
        raise ConfigError("no model to evaluate; name at least one with --models, `footpath models` lists all")
    names = [candidate.row for candidate in candidates]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"model {name!r} is named {names.count(name)} times; name each once")
    _check_method(calibrate)
    models = [catalog.click_model(candidate.name, **candidate.fields) for candidate in candidates]
    options = dict(options or {})
    threshold = options.get("threshold")
    rows = examples_for(log, [candidate.name for candidate in candidates], **options, seed=seed)
    if protocol == "kfold":
        parts = split_impressions(rows, "kfold", fold=fold, seed=seed)
    else:
        parts, _ = choose_impression_split(rows, protocol, seed=seed)
    fitted_on: Literal["train", "refit"] = "refit" if refit_on_validation else "train"
    shared: dict[str, Any] = {"fitted_on": fitted_on, "seed": seed}
    if VALUE_TASK in rows.labels:
        shared["threshold"] = threshold
    found = []
    for candidate, model in zip(candidates, models, strict=True):
        started, tell = time.process_time(), named(candidate.row, progress)
        fitted = model.fit(parts.train, validation=parts.validation, progress=tell)
        calibrators: Any = None if calibrate == "none" or VALUE_TASK in rows.labels else calibrate
        if refit_on_validation:
            calibrators = None if calibrators is None else _calibrators(fitted, parts, calibrate)[0]
            fitted = runs.settled(fitted).fit(parts.refit, progress=tell)
        spent = time.process_time() - started
        found += evaluate_responses(fitted, parts, name=candidate.row, calibrator=calibrators, fit_cpu_s=spent, progress=tell, **shared)
    if references:
        found += evaluate_references(parts, **shared)
    comparisons = compare_responses(found, names[0], seed=seed) if len({row.model for row in found}) > 1 else []
    return response_report(found, parts, comparisons, data=log.name)


def _check_method(calibrate: str) -> None:
    """Before anything is fitted. Raises ConfigError."""
    if calibrate not in (known := ("none", *get_args(Method))):
        raise ConfigError(f"no calibration method {calibrate!r}{did_you_mean(calibrate, known)}; there are: {', '.join(known)}")


def _calibrators(fitted: ClickModel, parts: ImpressionSplit, method: str) -> tuple[dict[str, Calibrator], list[str]]:
    """By task; and which tasks have too little to be calibrated on, in words."""
    if parts.validation is None:
        return {}, [f"nothing is calibrated: protocol {parts.protocol!r} left no validation rows"]
    predicted = fitted.predict(parts.validation)
    found, notes = {}, []
    for column, task in enumerate(fitted.tasks):
        if task == VALUE_TASK or task not in parts.validation.labels:
            continue
        label = parts.validation.label(task)
        known = ~np.isnan(label)
        try:
            found[task] = fit_calibrator(label[known], predicted[known, column], method)  # type: ignore[arg-type]
        except DataError as error:
            notes.append(f"{task} is not calibrated: {error}")
    return found, notes


@dataclass(frozen=True, eq=False)
class ResponseRun:
    """A run of a model of responses or ratings, opened."""

    path: Path
    model: ClickModel
    record: Mapping[str, Any]
    titles: Mapping[str, str]
    categories: Mapping[str, str]
    calibrators: Mapping[str, Calibrator]

    def store_path(self) -> Path:
        return runs.store_of(self.path, self.record)

    def predict(self, rows: Impressions) -> Float64[np.ndarray, "R M"]:
        """The model's answers, calibrated."""
        found = self.model.predict(rows)
        for column, task in enumerate(self.model.tasks):
            if task in self.calibrators:
                found[:, column] = self.calibrators[task](found[:, column])
        return found


def train(
    store: Path,
    model: str,
    into: Path,
    *,
    fields: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
    protocol: str = "auto",
    calibrate: str = "auto",
    seed: int = 0,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> ResponseRun:
    """Fit a model on all impressions of a store, ready to predict, and write the run in one step.

    First it is fitted on the past of a split, where validation chooses what it leaves open and a calibrator of each task is fitted; then
    on everything. Raises ConfigError, DataError, StoreError, RunError.
    """
    runs.check_target(into, overwrite=overwrite)
    _check_method(calibrate)
    fresh = catalog.click_model(model, **(fields or {}))
    unfinished = into.parent / f".{into.name}.unfinished"
    log = open_store(store)
    options = dict(options or {})
    rows = examples_for(log, [model], **options, seed=seed)
    parts, why = choose_impression_split(rows, protocol, seed=seed)
    cpu, started = time.process_time(), time.time()
    held = runs.kept_in(fresh, unfinished / "held").fit(parts.train, validation=parts.validation, progress=progress)
    calibrators, notes = ({}, []) if calibrate == "none" else _calibrators(held, parts, calibrate)
    settled = runs.settled(held)
    chosen_by: dict[str, Any] = {"by": _SETTLED_BY}
    if isinstance(fresh, Settled):
        n = len(parts.validation or ())
        changed = {name: value for name, value in hyperparameters(settled).items() if value != hyperparameters(fresh)[name]}
        chosen_by = {"by": f"validation of the {parts.protocol} split, {n:,} impressions", "protocol": parts.protocol, "why": why}
        chosen_by |= {"n_impressions": n, "fields": changed}
    fitted = runs.kept_in(settled, unfinished / "refit").fit(rows, progress=progress)
    record = {
        "answers": catalog.entry(model).answers,
        "tasks": list(fitted.tasks),
        "examples": {**options, **{name: value for name, value in rows.about.items() if name not in ("log", "fingerprint")}}
        | {"n": len(rows), "rates": {task: float(np.nanmean(label)) for task, label in rows.labels.items()}},
        "calibration": {task: calibrator.to_dict() for task, calibrator in calibrators.items()},
        "calibration_notes": notes,
    }
    if runs.process_number() == 0:
        runs.write_run(
            into,
            fitted,
            log,
            store,
            rows.histories,
            data={"event_types": options.get("history_types"), "core": 1, "seed": seed},
            chosen=chosen_by,
            repeat=False,
            fit_cpu_s=round(time.process_time() - cpu, 2),
            curves={"held": runs.epochs_of(held), "refit": runs.epochs_of(fitted)},
            more=record,
        )
        shutil.rmtree(unfinished, ignore_errors=True)
    else:
        runs.wait_for(into, started)
    return open_response_run(into)


def open_response_run(path: Path) -> ResponseRun:
    """A run that `train` wrote; raises RunError where it is missing, damaged, or of a model that answers another question."""
    record, (titles, categories) = runs.read_record(path)
    if record.get("answers", "items") == "items":
        raise RunError(f"{path} is a run of {record['model']}, which says what comes next: ask it with `footpath recommend {path}`")
    try:
        calibrators = {task: Calibrator.from_dict(told) for task, told in record["calibration"].items()}
    except (KeyError, AttributeError, DataError) as error:
        raise RunError(f"{path / 'run.json'} is damaged ({error}); train the run again") from error
    return ResponseRun(path, storage.load_click_model(path / "model"), record, titles, categories, calibrators)


def predict_rows(
    run: ResponseRun, table: pa.Table, *, store: Path | None = None, at: str | None = None, progress: Progress | None = None
) -> tuple[pa.Table, dict[str, Any]]:
    """The rows with a column for each task, and what is to be said: columns that are missing, users and items that nobody has seen.

    Columns user_id, item_id, timestamp and request_id are read as in a log; all others by the names they had in training. A row sees what
    its user did before its time; without times, before `at`, or all of it.
    Raises ColumnError where neither a user nor anything else that the model reads is there, DataError, StoreError.
    """
    taken = [f"predicted_{task}" for task in run.model.tasks]
    for name in taken:
        if name in table.column_names:
            raise ColumnError(f"the rows have a column {name!r} already: rename it")
    if not table.num_rows:
        raise DataError("there are no rows to predict")
    rows = _asked(run, table, store=store, at=at)
    parts = []
    for part in rows.chunks(_PREDICTED_AT_ONCE):
        parts.append(run.predict(part))
        if progress is not None:
            progress("predicting", sum(map(len, parts)), len(rows))
    found = np.concatenate(parts)
    features = getattr(run.model, "_features", None)
    told = {
        "rows": len(rows),
        "unknown_users": int((rows.lengths == 0).sum()),
        "unknown_items": int((rows.items == 0).sum()),
        "missing_columns": [] if features is None else features.absent(rows),
        "tasks": {task: {"mean": float(found[:, column].mean())} for column, task in enumerate(run.model.tasks)},
    }
    for column, name in enumerate(taken):
        table = table.append_column(name, pa.array(found[:, column]))
    return table, told


def _asked(run: ResponseRun, table: pa.Table, *, store: Path | None, at: str | None) -> Impressions:
    users = sorted(set(table["user_id"].cast(pa.string()).to_pylist()) - {None}) if "user_id" in table.column_names else []
    trails, user_columns = SequenceDataset.from_lists([], run.model.items), pa.table({})
    if users:
        log = open_store(store or run.store_path())
        trails, user_columns = trails_of(log, run.model.items, users=users, history_types=run.record["data"]["event_types"])
    if "timestamp" not in table.column_names:
        newest = None if trails.times is None or not trails.n_events else int(trails.times.max()) + 1
        moment = newest if at is None else runs.moment(at)
        if moment is not None:
            table = table.append_column("timestamp", pa.array(np.full(table.num_rows, moment, np.int64)))
    elif at is not None:
        raise ConfigError("the rows have times of their own: leave --at out")
    return from_table(table, trails=trails, user_columns=user_columns)


def recommend_from(
    run: ResponseRun,
    *,
    user: str | None = None,
    history: Sequence[str] | None = None,
    k: int = 10,
    candidates: runs.Run | None = None,
    n_candidates: int = 200,
    repeat: bool | None = None,
    rules: Rules | None = None,
    store: Path | None = None,
    at: str | None = None,
) -> dict[str, Any]:
    """The k items on which an act is likeliest, of the candidates of another run or of all items; as `runs.recommend_from` gives them.

    Scores are calibrated answers to the model's first task. A reason is the item of the history without which the answer falls most.
    Raises ConfigError (also where there are too many items to ask about without candidates), RunError, StoreError.
    """
    if (user is None) == (history is None):
        raise ConfigError("give either --user ID or --history a,b,c")
    items = run.model.items
    moment = None if at is None else runs.moment(at)
    user_columns = pa.table({})
    if user is not None:
        log = open_store(store or run.store_path())
        trail, user_columns = trails_of(log, items, users=[user], history_types=run.record["data"]["event_types"])
        ids = [id for id in items.decode(trail.items) if id is not None]
        unknown: list[str] = []
    else:
        assert history is not None
        trail = SequenceDataset.from_lists([history], items, ["history"])
        ids, unknown = list(history), [id for id in history if id not in items]
    asked = _candidates(run, candidates, user, ids, trail, n_candidates, bool(repeat), store, at)
    rows = _about(trail, asked, user_columns, moment)
    scores = run.predict(rows)[:, 0]
    listing = (rules or Rules()).encoded(items, k, ["", *(run.categories.get(id) or "" for id in items.ids.to_pylist())])
    order = np.lexsort((asked, -scores))
    indexes, found, _ = listing.apply(asked[order][None], scores[order].astype(np.float32)[None], k)
    best = indexes[0][indexes[0] > 0]
    reasons = items.decode(_reasons(run, trail, best, user_columns, moment))
    told = {} if candidates is None else {"candidates": str(candidates.path)}
    return {
        "model": run.record["model"],
        "run": str(run.path),
        **told,
        "score": f"predicted {run.model.tasks[0]}",
        "user": user,
        "basis": f"{len(ids) - len(unknown)} events" if len(ids) > len(unknown) else "no known event: what most users do",
        "history": [{"item_id": id, "title": _title(run, id)} for id in ids],
        "unknown_items": unknown,
        "repeat": bool(repeat),
        "k": k,
        "items": [
            {
                "rank": rank,
                "item_id": id,
                "title": run.titles.get(str(id), ""),
                "score": float(found[0][rank - 1]),
                "because": None if reason is None else {"item_id": reason, "title": _title(run, reason)},
            }
            for rank, (id, reason) in enumerate(zip(items.decode(best), reasons, strict=True), start=1)
        ],
    }


def _title(run: ResponseRun, id: str) -> str:
    return id if id.startswith(SEARCHED) else run.titles.get(id, "")


def _candidates(
    run: ResponseRun,
    candidates: runs.Run | None,
    user: str | None,
    ids: Sequence[str],
    trail: SequenceDataset,
    n: int,
    repeat: bool,
    store: Path | None,
    at: str | None,
) -> Int32[np.ndarray, " C"]:
    """Indexes of the items that are asked about."""
    items = run.model.items
    if candidates is not None:
        asked = {"user": user} if user is not None else {"history": list(ids)}
        listed = runs.recommend_from(candidates, k=n, repeat=repeat, store=store, at=at, reasons=False, **asked)
        found = items.encode([item["item_id"] for item in listed["items"]])
        if not (found > 0).any():
            raise ConfigError(f"none of the {len(found)} candidates of {candidates.path} is known to {run.path}: train both on one store")
        return found[found > 0]
    if len(items) - 1 > _MOST_RANKED:
        raise ConfigError(
            f"{run.record['model']} would have to answer for each of {len(items) - 1:,} items, more than {_MOST_RANKED:,}: give "
            "candidates, a run of a model that says which items come next (--candidates RUN)"
        )
    open_to = np.array([False, *(not id.startswith(SEARCHED) for id in items.ids.to_pylist())])
    if not repeat:
        open_to[trail.items] = False
    return np.flatnonzero(open_to).astype(np.int32)


def _about(trail: SequenceDataset, asked: Int32[np.ndarray, " C"], user_columns: pa.Table, moment: int | None) -> Impressions:
    """One question about each of these items, after every history of the trails; the moment is just after the newest event where None."""
    b, n = len(trail), len(asked)
    if moment is None and trail.times is not None and trail.n_events:
        moment = int(trail.times.max()) + 1
    lengths = trail.lengths
    if moment is not None and trail.times is not None:
        lengths = np.bincount(trail.rows[trail.times < moment], minlength=b)
    return Impressions(
        trail,
        np.repeat(np.arange(b), n),
        np.repeat(lengths, n),
        np.tile(asked, b),
        {},
        pa.table({}),
        pa.table({}),
        user_columns,
        None if moment is None else np.full(b * n, moment, np.int64),
    )


def _reasons(
    run: ResponseRun, trail: SequenceDataset, items: Int32[np.ndarray, " K"], user_columns: pa.Table, moment: int | None, last: int = 50
) -> Int32[np.ndarray, " K"]:
    """For each item, the item of the newest events without which the answer falls most; 0 where no deletion lowers it."""
    recent = trail.items[::-1][:last]
    distinct = np.unique(recent[recent > 0])
    if not len(distinct) or not len(items):
        return np.zeros(len(items), np.int32)
    if moment is None and trail.times is not None:
        moment = int(trail.times.max()) + 1  # of all variants, whatever is deleted
    keep = trail.items[None, :] != np.concatenate([[-1], distinct])[:, None]  # row 0 deletes nothing
    variants = trail.take(np.zeros(len(keep), np.int64)).where(keep.ravel())
    columns = user_columns.take(pa.array(np.zeros(len(keep), np.int64))) if user_columns.num_columns else user_columns
    found = run.model.predict(_about(variants, items, columns, moment))[:, 0].reshape(len(keep), len(items))
    drop = found[0] - found[1:]  # (distinct, K)
    return np.where(drop.max(axis=0) > 1e-9, distinct[drop.argmax(axis=0)], 0).astype(np.int32)


def read_rows(file: Path) -> pa.Table:
    """A CSV (.csv, .tsv, also gzipped) or Parquet file as a table. Raises DataError."""
    if not file.is_file():
        raise DataError(f"{file} is not there: give a CSV or Parquet file of rows to predict")
    try:
        if file.suffix == ".parquet":
            return pq.read_table(file)
        plain = file.name.removesuffix(".gz")
        parse = pyarrow.csv.ParseOptions(delimiter="\t" if plain.endswith((".tsv", ".tab")) else ",")
        return pyarrow.csv.read_csv(file, parse_options=parse)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{file} cannot be read as {'Parquet' if file.suffix == '.parquet' else 'CSV'}: {error}") from error


def write_rows(table: pa.Table, into: Path) -> None:
    """As Parquet where the name ends so, else as CSV, in one step."""
    into.parent.mkdir(parents=True, exist_ok=True)
    half = into.with_name(f".{into.name}.half-written")
    try:
        if into.suffix == ".parquet":
            pq.write_table(table, half)
        else:
            pyarrow.csv.write_csv(table, half)
        half.replace(into)
    finally:
        half.unlink(missing_ok=True)
