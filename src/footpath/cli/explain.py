"""`footpath explain`: the user's own events that carry a recommendation, tested on the model that serves."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.markup import escape

from footpath.cli import console
from footpath.errors import ConfigError

if TYPE_CHECKING:
    from footpath.experiments.explain import Explained
    from footpath.result import Result


def explain(
    run: Annotated[Path, typer.Argument(help="The run that `footpath train` made.")],
    user: Annotated[str | None, typer.Option(help="A user of the store.")] = None,
    history: Annotated[str | None, typer.Option(help="Item ids instead, oldest first, separated by commas.")] = None,
    item: Annotated[str | None, typer.Option(help="The item to explain; the first recommendation unless said.")] = None,
    k: Annotated[int, typer.Option("-k", "--k", help="Length of the list that it is in, or is not.")] = 10,
    most: Annotated[int, typer.Option(help="Events that may be cited.")] = 3,
    newest: Annotated[int, typer.Option(help="How many of the newest events are looked at.")] = 50,
    draws: Annotated[int, typer.Option(help="Random sets of events to compare with.")] = 50,
    seed: Annotated[int, typer.Option(help="Of the random sets, and of the users of --faithfulness.")] = 0,
    repeat: Annotated[
        bool | None, typer.Option("--repeat/--no-repeat", help="May items of the history be listed? As trained, unless said.")
    ] = None,
    store: Annotated[Path | None, typer.Option(help="The store with the events, where it has moved.")] = None,
    at: Annotated[str | None, typer.Option(help="When it is asked, ISO 8601; the newest event's time unless said.")] = None,
    faithfulness: Annotated[
        bool, typer.Option("--faithfulness", help="Instead: over many users, do cited events matter more than others?")
    ] = False,
    users: Annotated[int | None, typer.Option(help="Of --faithfulness: how many users, 300 if none is given.")] = None,
    lang: Annotated[Literal["en", "zh"], typer.Option(help="Language of the sentences.")] = "en",
    picture: Annotated[Path | None, typer.Option(help="Also one HTML file: the history and what each event carries.")] = None,
    json: console.Json = False,
) -> None:
    """Why a run gives an item its place: events of the history, a deletion test of them, the nearest alternative, what the log says."""
    from footpath.experiments import explain as experiment
    from footpath.experiments.runs import open_run
    from footpath.page.files import check_target, write_text

    shared: dict[str, Any] = {"most": most, "newest": newest, "draws": draws, "seed": seed, "repeat": repeat, "store": store}
    if faithfulness:
        if user is not None or history is not None or item is not None or at is not None or picture is not None:
            raise ConfigError("--faithfulness draws its own users: leave out --user, --history, --item, --at and --picture")
        with console.progress() as progress:
            result = experiment.faithfulness_of(open_run(run), users=300 if users is None else users, progress=progress, **shared)
        if json:
            console.print_json({"run": str(run)} | result.to_dict())
        else:
            _print_faithfulness(run, result)
        return
    if users is not None:
        raise ConfigError(f"--users {users} is of --faithfulness: add it, or name one user with --user")
    if picture is not None:
        check_target(picture)
    ids = None if history is None else [id.strip() for id in history.split(",") if id.strip()]
    explained = experiment.explain_from(open_run(run), item, user=user, history=ids, k=k, at=at, **shared)
    if picture is not None:
        write_text(picture, experiment.page(explained, lang))
    if json:
        console.print_json(explained.to_dict())
        return
    _print(explained, lang)
    if picture is not None:
        console.out.print(f"{'图' if lang == 'zh' else 'picture'}: {picture}", markup=False)
    whose = f" --history {shlex.quote(history)}" if history is not None else experiment.whose(user)
    other = explained.explanation.alternative
    if other is not None and other.instead is not None:
        console.next_step(f"footpath explain {shlex.quote(str(run))}{whose} --item {shlex.quote(other.instead[0])}")
    elif explained.explanation.basis == "history":
        console.next_step(f"footpath explain {shlex.quote(str(run))}{whose} --item {shlex.quote(explained.explanation.item_id)} --most 10")
    else:
        console.next_step(f"footpath explain {shlex.quote(str(run))} --faithfulness")


def _print(explained: Explained, lang: Literal["en", "zh"]) -> None:
    from footpath.page.text import sentence
    from footpath.result import in_language

    found = explained.explanation
    for text in found.sentences:
        console.out.print(sentence(in_language(text, lang), lang), markup=False)
    if found.cited:
        heads = {
            "en": ("The cited events, each left out alone", "event", "type", "item", "title", "score falls by", "place without it"),
            "zh": ("引用的事件，逐个单独删去", "事件", "类型", "物品", "标题", "分数下降", "删去后的名次"),
        }[lang]
        console.out.print()
        console.table(
            heads[0],
            heads[1:],
            [
                [
                    f"{event.place} / {found.n_events}",
                    event.event_type or "",
                    escape(event.item_id),
                    escape(event.title),
                    f"{event.outcome.drop:.4g}" if event.outcome else "",
                    f"{event.outcome.rank:,}" if event.outcome else "",
                ]
                for event in (citation.event for citation in found.cited)
            ],
            right=[heads[1], heads[5], heads[6]],
        )
    rest = (*found.evidence, *explained.notes, *found.limits)
    if rest:
        console.out.print()
    for text in rest:
        console.out.print(f"- {sentence(in_language(text, lang), lang)}", markup=False)


def _print_faithfulness(run: Path, result: Result) -> None:
    console.table(
        f"Are cited events those that carry the first recommendation? {result.meta['model']}, {result.meta['population']}",
        ["of these users", "share", "95 % interval"],
        [
            [said, f"{cell.value:.1%}", "" if cell.low is None else f"{cell.low:.1%} to {cell.high:.1%}"]
            for said, cell in ((said, result.cell(id)) for id, said in _SHARES.items())
            if cell.value is not None
        ],
        right=["share", "95 % interval"],
    )
    median = {id: result.cell(f"median.{id}").value for id in ("rank_without", "rank_random", "rank_kept", "drop", "drop_random")}
    console.out.print(
        f"Medians: place without the cited events {median['rank_without']:g}, without random ones {median['rank_random']:g}, with only the "
        f"cited ones {median['rank_kept']:g}; fall of the score {median['drop']:.4g} against {median['drop_random']:.4g}"
    )
    console.out.print(str(result.meta["definition"]), style="dim", markup=False)
    console.next_step(f"footpath explain {shlex.quote(str(run))} --user {shlex.quote(str(result.table['user_id'][0].as_py()))}")


_SHARES = {
    "beyond_random": "cited events throw the item back further than random ones do on average",
    "beyond_one_draw": "... further than one random set",
    "beyond_alike": "... further than the events most like it",
    "level_with_alike": "... as far as these",
    "beyond_last": "... further than the newest events",
    "level_with_last": "... as far as these",
    "kept": "with only the cited events it stays in the first 20",
    "kept_last": "... with only the newest",
    "basis_events": "an explanation cites events that carry it",
    "basis_history": "... says that no few events do, and which weigh most",
    "basis_nothing": "... cites nothing",
}
"""Cells of the result, and what they say."""
