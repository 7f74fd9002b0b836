from __future__ import annotations

import numpy as np
import pytest
from planted_logs import clusters

from footpath.errors import ConfigError
from footpath.models.ease import EASE
from footpath.sequences.dataset import SequenceDataset


def by_general_inverse(log: SequenceDataset, l2: float) -> np.ndarray:
    """The formula of the paper, row by row, with numpy's general inverse in double precision."""
    x = np.zeros((len(log), log.n_items))
    for b in range(len(log)):
        for item in log.history(b):
            x[b, item] = 1
    inverse = np.linalg.inv(x.T @ x + l2 * np.eye(log.n_items))
    weights = np.eye(log.n_items) - inverse / np.diag(inverse)
    return x @ weights


def test_scores_are_those_of_the_closed_form() -> None:
    log = clusters()
    np.testing.assert_allclose(EASE(l2=3).fit(log).score(log), by_general_inverse(log, 3), atol=1e-6, rtol=0)


@pytest.mark.real
@pytest.mark.slow
def test_scores_on_ml_100k_are_those_of_an_independent_computation(ml_100k: SequenceDataset) -> None:
    np.testing.assert_allclose(EASE().fit(ml_100k).score(ml_100k), by_general_inverse(ml_100k, 250), atol=1e-6, rtol=0)


def test_a_catalogue_that_does_not_fit_into_memory_is_refused_with_the_figure() -> None:
    log = SequenceDataset.from_lists([[f"i{i}" for i in range(2999)]])
    with pytest.raises(ConfigError, match=r"EASE on 2,999 items needs 0.1 GiB and memory_gib is 0.01"):
        EASE(memory_gib=0.01).fit(log)


def test_a_penalty_too_small_for_the_log_is_refused() -> None:
    log = SequenceDataset.from_lists([["a", "b"], ["a", "b"]])
    with pytest.raises(ConfigError, match=r"l2 is too small for this log, got 1e-300"):
        EASE(l2=1e-300).fit(log)
