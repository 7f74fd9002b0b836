"""The JSON Schema of claims agrees with what is taken as a claim."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from footpath.errors import ConfigError
from footpath.llm.claims.claims import ARGUMENTS, PREDICATES, Claim, Scope, canonical, claim_from_dict, claim_to_dict
from footpath.llm.claims.schema import claim_schema

jsonschema = pytest.importorskip("jsonschema")
BOUGHT = Scope(event_types=("purchase",), since=datetime(2026, 3, 2), hours=(9,), not_user="b", value_from=1)
NEEDED = {"part": BOUGHT, "a": BOUGHT, "b": Scope(category="tea"), "measure": Claim("share", arguments={"part": BOUGHT})}
VALUES: dict[str, Any] = {"top": ("a", "b"), "first": datetime(2026, 3, 2), "last": datetime(2026, 3, 2)}


@pytest.fixture(scope="module")
def validator() -> Any:
    jsonschema.Draft202012Validator.check_schema(claim_schema())
    return jsonschema.Draft202012Validator(claim_schema())


@pytest.mark.parametrize("predicate", PREDICATES)
def test_every_claim_passes_its_schema(validator: Any, predicate: str) -> None:
    arguments = {name: NEEDED[name] for name, argument in ARGUMENTS[predicate].items() if argument.required}
    claim = Claim(predicate, BOUGHT, arguments, value=VALUES.get(predicate, 0.5))  # type: ignore[arg-type]
    told = claim_to_dict(canonical(claim))
    validator.validate(told)
    assert claim_from_dict(told) == canonical(claim)


@pytest.mark.parametrize(
    "garbage",
    [
        {"predicate": "cuont"}, {"predicate": "share"}, {"predicate": "count", "arguments": {"of": "user"}},
        {"predicate": "count", "extra": 1},
        {"predicate": "count", "scope": {"hours": [24]}}, {"predicate": "count", "scope": {"usr": "a"}}, {"predicate": "top", "value": [7]},
        {"predicate": "count", "value": "ten"}, {"predicate": "count", "comparison": "up"}, {"predicate": "top", "arguments": {"k": 0}},
        {"predicate": "compare", "arguments": {"measure": {"predicate": "top"}}}, {"predicate": "trend", "arguments": {"window_days": 0}},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_claim_passes_neither_the_schema_nor_the_reader(validator: Any, garbage: dict[str, Any]) -> None:
    assert not validator.is_valid(garbage)
    with pytest.raises(ConfigError):
        claim_from_dict(garbage)
