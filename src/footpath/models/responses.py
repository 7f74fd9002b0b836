"""What the models of responses share: the checks of impressions and of their labels."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from footpath.errors import ConfigError, DataError, NotFittedError
from footpath.recommender import ClickModel
from footpath.sequences.impressions import VALUE_TASK, Impressions, check_label


def check_impressions(model: ClickModel, rows: Impressions) -> None:
    """Raises NotFittedError before `fit`, ConfigError where impressions are encoded with another vocabulary than the model's."""
    name, items, given = type(model).__name__, getattr(model, "items", None), rows.vocabulary
    if items is None:
        raise NotFittedError(f"{name} is not fitted: call fit(train) or load a saved model before it predicts")
    if given is not items and given != items:
        raise ConfigError(
            f"{name} knows {len(items) - 1} items and the impressions are encoded with another vocabulary, of {len(given) - 1}; "
            "make them with the vocabulary of the model (its field `items`)"
        )


def labelled(train: Impressions, name: str, *, values: bool = False) -> dict[str, Float32[np.ndarray, " R"]]:
    """The labels by task. values: whether the model can learn the task `rating` too; without, it is left out.

    Raises DataError where there is none that can be learned, or one has a single class.
    """
    labels = {task: label for task, label in train.labels.items() if values or task != VALUE_TASK}
    if not labels or not len(train):
        has = f"they have {', '.join(train.labels)}" if train.labels else "they have none"
        raise DataError(f"no labels for {name} to learn from in {len(train)} impressions: {has}")
    for task, label in labels.items():
        check_label(label, task)
        known = label[~np.isnan(label)]
        if task == VALUE_TASK:
            if not len(known):
                raise DataError(f"no labels of {task!r} for {name} to learn from: all of {len(label)} are unknown")
            continue
        if not (known > 0).any() or not (known == 0).any():
            only = "unknown labels" if not len(known) else f"only {int(known[0])}"
            raise DataError(
                f"task {task!r} has {only} in {len(label)} training impressions, so there is nothing to tell apart: take another task, "
                "or more of the log"
            )
    return labels


def named_columns(text: str) -> list[str]:
    """The names in a comma-separated list."""
    return [name.strip() for name in text.split(",") if name.strip()]
