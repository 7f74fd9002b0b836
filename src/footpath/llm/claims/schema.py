"""The JSON Schema of claims: what a tool asks for, and what a grammar can hold a model to."""

from __future__ import annotations

from typing import Any

from footpath.events.contract import EVENT_TYPES
from footpath.llm.claims.claims import ARGUMENTS, LONGEST_WINDOW_DAYS, MEASURES, PREDICATES, Argument

_NAMES = ("user", "segment", "item", "category", "brand", "query", "not_category", "not_item", "not_brand", "not_user")
_TEXT = {"type": "string", "minLength": 1}
_TIME = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?)?$"}
_ORDERED = ["=", "about", ">", ">=", "<", "<=", "is", "is not"]
_NAMED = ["is", "is not"]


def claim_schema() -> dict[str, Any]:
    """The schema of what `claim_from_dict` takes: one alternative a predicate, each with its own arguments.

    It is a little narrower than what is taken: times without a zone, no needless comparison. What it lets pass may still be refused for
    names that the log has not.
    """
    scope = _closed(
        dict.fromkeys(_NAMES, _TEXT)
        | {name: _several({"enum": list(EVENT_TYPES)}) for name in ("event_types", "not_event_types", "without_event_types")}
        | {"since": _TIME, "until": _TIME, "value_from": {"type": "number"}, "value_to": {"type": "number"}}
        | {"hours": _several(_whole(0, 23)), "weekdays": _several(_whole(0, 6)), "half": {"enum": ["first", "second"]}}
    )
    measures = [_closed({"predicate": {"const": name}, "arguments": _arguments(name)}, ["predicate", *_needed(name)]) for name in MEASURES]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": {"scope": scope, "measure": {"anyOf": measures}},
        "anyOf": [_claim(name) for name in PREDICATES],
    }


def _claim(name: str) -> dict[str, Any]:
    return _closed(
        {"predicate": {"const": name}, "scope": {"$ref": "#/$defs/scope"}, "arguments": _arguments(name)} | _stated(name),
        ["predicate", *_needed(name)],
    )


def _stated(name: str) -> dict[str, Any]:
    digits = {"type": "number", "exclusiveMinimum": 0}
    if name == "top":
        return {"comparison": {"enum": _NAMED}, "value": _several(_TEXT)}
    if name in ("first", "last"):
        return {"comparison": {"enum": _ORDERED}, "value": _TEXT, "digits": digits}
    moves = ["up", "down", "flat"] if name in ("trend", "compare") else []
    return {"comparison": {"enum": [*_ORDERED, *moves]}, "value": {"type": "number"}, "digits": digits}


def _arguments(name: str) -> dict[str, Any]:
    known = ARGUMENTS[name]
    return _closed({key: _argument(argument) for key, argument in known.items()}, [key for key in known if known[key].required])


def _needed(name: str) -> list[str]:
    return ["arguments"] if any(argument.required for argument in ARGUMENTS[name].values()) else []


def _argument(argument: Argument) -> dict[str, Any]:
    if argument.kind == "choice":
        return {"enum": list(argument.choices)}
    if argument.kind == "column":
        return {"type": "string", "minLength": 1, "description": f"{', '.join(argument.choices)}, or a column of users or acts"}
    if argument.kind == "whole":
        return _whole(1, 1_000)
    if argument.kind == "days":
        return {"type": "number", "exclusiveMinimum": 0, "maximum": LONGEST_WINDOW_DAYS}
    return {"$ref": f"#/$defs/{argument.kind}"}


def _closed(properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required or [], "additionalProperties": False}


def _several(one: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": one, "minItems": 1}


def _whole(least: int, most: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": most}
