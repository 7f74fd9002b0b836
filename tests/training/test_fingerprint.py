from __future__ import annotations

import pytest

from footpath.training.fingerprint import differences, fingerprint_of


def test_the_order_of_parts_does_not_matter() -> None:
    assert fingerprint_of(a=1, b={"x": 2, "y": 3}) == fingerprint_of(b={"y": 3, "x": 2}, a=1) != fingerprint_of(a=1, b={"x": 2, "y": 4})


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        (fingerprint_of(seed=1, dim=8), fingerprint_of(seed=2, dim=8), "seed (1, not 2)"),
        (fingerprint_of(a=1, b=[2]), fingerprint_of(a=0, b=[3]), "a (1, not 0), b ([2], not [3])"),
        (fingerprint_of(a=fingerprint_of(rows=3)), fingerprint_of(a=fingerprint_of(rows=4)), "rows (3, not 4)"),
        (fingerprint_of(a=1), fingerprint_of(a=1, l2=0.5), "l2 (None, not 0.5)"),
        ("one text", "another", "data or settings (one text, not another)"),
        ("x" * 50, "y", f"data or settings ({'x' * 37}..., not y)"),
        (fingerprint_of(a=1), fingerprint_of(a=1), ""),
    ],
)
def test_differences_are_named_with_both_values(one: str, other: str, words: str) -> None:
    assert differences(one, other) == words
