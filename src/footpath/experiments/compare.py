"""Several models on one split of one log: the table that says which is better, by how much, and how sure that is."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from footpath.errors import ConfigError
from footpath.evaluation.audit import audit
from footpath.evaluation.metrics import parse_metrics
from footpath.evaluation.protocol import Comparison, Evaluation, FittedOn, Report, compare_paired, evaluate
from footpath.events.log import EventLog
from footpath.events.store import open_store
from footpath.experiments import validation
from footpath.experiments.item_text import encoder_for, with_text
from footpath.experiments.runs import Run
from footpath.models import catalog
from footpath.progress import Progress
from footpath.recommender import Recommender, Settled, hyperparameters, refit
from footpath.sequences.split import Protocol, Split
from footpath.sequences.splits import Targets, split

REFERENCES: Final = ("popularity", "recent_popularity", "item_knn", "integer_rule")
"""Rows that stand in every table: what a model has to beat, and the rule that must not score."""


@dataclass(frozen=True)
class Candidate:
    """A model of the catalog with the hyper-parameters that differ from its defaults. label: of its row, its name where None."""

    name: str
    fields: Mapping[str, object] = field(default_factory=dict)
    label: str | None = None

    @property
    def row(self) -> str:
        return self.label or self.name


def compare(
    log: EventLog,
    candidates: Sequence[Candidate],
    *,
    protocol: Protocol = "time",
    k: int = 10,
    metrics: Sequence[str] | None = None,
    refit_on_validation: bool = False,
    repeat: bool = False,
    targets: Targets = "first",
    event_types: Sequence[str] | None = None,
    target_types: Sequence[str] | None = None,
    core: int = 1,
    seed: int = 0,
    references: bool = True,
    against: str | None = None,
    text: str = "auto",
    progress: Progress | None = None,
) -> Report:
    """Fit every candidate on the same training events, rank the whole catalogue after the same test histories, and compare in pairs.

    Models that stop early choose on validation; with `refit_on_validation` each is then fitted again with the validation events.
    references: add the rows of `REFERENCES` that were not asked for. Paired tests on ndcg@k are against the row that `against` names,
    the best reference row where None. text: the encoder of item texts, as `item_text.encoder_for` takes it.
    Raises ConfigError, DataError; every option is checked before anything is fitted.
    """
    if k < 1:
        raise ConfigError(f"k must be at least 1, got {k}")
    if not candidates:
        raise ConfigError("no model to evaluate; name at least one with --models, `footpath models` lists all")
    names = [candidate.row for candidate in candidates]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"model {name!r} is named {names.count(name)} times; name each once")
    wanted = [*candidates, *(Candidate(name) for name in REFERENCES if references and name not in names)]
    for candidate in wanted:
        validation.check_items(candidate.name, "this table")
    parse_metrics(metrics, k)
    models = [catalog.create(candidate.name, **candidate.fields) for candidate in wanted]
    read_by = [(candidate.name, hyperparameters(model)) for candidate, model in zip(wanted, models, strict=True)]
    log = with_text(log, encoder_for(text, log, read_by), progress=progress)
    parts = split(log, protocol, repeat=repeat, targets=targets, event_types=event_types, target_types=target_types, core=core, seed=seed)
    rows = []
    for candidate, model in zip(wanted, models, strict=True):
        fitted, cpu_s = fit(model, parts, refit_on_validation=refit_on_validation, progress=named(candidate.row, progress))
        rows.append(
            evaluate(
                fitted,
                parts,
                name=candidate.row,
                k=k,
                metrics=metrics,
                fitted_on=_fitted_on(refit_on_validation),
                fit_cpu_s=cpu_s,
                seed=seed,
                progress=named(candidate.row, progress),
            )
        )
    return Report(
        protocol=protocol,
        data=log.name,
        rows=rows,
        audit=audit(rows, parts),
        comparisons=_against(against, rows, f"ndcg@{k}", seed),
    )


def fit(model: Recommender, parts: Split, *, refit_on_validation: bool, progress: Progress | None = None) -> tuple[Recommender, float]:
    """The fitted model and the CPU-seconds of this process, all threads, that all of its fitting took."""
    started = time.process_time()
    if not refit_on_validation:
        fitted = model.fit(parts.train, validation=parts.validation, progress=progress)
    elif isinstance(model, Settled):
        fitted = refit(model.fit(parts.train, validation=parts.validation, progress=progress), parts.refit, progress)
    else:
        fitted = model.fit(parts.refit, progress=progress)
    return fitted, time.process_time() - started


def named(name: str, progress: Progress | None) -> Progress | None:
    """The same progress, told under a model's name."""
    if progress is None:
        return None
    tell = progress
    return lambda what, done, total: tell(f"{name}: {what}", done, total)


def _fitted_on(refit_on_validation: bool) -> FittedOn:
    return "refit" if refit_on_validation else "train"


def compare_runs(
    runs: Sequence[Run],
    *,
    store: Path | None = None,
    protocol: Protocol = "time",
    k: int = 10,
    refit_on_validation: bool = False,
    targets: Targets = "first",
    references: bool = True,
    progress: Progress | None = None,
) -> Report:
    """The settings of several runs on one split of their store: each is fitted again on its past, for a run has seen the whole store.

    Paired tests are against the first run. Rows are called as the runs' folders. Raises ConfigError where runs were made of other events,
    a store without the events of a run, or one run twice; RunError, StoreError.
    """
    if len(runs) < 2:
        raise ConfigError(f"a comparison needs at least two runs, got {len(runs)}; for models without a run: footpath evaluate")
    for run in runs:
        validation.check_items(run.record["model"], "`footpath compare`")
    first = runs[0]
    log = open_store(store or first.store_path())
    how = {name: first.record["data"][name] for name in ("event_types", "core", "seed")}
    for run in runs:
        if run.record["repeat"] != first.record["repeat"] or any(run.record["data"][name] != value for name, value in how.items()):
            raise ConfigError(
                f"{run.path} was fitted on other events or for another task than {first.path}: "
                f"{_words(run)}, and {_words(first)}; train both with the same options"
            )
        if run.record["data"]["fingerprint"] != log.fingerprint:
            raise ConfigError(
                f"{run.path} was fitted on events {run.record['data']['fingerprint'][:12]}..., and the store {log.name} now holds "
                f"{log.fingerprint[:12]}...: train the run again, or pass --store with the store that it was made of"
            )
    return compare(
        log,
        [Candidate(run.record["model"], hyperparameters(run.model), run.path.resolve().name) for run in runs],
        protocol=protocol,
        k=k,
        refit_on_validation=refit_on_validation,
        repeat=first.record["repeat"],
        targets=targets,
        references=references,
        against=first.path.resolve().name,
        progress=progress,
        **how,
    )


def _words(run: Run) -> str:
    data = run.record["data"]
    types = ", ".join(data["event_types"] or ["all"])
    return f"event types {types}, core {data['core']}, seed {data['seed']}, repeats {'allowed' if run.record['repeat'] else 'masked'}"


def _against(wanted: str | None, rows: Sequence[Evaluation], metric: str, seed: int) -> list[Comparison]:
    if wanted is not None:
        return list(compare_paired(rows, wanted, metric, seed=seed))
    reference_rows = [row for row in rows if row.model in REFERENCES and metric in row.metrics]
    if not reference_rows or len(rows) < 2:
        return []
    best = max(reference_rows, key=lambda row: row.metrics[metric].value)
    return list(compare_paired(rows, best.model, metric, seed=seed))
