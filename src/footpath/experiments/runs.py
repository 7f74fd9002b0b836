"""A run: a fitted model with everything that it takes to recommend from it and to know where it came from.

RUN/run.json          what was fitted on what, and how the settings were chosen
RUN/model/            hyper-parameters, vocabulary and weights (footpath.models.storage)
RUN/items.parquet     item ids and titles, for people
RUN/learning-curves.html  loss and validation by epoch, of models that have epochs

While it is fitted, progress lies in a hidden folder beside it, .RUN.unfinished: the same command goes on from there after a kill.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from footpath.errors import ConfigError, RunError
from footpath.events.log import EventLog
from footpath.events.store import open_store
from footpath.experiments.curves import epochs_of as epochs_of
from footpath.experiments.curves import page
from footpath.experiments.item_text import encoder_for, told, with_text
from footpath.experiments.validation import choose_split
from footpath.llm.explain.deletion import because
from footpath.models import catalog, storage
from footpath.progress import Progress
from footpath.recommender import ClickModel, Iterative, Recommender, Settled, hyperparameters, recommend
from footpath.rules import Rules
from footpath.sequences.build import acts_of, to_sequences
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.splits import from_iso_time

FORMAT = 1

AnyModel = TypeVar("AnyModel", bound="Recommender | ClickModel")

_LONGEST_WAIT_S: Final = 600


@dataclass(frozen=True, eq=False)
class Run:
    """A run directory, opened."""

    path: Path
    model: Recommender
    record: Mapping[str, Any]
    titles: Mapping[str, str]
    categories: Mapping[str, str] = field(default_factory=dict)

    def store_path(self) -> Path:
        """Where the events of the run lie: beside the run as when it was made, or at the same absolute place."""
        return store_of(self.path, self.record)


def store_of(run: Path, record: Mapping[str, Any]) -> Path:
    """Where the store lies that a run was made of: beside the run as when it was made, or at the same absolute place. Raises RunError."""
    recorded = record["store"]
    for candidate in (run / recorded["relative"], Path(recorded["absolute"])):
        if candidate.is_dir():
            return candidate
    raise RunError(
        f"{run}: the store of this run is neither at {recorded['relative']!r} beside it nor at {recorded['absolute']!r}; "
        "pass --store STORE, or give the history itself with --history"
    )


def train(
    store: Path,
    model: str,
    into: Path,
    *,
    fields: Mapping[str, str] | None = None,
    event_types: Sequence[str] | None = None,
    core: int = 1,
    seed: int = 0,
    repeat: bool = False,
    overwrite: bool = False,
    text: str = "auto",
    progress: Progress | None = None,
) -> Run:
    """Fit a model on all events of a store, ready to recommend, and write the run in one step.

    text: the encoder of item texts, as `item_text.encoder_for` takes it; only what reads item texts meets its vectors.

    A model that needs validation (its number of epochs, say) is first fitted on the past of the split that `validation.choose_split`
    takes, and then again on everything.
    Raises ConfigError, StoreError, RunError (the directory exists and is not to be overwritten).
    """
    check_target(into, overwrite=overwrite)
    fresh = catalog.recommender(model, **(fields or {}))
    fitted: Recommender
    unfinished = into.parent / f".{into.name}.unfinished"
    log = open_store(store)
    encoder = encoder_for(text, log, [(model, hyperparameters(fresh))])
    log = with_text(log, encoder, progress=progress)
    events = to_sequences(log, event_types=event_types, core=core, seed=seed)
    cpu, started = time.process_time(), time.time()
    chosen: dict[str, Any] = {"by": "the hyper-parameters as given; nothing was chosen on validation"}
    curves: dict[str, Any] = {}
    if isinstance(fresh, Settled):
        parts, why = choose_split(log, event_types=event_types, core=core, seed=seed, repeat=repeat)
        held = kept_in(fresh, unfinished / "held").fit(parts.train, validation=parts.validation, progress=progress)
        assert parts.validation is not None
        n = len(parts.validation)
        chosen = {"by": f"validation of the {parts.protocol} split, {n:,} histories", "protocol": parts.protocol, "n_histories": n}
        chosen |= {"why": why, "fields": _changes(fresh, held)}
        curves["held"] = epochs_of(held)
        fitted = kept_in(settled(held), unfinished / "refit").fit(events, progress=progress)
    else:
        fitted = kept_in(fresh, unfinished / "refit").fit(events, progress=progress)
    curves["refit"] = epochs_of(fitted)
    cpu_s = round(time.process_time() - cpu, 2)
    data = {"event_types": list(event_types) if event_types else None, "core": core, "seed": seed}
    if process_number() == 0:
        how = {"data": data, "chosen": chosen, "repeat": repeat, "fit_cpu_s": cpu_s, "curves": curves, "more": told(encoder)}
        write_run(into, fitted, log, store, events, **how)  # type: ignore[arg-type]
        shutil.rmtree(unfinished, ignore_errors=True)
    else:
        wait_for(into, started)
    return open_run(into)


def process_number() -> int:
    """Among the processes that torchrun started to train one model together; 0 for the one that writes, and where there is one."""
    return int(os.environ.get("RANK", 0))


def wait_for(run: Path, since: float) -> None:
    """Until the process that writes has written, and not what it replaces."""
    deadline, record = time.monotonic() + _LONGEST_WAIT_S, run / "run.json"
    while not (record.is_file() and record.stat().st_mtime >= since):
        if time.monotonic() > deadline:
            raise RunError(
                f"process {process_number()} waited {_LONGEST_WAIT_S} s for process 0 to write {run}: look at what that one says"
            )
        time.sleep(0.1)


def settled(held: AnyModel) -> AnyModel:
    """An unfitted model with what validation chose; as it is where validation chose nothing."""
    return held.settled() if isinstance(held, Settled) else type(held)(**hyperparameters(held))


def kept_in(model: AnyModel, checkpoint: Path) -> AnyModel:
    """The same model, whose next fit can be gone on with after a kill, where it can."""
    return model.observed(checkpoint=checkpoint) if isinstance(model, Iterative) else model


def check_target(into: Path, *, overwrite: bool = False) -> None:
    """Raises RunError where a run cannot be written there."""
    if into.exists() and not overwrite:
        raise RunError(f"{into} exists already; choose another directory or pass --overwrite")
    if into.exists() and not (into / "run.json").is_file():
        raise RunError(f"{into} exists and is not a run, so it is not overwritten; choose another directory")


def write_run(
    into: Path,
    fitted: Recommender | ClickModel,
    log: EventLog,
    store: Path,
    events: SequenceDataset,
    *,
    data: Mapping[str, Any],
    chosen: Mapping[str, Any],
    repeat: bool,
    fit_cpu_s: float,
    curves: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    texts: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Write a model that was fitted on all events of a store as a run; what stands at `into` is replaced in one step.

    data: how the events were chosen (`event_types`, `core`, `seed`). chosen: by what its settings were. curves: the epochs of the held and
    the last fit, which become a page too. texts: further files by name. more: further entries of the record.
    """
    record: dict[str, Any] = {
        "format": FORMAT,
        "footpath": version("footpath"),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": catalog.name_of(fitted),
        "hyperparameters": hyperparameters(fitted),
        "chosen": chosen,
        "fitted_on": "all events of the store",
        "data": {"name": log.name, "fingerprint": log.fingerprint, "n_users": len(events), "n_items": events.n_items - 1}
        | {"n_events": events.n_events, **data},
        "store": {
            "absolute": str(store.resolve()),
            "relative": os.path.relpath(store.resolve(), into.resolve()),
        },
        "repeat": repeat,
        "fit_cpu_s": fit_cpu_s,
        "fitted_with": getattr(fitted, "fitted_with", None),  # of a model that says so: device, precision, share of the events
        "epochs": {name: list(epochs) for name, epochs in (curves or {}).items()},
        **(more or {}),
    }
    files = dict(texts or {})
    if any(record["epochs"].values()):
        files["learning-curves.html"] = page(
            record["model"], log.name, {name: epochs for name, epochs in record["epochs"].items() if epochs}
        )
    features = events.item_features
    titles, categories = ([""] * events.n_items,) * 2 if features is None else (list(features.titles), list(features.categories))
    of_items = {"title": titles, "category": categories}
    items = pa.table({"item_id": events.vocabulary.ids} | {name: pa.array(column[1:], pa.string()) for name, column in of_items.items()})
    _write(into, fitted, record, items, files)


