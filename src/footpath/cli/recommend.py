"""`footpath recommend`: what to show next, to a user of the log or after a history."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from footpath.cli import console
from footpath.errors import ConfigError


def recommend(
    run: Annotated[Path, typer.Argument(help="The run that `footpath train` made.")],
    user: Annotated[str | None, typer.Option(help="A user id; one never seen gets an answer too.")] = None,
    history: Annotated[str | None, typer.Option(help="Item ids, oldest first, separated by commas; empty for somebody new.")] = None,
    k: Annotated[int, typer.Option("-k", "--k", help="Length of the list.")] = 10,
    repeat: Annotated[
        bool | None, typer.Option("--repeat/--no-repeat", help="May items of the history be listed? As trained, unless said.")
    ] = None,
    store: Annotated[Path | None, typer.Option(help="The store with the user's events, where it has moved.")] = None,
    at: Annotated[str | None, typer.Option(help="When it is asked, ISO 8601; the newest event's time unless said.")] = None,
    candidates: Annotated[
        Path | None, typer.Option(help="For a run of responses or ratings: the run that finds the items which it ranks.")
    ] = None,
    n_candidates: Annotated[int, typer.Option(help="How many of them.")] = 200,
    items: Annotated[
        Path | None, typer.Option(help="An item table with items that came after the fit: those that the run does not know are listed too.")
    ] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="An item that is never listed; may be repeated.")] = None,
    pin: Annotated[list[str] | None, typer.Option(metavar="PLACE=ITEM", help="An item at a place, from 1; may be repeated.")] = None,
    per_category: Annotated[int | None, typer.Option(help="So many items of a category at most.")] = None,
    json: console.Json = False,
) -> None:
    """Recommend from a run, with a title and a reason for each item."""
    from footpath.experiments import responses, runs
    from footpath.rules import Rules, parse_pins

    ids = None if history is None else [id.strip() for id in history.split(",") if id.strip()]
    rules = None
    if exclude or pin or per_category is not None:
        rules = Rules(exclude=tuple(exclude or ()), pin=parse_pins(pin or []), per_category=per_category)
    asked: dict[str, Any] = {"user": user, "history": ids, "k": k, "repeat": repeat, "store": store, "at": at, "rules": rules}
    record, _ = runs.read_record(run)
    if record.get("answers", "items") == "items":
        if candidates is not None:
            raise ConfigError(f"{run} finds items by itself: --candidates is for a run of responses or ratings")
        opened, told = runs.open_run(run), {}
        if items is not None:
            from footpath.experiments.item_text import with_new_items

            opened, told["new_items"] = with_new_items(opened, items)
        answer = runs.recommend_from(opened, **asked) | told
    else:
        if items is not None:
            raise ConfigError(f"{run} is a run of responses or ratings: --items is for a run that finds items by their text")
        found_by = None if candidates is None else runs.open_run(candidates)
        answer = responses.recommend_from(responses.open_response_run(run), candidates=found_by, n_candidates=n_candidates, **asked)
    if json:
        console.print_json(answer)
        return
    print_recommendations(answer, pinned=() if rules is None else rules.pin)
    by = "" if candidates is None else f" --candidates {candidates}"
    console.next_step(f"footpath recommend {run}{by} --history {','.join(item['item_id'] for item in answer['items'][:2])}")


def print_recommendations(answer: Mapping[str, Any], last: int = 3, pinned: Collection[int] = ()) -> None:
    """The end of the history, then the list with its reasons; pinned: places of items that a rule put there."""
    whom = f"user {answer['user']}" if answer["user"] is not None else "this history"
    console.out.print(f"For {whom}, by {answer['model']}, from {answer['basis']}", style="bold")
    recent = answer["history"][-last:]
    if recent:
        console.out.print("last: " + "; ".join(item["title"] or item["item_id"] for item in recent))
    if answer["unknown_items"]:
        console.out.print(f"not known to the model: {', '.join(answer['unknown_items'])}")
    console.table(
        "",
        ["", "item", "title", answer.get("score", "score"), "because of"],
        [
            [
                str(item["rank"]),
                item["item_id"],
                item["title"],
                f"{item['score']:.4g}" if math.isfinite(item["score"]) else "",
                "pinned" if item["rank"] in pinned else _reason(item["because"]),
            ]
            for item in answer["items"]
        ],
        right=["", answer.get("score", "score")],
    )


def _reason(because: Mapping[str, Any] | None) -> str:
    return "what users do in general" if because is None else because["title"] or because["item_id"]
