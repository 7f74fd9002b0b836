"""What a training was started with, as text that can be compared."""

from __future__ import annotations

import json
from typing import Any, Final

_SHOWN: Final = 40


def fingerprint_of(**parts: Any) -> str:
    """Names and JSON values as one text, the same for the same parts in any order; a part may be a fingerprint itself."""
    return json.dumps(parts, sort_keys=True)


def differences(one: str, other: str) -> str:
    """Where two fingerprints differ, in words: `seed (1, not 2)`; the texts themselves where they are not JSON objects."""
    return ", ".join(_differences("data or settings", one, other))


def _differences(name: str, one: Any, other: Any) -> list[str]:
    a, b = _names(one), _names(other)
    if a is None or b is None:
        return [] if one == other else [f"{name} ({_short(one)}, not {_short(other)})"]
    return [part for key in sorted(a.keys() | b.keys()) for part in _differences(key, a.get(key), b.get(key))]


def _names(value: Any) -> dict[str, Any] | None:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    return value if isinstance(value, dict) else None


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
