from __future__ import annotations

import numpy as np
import pyarrow as pa
from planted_impressions import tastes

from footpath.models.logistic_regression import LogisticRegression
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.impressions import Impressions
from footpath.sequences.vocabulary import Vocabulary


def test_a_category_gets_its_own_log_odds() -> None:
    """With hardly a penalty, and a column that says all there is to say, the probabilities are the shares of its two categories."""
    colour = ["red"] * 10 + ["blue"] * 10
    label = np.array([1] * 8 + [0] * 2 + [1] * 3 + [0] * 7, np.float32)
    nobody = SequenceDataset.from_lists([[]] * 20, Vocabulary.build([]))
    none = np.zeros(20, np.int64)
    rows = Impressions(
        nobody, np.arange(20), none, none.astype(np.int32), {"click": label}, pa.table({"colour": colour}), pa.table({}), pa.table({})
    )
    predicted = LogisticRegression(l2=1e-6).fit(rows).predict(rows)[:, 0]
    np.testing.assert_allclose(predicted, [0.8] * 10 + [0.3] * 10, atol=1e-3)


def test_a_larger_penalty_stays_nearer_to_the_base_rate() -> None:
    train = tastes(40)
    near, far = (LogisticRegression(l2=l2).fit(train).predict(train)[:, 0].std() for l2 in (100.0, 0.1))
    assert near < far / 2