def _changes(before: Recommender, after: Recommender) -> dict[str, Any]:
    settled = after.settled() if isinstance(after, Settled) else after
    old, new = hyperparameters(before), hyperparameters(settled)
    return {name: new[name] for name in new if new[name] != old[name]}


def _write(into: Path, model: Recommender | ClickModel, record: Mapping[str, Any], items: pa.Table, texts: Mapping[str, str]) -> None:
    into.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{into.name}-", dir=into.parent))
    try:
        storage.save_model(model, building / "model")
        pq.write_table(items, building / "items.parquet")
        for name, text in texts.items():
            (building / name).write_text(text, encoding="utf-8")
        (building / "run.json").write_text(json.dumps(record, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        building.chmod(0o755)
        storage.replace_directory(into, building)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def open_run(path: Path) -> Run:
    """A run of a model that says which items come next; raises RunError where it is missing, newer, damaged or of another model."""
    record, items = read_record(path)
    if record.get("answers", "items") != "items":
        raise RunError(f"{path} is a run of {record['model']}, which says how likely an act is: ask it with `footpath predict {path} FILE`")
    return Run(path, storage.load_model(path / "model"), record, *items)


def read_record(path: Path) -> tuple[dict[str, Any], tuple[dict[str, str], dict[str, str]]]:
    """The record of a run, and the titles and categories of its items; raises RunError where it is missing, newer or damaged."""
    record_file = path / "run.json"
    if not record_file.is_file():
        raise RunError(f"{path} is not a run: {record_file.name} is missing; make one with `footpath train STORE --model M --into {path}`")
    try:
        record = json.loads(record_file.read_text(encoding="utf-8"))
        newer = record["format"] > FORMAT
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{record_file} is damaged ({error}); train the run again") from error
    if newer:
        raise RunError(
            f"{path} was written by footpath {record.get('footpath')} (format {record['format']}); this version reads {FORMAT}: upgrade"
        )
    try:
        table = pq.read_table(path / "items.parquet")
        ids = table["item_id"].to_pylist()
        titles = dict(zip(ids, table["title"].to_pylist(), strict=True))
        categories = dict(zip(ids, table["category"].to_pylist(), strict=True)) if "category" in table.column_names else {}
    except (OSError, pa.ArrowInvalid, KeyError) as error:
        raise RunError(f"{path / 'items.parquet'} is damaged ({error}); train the run again") from error
    return record, (titles, categories)


def recommend_from(
    run: Run,
    *,
    user: str | None = None,
    history: Sequence[str] | None = None,
    k: int = 10,
    repeat: bool | None = None,
    store: Path | None = None,
    at: str | None = None,
    rules: Rules | None = None,
    reasons: bool = True,
) -> dict[str, Any]:
    """Titled recommendations with a reason each, for a user of the store or for a history of item ids, oldest first.

    A user or items never seen still get an answer, and the answer says what it stands on. at: when the question is asked, ISO 8601, UTC
    where it names no zone; the time of the newest event where None. rules: of what is listed. reasons: whether
    they are looked for. Raises ConfigError, RunError, StoreError.
    """
    if (user is None) == (history is None):
        raise ConfigError("give either --user ID or --history a,b,c")
    asked = None if at is None else np.array([moment(at)])
    if user is not None:
        log = open_store(store or run.store_path())
        history, rows = acts_of(log, user, run.model.items, event_types=run.record["data"]["event_types"])
    else:
        assert history is not None
        rows = SequenceDataset.from_lists([history], vocabulary=run.model.items, users=["history"])
    repeats = run.record["repeat"] if repeat is None else repeat
    if rules is not None and rules.categories is None and any(run.categories.values()):
        rules = dataclasses.replace(rules, categories=run.categories)
    found = recommend(run.model, rows, k, repeat=repeats, request_times=asked, rules=rules)
    indexes = found.indexes[0][found.indexes[0] > 0]
    ids = found.items(0)
    carried = because(run.model, rows, indexes, request_times=asked) if reasons else np.zeros(len(indexes), np.int32)
    unknown = [id for id in history if id not in run.model.items]
    known = len(history) - len(unknown)
    return {
        "model": run.record["model"],
        "run": str(run.path),
        "user": user,
        "basis": f"{known} events" if known else "no known event: what most users do",
        "history": [{"item_id": id, "title": run.titles.get(id, "")} for id in history],
        "unknown_items": unknown,
        "repeat": repeats,
        "k": k,
        "items": [
            {
                "rank": rank,
                "item_id": id,
                "title": run.titles.get(id, ""),
                "score": float(found.scores[0][rank - 1]),
                "because": None if reason is None else {"item_id": reason, "title": run.titles.get(reason, "")},
            }
            for rank, (id, reason) in enumerate(zip(ids, run.model.items.decode(carried), strict=True), start=1)
        ],
    }


def moment(text: str) -> int:
    """Microseconds since 1970 UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"--at takes a moment such as 2026-01-31T12:00:00, got {text!r}") from error
    return from_iso_time((found if found.tzinfo else found.replace(tzinfo=UTC)).isoformat())


def popular_users(events: SequenceDataset, n: int) -> list[str]:
    """The users with the longest histories, longest first."""
    order = np.argsort(-events.lengths, kind="stable")[:n]
    return [str(user) for user in events.users.take(pa.array(order)).to_pylist()]
