"""What an assistant may ask of a log and of a run: each tool a method with typed arguments and a typed answer, every figure with its cell.

Nothing is written. Nothing here knows of a protocol: `footpath.experiments.mcp_server` puts it on the wire.
"""

from __future__ import annotations

import gc
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from footpath.analysis import catalog
from footpath.errors import ConfigError, NotInLogError, RunError, did_you_mean
from footpath.events.log import EventLog
from footpath.events.store import open_store
from footpath.experiments import assistant_answers as say_as
from footpath.experiments.assistant_cells import (
    MOST_CELLS,
    arguments_of,
    as_line,
    call_id,
    cells_of,
    cut_of,
    cut_rows,
    given,
    options_in,
    places,
    result_cell,
    short,
    short_all,
    table_of,
)  # fmt: skip
from footpath.experiments.assistant_options import as_texts, entry_of
from footpath.experiments.assistant_terms import CONVENTIONS, PREDICATES
from footpath.llm.ask.analyst import Analyst, definition
from footpath.llm.ask.examples import examples
from footpath.llm.ask.names import Names
from footpath.llm.claims.checker import Checker
from footpath.llm.claims.claims import Claim, Verdict, claim_from_dict, claim_to_dict
from footpath.llm.claims.profile import profile
from footpath.llm.claims.templates import render
from footpath.llm.statements.statements import check_claims
from footpath.page.text import Lang, plain, sentence
from footpath.result import Phrase, Result, in_language, say

if TYPE_CHECKING:
    from footpath.experiments.explain import Explained
    from footpath.experiments.runs import Run

MOST_NAMES: Final = 20
_VERDICTS: Final = {True: Phrase("True: ", "属实："), False: Phrase("False: ", "不属实："), None: Phrase("", "")}
_KEPT_RESULTS: Final = 16
_KEPT_CLAIMS: Final = 10_000
_CALLED: Final = re.compile(r"([a-z_]+)(?:\(([^()]*)\))?\.(.+)", re.DOTALL)


@dataclass(eq=False)
class _Opened:
    """A store as it was when it was opened, and what was computed on it."""

    signature: tuple[object, ...]
    log: EventLog
    results: OrderedDict[tuple[str, tuple[tuple[str, str], ...]], Result] = field(default_factory=OrderedDict)
    claims: OrderedDict[str, Claim] = field(default_factory=OrderedDict)

    @cached_property
    def checker(self) -> Checker:
        return Checker(self.log)

    @cached_property
    def analyst(self) -> Analyst:
        return Analyst(self.checker)

    @cached_property
    def names(self) -> Names:
        return self.analyst.names


