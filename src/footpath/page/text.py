"""Text that is safe inside a page: escaped, kept apart from the direction of its neighbours, free of NaN."""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Literal

Lang = Literal["en", "zh"]


def escape(text: Any) -> str:
    """Text for HTML, in elements and in quoted attributes; characters that no page may hold are replaced."""
    return html.escape(_CONTROL.sub("�", str(text)), quote=True)


def bdi(text: Any) -> str:
    """A name from the log: escaped, and isolated so that Arabic or Hebrew does not turn the sentence around it."""
    return f"<bdi>{escape(text)}</bdi>"


def prose(text: Any) -> str:
    """A sentence; what stands between backticks is code."""
    parts = re.split(r"`([^`]+)`", str(text))
    return "".join(f"<code>{escape(part)}</code>" if i % 2 else escape(part) for i, part in enumerate(parts))


def sentence(text: Any, lang: Lang = "en") -> str:
    """A sentence as it stands on a line of its own: begun with a capital and ended with a stop, unless it ends with code.

    In Chinese a space parts Han characters from Latin letters and digits. What stands between backticks stays as it is.
    """
    said = str(text).strip()
    if lang == "zh":
        parts = re.split(r"(`[^`]+`)", said)
        said = "".join(part if part.startswith("`") else _MIXED.sub(" ", part) for part in parts)
    elif re.match(r"[a-z][a-z'’-]*[\s,:;]", said):
        said = said[0].upper() + said[1:]
    if said and said[-1] not in ".!?…:;。！？：；`":
        said += "。" if lang == "zh" else "."
    return said


def embed_json(value: Any) -> str:
    """A value as JSON that may stand inside a script element."""
    text = json.dumps(plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for mark in "<>&\u2028\u2029":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return text.encode("utf-8", "replace").decode("utf-8")


def plain(value: Any) -> Any:
    """Plain JSON types; None where a number is not finite; ISO texts for times; seconds for durations."""
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(part) for part in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return str(value)


_MIXED = re.compile(r"(?<=[\u4e00-\u9fff])(?=[A-Za-z0-9])|(?<=[A-Za-z0-9%])(?=[\u4e00-\u9fff])")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
