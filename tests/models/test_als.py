from __future__ import annotations

import warnings

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from planted_logs import clusters
from threadpoolctl import threadpool_limits

from footpath.models.als import ALS
from footpath.models.histories import incidence


def test_ranks_as_implicit_does_with_histories_folded_in() -> None:
    log = clusters()
    with threadpool_limits(1, "blas"):
        theirs = AlternatingLeastSquares(8, 1.0, 5.0, iterations=5, random_state=3)
        theirs.fit(incidence(log), show_progress=False)
        users = theirs.recalculate_user(np.arange(len(log)), incidence(log))
    scores = ALS(dim=8, epochs=5, alpha=5, l2=1, seed=3).fit(log).score(log)
    np.testing.assert_allclose(scores, users @ theirs.item_factors.T, rtol=1e-5, atol=1e-6)


def test_folding_in_solves_the_equation_of_the_paper() -> None:
    log = clusters()
    model = ALS(dim=8, epochs=5, alpha=5, l2=1).fit(log)
    items = model.state()["factors"].astype(np.float64)
    taken = items[log.history(0)]
    # confidence 5 at the items of the history and 1 elsewhere: Y'CY + l2 I = Y'Y + Y'(C - I)Y + l2 I
    vector = np.linalg.solve(items.T @ items + 4 * taken.T @ taken + np.eye(8), 5 * taken.sum(axis=0))
    np.testing.assert_allclose(model.score(log.between(0, 1))[0], items @ vector, rtol=1e-3, atol=1e-4)


def test_another_seed_starts_elsewhere() -> None:
    log = clusters()
    assert not np.array_equal(ALS(dim=8, seed=0).fit(log).score(log), ALS(dim=8, seed=1).fit(log).score(log))


def test_blas_threads_are_limited_rather_than_warned_about_and_progress_is_told() -> None:
    told: list[tuple[str, int, int]] = []
    with warnings.catch_warnings(), threadpool_limits(2, "blas"):
        warnings.simplefilter("error")
        ALS(dim=4, epochs=3).fit(clusters(), progress=lambda *step: told.append(step))
    assert told == [("fitting als", 1, 3), ("fitting als", 2, 3), ("fitting als", 3, 3)]
