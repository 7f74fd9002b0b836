"""The split on which settings are chosen, and the one figure by which they are: NDCG@10 of the validation histories of a recommender, the
log-loss of a model of responses, the RMSE of one of ratings.

Nothing here reads the test part of a split.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from jaxtyping import Float64, Int64

from footpath.errors import ConfigError, DataError, did_you_mean
from footpath.evaluation.metrics import PER_LIST
from footpath.evaluation.predictions import log_losses
from footpath.evaluation.rankings import rank
from footpath.evaluation.responses import predictions
from footpath.events.log import EventLog
from footpath.models import catalog
from footpath.progress import Progress
from footpath.recommender import ClickModel, Recommender
from footpath.sequences.impressions import VALUE_TASK, Impressions
from footpath.sequences.split import Holdout, Split
from footpath.sequences.splits import split
from footpath.statistics import SMALL, Interval, bootstrap_means, drawn_interval, drawn_sums

Protocols = Literal["auto", "time", "loo", "given"]
PROTOCOLS: Final = ("auto", "time", "loo", "given")
METRIC: Final = "ndcg@10"

_K, _FEWEST, _SMALLEST_SHARE = 10, 30, 0.01
"""Of users: below either, a cut in time asks too few."""


def choose_split(
    log: EventLog,
    protocol: str = "auto",
    *,
    event_types: Sequence[str] | None = None,
    core: int = 1,
    seed: int = 0,
    repeat: bool = False,
) -> tuple[Split, str]:
    """The split, which always has validation histories, and in words why this one.

    auto: by time, where at least 30 and 1 % of the users are asked something at both cuts; else the log's own split, else each user's
    last events. Raises ConfigError, DataError.
    """
    if protocol not in PROTOCOLS:
        raise ConfigError(f"no protocol {protocol!r} to choose by{did_you_mean(protocol, PROTOCOLS)}; there are: {', '.join(PROTOCOLS)}")
    how = {"event_types": event_types, "core": core, "seed": seed, "repeat": repeat}
    if protocol != "auto":
        return _asking(split(log, protocol, **how)), "as asked"  # type: ignore[arg-type]
    why = "the log has no clock"
    if log.has_clock:
        try:
            parts = split(log, "time", **how)  # type: ignore[arg-type]
            asked = min(len(_asking(parts).validation or ()), len(parts.test))
            if asked >= max(_FEWEST, _SMALLEST_SHARE * len(parts.train)):
                return parts, f"the log has a clock, and {asked:,} users or more can be asked at each cut"
            why = f"only {asked:,} of {len(parts.train):,} users can be asked at a cut in time"
        except DataError as error:
            why = f"a cut in time asks nothing ({error})"
    if "split" not in log.empty:
        try:
            return _asking(split(log, "given", **how)), f"{why}, and the log comes with a split of its own"  # type: ignore[arg-type]
        except (ConfigError, DataError):
            pass  # no labels, or none of use
    return _asking(split(log, "loo", **how)), f"{why}; the last events of each user need their order alone"  # type: ignore[arg-type]


def _asking(parts: Split) -> Split:
    if parts.validation is None or not len(parts.validation.items):
        raise DataError(
            f"protocol {parts.protocol!r} leaves no validation history to choose by; use another protocol, allow repeats or a larger log"
        )
    return parts


@dataclass(frozen=True)
class Measure:
    """The figure by which settings are chosen.

    name: for people. lower: whether less of it is better. judge: the figure of a fitted model on the validation part, with its 95 %
    interval over users, and what each row adds to it. n, rows: how many of what are asked. tasks: what they are asked, of a click model.
    """

    name: str
    lower: bool
    judge: Callable[[Any, Progress | None], tuple[Interval, Float64[np.ndarray, "B ..."]]]
    n: int
    rows: Literal["histories", "examples"]
    tasks: tuple[str, ...] = ()

    @property
    def on_validation(self) -> str:
        """Such as `log-loss on validation, lower is better`."""
        return f"{self.name} on validation, {'lower' if self.lower else 'higher'} is better"

    def goodness(self, value: float) -> float:
        """The figure with the sign that makes more of it better."""
        return -value if self.lower else value


def of_items(parts: Split) -> Measure:
    """NDCG@10 of a model that says which items come next."""
    holdout = parts.validation
    assert holdout is not None

    def judge(model: Recommender, progress: Progress | None) -> tuple[Interval, Float64[np.ndarray, " B"]]:
        per_list = ndcg(model, parts, progress)
        return mean(per_list, holdout), per_list

    return Measure("NDCG@10", False, judge, len(holdout), "histories")


def of_responses(rows: Impressions) -> Measure:
    """The log-loss of a model on the tasks of acts that these validation rows have labels of, the mean over tasks where there are several.

    The RMSE where `rating` is the only task. Raises DataError where no label is known.
    """
    known = [task for task, label in rows.labels.items() if not np.isnan(label).all()]
    if not known:
        raise DataError("no validation row has a label, so nothing can be chosen by them; use another protocol or a larger log")
    tasks = tuple(task for task in known if task != VALUE_TASK) or (VALUE_TASK,)
    users = np.unique(rows.rows, return_inverse=True)[1].astype(np.int64)

    def judge(model: ClickModel, progress: Progress | None) -> tuple[Interval, Float64[np.ndarray, "R M"]]:
        told = predictions(model, rows, tasks, progress=progress)
        losses = np.full((len(rows), len(tasks)), np.nan)
        for column, task in enumerate(tasks):
            label = rows.label(task).astype(np.float64)
            asked = ~np.isnan(label)
            errs = (label - told[task])[asked] ** 2 if task == VALUE_TASK else log_losses(label[asked], told[task][asked])
            losses[asked, column] = errs
        figure = _mean_over_tasks(losses, users)
        return _root(figure) if tasks == (VALUE_TASK,) else figure, losses

    name = "RMSE" if tasks == (VALUE_TASK,) else "log-loss"
    return Measure(name, True, judge, len(rows), "examples", tasks)


def _mean_over_tasks(losses: Float64[np.ndarray, "R M"], users: Int64[np.ndarray, " R"]) -> Interval:
    """The mean over columns of the mean over rows that are not NaN, its interval by drawing users."""
    known, tasks = ~np.isnan(losses), losses.shape[1]
    columns = np.concatenate([np.where(known, losses, 0.0), known], axis=1)
    sums = np.stack([np.bincount(users, column) for column in columns.T], axis=1)

    def means(sums: Float64[np.ndarray, "S C"]) -> Float64[np.ndarray, " S"]:
        of_tasks, counts = sums[:, :tasks], sums[:, tasks:]
        return np.divide(of_tasks, counts, out=np.full(counts.shape, np.nan), where=counts > 0).mean(axis=1)

    value = float(means(sums.sum(axis=0, keepdims=True))[0])
    return drawn_interval(value, means(drawn_sums(sums)), len(losses)) if len(sums) > 1 else Interval(value, n=len(losses))


def _root(squared: Interval) -> Interval:
    value, low, high = np.sqrt([squared.value, squared.low, squared.high]).tolist()
    return Interval(value, low, high, squared.n)


def check_items(model: str, command: str) -> None:
    """Raises ConfigError for a model that does not say which items come next, which a command cannot take."""
    if catalog.entry(model).answers != "items":
        kind = "how an item will be rated" if catalog.entry(model).answers == "ratings" else "how likely an act on an item is"
        raise ConfigError(
            f"{command} ranks the items that come next, and {model} says {kind}: hold it to others of its kind with `footpath evaluate`, "
            "search its settings with `footpath tune`, or take a model that ranks, such as item_knn or sasrec"
        )


def few(n: int, rows: str = "histories") -> str | None:
    """What to say where so few validation rows decide."""
    if n >= SMALL:
        return None
    return f"only {n} validation {rows}: what was chosen on them is close to chance"


def ndcg(model: Recommender, parts: Split, progress: Progress | None = None) -> Float64[np.ndarray, " B"]:
    """NDCG@10 of each validation history, the whole catalogue ranked; NaN where nothing is relevant."""
    assert parts.validation is not None
    found = rank(model, parts.validation, _K, trained_on=parts.train, repeat=parts.repeat, progress=progress)
    return PER_LIST["ndcg"](found)


def mean(per_list: Float64[np.ndarray, " B"], holdout: Holdout, *, seed: int = 0) -> Interval:
    """The mean with its 95 % interval, users drawn with replacement."""
    return bootstrap_means(per_list[:, None], groups=users_of(holdout), seed=seed)[0]


def users_of(holdout: Holdout) -> Int64[np.ndarray, " B"]:
    """The user of each history as a code."""
    return holdout.histories.users.dictionary_encode().indices.to_numpy(zero_copy_only=False).astype(np.int64)
