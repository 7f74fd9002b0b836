"""Claims on MovieLens 100k, whose counts are published: 943 users, 1,682 films, 100,000 ratings from 1 to 5."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

import footpath as fp
from footpath.llm.claims.checker import Checker
from footpath.llm.claims.claims import Claim, Scope

pytestmark = pytest.mark.real


def test_the_published_counts_and_what_the_file_has_check_true(real_data: Path) -> None:
    found = next(iter(sorted((real_data / "ml-100k").glob("ml-100k.inter*"))))
    text = gzip.open(found, "rt") if found.suffix == ".gz" else found.open()  # noqa: SIM115  # closed below
    with text as file:
        rows = [line.split("\t") for line in file.read().splitlines()[1:]]
    ratings = [float(row[2]) for row in rows]
    checker = Checker(fp.read_events(found, name="ml-100k"))
    for claim in (
        Claim("count", value=100_000),
        Claim("count", arguments={"of": "users"}, value=943),
        Claim("count", arguments={"of": "items"}, value=1_682),
        Claim("count", Scope(value_from=5, value_to=5), value=21_201),
        Claim("mean", arguments={"of": "value"}, value=sum(ratings) / len(ratings), digits=1e-9),
        Claim("share", arguments={"part": Scope(value_from=4)}, value=sum(r >= 4 for r in ratings) / len(ratings), digits=1e-9),
        Claim("repeat_rate", value=0),
    ):
        assert checker.check(claim).holds is True, claim
