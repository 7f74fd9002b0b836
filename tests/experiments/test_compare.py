from __future__ import annotations

from pathlib import Path

import pytest

from footpath.errors import ConfigError
from footpath.events.store import open_store
from footpath.experiments.compare import Candidate, compare
from tests.experiments.made_logs import ring, store


def test_a_model_that_does_not_rank_items_is_refused_and_told_where_to_go(tmp_path: Path) -> None:
    log = open_store(store(tmp_path, ring(users=10)))
    with pytest.raises(ConfigError, match=r"this table ranks the items that come next, and deepfm says how likely .*`footpath tune`"):
        compare(log, [Candidate("item_knn"), Candidate("deepfm")])
