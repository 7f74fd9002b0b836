"""`footpath mcp`: the tools of a store, and of a run, for any assistant that speaks the Model Context Protocol."""

from __future__ import annotations

import logging
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from footpath.cli import console
from footpath.errors import MissingExtraError


def mcp(
    store: Annotated[Path, typer.Argument(help="The store that `footpath ingest` made.")],
    run: Annotated[
        Path | None, typer.Option(help="A run that `footpath train` made: with it the assistant may recommend and explain.")
    ] = None,
    json: Annotated[
        bool,
        typer.Option("--json", help="Print the settings for an assistant and the tools as one object, and serve nothing."),
    ] = False,
) -> None:
    """Serve analyses, questions, profiles, checked claims and recommendations to an assistant, over standard input and output."""
    for package in ("mcp", "pydantic"):
        if find_spec(package) is None:
            raise MissingExtraError(f"`footpath mcp` needs the package {package}, which is not installed; run: pip install 'footpath[llm]'")
    from footpath.experiments.mcp_server import configuration, serve, tools

    if json:
        from footpath.experiments.assistant import Assistant

        Assistant(store, run).close()
        listed = [tool.model_dump(by_alias=True, exclude_none=True, mode="json") for tool in tools(with_run=run is not None)]
        console.print_json({"configuration": configuration(store, run), "tools": listed})
        return
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    logging.getLogger("footpath.mcp").setLevel(logging.INFO)
    if sys.stdin.isatty():
        console.err.print("this speaks to a program: put what --json prints under `configuration` into the settings of an assistant")
    serve(store, run)
