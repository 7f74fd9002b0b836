"""Several models on one split of one log: the table that says which is better, by how much, and how sure that is."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from footpath.errors import ConfigError
from footpath.evaluation.audit import audit
from footpath.evaluation.metrics import parse_metrics
from footpath.evaluation.protocol import Evaluation, FittedOn, Report, compare_paired, evaluate
from footpath.events.log import EventLog
from footpath.models import catalog
from footpath.progress import Progress
from footpath.recommender import Recommender, Settled, refit
from footpath.sequences.split import Protocol, Split
from footpath.sequences.splits import Targets, split

REFERENCES: Final = ("popularity", "recent_popularity", "item_knn", "integer_rule")
"""Rows that stand in every table: what a model has to beat, and the rule that must not score."""


@dataclass(frozen=True)
class Candidate:
    """A model of the catalog with the hyper-parameters that differ from its defaults."""

    name: str
    fields: Mapping[str, object] = field(default_factory=dict)


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
    core: int = 1,
    seed: int = 0,
    references: bool = True,
    progress: Progress | None = None,
) -> Report:
    """Fit every candidate on the same training events, rank the whole catalogue after the same test histories, and compare in pairs.

    Models that stop early choose on validation; with `refit_on_validation` each is then fitted again with the validation events.
    references: add the rows of `REFERENCES` that were not asked for. Paired tests are against the best reference row on ndcg@k.
    Raises ConfigError, DataError; every option is checked before anything is fitted.
    """
    if k < 1:
        raise ConfigError(f"k must be at least 1, got {k}")
    if not candidates:
        raise ConfigError("no model to evaluate; name at least one with --models, `footpath models` lists all")
    names = [candidate.name for candidate in candidates]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"model {name!r} is named {names.count(name)} times; name each once")
    wanted = [*candidates, *(Candidate(name) for name in REFERENCES if references and name not in names)]
    parse_metrics(metrics, k)
    models = [catalog.create(candidate.name, **candidate.fields) for candidate in wanted]
    parts = split(log, protocol, repeat=repeat, targets=targets, event_types=event_types, core=core, seed=seed)
    rows = []
    for candidate, model in zip(wanted, models, strict=True):
        fitted, cpu_s = fit(model, parts, refit_on_validation=refit_on_validation, progress=named(candidate.name, progress))
        rows.append(
            evaluate(
                fitted,
                parts,
                name=candidate.name,
                k=k,
                metrics=metrics,
                fitted_on=_fitted_on(refit_on_validation),
                fit_cpu_s=cpu_s,
                seed=seed,
                progress=named(candidate.name, progress),
            )
        )
    return Report(
        protocol=protocol,
        data=log.name,
        rows=rows,
        audit=audit(rows, parts),
        comparisons=_against_best_reference(rows, f"ndcg@{k}", seed),
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


def _against_best_reference(rows: Sequence[Evaluation], metric: str, seed: int) -> list[Any]:
    reference_rows = [row for row in rows if row.model in REFERENCES and metric in row.metrics]
    if not reference_rows or len(rows) < 2:
        return []
    best = max(reference_rows, key=lambda row: row.metrics[metric].value)
    return list(compare_paired(rows, best.model, metric, seed=seed))
