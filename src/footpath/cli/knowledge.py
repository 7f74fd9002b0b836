"""`footpath knowledge`: profiles of items and users, written once, for models to read."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from footpath.cli import console
from footpath.errors import ConfigError


def knowledge(
    store: Annotated[Path, typer.Argument(help="The store that `footpath ingest` made.")],
    into: Annotated[Path | None, typer.Option(help="The directory to write, or to go on with.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="items or users; both unless said; may be repeated.")] = None,
    most: Annotated[
        int | None, typer.Option(help="Of each kind, so many by the model, those with most events; templates for the rest.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Only events before it tell of users: 2026-01-31; UTC without a zone.")] = None,
    text: console.Text = "auto",
    dim: Annotated[int, typer.Option(help="Columns of a user's profile.")] = 8,
    estimate: Annotated[bool, typer.Option("--estimate", help="Say what it would take, and write nothing.")] = False,
    llm: console.Llm = None,
    llm_model: console.LlmModel = None,
    json: console.Json = False,
) -> None:
    """Write profiles of items and users by a language model or by templates, once; serving reads them and calls no model."""
    from footpath.events.store import open_store
    from footpath.experiments import knowledge as profiles
    from footpath.llm.text.embed import cache_folder

    if into is None and not estimate:
        raise ConfigError("nothing to do: give --into DIR to write the profiles, or --estimate to see what that takes")
    log, gateway = open_store(store), console.gateway(llm, llm_model)
    kinds = tuple(kind or profiles.KINDS)
    if estimate or into is None:
        found = profiles.estimate(log, gateway, kinds=kinds, most=most, until=until)
        if json:
            console.print_json(found)
            return
        for name, guess in found.items():
            console.out.print(
                f"{name}: {guess['profiles']:,} of {guess['of']:,} by the model, {guess['prompt_tokens']:,} tokens of prompts and at most "
                f"{guess['most_answer_tokens']:,} of answers; the packaged model takes {guess['most_cpu_seconds']:,} CPU-seconds at most"
            )
        console.next_step(f"footpath knowledge {shlex.quote(str(store))} --into DIR")
        return
    with console.progress() as progress:
        record = profiles.write_knowledge(
            log, into, gateway, kinds=kinds, most=most, until=until, text=text, dim=dim, cache=cache_folder(), progress=progress
        )
    if json:
        console.print_json(record)
        return
    for name in kinds:
        console.out.print(_said(name, record[name]), markup=False)
    tables = " ".join(f"--{name} {shlex.quote(str(into / f'{name}.parquet'))}" for name in kinds)
    console.next_step(f"footpath ingest EVENTS {tables} --into STORE, and train on that store")


def _said(name: str, found: dict[str, Any]) -> str:
    written, asked = found["by_model"], found["asked"]
    lines = [f"{found['profiles']:,} profiles of {name}: {written:,} by the model, {found['profiles'] - written:,} templates"]
    if asked:
        tokens = f"{found['prompt_tokens']:,} + {found['completion_tokens']:,} tokens"
        lines.append(f"  asked {asked:,} times: {tokens}, {found['cpu_seconds']:,} CPU-s")
    lines += [f"  refused {count:,} of {asked:,}: {why}" for why, count in found["refused"].items()]
    return "\n".join(lines)
