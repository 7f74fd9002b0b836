"""`footpath models`: every model with its family, its paper and its hyper-parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from footpath.cli import console
from footpath.models import catalog


def models(json: console.Json = False) -> None:
    """List the models, their papers and their hyper-parameters."""
    entries = catalog.describe()
    if json:
        console.print_json({"models": entries})
        return
    console.table(
        f"{len(entries)} models",
        ["name", "family", "source", "hyper-parameters (default)"],
        [
            [e["name"] + (" *" if e["inherited"] else ""), e["family"], e["paper"], _in_words(e["hyperparameters"], e["inherited"])]
            for e in entries
        ],
    )
    shared = next((e for e in entries if e["inherited"]), None)
    if shared is not None:
        everywhere = [name for name in shared["hyperparameters"] if all(name in e["hyperparameters"] for e in entries if e["inherited"])]
        console.out.print(f"* takes also, as every sequence model: {', '.join(everywhere)}")
    console.next_step("footpath train STORE --model NAME --set FIELD=VALUE --into RUN")


def _in_words(hyperparameters: Mapping[str, Any], inherited: Sequence[str]) -> str:
    return "  ".join(f"{name}={value}" for name, value in hyperparameters.items() if name not in inherited) or "none"
