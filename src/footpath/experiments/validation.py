"""The split on which settings are chosen, and the one figure by which they are: NDCG@10 of the validation histories.

Nothing here reads the test part of a split.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from jaxtyping import Float64, Int64

from footpath.errors import ConfigError, DataError, did_you_mean
from footpath.evaluation.metrics import PER_LIST
from footpath.evaluation.rankings import rank
from footpath.events.log import EventLog
from footpath.progress import Progress
from footpath.recommender import Recommender
from footpath.sequences.split import Holdout, Split
from footpath.sequences.splits import split
from footpath.statistics import SMALL, Interval, bootstrap_means

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


def few(n: int) -> str | None:
    """What to say where so few validation histories decide."""
    if n >= SMALL:
        return None
    return f"only {n} validation histories: what was chosen on them is close to chance"


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
