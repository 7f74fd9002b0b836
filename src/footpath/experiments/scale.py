"""What limits a model on a log: its size or the data. Quality against width, depth and the share of the users that it learns from.

SCALE/scale.json    what is measured: store, models, grid
SCALE/cells/        a file a finished cell, with NDCG@10 of each validation history beside it
SCALE/figures.json  all cells and the verdicts
SCALE/scale.html    the picture
"""

from __future__ import annotations

import json
import math
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float64, Int64

from footpath.analysis import charts
from footpath.errors import ConfigError, did_you_mean
from footpath.events.store import open_store
from footpath.experiments import tune, validation
from footpath.experiments.compare import named
from footpath.experiments.picture import Figure, picture
from footpath.models import catalog
from footpath.page.files import write_text
from footpath.progress import Progress
from footpath.recommender import hyperparameters
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.split import Split
from footpath.statistics import Interval, bootstrap_means, ratio_interval

WIDTHS: Final = (16, 32, 64, 128)
DEPTHS: Final = (1, 2)
SHARES: Final = (0.1, 0.3, 1.0)

RULE: Final = (
    "Gains are of NDCG@10 for each doubling: of the data, from the second largest share to the largest, the mean over all sizes; of the "
    "width and of the depth, from the second largest to the largest, the mean over the rest of the grid, on the largest share. "
    "Intervals are 95 %, by bootstrap over users, the same histories on both sides. A larger model still helps where the interval of the "
    "gain of width or of depth lies above 0. The data, and not the size, is the limit where neither does, the gain of data lies above 0, "
    "and it lies above both of the others by more than chance. Everything else is not settled."
)


@dataclass(frozen=True)
class Cell:
    """One fit. dim, blocks: None where the model has no such field. ndcg: of validation, low and high 95 %."""

    model: str
    dim: int | None
    blocks: int | None
    share: float
    seed: int
    n_users: int
    n_events: int
    ndcg: float
    low: float | None
    high: float | None
    cpu_s: float

    @property
    def key(self) -> str:
        """The name of its files."""
        return f"{self.model}-{self.dim}-{self.blocks}-{self.share:g}-{self.seed}"


