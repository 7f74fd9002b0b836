"""`footpath models`: every model with its family, its paper and its hyper-parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from footpath.cli import console
from footpath.models import catalog

_SHARED: Final = (("items", "*", "sequence model"), ("responses", "+", "neural model of responses"))
"""Models whose hyper-parameters are for the most part those of a class that they extend: what they answer, their mark, what they are."""


def models(json: console.Json = False) -> None:
    """List the models, their papers and their hyper-parameters."""
    entries = catalog.describe()
    if json:
        console.print_json({"models": entries})
        return
    heirs = {answers: [e for e in entries if e["inherited"] and catalog.entry(e["name"]).answers == answers] for answers, _, _ in _SHARED}
    marks = {e["name"]: f" {mark}" for answers, mark, _ in _SHARED for e in heirs[answers]}
    console.table(
        f"{len(entries)} models",
        ["name", "family", "source", "hyper-parameters (default)"],
        [[e["name"] + marks.get(e["name"], ""), e["family"], e["paper"], _in_words(e["hyperparameters"], e["inherited"])] for e in entries],
    )
    for answers, mark, kind in _SHARED:
        everywhere = [name for name in heirs[answers][0]["hyperparameters"] if all(name in e["hyperparameters"] for e in heirs[answers])]
        console.out.print(f"{mark} takes also, as every {kind}: {', '.join(everywhere)}")
    console.next_step("footpath train STORE --model NAME --set FIELD=VALUE --into RUN")


def _in_words(hyperparameters: Mapping[str, Any], inherited: Sequence[str]) -> str:
    return "  ".join(f"{name}={value}" for name, value in hyperparameters.items() if name not in inherited) or "none"
