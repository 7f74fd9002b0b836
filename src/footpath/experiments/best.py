"""The best model for a log within some minutes: a ladder of models, each judged on validation; the winner, looked at once on test.

While it works, RUN/ladder holds what was climbed, so that a second start goes on from there. At the end RUN is a run
(footpath.experiments.runs) with two files more: best.json, all figures, and MODEL_CARD.md, what they mean.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float64, Int64

from footpath.errors import ConfigError, RunError
from footpath.evaluation.audit import audit
from footpath.evaluation.protocol import Evaluation, compare_paired, evaluate
from footpath.events.log import EventLog
from footpath.events.store import open_store
from footpath.experiments import runs, tune, validation
from footpath.experiments.compare import named
from footpath.experiments.item_text import encoder_for, told, with_text
from footpath.experiments.ladder import FLOORS, Ladder, Rung
from footpath.experiments.model_card import model_card
from footpath.models import catalog
from footpath.page.text import plain
from footpath.progress import Progress
from footpath.recommender import refit
from footpath.sequences.build import to_sequences
from footpath.sequences.split import Split
from footpath.statistics import bootstrap_means, paired_difference

_METRICS: Final = ("ndcg@10", "recall@10", "mrr@10", "coverage@10")
_LENGTHS: Final = ((1, 1), (2, 4), (5, 9), (10, 19), (20, 49), (50, None))


@dataclass(frozen=True)
class Best:
    """The run that was left, and its figures in plain types (best.json)."""

    run: runs.Run
    figures: Mapping[str, Any]
    card: str


def best(
    store: Path,
    into: Path,
    *,
    minutes: float = 10.0,
    protocol: str = "auto",
    event_types: Sequence[str] | None = None,
    core: int = 1,
    seed: int = 0,
    repeat: bool = False,
    text: str = "auto",
    progress: Progress | None = None,
) -> Best:
    """Climb the ladder within the minutes of wall clock, test the winner once beside the floor rows, and fit it on all events.

    Test figures are of models fitted on the training events alone; the run that is left is fitted on all. Killed and started again with
    the same directory, it goes on from the finished rungs with the minutes that are left.
    Raises ConfigError, DataError, StoreError, and RunError where the directory is of another search or is something else.
    """
    began = time.monotonic()
    if not 0 < minutes < math.inf:
        raise ConfigError(f"minutes must be above 0, got {minutes:g}")
    if protocol not in validation.PROTOCOLS:
        raise ConfigError(f"protocol must be one of {', '.join(validation.PROTOCOLS)}, got {protocol!r}")
    if (into / "run.json").is_file():
        raise RunError(f"{into} is a finished run already; read {into / 'MODEL_CARD.md'}, or choose another directory")
    log = open_store(store)
    encoder = encoder_for(text, log, [("sasrec", {"item_table": "id+text"})])  # as the ladder tries sequence models
    log = with_text(log, encoder, progress=progress)
    data: dict[str, Any] = {"event_types": list(event_types) if event_types else None, "core": core, "seed": seed}
    parts, why = validation.choose_split(log, protocol, event_types=event_types, core=core, seed=seed, repeat=repeat)
    asked = {"data": log.name, "fingerprint": log.fingerprint, "protocol": parts.protocol, "repeat": repeat, **data, **told(encoder)}
    work = into / "ladder"
    if into.exists() and not (into.is_dir() and {path.name for path in into.iterdir()} <= {"ladder"}):
        raise RunError(f"{into} exists and is not what `footpath best` left; choose another directory")
    tune.open_directory(work, "asked", asked, "a search")
    with tune.alone(work, "searching"):
        return _search(log, store, into, parts, asked, data, began=began, minutes=minutes, why=why, repeat=repeat, progress=progress)


def _search(
    log: EventLog,
    store: Path,
    into: Path,
    parts: Split,
    asked: Mapping[str, Any],
    data: Mapping[str, Any],
    *,
    began: float,
    minutes: float,
    why: str,
    repeat: bool,
    progress: Progress | None,
) -> Best:
    """What `best` says, where nobody else is at work; data: event_types, core and seed."""
    work, seed = into / "ladder", int(data["seed"])
    used = json.loads((work / "elapsed").read_text(encoding="utf-8"))["seconds"] if (work / "elapsed").is_file() else 0.0
    events = to_sequences(log, event_types=data["event_types"], core=data["core"], seed=seed)
    ladder = Ladder(
        parts,
        work,
        end=began + 60 * minutes - used,
        seed=seed,
        refit_share=events.n_events / max(1, parts.train.n_events),
        used_s=used,
        progress=progress,
        started=began,
    )
    cpu = time.process_time()
    ladder.climb()
    chosen = ladder.leader()
    climbed = {"cpu_s": round(time.process_time() - cpu, 2), "wall_s": round(time.monotonic() - began, 2)}

    rows = _on_test(ladder, chosen, parts, seed, progress)
    groups = _by_group(rows[0], rows[1:], parts, seed)
    refitting = time.process_time()
    fitted = refit(ladder.model(chosen), events, named(f"{chosen.name} on all events", progress))
    fit_cpu_s = round(time.process_time() - refitting, 2)
    assert parts.validation is not None
    figures = {
        "winner": chosen.name,
        "model": chosen.model,
        "data": dict(asked) | {"n_users": len(events), "n_items": events.n_items - 1, "n_events": events.n_events, "store": str(store)},
        "protocol": {"name": parts.protocol, "why": why, "n_validation": len(parts.validation), "n_test": len(parts.test)},
        "ladder": [dict(vars(rung)) | {"wall_s": round(rung.wall_s, 2)} for rung in ladder.rungs],
        "test": _tested(rows, parts, seed),
        "groups": groups,
        "warnings": [warning for warning in (validation.few(len(parts.validation)),) if warning],
        "time": {
            "minutes": minutes,
            "wall_s": round(used + time.monotonic() - began, 2),
            "earlier_starts_s": used,
            "climbing": climbed,
            "refit_cpu_s": fit_cpu_s,
            "cpu_s": round(sum(rung.cpu_s for rung in ladder.rungs) + fit_cpu_s + sum(row.score_cpu_s for row in rows), 2),
        },
    }
    figures = json.loads(json.dumps(plain(figures)))
    card = model_card(figures)
    runs.write_run(
        into,
        fitted,
        log,
        store,
        events,
        data=data,
        chosen={
            "by": f"`footpath best`: the best NDCG@10 on validation of the {parts.protocol} split, {len(parts.validation):,} histories",
            "protocol": parts.protocol,
            "n_histories": len(parts.validation),
            "fields": {**chosen.fields, **chosen.settled},
        },
        repeat=repeat,
        fit_cpu_s=fit_cpu_s,
        more={name: value for name, value in asked.items() if name == "text"},
        texts={"best.json": json.dumps(figures, ensure_ascii=False, indent=2) + "\n", "MODEL_CARD.md": card},
    )
    return Best(runs.open_run(into), figures, card)


def _on_test(ladder: Ladder, chosen: Rung, parts: Split, seed: int, progress: Progress | None) -> list[Evaluation]:
    """The winner first, then the floor rows that were climbed, best on validation first; the only place that reads the test part."""
    judged = sorted((rung for rung in ladder.rungs if rung.ndcg is not None), key=lambda rung: -(rung.ndcg or 0))
    wanted = [chosen, *(rung for rung in judged if rung.name in FLOORS and rung is not chosen)]
    return [
        evaluate(
            ladder.model(rung),
            parts,
            name=rung.name,
            metrics=_METRICS,
            fit_cpu_s=rung.cpu_s,
            seed=seed,
            progress=named(f"{rung.name} on test", progress),
        )
        for rung in wanted
    ]


def _tested(rows: Sequence[Evaluation], parts: Split, seed: int) -> dict[str, Any]:
    against = compare_paired(rows, rows[0].model, validation.METRIC, permutations=1_999, seed=seed) if len(rows) > 1 else []
    rule = catalog.create("integer_rule").fit(parts.train)
    stamp = audit([*rows, evaluate(rule, parts, name="integer_rule", metrics=_METRICS, seed=seed)], parts)
    return {
        "rows": [row.to_dict() for row in rows],
        "against": [  # the winner less the floor row, so the signs turn
            {
                "floor": pair.model,
                "difference": -pair.test.difference,
                "low": -pair.test.high,
                "high": -pair.test.low,
                "p_adjusted": None if np.isnan(pair.p_adjusted) else float(pair.p_adjusted),
            }
            for pair in against
        ],
        "audit": {
            "leakage": stamp["leakage"]["verdict"],
            "id_order": stamp["id_order"]["verdict"],
            "warnings": stamp["warnings"],
            "left_out": stamp["left_out"],
        },
    }


def _by_group(winner: Evaluation, floors: Sequence[Evaluation], parts: Split, seed: int) -> list[dict[str, Any]]:
    """NDCG@10 of the winner on test by length of history, by how often the answer was met in training, and against the best floor row."""
    test = parts.test
    frequency = np.bincount(parts.train.items, minlength=parts.train.n_items)
    frequency[0] = 0
    asked = np.flatnonzero(np.diff(test.offsets))
    first = np.zeros(len(test), np.int64)
    first[asked] = test.items[test.offsets[asked]]
    met = frequency[first]
    ordered = np.sort(frequency[frequency > 0])[::-1]
    head = int(ordered[np.searchsorted(np.cumsum(ordered), ordered.sum() / 3)]) if len(ordered) else 1
    tail = int(ordered[min(len(ordered) - 1, np.searchsorted(np.cumsum(ordered), 2 * ordered.sum() / 3))]) if len(ordered) else 1
    lengths = np.bincount(test.histories.rows[test.histories.items > 0], minlength=len(test))
    masks = {}
    for low, high in _LENGTHS:
        name = (
            f"{low} event{'s' if high != 1 else ''}"
            if high == low
            else f"{low} or more events"
            if high is None
            else f"{low} to {high} events"
        )
        masks["history length", name] = (lengths >= low) & (lengths <= (high or np.inf))
    masks["history length", "no known event"] = lengths == 0
    masks["popularity of the answer", f"frequent items (met {head:,} times or more in training, a third of all events)"] = met >= head
    masks["popularity of the answer", f"items met {tail:,} to {head - 1:,} times"] = (met < head) & (met >= tail)
    masks["popularity of the answer", f"rare items (met 1 to {tail - 1:,} times, a third of all events)"] = (met < tail) & (met > 0)
    masks["popularity of the answer", "new items (never met in training)"] = met == 0
    users = validation.users_of(test)
    rival = max(floors, key=lambda row: row.metrics[validation.METRIC].value) if floors else None
    found = []
    for (kind, name), mask in masks.items():
        rows = np.flatnonzero(mask & (np.diff(test.offsets) > 0))
        if not len(rows):
            continue
        entry: dict[str, Any] = {"by": kind, "group": name, **_figure(winner.per_list[validation.METRIC][rows], users[rows], seed)}
        if rival is not None:
            gap = paired_difference(
                winner.per_list[validation.METRIC][rows],
                rival.per_list[validation.METRIC][rows],
                groups=_codes(users[rows]),
                permutations=1,
                seed=seed,
            )
            entry["floor"] = rival.model
            entry["floor_ndcg"] = float(np.nanmean(rival.per_list[validation.METRIC][rows]))
            entry["difference"] = {"value": gap.difference, "low": gap.low, "high": gap.high}
        found.append(entry)
    return found


def _figure(per_list: Float64[np.ndarray, " B"], users: Int64[np.ndarray, " B"], seed: int) -> dict[str, Any]:
    return {"ndcg": bootstrap_means(per_list[:, None], groups=_codes(users), seed=seed)[0].to_dict()}


def _codes(users: Int64[np.ndarray, " B"]) -> Int64[np.ndarray, " B"]:
    return np.unique(users, return_inverse=True)[1].astype(np.int64)
