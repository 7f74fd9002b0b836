"""`footpath profile`: who a user or a segment is, as checked claims."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from footpath.cli import console
from footpath.errors import ConfigError

if TYPE_CHECKING:
    from footpath.llm.claims.told import Told


def profile(
    store: Annotated[Path, typer.Argument(help="The store that `footpath ingest` made.")],
    user: Annotated[str | None, typer.Option(help="Of this user.")] = None,
    segment: Annotated[
        str | None, typer.Option(help="Of the users whom a rule takes, such as device=phone or 'purchase>=3 and country!=FR'.")
    ] = None,
    lang: Annotated[str, typer.Option(help="Of the lines: en or zh.")] = "en",
    evidence: Annotated[bool, typer.Option("--evidence", help="Print the rows that each line rests on, up to 20.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write it as one HTML file with pictures.")] = None,
    llm: console.Llm = None,
    llm_model: console.LlmModel = None,
    json: console.Json = False,
) -> None:
    """Interests, habits, drift and next-step odds, each line a claim that was computed on the log, with its cell.

    With a language model it is put into a few sentences too, of which only those are shown that read into claims which are true.
    """
    from footpath.events.store import open_store
    from footpath.llm.claims.checker import Checker
    from footpath.llm.claims.narrator import Narrator
    from footpath.llm.claims.profile import SECTIONS
    from footpath.llm.claims.profile import profile as profiled
    from footpath.page.files import check_target, write_text
    from footpath.page.text import sentence
    from footpath.result import in_language

    if lang not in ("en", "zh"):
        raise ConfigError(f"--lang must be en or zh, got {lang!r}")
    if (user is None) == (segment is None):
        raise ConfigError("a profile is of one user or of one segment: give either --user ID or --segment RULE")
    if html is not None:
        check_target(html)
    language = cast(Literal["en", "zh"], lang)
    door = console.gateway(llm, llm_model)
    checker = Checker(open_store(store))
    narrator = Narrator(door, checker, language) if door.has_model else None
    found = (
        profiled(checker, user=user, segment=segment, lang=language)
        if narrator is None
        else profiled(checker, user=user, segment=segment, lang=language, narrate=narrator.narrate, read=narrator.read)
    )
    if html is not None:
        from footpath.llm.claims.profile_page import page

        write_text(html, page(found, checker, lang=language))
    if json:
        why = "" if narrator is None or narrator.answer is None else narrator.answer.why
        console.print_json({"store": str(store)} | found.to_dict(evidence=evidence) | ({"model_gave_nothing": why} if why else {}))
        return
    who = in_language(found.who, language)
    console.out.print(who[:1].upper() + who[1:], style="bold", markup=False)
    for name, heading in SECTIONS.items():
        traits = found.of(name)
        if traits:
            console.out.print(f"\n{in_language(heading, language)}", style="bold")
        for trait in traits:
            console.out.print(f"  - {in_language(trait.text, language)}  [{trait.verdict.cell}]", markup=False)
            if evidence:
                _print_evidence(trait.verdict, language)
    for why in found.left_out:
        console.out.print(f"  · {sentence(in_language(why, language), language)}", style="dim", markup=False)
    if found.told is not None and narrator is not None:
        _print_told(found.told, "" if narrator.answer is None else narrator.answer.why, language)
    if html is not None:
        console.out.print(f"\nwritten: {html}", style="dim", markup=False)
    where = shlex.quote(str(store))
    console.next_step(
        f"footpath user {where} {shlex.quote(user)}" if user is not None else f"footpath analyze {where} --report report.html"
    )


def _print_told(told: Told, why: str, lang: Literal["en", "zh"]) -> None:
    """The sentences of a model that are true; of the others what was computed, and why they are not shown."""
    from footpath.result import in_language

    console.out.print("\n用模型的话说" if lang == "zh" else "\nIn the model's words", style="bold")
    if why:
        console.out.print(f"  · {'模型未给出可用的回答' if lang == 'zh' else 'the model gave nothing'}: {why}", style="dim", markup=False)
    for line in told.lines:
        if line.text:
            console.out.print(f"  - {line.text}  [{', '.join(line.cells)}]", markup=False)
        if line.refused:
            console.out.print(f"    {'拒绝' if lang == 'zh' else 'refused'}: {line.sentence!r}: {line.refused}", style="dim", markup=False)
    if told.refused:
        console.out.print(f"  · {in_language(told.note(), lang)}", style="dim", markup=False)


def _print_evidence(verdict: object, lang: Literal["en", "zh"]) -> None:
    from footpath.llm.claims.claims import Verdict
    from footpath.page.figures import show

    assert isinstance(verdict, Verdict)
    rows = verdict.evidence
    if not rows.num_rows:
        return
    title = (
        f"依据：{verdict.evidence_total:,} 行中的 {rows.num_rows} 行"
        if lang == "zh"
        else f"{rows.num_rows} of {verdict.evidence_total:,} rows behind it"
    )
    console.table(title, rows.column_names, [[show(cell, "number", lang) for cell in row.values()] for row in rows.to_pylist()])
