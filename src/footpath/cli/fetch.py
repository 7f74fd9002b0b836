"""`footpath fetch`: public data sets, checked against their checksums."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from footpath.cli import console


def fetch(
    name: Annotated[str, typer.Argument(help="A data set; a wrong name lists all.")],
    into: Annotated[Path, typer.Option(help="The folder to put its files into.")] = Path("data"),
    json: console.Json = False,
) -> None:
    """Fetch a public data set, check it, and print its licence."""
    from footpath.events import fetch as public

    with console.progress() as progress:
        found = public.fetch(name, into, progress=progress)
    tables = [("--items", found.items), ("--users", found.users)]
    options = "".join(f" {flag} {path}" for flag, path in tables if path is not None)
    following = f"footpath ingest {' '.join(map(str, found.events))}{options} --name {found.name} --into STORE"
    if json:
        told = dataclasses.asdict(found) | {"files": list(found.files), "next": following}
        console.print_json(told)
        return
    console.out.print(f"{found.name} from {found.source}; checksums agree{', here already' if found.reused else ''}", style="bold")
    for file in found.files:
        console.out.print(f"  {file}")
    console.out.print(f"\nLicence: {found.licence}")
    console.next_step(following)