@dataclass(frozen=True)
class Scale:
    """What was asked, every cell, and what they come to by model: gains, verdict, and what is kept of the smaller shares."""

    asked: Mapping[str, Any]
    cells: Sequence[Cell]
    verdicts: Mapping[str, Mapping[str, Any]]
    command: str

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints: plain types only."""
        return {
            "asked": dict(self.asked),
            "rule": RULE,
            "verdicts": {name: dict(verdict) for name, verdict in self.verdicts.items()},
            "cells": [dict(vars(cell)) for cell in self.cells],
        }


def scale(
    store: Path,
    models: Sequence[str],
    into: Path,
    *,
    widths: Sequence[int] = WIDTHS,
    depths: Sequence[int] = DEPTHS,
    shares: Sequence[float] = SHARES,
    seeds: int = 1,
    fixed: Mapping[str, object] | None = None,
    protocol: str = "auto",
    event_types: Sequence[str] | None = None,
    core: int = 1,
    seed: int = 0,
    repeat: bool = False,
    progress: Progress | None = None,
) -> Scale:
    """Fit every cell of the grid and judge it on the same validation histories; finished cells are kept and not fitted again.

    widths, depths: values of `dim` and `blocks`, of those models that have them. shares: of the training users, each within the next
    larger one. seeds: of the models and of the shares, averaged in the verdicts. fixed: other fields, in every cell of those models
    that have them.
    Raises ConfigError, DataError, StoreError, and RunError where the directory is of another grid or is something else.
    """
    grid = {name: _grid(name, widths, depths) for name in _models(models)}
    shares = _checked("shares", shares, lambda share: 0 < share <= 1, "above 0 and at most 1")
    if len(shares) < 2 and all(len(sizes) < 2 for sizes in grid.values()):
        raise ConfigError(f"one share, {shares[0]:g}, and one size leave nothing to compare; give two --shares or --widths")
    if seeds < 1:
        raise ConfigError(f"seeds must be at least 1, got {seeds}")
    fixed = dict(fixed or {})
    given = _given(list(grid), fixed)
    log = open_store(store)
    parts, why = validation.choose_split(log, protocol, event_types=event_types, core=core, seed=seed, repeat=repeat)
    asked = {
        "data": log.name,
        "fingerprint": log.fingerprint,
        "protocol": parts.protocol,
        "event_types": list(event_types) if event_types else None,
        "core": core,
        "seed": seed,
        "repeat": repeat,
        "fixed": fixed,
    }
    tune.open_directory(into, "scale.json", asked, "a scaling study")
    (into / "cells").mkdir(exist_ok=True)
    wanted = [
        (name, size, share, number)
        for name, sizes in grid.items()
        for share, size, number in product(shares, sizes, range(seed, seed + seeds))
    ]
    found: dict[Cell, Float64[np.ndarray, " B"]] = {}
    for place, (name, (dim, blocks), share, number) in enumerate(wanted):
        if progress is not None:
            progress("cells", place, len(wanted))
        cell, per_list = _cell(into / "cells", name, dim, blocks, share, number, given[name], parts, progress)
        found[cell] = per_list
    if progress is not None:
        progress("cells", len(wanted), len(wanted))
    assert parts.validation is not None
    users = validation.users_of(parts.validation)
    verdicts = {name: _verdict({cell: row for cell, row in found.items() if cell.model == name}, users, seed) for name in grid}
    best = max(found, key=lambda cell: cell.ndcg)
    command = ["footpath", "tune", str(store), "--model", best.model, "--into", "TUNING"]
    for field, value in {"dim": best.dim, "blocks": best.blocks}.items():
        command += ["--set", f"{field}={value}"] if value is not None else []
    warning = validation.few(len(parts.validation))
    made = Scale(
        asked | {"store": str(store), "why": why, "n_validation": len(parts.validation), "warnings": [warning] if warning else []},
        list(found),
        verdicts,
        shlex.join(command),
    )
    tune.write_json(into / "figures.json", made.to_dict())
    write_text(into / "scale.html", _page(made))
    return made


def _models(models: Sequence[str]) -> list[str]:
    if not models:
        raise ConfigError("no model to scale; name one with --model, `footpath models` lists all")
    for name in models:
        validation.check_items(name, "`footpath scale`")
        if list(models).count(name) > 1:
            raise ConfigError(f"model {name!r} is named {list(models).count(name)} times; name each once")
    return list(models)


def _given(models: Sequence[str], fixed: Mapping[str, object]) -> dict[str, dict[str, Any]]:
    """Of the fixed fields, those that each model has, in the types that it reads; raises ConfigError for one that none of them has."""
    fields = {name: hyperparameters(catalog.create(name)) for name in models}
    for field in fixed:
        if not any(field in of for of in fields.values()):
            known = sorted(set().union(*fields.values()))
            raise ConfigError(
                f"none of {', '.join(models)} has a field {field!r}{did_you_mean(field, known)}; they take {', '.join(known)}"
            )
    given = {name: {field: value for field, value in fixed.items() if field in fields[name]} for name in models}
    return {name: {field: hyperparameters(catalog.create(name, **of))[field] for field in of} for name, of in given.items()}


def _grid(model: str, widths: Sequence[int], depths: Sequence[int]) -> list[tuple[int | None, int | None]]:
    """(dim, blocks) of a model; (None, None) alone for one that has neither, of which only the data can be scaled."""
    fields = hyperparameters(catalog.create(model))
    dims = _checked("widths", widths, lambda width: width >= 1, "at least 1") if "dim" in fields else [None]
    blocks = _checked("depths", depths, lambda depth: depth >= 1, "at least 1") if "blocks" in fields else [None]
    return list(product(dims, blocks))


def _checked(name: str, values: Sequence[Any], holds: Any, rule: str) -> list[Any]:
    if not values:
        raise ConfigError(f"{name} must hold a number at least")
    for value in values:
        if not holds(value):
            raise ConfigError(f"{name} must be {rule}, got {value:g}")
    return sorted(set(values))


def nested_share(train: SequenceDataset, share: float, seed: int) -> SequenceDataset:
    """A share of the users, at least one, in the order of the data; a smaller share of the same seed is within it."""
    chosen = np.random.default_rng(seed).permutation(len(train))[: max(1, math.ceil(share * len(train)))]
    return train if len(chosen) == len(train) else train.take(np.sort(chosen))


def _cell(
    directory: Path,
    model: str,
    dim: int | None,
    blocks: int | None,
    share: float,
    seed: int,
    fixed: Mapping[str, Any],
    parts: Split,
    progress: Progress | None,
) -> tuple[Cell, Float64[np.ndarray, " B"]]:
    key = Cell(model, dim, blocks, share, seed, 0, 0, 0.0, None, None, 0.0).key
    record, vector = directory / f"{key}.json", directory / f"{key}.npy"
    if record.is_file() and vector.is_file():
        return Cell(**json.loads(record.read_text(encoding="utf-8"))), np.load(vector)
    fields = {**fixed, **{name: value for name, value in {"dim": dim, "blocks": blocks}.items() if value is not None}}
    if "seed" in hyperparameters(catalog.create(model)):
        fields["seed"] = seed
    train = nested_share(parts.train, share, seed)
    size = ", ".join(f"{name} {value}" for name, value in {"width": dim, "depth": blocks}.items() if value is not None)
    tell = named(f"{model}{f', {size}' if size else ''}, {100 * share:g} % of the users", progress)
    cpu = time.process_time()
    fitted = catalog.create(model, **fields).fit(train, validation=parts.validation, progress=tell)
    per_list = validation.ndcg(fitted, parts, tell)
    assert parts.validation is not None
    figure = validation.mean(per_list, parts.validation)
    low, high = (None if np.isnan(bound) else float(bound) for bound in (figure.low, figure.high))
    spent = round(time.process_time() - cpu, 2)
    cell = Cell(model, dim, blocks, share, seed, len(train), train.n_events, figure.value, low, high, spent)
    np.save(vector, per_list)
    tune.write_json(record, vars(cell))
    return cell, per_list


def _verdict(cells: Mapping[Cell, Float64[np.ndarray, " B"]], users: Int64[np.ndarray, " B"], seed: int) -> dict[str, Any]:
    """Gains for each doubling with their intervals, the sentence that follows from them by `RULE`, and what smaller shares keep."""
    shares = sorted({cell.share for cell in cells})
    full = {cell: row for cell, row in cells.items() if cell.share == shares[-1]}
    gains: dict[str, Float64[np.ndarray, " B"]] = {}
    if len(shares) > 1:
        less = [row for cell, row in cells.items() if cell.share == shares[-2]]
        gains["data"] = (_mean(list(full.values())) - _mean(less)) / math.log2(shares[-1] / shares[-2])
    for name, field in (("width", "dim"), ("depth", "blocks")):
        sizes = sorted({getattr(cell, field) for cell in full} - {None})
        if len(sizes) > 1:
            large, small = ([row for cell, row in full.items() if getattr(cell, field) == size] for size in (sizes[-1], sizes[-2]))
            gains[name] = (_mean(large) - _mean(small)) / math.log2(sizes[-1] / sizes[-2])
    over = [gains["data"] - gains[name] for name in ("width", "depth") if "data" in gains and name in gains]
    intervals = {name: _interval(gain, users, seed) for name, gain in gains.items()}
    verdict = _in_words(intervals, [_interval(gap, users, seed) for gap in over])
    return {
        "verdict": verdict,
        "gains": {name: interval.to_dict() for name, interval in intervals.items()},
        "keeps": [_kept(cells, share, shares[-1], users) for share in shares[:-1]],
    }


def _in_words(gains: Mapping[str, Interval], data_over_size: Sequence[Interval]) -> str:
    size = [gains[name] for name in ("width", "depth") if name in gains]
    data = gains.get("data")
    if any(gain.low > 0 for gain in size):
        return "a larger model still helps" + (", and so do more data" if data is not None and data.low > 0 else "")
    if data is None:
        return "neither is settled: one share of the data was measured"
    if not size:
        return "more data still help; the size was not scaled" if data.low > 0 else "neither is settled: only the data were scaled"
    if data.low > 0 and all(gap.low > 0 for gap in data_over_size):
        return "the data, not the size, is the limit"
    return "neither is settled"


def _kept(cells: Mapping[Cell, Float64[np.ndarray, " B"]], share: float, whole: float, users: Int64[np.ndarray, " B"]) -> dict[str, Any]:
    """NDCG@10 of the best size on a share over that of the best size on the largest, with the interval of the ratio over users."""
    less, full = (_best_size({cell: row for cell, row in cells.items() if cell.share == part}) for part in (share, whole))
    asked = ~np.isnan(full)
    of_users = [np.bincount(users[asked], row[asked]) for row in (less, full)]
    present = np.bincount(users[asked]) > 0
    ratio = ratio_interval(of_users[0][present], of_users[1][present])
    return {"share": share, "of": whole, **ratio.to_dict()}


def _best_size(cells: Mapping[Cell, Float64[np.ndarray, " B"]]) -> Float64[np.ndarray, " B"]:
    by_size: dict[tuple[int | None, int | None], list[Float64[np.ndarray, " B"]]] = {}
    for cell, row in cells.items():
        by_size.setdefault((cell.dim, cell.blocks), []).append(row)
    return max((_mean(rows) for rows in by_size.values()), key=lambda row: float(np.nanmean(row)))


def _mean(rows: Sequence[Float64[np.ndarray, " B"]]) -> Float64[np.ndarray, " B"]:
    return np.mean(rows, axis=0)


def _interval(per_list: Float64[np.ndarray, " B"], users: Int64[np.ndarray, " B"], seed: int) -> Interval:
    return bootstrap_means(per_list[:, None], groups=users, seed=seed)[0]


def gain_in_words(name: str, gain: Mapping[str, Any]) -> str:
    """Such as `twice the data: +0.0040 [+0.0010, +0.0071]`."""
    what = {"data": "twice the data", "width": "twice the width", "depth": "twice the depth"}[name]
    bounds = "" if gain["low"] is None else f" [{gain['low']:+.4f}, {gain['high']:+.4f}]"
    return f"{what}: {gain['value']:+.4f}{bounds}"


def kept_in_words(model: str, kept: Mapping[str, Any]) -> str:
    """Such as `sasrec keeps 62 % [55 %, 70 %] of its NDCG@10 with 10 % of the users`."""
    if kept["value"] is None:
        return f"{model}: undefined with {100 * kept['share']:g} % of the users"
    bounds = "" if kept["low"] is None else f" [{100 * kept['low']:.0f} %, {100 * kept['high']:.0f} %]"
    of = "" if kept["of"] == 1 else f" of what it has with {100 * kept['of']:g} %"
    return f"{model} keeps {100 * kept['value']:.0f} %{bounds} of its NDCG@10{of} with {100 * kept['share']:g} % of the users"


def _page(made: Scale) -> str:
    asked, figures = made.asked, []
    for name, verdict in made.verdicts.items():
        cells = [cell for cell in made.cells if cell.model == name]
        shares = sorted({cell.share for cell in cells})
        sizes = sorted({(cell.dim, cell.blocks) for cell in cells}, key=str)
        sizes.sort(key=lambda size: (size[1] or 0, size[0] or 0))

        def figure(dim: int | None, blocks: int | None, share: float, cells: Sequence[Cell] = cells) -> float | None:
            values = [cell.ndcg for cell in cells if (cell.dim, cell.blocks, cell.share) == (dim, blocks, share)]
            return sum(values) / len(values) if values else None

        gains = ", ".join(gain_in_words(what, gain) for what, gain in verdict["gains"].items())
        if any(dim is not None for dim, _ in sizes):
            depths = sorted({blocks for _, blocks in sizes}, key=lambda blocks: blocks or 0)
            dims = sorted({dim for dim, _ in sizes if dim is not None})
            series = {
                f"{100 * share:g} % of users" + (f", depth {blocks}" if blocks is not None else ""): [
                    figure(dim, blocks, share) for dim in dims
                ]
                for share in shares
                for blocks in depths
            }
            figures.append(
                Figure(
                    f"width-{name}",
                    f"{name}: {verdict['verdict']}",
                    f"NDCG@10 on validation against width; {gains}",
                    charts.lines([str(dim) for dim in dims], series, format="number", x_name="width (dim)", y_name="NDCG@10"),
                )
            )
        series = {_size(dim, blocks) or name: [figure(dim, blocks, share) for share in shares] for dim, blocks in sizes}
        kept = ". ".join(kept_in_words(f"`{name}`", one) for one in verdict["keeps"])
        figures.append(
            Figure(
                f"share-{name}",
                f"{name}: with less data",
                kept or "One share was measured",
                charts.lines(
                    [f"{100 * share:g} %" for share in shares],
                    series,
                    format="number",
                    x_name="share of the training users",
                    y_name="NDCG@10",
                ),
            )
        )
    columns: dict[str, list[Any]] = {
        "model": [cell.model for cell in made.cells],
        "width": [cell.dim for cell in made.cells],
        "depth": [cell.blocks for cell in made.cells],
        "data": [f"{100 * cell.share:g} %" for cell in made.cells],
        **{
            field: [getattr(cell, field) for cell in made.cells]
            for field in ("n_users", "n_events", "ndcg", "low", "high", "cpu_s", "seed")
        },
    }
    labels = {"ndcg": "NDCG@10", "low": "from", "high": "to", "cpu_s": "CPU-s", "n_users": "users", "n_events": "events"}
    columns = {field: values for field, values in columns.items() if any(value is not None for value in values)}
    figures.append(Figure("cells", "Every cell", "95 % intervals by bootstrap over users", None, columns, labels))
    best = max(made.cells, key=lambda cell: cell.ndcg)
    return picture(
        f"What limits {', '.join(made.verdicts)} on {asked['data']}",
        [
            f"Judged on the validation part of the {asked['protocol']} split, the same {asked['n_validation']:,} histories for every cell; "
            "the test part was not read",
            *asked["warnings"],
        ],
        {
            "Best NDCG@10": (f"{best.ndcg:.4f}", f"{best.model} {_size(best.dim, best.blocks)}".strip()),
            "Cells": (str(len(made.cells)), ""),
            "CPU": (f"{sum(cell.cpu_s for cell in made.cells):,.0f} s", "to fit and to judge"),
        },
        figures,
        said=[f"`{name}`: {verdict['verdict']}" for name, verdict in made.verdicts.items()],
        commands=[made.command],
        notes=[RULE],
    )


def _size(dim: int | None, blocks: int | None) -> str:
    return ", ".join(f"{name} {value}" for name, value in {"width": dim, "depth": blocks}.items() if value is not None)


def numbers(text: str, kind: type[int] | type[float], flag: str) -> list[Any]:
    """Numbers between commas; raises ConfigError naming the flag and the value."""
    found = []
    for part in (part.strip() for part in text.split(",") if part.strip()):
        try:
            found.append(kind(part))
        except ValueError as error:
            what = "whole numbers" if kind is int else "numbers"
            raise ConfigError(f"{flag} takes {what} between commas, got {part!r} in {text!r}") from error
    return found