class Assistant:
    """Answers about one store and, where there is one, a run. One call at a time; `interrupt` and `close` may come from another thread.

    A store that was ingested into, or a run that was trained again, is read anew before the next answer. Raises StoreError, RunError.
    """

    def __init__(self, store: Path, run: Path | None = None) -> None:
        self.store, self.run = store, run
        self._opened: _Opened | None = None
        self._run: tuple[tuple[object, ...], Run] | None = None
        self._open()
        if run is not None:
            _check_run(run)

    # ---- what is open

    def _open(self) -> _Opened:
        signature = (*_stamp(self.store / "store.json"), *_stamp(self.store))
        if self._opened is None or not signature or self._opened.signature != signature:
            self.close()
            self._opened = _Opened(signature, open_store(self.store))
        return self._opened

    def _model(self) -> Run:
        from footpath.experiments.runs import open_run

        if self.run is None:
            raise ConfigError("this server has no model: start it with `footpath mcp STORE --run RUN`, RUN made by `footpath train`")
        signature = _stamp(self.run / "run.json")
        if self._run is None or not signature or self._run[0] != signature:
            self._run = (signature, open_run(self.run))
        return self._run[1]

    def interrupt(self) -> None:
        """Ends the query that runs now, if one does; the call it belongs to fails."""
        if self._opened is not None:
            _connection(self._opened.log).interrupt()

    def close(self) -> None:
        """Lets go of the store."""
        self._opened = None
        gc.collect()  # the connection goes with the last table; DuckDB would give it again for another file of the same name

    # ---- tools

    def describe_log(self, asked: say_as.DescribeLog) -> say_as.Description:
        """What is in the log."""
        opened, lang = self._open(), asked.lang
        log, names, checker = opened.log, opened.names, opened.checker
        claims = {of: Claim("count", arguments={"of": of}) for of in ("acts", "users", "items", "sessions")}
        claims |= {"from": Claim("first"), "to": Claim("last")}
        figures, doubts = {}, [in_language(warning, lang) for warning in log.quality.meta.get("warnings", [])]
        for what, claim in claims.items():
            try:
                figures[what] = self._claim_cell(checker.check(claim), lang)
            except NotInLogError as error:
                doubts.append(str(error))
        tables = {"events": log.table, "items": log.items, "users": log.users}
        said = [f"{what} {c.value}" if what in ("from", "to") else f"{c.value:,} {what}" for what, c in figures.items()]
        model = None
        if self.run is not None:
            record = _check_run(self.run)
            model = {"run": str(self.run), "model": record["model"], "created": record.get("created"), "repeat": record.get("repeat")}
            model |= {"same_data": record["data"]["fingerprint"] == log.fingerprint}
        categories, brands = names.categories, names.brands
        cut = [
            f"{what}: {MOST_NAMES} of {len(held)} shown; `top` by {kind} has those with most acts"
            for what, kind, held in (("categories", "category", categories), ("brands", "brand", brands))
            if len(held) > MOST_NAMES
        ]
        return say_as.Description(
            text=f"Log {short(log.name)}: {'; '.join(f'{one} [{c.cell}]' for one, c in zip(said, figures.values(), strict=True))}.",
            log=short(log.name),
            fingerprint=log.fingerprint,
            figures=list(figures.values()),
            event_types=dict(sorted(names.types.items(), key=lambda pair: (-pair[1], pair[0]))),
            columns={name: [short(column) for column in table.columns] for name, table in tables.items() if table is not None},
            categories=[short(name) for name in categories[:MOST_NAMES]],
            brands=[short(name) for name in brands[:MOST_NAMES]],
            segments={short(column): [short(value) for value in values[:MOST_NAMES]] for column, values in names.columns.items()},
            doubts=doubts,
            conventions=list(CONVENTIONS),
            predicates=dict(PREDICATES),
            questions=in_language(list(examples(names)), lang),
            analyses=catalog.names(),
            run=model,
            cut=cut,
        )

    def analyses(self, asked: say_as.Analyses) -> say_as.AnalysisList:
        """The catalog, with options and defaults; of one analysis also what they mean."""
        wanted = catalog.ANALYSES if asked.name is None else (catalog.entry(asked.name),)
        entries = [entry_of(analysis, asked.lang, with_details=asked.name is not None) for analysis in wanted]
        text = f"{len(entries)} analyses: {', '.join(entry.name for entry in entries)}."
        if asked.name is not None:
            text = f"{entries[0].title}. {entries[0].about} Options: {', '.join(option.name for option in entries[0].options) or 'none'}."
        return say_as.AnalysisList(text=text, analyses=entries)

    def analyze(self, asked: say_as.Analyze) -> say_as.AnalysisAnswer:
        """One analysis, with some of its cells and rows."""
        opened, lang = self._open(), asked.lang
        analysis = catalog.entry(asked.name)
        options = as_texts(analysis, asked.options)
        result = self._result(opened, analysis.name, options)
        prefix = call_id(analysis.name, options)
        tables: dict[str, pa.Table] = dict(result.parts)
        if asked.table is not None and asked.table not in tables:
            known = ", ".join(tables) or "none"
            raise ConfigError(f"{analysis.name} has no further table {asked.table!r}; it has: {known}{did_you_mean(asked.table, tables)}")
        found = [cell for cell in result.cells if cell.id.startswith(asked.cells)]
        cells = [result_cell(prefix, cell, lang) for cell in found[:MOST_CELLS]]
        table = table_of(result.table if asked.table is None else tables[asked.table], asked.rows, asked.first_row, lang)
        meta = {name: _words(result.meta.get(name), lang) for name in ("definition", "population", "window")}
        warnings = [sentence(in_language(warning, lang), lang) for warning in result.meta.get("warnings", [])]
        findings = [
            say_as.Finding(text=in_language(f.text, lang), kind=f.kind, cells=[f"{prefix}.{id}" for id in f.cells]) for f in result.findings
        ]
        title = in_language(analysis.title, lang)
        lines = [f"{sentence(f.text, lang)}{places(f.cells)}" for f in findings if f.kind == "finding"]
        lines += [as_line(cell) for cell in cells[:6]]
        if result.is_empty:
            lines = warnings
        return say_as.AnalysisAnswer(
            text="\n".join([f"{title}. {sentence(meta['population'], lang)}", *(f"- {line}" for line in lines)]),
            name=analysis.name,
            title=title,
            options=options,
            cells=cells,
            n_cells=len(result.cells),
            findings=findings,
            warnings=warnings,
            table=table,
            tables=list(tables),
            empty=result.is_empty,
            cut=[*cut_of("cells", len(cells), len(found), "ask again with the argument cells"), *cut_rows("table", table)],
            **meta,
        )

    def ask(self, asked: say_as.Ask) -> say_as.AskAnswer:
        """The answer of the analyst, who asks no language model here."""
        opened = self._open()
        answer = opened.analyst.answer(asked.question, lang=asked.lang)
        cells, text = [], answer.text
        for cited in answer.cells:
            if answer.verdict is not None:
                cell = self._claim_cell(answer.verdict, answer.lang)
            else:
                plan = answer.to_dict()["plan"]
                id = f"{call_id(plan['analysis'], plan.get('options', {}))}.{plan['cell']}"
                cell = say_as.Cell(
                    cell=id,
                    value=plain(cited.value),
                    n=cited.n,
                    small=cited.is_small,
                    definition=in_language(cited.definition, answer.lang),
                )
            cells.append(cell)
            text = text.replace(f"[{cited.place}]", f"[{cell.cell}]")
        if answer.refused and answer.can_ask:
            text += in_language(say(" Can be asked: {questions}", " 可以问：{questions}", questions=" ".join(answer.can_ask)), answer.lang)
        told = answer.to_dict()
        table = None if answer.table is None else table_of(answer.table, asked.rows, 0, answer.lang)
        return say_as.AskAnswer(
            text=text,
            question=asked.question,
            answered=not answer.refused,
            value=short_all(told["value"]),
            cells=cells,
            plan=told["plan"],
            table=table,
            refused=answer.refused,
            close=[short(name) for name in answer.close],
            can_ask=list(answer.can_ask),
            notes=told.get("notes", []),
            cut=[] if table is None else cut_rows("table", table),
        )

    def profile(self, asked: say_as.Profile) -> say_as.ProfileAnswer:
        """Who a user or a segment is."""
        opened, lang = self._open(), asked.lang
        found = profile(opened.checker, user=asked.user, segment=asked.segment)
        traits = [
            say_as.Trait(section=trait.section, text=in_language(trait.text, lang), cell=trait.verdict.cell) for trait in found.traits
        ]
        who = in_language(found.who, lang)
        lines = [f"- {trait.text} [{trait.cell}]" for trait in traits]
        return say_as.ProfileAnswer(
            text="\n".join([f"{sentence(who, lang)}", *lines[:12], *([f"- and {len(lines) - 12} more"] if len(lines) > 12 else [])]),
            who=who,
            traits=traits,
            cells=self._claim_cells((trait.verdict for trait in found.traits), lang),
            left_out=[sentence(in_language(why, lang), lang) for why in found.left_out],
        )

    def check(self, asked: say_as.Check) -> say_as.CheckAnswer:
        """A claim computed and compared with what was stated; or the figure of a cell once more."""
        if (asked.claim is None) == (asked.cell is None):
            raise ConfigError("give either a claim or the cell of an earlier answer")
        opened = self._open()
        if asked.claim is not None:
            return self._checked(opened.checker.check(claim_from_dict(asked.claim)), asked)
        assert asked.cell is not None
        if asked.cell in opened.claims:
            return self._checked(opened.checker.check(opened.claims[asked.cell]), asked)
        cell = self._of_a_call(opened, asked.cell, asked.lang)
        return say_as.CheckAnswer(text=as_line(cell), holds=None, cell=cell, parts={}, evidence=say_as.Table())

    def check_claims(self, asked: say_as.CheckClaims) -> say_as.ClaimsAnswer:
        """Prose, sentence by sentence."""
        opened = self._open()
        judged = check_claims(asked.text, opened.checker, lang=asked.lang)
        sentences = []
        for one in judged:
            told = one.to_dict(lang=asked.lang or "en")
            sentences.append(
                say_as.Sentence(
                    sentence=one.sentence,
                    verdict=one.verdict,
                    right=told.get("right", []),
                    why=told.get("why", ""),
                    cells=[verdict.cell for verdict in one.verdicts],
                )
            )
        counts = {verdict: sum(one.verdict == verdict for one in judged) for verdict in ("true", "false", "not checkable")}
        lines = [f"- {one.verdict}: {one.sentence}{_because(one)}{places(one.cells)}" for one in sentences[:20]]
        head = f"{len(judged)} sentences: {', '.join(f'{n} {verdict}' for verdict, n in counts.items())}."
        more = [f"- and {len(sentences) - 20} more"] if len(sentences) > 20 else []
        cells = self._claim_cells((verdict for one in judged for verdict in one.verdicts), asked.lang or "en")
        return say_as.ClaimsAnswer(text="\n".join([head, *lines, *more]), counts=counts, sentences=sentences, cells=cells)

    def recommend(self, asked: say_as.Recommend) -> say_as.RecommendAnswer:
        """What the run lists next."""
        from footpath.experiments.runs import recommend_from

        run, opened = self._model(), self._open()
        found = recommend_from(run, user=asked.user, history=asked.history, k=asked.k, store=self.store)
        prefix = call_id("recommend", given(asked, ("user", "history", "k")))
        items = [
            say_as.Recommended(
                rank=item["rank"],
                item_id=item["item_id"],
                title=short(item["title"]),
                score=plain(item["score"]),
                cell=f"{prefix}.{item['rank']}",
                because_item_id=item["because"] and item["because"]["item_id"],
                because_title=short(item["because"]["title"]) if item["because"] else "",
            )
            for item in found["items"]
        ]
        history = [{"item_id": item["item_id"], "title": short(item["title"])} for item in found["history"][-MOST_NAMES:]]
        whom = f"user {asked.user}" if asked.user is not None else "this history"
        lines = [f"{item.rank}. {item.title or item.item_id} ({item.item_id}) [{item.cell}]" for item in items[:10]]
        return say_as.RecommendAnswer(
            text="\n".join([f"For {whom}, by {found['model']}, from {found['basis']}:", *lines]),
            model=found["model"],
            user=asked.user,
            basis=found["basis"],
            history=history,
            n_history=len(found["history"]),
            unknown_items=[short(id) for id in found["unknown_items"][:MOST_NAMES]],
            items=items,
            notes=self._of_other_data(run, opened),
            cut=cut_of("history", len(history), len(found["history"])) + cut_of("unknown_items", MOST_NAMES, len(found["unknown_items"])),
        )

    def explain(self, asked: say_as.Explain) -> say_as.ExplainAnswer:
        """Why an item has its place."""
        lang, explained, prefix = asked.lang, *self._explained(asked)
        of = explained.explanation
        cited = [
            say_as.Cited(
                place=c.event.place,
                item_id=c.event.item_id,
                title=short(c.event.title),
                event_type=c.event.event_type,
                time=None if c.event.time is None else _moment(c.event.time),
                score_drop=None if c.event.outcome is None else plain(float(c.event.outcome.drop)),
                rank_without=None if c.event.outcome is None else int(c.event.outcome.rank),
            )
            for c in of.cited
        ]
        sentences = [sentence(in_language(text, lang), lang) for text in of.sentences]
        return say_as.ExplainAnswer(
            text="\n".join([*sentences, f"[{prefix}.rank]"]),
            model=explained.run.record["model"],
            user=explained.user,
            item_id=of.item_id,
            title=short(of.title),
            rank=int(of.rank),
            basis=of.basis,
            cited=cited,
            sentences=sentences,
            evidence=[sentence(in_language(text, lang), lang) for text in of.evidence],
            limits=[sentence(in_language(text, lang), lang) for text in of.limits],
            cells=cells_of(explained, prefix, lang),
            notes=[in_language(note, lang) for note in explained.notes],
        )

    # ---- cells

    def _claim_cell(self, verdict: Verdict, lang: Lang) -> say_as.Cell:
        """The cell of a verdict, which `check` then knows by its id."""
        claim = Claim(verdict.claim.predicate, verdict.claim.scope, verdict.claim.arguments)
        held = (self._opened or self._open()).claims
        held[verdict.cell] = claim
        held.move_to_end(verdict.cell)
        while len(held) > _KEPT_CLAIMS:
            held.popitem(last=False)
        return say_as.Cell(
            cell=verdict.cell,
            value=short_all(plain(verdict.value)),
            unit=str(verdict.unit),
            n=verdict.n,
            small=verdict.n is not None and verdict.n < 30,
            definition=in_language(definition(verdict), lang),
            claim=claim_to_dict(claim),
        )

    def _claim_cells(self, verdicts: Iterable[Verdict], lang: Lang) -> list[say_as.Cell]:
        return list({verdict.cell: self._claim_cell(verdict, lang) for verdict in verdicts}.values())

    def _checked(self, verdict: Verdict, asked: say_as.Check) -> say_as.CheckAnswer:
        lang = asked.lang
        told = in_language(render(verdict.claim, verdict), lang)
        head = (
            {True: "True: ", False: "False: ", None: ""}[verdict.holds]
            if lang == "en"
            else {True: "属实：", False: "不属实：", None: ""}[verdict.holds]
        )
        cell = self._claim_cell(verdict, lang)
        why = sentence(in_language(verdict.why, lang), lang) if verdict.why else ""
        rows = verdict.evidence.slice(0, asked.rows)
        evidence = table_of(rows, asked.rows, 0, lang).model_copy(update={"total": verdict.evidence_total})
        return say_as.CheckAnswer(
            text=f"{head}{told} [{cell.cell}]{f' {why}' if why and why not in told else ''}",
            holds=verdict.holds,
            cell=cell,
            parts=short_all(plain(dict(verdict.parts))),
            why=why,
            evidence=evidence,
            cut=cut_rows("evidence", evidence),
        )

    def _of_a_call(self, opened: _Opened, id: str, lang: Lang) -> say_as.Cell:
        """A cell of an analysis, of a list or of an explanation, which its id says how to compute. Raises ConfigError."""
        found = _CALLED.fullmatch(id)
        if found is None:
            raise ConfigError(f"no cell {short(id)!r} was given by this server for the log as it is now; pass the claim itself")
        name, options, rest = found[1], options_in(found[2] or ""), found[3]
        if name == "recommend":
            answer = self.recommend(say_as.Recommend.model_validate(arguments_of(options)))
            for item in answer.items:
                if item.cell.rpartition(".")[2] == rest:
                    return say_as.Cell(cell=id, value=item.score, unit="score", note=f"{item.title or item.item_id} ({item.item_id})")
            raise ConfigError(f"the list has {len(answer.items)} items, and none at place {short(rest)!r}")
        if name == "explain":
            explained, prefix = self._explained(say_as.Explain.model_validate(arguments_of(options)))
            cells = cells_of(explained, prefix, lang)
        else:
            result = self._result(opened, catalog.entry(name).name, options)
            cells = [result_cell(call_id(name, options), cell, lang) for cell in result.cells]
        for cell in cells:
            if cell.cell == id:
                return cell
        close = did_you_mean(id, [cell.cell for cell in cells])
        raise ConfigError(f"{name} gives no cell {short(rest)!r} for this log{close}; it has {len(cells)}")

    def _result(self, opened: _Opened, name: str, options: Mapping[str, str]) -> Result:
        key = (name, tuple(sorted(options.items())))
        if key not in opened.results:
            analysis = catalog.entry(name)
            given = {option: catalog.option(analysis, option, text) for option, text in options.items()}
            opened.results[key] = analysis.function(opened.log, **given)
            while len(opened.results) > _KEPT_RESULTS:
                opened.results.popitem(last=False)
        opened.results.move_to_end(key)
        return opened.results[key]

    def _explained(self, asked: say_as.Explain) -> tuple[Explained, str]:
        from footpath.experiments.explain import explain_from

        run = self._model()
        found = explain_from(run, asked.item, user=asked.user, history=asked.history, k=asked.k, most=asked.most, store=self.store)
        named = asked.model_copy(update={"item": found.explanation.item_id})
        return found, call_id("explain", given(named, ("user", "history", "item", "k", "most")))

    def _of_other_data(self, run: Run, opened: _Opened) -> list[str]:
        if run.record["data"]["fingerprint"] == opened.log.fingerprint:
            return []
        return [f"{short(opened.log.name)} holds other events than those that the run was fitted on; histories are read as they are now"]


# ---- ids


# ---- plain values


def _because(one: say_as.Sentence) -> str:
    if one.right:
        return f" -> {' '.join(one.right)}"
    return f" ({one.why})" if one.why else ""


def _words(text: Any, lang: Lang) -> str:
    """A text of the meta data; a window is a list of its two ends, of which either may be open."""
    if text is None:
        return ""
    if isinstance(text, list | tuple):
        return " – ".join("" if part is None else str(plain(part)) for part in text)
    return str(in_language(text, lang))


def _moment(microseconds: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)).isoformat()


# ---- files


def _stamp(path: Path) -> tuple[object, ...]:
    """Tells a file or a folder from what stands there later; empty where nothing does."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_size


def _check_run(run: Path) -> Mapping[str, Any]:
    from footpath.experiments.runs import read_record

    record, _ = read_record(run)
    if record.get("answers", "items") != "items":
        raise RunError(f"{run} is a run of {record['model']}, which says how likely an act is; pass a run of a model that lists items")
    return record


def _connection(log: EventLog) -> Any:
    return log.table.get_backend().con
