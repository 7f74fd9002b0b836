from __future__ import annotations

import pytest

from footpath.errors import ConfigError
from footpath.experiments import search_space
from footpath.models import catalog
from footpath.recommender import hyperparameters

SEARCHED = [name for name in catalog.names() if catalog.search_space(name)]


@pytest.mark.parametrize("name", SEARCHED)
def test_every_range_is_of_a_field_that_takes_both_of_its_ends(name: str) -> None:
    for field, given in search_space.searched(name, {}).items():
        for value in given if isinstance(given, list) else given[:2]:
            fields = {field: value}
            if name == "bert4rec" or "heads" in hyperparameters(catalog.create(name)):
                fields.setdefault("dim", 64)
            if field == "neighbours":
                fields |= {"recent_sessions": 5000} if name == "vsknn" else {}
            assert hyperparameters(catalog.create(name, **fields))[field] == value
    assert set(search_space.distributions(catalog.search_space(name))) == set(catalog.search_space(name))


def test_a_model_without_ranges_has_nothing_to_tune_and_its_fields_are_named() -> None:
    with pytest.raises(ConfigError, match="popularity has nothing to tune: its file names no SEARCH_SPACE; it has no fields"):
        search_space.searched("popularity", {})
    with pytest.raises(ConfigError, match="ease has nothing to tune: all of its ranges are fixed by --set: l2"):
        search_space.searched("ease", {"l2": "10"})


def test_settings_have_four_digits_and_stay_within_their_range() -> None:
    space = {"rate": (0.00012345, 0.01), "dim": [32, 64]}
    assert search_space.settings({"rate": 0.00123456, "dim": 32}, space) == {"rate": 0.001235, "dim": 32}
    assert search_space.settings({"rate": 0.00012345, "dim": 32}, space)["rate"] == 0.00012345


@pytest.mark.parametrize("given", [(1,), (2, 1), (0.1, 1.0, "square"), [], "log"])
def test_a_range_that_is_none_is_refused(given: object) -> None:
    with pytest.raises(ConfigError, match="the range of l2 must be"):
        search_space.distributions({"l2": given})  # type: ignore[dict-item]
