"""How the command line speaks: results on stdout, progress on stderr, `--json` as one object."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table

from footpath.errors import ConfigError
from footpath.progress import Progress

if TYPE_CHECKING:
    from footpath.llm.gateway.gateway import Gateway

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else there.")]

Examples = Annotated[
    str,
    typer.Option(
        help="What models of responses and ratings learn from: impressions, ratings, next (what followed, beside drawn items), or auto: "
        "the first of these that the log has."
    ),
]
Labels = Annotated[
    list[str] | None, typer.Option("--label", help="Of impressions: the type of act to foresee, click if none is given; may be repeated.")
]
Threshold = Annotated[float | None, typer.Option(help="Of ratings: from which value on an item is liked.")]
Negatives = Annotated[int | None, typer.Option(help="Of --examples next: items drawn beside each that followed, 4 if none is given.")]
ContextColumns = Annotated[
    list[str] | None,
    typer.Option("--context", help="A column that was known when the item was shown, instead of all such; may be repeated."),
]

Llm = Annotated[
    str | None,
    typer.Option(
        "--llm",
        metavar="MODEL",
        help="The language model: none, embedded, the path of a GGUF file, or a URL that speaks OpenAI's API. Without it what FOOTPATH_LLM "
        "says, else none.",
    ),
]
LlmModel = Annotated[
    str | None,
    typer.Option("--llm-model", metavar="NAME", help="The name of the model at that URL. Without it what FOOTPATH_LLM_MODEL says."),
]

Text = Annotated[
    str,
    typer.Option(
        "--text",
        metavar="ENCODER",
        help="What reads item texts for models that use them: auto, tfidf (words), static, minilm (English), e5 (100 languages), none (as "
        "tfidf), or URL#MODEL of an embeddings server.",
    ),
]

_WIDE = 160  # of what is written to a file or a pipe, where there is no edge to wrap at

out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _WIDE)
err = Console(stderr=True, highlight=False)


def print_json(value: Mapping[str, Any]) -> None:
    """One object on stdout; a figure that is not a number is null, so that any reader can parse it."""
    sys.stdout.write(json.dumps(_plain(value), ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | bool | int):
        return value
    return _plain(value.item()) if hasattr(value, "item") else str(value)


@contextmanager
def progress() -> Iterator[Progress]:
    """A bar with rate and time left on stderr, shown once work has taken two seconds; plain silence where stderr is no terminal."""
    started = time.monotonic()
    with Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    ) as bars:
        tasks: dict[str, Any] = {}

        def advance(what: str, done: int, total: int) -> None:
            if what not in tasks:
                for task in tasks.values():
                    bars.update(task, visible=False)
                tasks[what] = bars.add_task(what, visible=False)
            bars.update(tasks[what], completed=done, total=total or None, visible=time.monotonic() - started > 2)

        yield advance


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = (), caption: str = "") -> None:
    """A table with a title that says what it is and a caption that says how it was made."""
    drawn = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        drawn.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*row)
    out.print(drawn)
    if caption:
        out.print(caption, style="dim")


def figure(interval: Mapping[str, Any]) -> str:
    """A value with its interval, to four digits."""
    if interval["value"] is None:
        return "undefined"
    if interval.get("low") is None:
        return f"{interval['value']:.4f}"
    return f"{interval['value']:.4f} [{interval['low']:.4f}, {interval['high']:.4f}]"


def next_step(text: str) -> None:
    """The last line of a command: what to do next."""
    out.print(f"\nNext: {text}", style="bold")


def examples(
    source: str, labels: Sequence[str] | None, threshold: float | None, negatives: int | None, context: Sequence[str] | None
) -> dict[str, Any]:
    """What was given of the options for examples, by the names that `footpath.experiments.responses.examples` has for them."""
    given = {"source": None if source == "auto" else source, "labels": labels, "threshold": threshold, "negatives": negatives}
    return {name: value for name, value in (given | {"context": context}).items() if value not in (None, [], ())}


def gateway(llm: str | None, llm_model: str | None) -> Gateway:
    """The door to the language model that `--llm` and `--llm-model` or the environment name; raises ConfigError, MissingExtraError."""
    from footpath.llm.gateway.gateway import Gateway, settings_from_environment

    return Gateway(settings_from_environment(llm, llm_model))


def pairs(options: Sequence[str], flag: str) -> dict[str, str]:
    """`NAME=VALUE` options as a dictionary; raises ConfigError with the flag, the value and the form."""
    found: dict[str, str] = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not (name and equals):
            raise ConfigError(f"{flag} takes NAME=VALUE, got {option!r}")
        if name in found:
            raise ConfigError(f"{flag} {name} is given twice: {found[name]!r} and {value!r}")
        found[name] = value
    return found
