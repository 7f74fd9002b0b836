"""Options of analyses as a tool takes them: typed JSON, told as texts in the ids of cells, and read back."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any, get_type_hints

from footpath.analysis import catalog
from footpath.errors import ConfigError
from footpath.experiments import assistant_answers as say_as
from footpath.experiments.assistant_cells import short
from footpath.page.text import Lang, plain
from footpath.result import in_language


def entry_of(analysis: catalog.Analysis, lang: Lang, *, with_details: bool) -> say_as.AnalysisEntry:
    kinds = get_type_hints(analysis.function)
    return say_as.AnalysisEntry(
        name=analysis.name,
        title=in_language(analysis.title, lang),
        about=in_language(analysis.about, lang),
        options=[
            say_as.Option(name=name, takes=_kind(kinds[name]), default=plain(option.default))
            for name, option in analysis.options.items()
            if not catalog.is_code(option)
        ],
        details=(inspect.getdoc(analysis.function) or "") if with_details else "",
    )


def _as_text(name: str, value: Any, *, is_mapping: bool = False) -> str:
    """An option as a command line writes it. Raises ConfigError for what no option takes."""
    if isinstance(value, dict) and is_mapping and all(isinstance(part, int | float) for part in value.values()):
        return ",".join(f"{label}:{_as_text(name, part)}" for label, part in value.items())
    if isinstance(value, list) and all(isinstance(part, str | int | float) for part in value):
        return ",".join(_as_text(name, part) for part in value)
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    if isinstance(value, str | int | float):
        return str(value)
    raise ConfigError(f"{name} takes a text, a number, true, false or a list of these, got {short(value)}")


def _kind(hint: Any) -> str:
    """What an option takes, in words of the language that it is written in."""
    said = re.sub(r"\b(?:typing|collections\.abc|datetime)\.(?=[A-Za-z])", "", hint.__name__ if isinstance(hint, type) else str(hint))
    return re.sub(r"Sequence\[([a-z]+)\]", r"list of \1", said)


def as_texts(analysis: catalog.Analysis, given: Mapping[str, Any]) -> dict[str, str]:
    """Options as a command line writes them. Raises ConfigError for what no option takes."""
    mappings = {name for name, option in analysis.options.items() if catalog.is_mapping(option)}
    return {name: _as_text(f"{analysis.name}.{name}", value, is_mapping=name in mappings) for name, value in given.items()}
