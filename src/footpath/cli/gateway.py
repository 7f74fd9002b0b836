"""`footpath gateway`: the door to language models: what is there, what it can do and costs, and what has left the machine."""

from __future__ import annotations

import shlex
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from footpath.cli import console

if TYPE_CHECKING:
    import pyarrow as pa

    from footpath.llm.gateway.measure import Measured


def gateway(
    llm: console.Llm = None,
    llm_model: console.LlmModel = None,
    calls: Annotated[int, typer.Option(help="Questions to ask the model; 0 asks nothing and loads no weights.")] = 5,
    ledger: Annotated[Path | None, typer.Option(help="The egress ledger to read and to write, instead of the user's own.")] = None,
    clear_cache: Annotated[bool, typer.Option("--clear-cache", help="Forget all kept answers first.")] = False,
    json: console.Json = False,
) -> None:
    """Which language models are there, what the chosen one can do and costs, the cache, the budget, and what has left this machine."""
    from footpath.errors import ConfigError
    from footpath.llm.gateway.egress import read_ledger, summarise
    from footpath.llm.gateway.gateway import Gateway, settings_from_environment
    from footpath.llm.gateway.measure import installed, measure

    if calls < 0:
        raise ConfigError(f"--calls must be 0 or more, got {calls}")
    settings = settings_from_environment(llm, llm_model)
    if ledger is not None:
        settings = replace(settings, ledger=ledger)
    door = Gateway(settings)
    cleared = door.cache.clear() if clear_cache and door.cache else 0
    measured = measure(door, calls=calls) if calls and door.has_model else None
    kept, kept_bytes = door.cache.size() if door.cache else (0, 0)
    sent, damaged = read_ledger(settings.ledger)
    totals = summarise(sent)
    if json:
        console.print_json(
            {
                "backend": settings.backend,
                "model": settings.model,
                "backends": dict(installed()),
                "allow": list(settings.allow),
                "token_budget": settings.token_budget,
                "measured": asdict(measured) if measured is not None and not isinstance(measured, str) else None,
                "why": measured if isinstance(measured, str) else "",
                "cache": {"directory": str(settings.cache), "answers": kept, "bytes": kept_bytes, "cleared": cleared},
                "ledger": {"file": str(settings.ledger), "calls": sent.to_pylist(), "totals": totals.to_pylist(), "damaged": damaged},
            }
        )
        return
    console.table("Language models", ["--llm", "", "what is there"], [[*row] for row in _backends(installed(), settings.backend)])
    console.out.print()
    if measured is not None:
        _print_measured(measured)
    console.out.print(
        f"Cache: {kept:,} answers, {kept_bytes:,} of {settings.cache_bytes:,} bytes{f', {cleared:,} forgotten' if cleared else ''}, "
        f"in {settings.cache}",
        markup=False,
    )
    budget = "no limit" if settings.token_budget is None else f"{settings.token_budget:,} tokens a command"
    console.out.print(f"Budget: {budget} (FOOTPATH_LLM_BUDGET)", markup=False)
    console.out.print(f"To another machine may go: {', '.join(settings.allow) or 'nothing'} (FOOTPATH_LLM_ALLOW)", markup=False)
    console.out.print()
    _print_ledger(totals, settings.ledger, damaged)
    said = f"export FOOTPATH_LLM={shlex.quote(settings.backend)}, for all commands with --llm"
    console.next_step(said if door.has_model else "footpath gateway --llm embedded")


def _backends(there: Any, chosen: str) -> list[tuple[str, str, str]]:
    kind = "URL" if "://" in chosen else "FILE.gguf" if chosen.endswith(".gguf") else chosen
    return [(name, "chosen" if name == kind else "", what) for name, what in there.items()]


def _print_measured(measured: Measured | str) -> None:
    if isinstance(measured, str):
        console.out.print(f"The model does not answer: {measured}\n", markup=False)
        return
    m, can = measured, measured.capabilities
    context = "unknown" if can.context is None else f"{can.context:,} tokens"
    rows = [
        ["version", can.version or "unknown"],
        ["weights", f"sha256 {can.weights[:16]}…" if can.weights else "in another process"],
        ["context", context],
        ["holds to a JSON schema while writing", "yes" if can.json_schema else "no: told in words, and checked"],
        ["log-probabilities", "yes" if can.logprobs else "no: letters cannot be weighed"],
        ["until the first call could begin", f"{m.load_seconds:.2f} s, {m.load_cpu_seconds:.2f} CPU-s"],
        ["valid answers", f"{m.valid} of {m.calls}, {m.repaired} of them repaired"],
        ["tokens a call", f"{m.prompt_tokens / m.calls:.0f} read, {m.completion_tokens / m.calls:.0f} written (mean of {m.calls})"],
        ["seconds a call", f"{m.seconds:.2f} in the middle, {m.most_seconds:.2f} at most"],
        ["CPU-seconds a call, of this process", f"{m.cpu_seconds:.2f} in the middle, {m.most_cpu_seconds:.2f} at most"],
        ["tokens written a second", f"{m.completion_tokens_per_second:.0f}, reading the prompt included"],
    ]
    if m.choice_cpu_seconds is not None:
        rows.append(["CPU-seconds to weigh four letters", f"{m.choice_cpu_seconds:.2f}"])
    console.table(f"{can.name}, asked {m.calls} questions", ["what", "figure"], rows)
    for why in m.why:
        console.out.print(f"  - {why}", markup=False)
    console.out.print()


def _print_ledger(totals: pa.Table, path: Path, damaged: int) -> None:
    rows = totals.to_pylist()
    if not rows:
        console.out.print(f"Egress ledger: no call by HTTP so far ({path})", markup=False)
    else:
        console.table(
            "Egress ledger: what went by HTTP",
            ["host", "", "purpose", "model", "fields a call × values", "hidden", "status", "calls", "bytes out", "bytes in", "tokens"],
            [
                [
                    row["host"],
                    "this machine" if row["loopback"] else "REMOTE",
                    row["purpose"],
                    row["model"],
                    row["fields"] or "none",
                    row["redactions"] or "none",
                    row["status"],
                    f"{row['calls']:,}",
                    f"{row['bytes_out']:,}",
                    f"{row['bytes_in'] or 0:,}",
                    f"{(row['prompt_tokens'] or 0) + (row['completion_tokens'] or 0):,}",
                ]
                for row in rows
            ],
            right=["calls", "bytes out", "bytes in", "tokens"],
            caption=str(path),
        )
    if damaged:
        console.out.print(f"  - {damaged:,} lines of the ledger cannot be read", markup=False)
