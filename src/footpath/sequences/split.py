"""What is fitted on, what is asked, and what counts as right: the protocols of evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Int32, Int64

from footpath.sequences.dataset import SequenceDataset

Protocol = Literal["time", "loo", "given", "cold"]


@dataclass(frozen=True, eq=False)
class Holdout:
    """B histories and the items that followed each.

    offsets, items: compressed rows of the relevant items of each history, all known to the vocabulary.
    request_times: microseconds since 1970 UTC at which a recommendation is asked for; None without a clock.
    counts: what was left out and why (`unknown_items`, `unknown_users`, ...), reported beside every figure.
    """

    histories: SequenceDataset
    offsets: Int64[np.ndarray, " B+1"]
    items: Int32[np.ndarray, " R"]
    request_times: Int64[np.ndarray, " B"] | None = None
    counts: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.histories)


@dataclass(frozen=True, eq=False)
class Split:
    """Events to fit on, a holdout that chooses settings, a holdout that is looked at once.

    train: fitted on while settings are chosen. refit: train and the validation events, fitted on before serving.
    test histories may hold the validation events in either case. repeat: may a seen item be recommended (a property of the task)?
    details: cuts, seeds and counts, printed beside every figure.
    """

    protocol: Protocol
    train: SequenceDataset
    validation: Holdout | None
    test: Holdout
    refit: SequenceDataset
    repeat: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)
