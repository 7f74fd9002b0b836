from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from footpath.errors import ConfigError, RunError
from footpath.experiments import scale as scaling
from footpath.experiments.scale import nested_share, scale
from footpath.sequences.dataset import SequenceDataset
from tests.experiments.made_logs import clusters, store


def test_a_smaller_share_lies_within_a_larger_one() -> None:
    data = SequenceDataset.from_lists([[f"i{user % 7}", "end"] for user in range(50)])
    users = [set(nested_share(data, share, seed=3).users.to_pylist()) for share in (0.1, 0.3, 0.99, 1.0)]
    assert [len(part) for part in users] == [5, 15, 50, 50]
    assert users[0] < users[1] < users[2]
    assert users[0] != set(nested_share(data, 0.1, seed=4).users.to_pylist())


def test_a_model_that_is_too_narrow_for_what_there_is_to_learn_is_said_to_be_so(tmp_path: Path) -> None:
    made = store(tmp_path, clusters(users=480, n_clusters=16, size=6, length=5))
    found = scale(made, ["als"], tmp_path / "s", widths=[2, 16], shares=[0.5, 1.0], fixed={"l2": "0.5"}, protocol="loo")
    verdict = found.verdicts["als"]
    assert verdict["verdict"].startswith("a larger model still helps")
    assert verdict["gains"]["width"]["low"] > 0


def test_a_log_with_too_few_users_for_its_items_is_said_to_be_short_of_data(tmp_path: Path) -> None:
    made = store(tmp_path, clusters(users=400, n_clusters=40, size=8, length=5))
    found = scale(made, ["als"], tmp_path / "s", widths=[48, 64], shares=[0.1, 1.0], fixed={"l2": "0.5"}, protocol="loo")
    verdict = found.verdicts["als"]
    assert verdict["verdict"] == "the data, not the size, is the limit"
    assert verdict["gains"]["data"]["low"] > 0
    assert verdict["keeps"][0]["high"] < 1


def test_finished_cells_are_kept_and_judge_the_same_histories(tmp_path: Path) -> None:
    made = store(tmp_path, clusters(users=80, n_clusters=4, size=8, length=5))
    first = scale(made, ["item_knn"], tmp_path / "s", shares=[0.5, 1.0], protocol="loo")
    record = next((tmp_path / "s" / "cells").glob("item_knn-*-1-0.json"))
    record.write_text(json.dumps(json.loads(record.read_text()) | {"cpu_s": 123.0}))
    again = scale(made, ["item_knn", "markov"], tmp_path / "s", shares=[0.5, 1.0], protocol="loo")
    assert [cell.cpu_s for cell in again.cells].count(123.0) == 1
    assert [cell.ndcg for cell in again.cells if cell.model == "item_knn"] == [cell.ndcg for cell in first.cells]
    assert {len(np.load(file)) for file in (tmp_path / "s" / "cells").glob("*.npy")} == {80}
    page = (tmp_path / "s" / "scale.html").read_text()
    assert again.verdicts["markov"]["verdict"] in page
    with pytest.raises(RunError, match="protocol was 'loo' and is now 'time'"):
        scale(made, ["item_knn"], tmp_path / "s", shares=[0.5, 1.0], protocol="time")


def test_a_field_is_set_in_the_models_that_have_it_and_refused_where_none_has(tmp_path: Path) -> None:
    made = store(tmp_path, clusters(users=40, n_clusters=4, size=4, length=5))
    found = scale(made, ["als", "markov"], tmp_path / "s", widths=[2], depths=[1], shares=[0.5, 1.0], fixed={"epochs": "3"}, protocol="loo")
    assert {cell.model for cell in found.cells} == {"als", "markov"}
    with pytest.raises(ConfigError, match="none of als, markov has a field 'epoch'; did you mean 'epochs'"):
        scale(made, ["als", "markov"], tmp_path / "other", fixed={"epoch": "3"}, protocol="loo")


def test_a_model_that_does_not_rank_items_is_refused_and_told_where_to_go(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"`footpath scale` ranks the items that come next, and deepfm says how likely .*`footpath tune`"):
        scale(tmp_path, ["sasrec", "deepfm"], tmp_path / "s")
    with pytest.raises(ConfigError, match="and svdpp says how an item will be rated"):
        scale(tmp_path, ["svdpp"], tmp_path / "s")


def test_options_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    for options, said in (
        ({"shares": [0.0, 1.0]}, "shares must be above 0 and at most 1, got 0"),
        ({"shares": [1.0]}, "one share, 1, and one size leave nothing to compare"),
        ({"seeds": 0}, "seeds must be at least 1, got 0"),
    ):
        with pytest.raises(ConfigError, match=said):
            scale(tmp_path, ["item_knn"], tmp_path / "s", **options)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="--widths takes whole numbers between commas, got 'x'"):
        scaling.numbers("16,x", int, "--widths")
