"""`footpath models`: every model with its family, its paper and its hyper-parameters."""

from __future__ import annotations

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
            [e["name"], e["family"], e["paper"], "  ".join(f"{name}={value}" for name, value in e["hyperparameters"].items()) or "none"]
            for e in entries
        ],
    )
    console.next_step("footpath train STORE --model NAME --set FIELD=VALUE --into RUN")
