"""`footpath rerank`: whether a language model helps behind a first stage."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from footpath.cli import console


def rerank(
    source: Annotated[Path, typer.Argument(metavar="STORE|RUN", help="A store, or a run, whose model and settings are then fitted anew.")],
    model: Annotated[str | None, typer.Option(help="The first stage, of a store; `footpath models` lists all.")] = None,
    set: Annotated[list[str] | None, typer.Option(help="FIELD=VALUE of the first stage; may be repeated.")] = None,
    protocol: Annotated[str, typer.Option(help="auto, time, loo or given.")] = "auto",
    candidates: Annotated[int, typer.Option(help="The best so many of the first stage are put in order, 2 to 20.")] = 20,
    history: Annotated[int, typer.Option(help="Events of the user in the prompt, 1 to 10.")] = 10,
    orders: Annotated[int, typer.Option(help="In which the candidates are shown, an even number; the model is asked once for each.")] = 4,
    validation: Annotated[
        int, typer.Option(help="Validation users with an answer among the candidates by whom the weight is learned; 0 for all.")
    ] = 60,
    users: Annotated[int, typer.Option(help="Test users, drawn; 0 for all.")] = 0,
    probes: Annotated[int, typer.Option(help="Lists that the model is asked to write, to count their errors.")] = 20,
    into: Annotated[Path | None, typer.Option(help="Where the reranker goes, one JSON file: its weight, and of which model.")] = None,
    seed: Annotated[int, typer.Option(help="Of the split, the orders and the intervals.")] = 0,
    llm: console.Llm = None,
    llm_model: console.LlmModel = None,
    json: console.Json = False,
) -> None:
    """Learn on validation how much a language model's order of the candidates should count, and show whether it helped."""
    from footpath.experiments.rerank import first_stage_of, rerank_report

    log, name, options = first_stage_of(source, model, console.pairs(set or [], "--set"))
    with console.progress() as progress:
        report = rerank_report(
            log,
            name,
            console.gateway(llm, llm_model),
            protocol=protocol,
            candidates=candidates,
            history=history,
            orders=orders,
            validation_users=validation or None,
            users=users or None,
            probes=probes,
            progress=progress,
            **({"seed": seed} | options),
        )
    if into is not None:
        report.reranker.save(into)
    found = report.to_dict()
    if json:
        console.print_json(found)
        return
    _print(found)
    if into is not None:
        console.out.print(f"Reranker: {into}", markup=False)
    which = shlex.quote(str(source)) + (f" --model {model}" if model else "")
    console.next_step(f"footpath rerank {which} --llm URL --llm-model NAME, for a larger model")


def _print(found: Mapping[str, Any]) -> None:
    asked_of = f"{found['data']}, protocol {found['protocol']}, {found['candidates']} candidates of {found['first_stage']}"
    console.table(
        f"Did the language model help? {asked_of}\n"
        f"all {found['n_users']:,} test users; the answer of {found['n_reachable']:,} is among the candidates, and only theirs can move",
        ["order", "NDCG@10", "Recall@10", "NDCG@10 against the first stage"],
        [
            [
                row["name"],
                console.figure(row["ndcg@10"]),
                console.figure(row["recall@10"]),
                "" if row["name"] == "first stage" else _difference(row["ndcg@10 - first stage"]),
            ]
            for row in found["rows"]
        ],
        caption=f"[ ]: 95 % bootstrap interval over users. fused: weight {found['weight']:g}, learned on {found['n_validation']:,} "
        f"validation users, {found['n_validation_reachable']:,} with an answer among the candidates.",
    )
    print_line = console.out.print
    print_line(f"Verdict: {found['verdict']}", markup=False)
    if found["model alone - random order"] is not None:
        print_line(f"The model alone against a random order: {_difference(found['model alone - random order'])}", markup=False)
    stability = found["stability"]
    if stability["kendall_tau"] is not None:
        first = f"{_shares(stability['first_slot'])}, by chance {stability['chance']:.0%}"
        print_line(
            f"Orders of the candidates: Kendall's tau {stability['kendall_tau']:.2f}, the same best in "
            f"{stability['same_first']:.0%} of pairs; the first slot is the likeliest in {first}",
            markup=False,
        )
    errors = found["errors"]
    listed = next(iter(errors.values()))["n"]
    if listed:
        said = ", ".join(f"{name} {_shares(share)}" for name, share in errors.items())
        print_line(f"Lists that it writes by itself: {said}; by letters none of these can happen", markup=False)
    if found["unlisted"]:
        print_line(f"{found['unlisted']} of {listed + found['unlisted']} lists were not to be had", markup=False)
    cost = found["cost_per_1000_users"]
    if cost["n_users"]:
        print_line(
            f"A thousand users: {cost['calls']:,.0f} calls, {cost['tokens']:,.0f} tokens, {cost['cpu_seconds']:,.0f} CPU-s, "
            f"{cost['seconds']:,.0f} s one after the other (of {cost['n_users']:,} users)",
            markup=False,
        )
    print_line(f"From the cache: {cost['from_cache']:,} of {cost['answers']:,} answers", markup=False)
    for why, count in found["fell_back"].items():
        print_line(
            f"  - the first stage's list stays in {count:,} of {found['n_validation_reachable'] + found['n_reachable']:,}: {why}",
            markup=False,
        )


def _difference(figure: Mapping[str, Any]) -> str:
    return f"{figure['difference']:+.4f} [{figure['low']:+.4f}, {figure['high']:+.4f}]"


def _shares(share: Mapping[str, Any]) -> str:
    return f"{share['value']:.0%} [{share['low']:.0%}, {share['high']:.0%}] of {share['n']:,}"
