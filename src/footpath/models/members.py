"""How models that are made of other models write their members down: names between commas, and settings such as `ease.l2=100`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from footpath.errors import ConfigError, did_you_mean

_SETTING: Final = re.compile(r"\s*(?P<member>[\w-]+)\.(?P<field>\w+)\s*=(?P<value>.*)", re.DOTALL)


def member_labels(names: Sequence[str]) -> list[str]:
    """How members are called: by name, from the second of a name on with its number."""
    return [name if (n := list(names[:m]).count(name)) == 0 else f"{name}-{n + 1}" for m, name in enumerate(names)]


def member_settings(fields: str, labels: Sequence[str], example: str) -> dict[str, dict[str, str]]:
    """The given hyper-parameters of each member; a value may hold commas. Raises ConfigError, which shows the example."""
    settings: dict[str, dict[str, str]] = {label: {} for label in labels}
    for part in re.split(r",(?=\s*[\w-]+\.\w+\s*=)", fields) if fields.strip() else []:
        found = _SETTING.fullmatch(part)
        if found is None:
            raise ConfigError(f"fields must be of the form {example!r}, got {part!r}")
        label = found["member"]
        if label not in settings:
            raise ConfigError(f"fields name {label!r}, the members are {', '.join(settings)}{did_you_mean(label, settings)}")
        settings[label][found["field"]] = found["value"].strip()
    return settings
