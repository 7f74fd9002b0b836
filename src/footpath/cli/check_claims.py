"""`footpath check-claims`: whether what somebody wrote about a log is true, sentence by sentence."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, cast

import typer

from footpath.cli import console
from footpath.errors import ConfigError

if TYPE_CHECKING:
    from footpath.llm.statements.statements import Judgement

MOST_LETTERS: Final = 200_000
"""Letters of a text that is checked at once."""


def check_claims(
    store: Annotated[Path, typer.Argument(help="The store that `footpath ingest` made.")],
    text: Annotated[Path, typer.Argument(metavar="FILE", help="A text about it in UTF-8, or - for standard input.")],
    lang: Annotated[
        str, typer.Option(help="Of the sentences and of what is printed: en, zh, or auto (each sentence by its script).")
    ] = "auto",
    evidence: Annotated[bool, typer.Option("--evidence", help="With --json, the rows that each claim rests on, up to 20.")] = False,
    json: console.Json = False,
) -> None:
    """Judge each sentence of a text: true, false with what is right, or not checkable with the words that were not understood."""
    from footpath.events.store import open_store
    from footpath.llm.ask.reading import language
    from footpath.llm.claims.checker import Checker
    from footpath.llm.statements.statements import check_claims as checked
    from footpath.page.text import sentence
    from footpath.result import in_language

    if lang not in ("en", "zh", "auto"):
        raise ConfigError(f"--lang must be en, zh or auto, got {lang!r}")
    written = _read(text)
    known = None if lang == "auto" else cast(Literal["en", "zh"], lang)
    judged = checked(written, Checker(open_store(store)), lang=known)
    counts = Counter(one.verdict for one in judged)
    if json:
        rows = [one.to_dict(evidence=evidence, lang=known or language(one.sentence)) for one in judged]
        console.print_json({"store": str(store), "sentences": rows, "counts": {name: counts[name] for name in _MARKS}})
        return
    for one in judged:
        spoken = known or language(one.sentence)
        style, english, chinese = _MARKS[one.verdict]
        console.out.print(f"{chinese if spoken == 'zh' else english:14}{one.sentence}", style=style, markup=False)
        for right in one.right:
            console.out.print(f"{'':14}{in_language(right, spoken)}", markup=False)
        if one.why:
            console.out.print(f"{'':14}{sentence(in_language(one.why, spoken), spoken)}", style="dim", markup=False)
        if one.verdicts:
            console.out.print(f"{'':14}{' '.join(f'[{verdict.cell}]' for verdict in one.verdicts[:8])}", style="dim", markup=False)
    told = f"{counts['true']} true, {counts['false']} false, {counts['not checkable']} not checkable of {len(judged)} sentences"
    console.out.print(f"\n{told}", markup=False)
    console.next_step(f"footpath check-claims {shlex.quote(str(store))} {shlex.quote(str(text))} --json --evidence")


_MARKS: Final[Mapping[Judgement, tuple[str, str, str]]] = {
    "true": ("green", "true", "真"), "false": ("red", "false", "假"), "not checkable": ("yellow", "not checkable", "无法核对"),
}  # fmt: skip


def _read(path: Path) -> str:
    try:
        written = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}; give a text in UTF-8, or - for standard input") from None
    if len(written) > MOST_LETTERS:
        raise ConfigError(f"{path} has {len(written):,} letters; at most {MOST_LETTERS:,} are checked at once, so split it")
    if not written.strip():
        raise ConfigError(f"{path} is empty; give a text with sentences about the log")
    return written
