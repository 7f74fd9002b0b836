"""What an assistant is told, and what it may ask: the typed arguments and answers of the tools in `footpath.experiments.assistant`."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from footpath.page.text import Lang

MOST_ROWS: Final = 200
MOST_LISTED: Final = 100
LONGEST_ID: Final = 500
LONGEST_QUESTION: Final = 1_000
LONGEST_PROSE: Final = 20_000


def clean(value: Any) -> Any:
    """The same without halves of surrogate pairs, which no JSON on the wire may hold."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {clean(name): clean(part) for name, part in value.items()}
    if isinstance(value, list):
        return [clean(part) for part in value]
    return value


def _from_json(value: Any) -> Any:
    """Some clients write an object or a list as a text that holds its JSON."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return clean(json.loads(value))
        except (ValueError, RecursionError):
            return value
    return value


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


Id = Annotated[str, Field(min_length=1, max_length=LONGEST_ID)]
Language = Annotated[Lang, Field(description="Language of the sentences: en or zh.")]
Rows = Annotated[int, Field(ge=0, le=MOST_ROWS, description="At most so many rows of the table.")]
FirstRow = Annotated[int, Field(ge=0, le=10**9, description="Rows before this one (from 0) are left out: to page through a long table.")]
History = Annotated[
    Annotated[list[Id], Field(max_length=5_000)] | None,
    BeforeValidator(_from_json),
    Field(description="Item ids, oldest first, instead of a user; an empty list is somebody new."),
]


class DescribeLog(_Asked):
    lang: Language = "en"


class Analyses(_Asked):
    name: Annotated[str | None, Field(max_length=60, description="Of one analysis: only this one, with what its options mean.")] = None
    lang: Language = "en"


class Analyze(_Asked):
    name: Annotated[str, Field(max_length=60, description="Of an analysis, as `analyses` lists them, such as funnel.")]
    options: Annotated[
        dict[str, Any],
        BeforeValidator(_from_json),
        Field(
            description='Options by name, as `analyses` lists them, such as {"steps": ["view", "cart", "purchase"]}; without them defaults.'
        ),
    ] = {}
    table: Annotated[
        str | None, Field(max_length=100, description="One of the further `tables` of the answer, instead of the main one.")
    ] = None
    rows: Rows = 20
    first_row: FirstRow = 0
    cells: Annotated[
        str, Field(max_length=LONGEST_ID, description="Only cells whose id goes on so after the name: to reach those cut off.")
    ] = ""
    lang: Language = "en"


class Ask(_Asked):
    question: Annotated[
        str,
        Field(
            min_length=1, max_length=LONGEST_QUESTION, description="A question about the log in plain English or Chinese, one at a time."
        ),
    ]
    lang: Annotated[Lang | None, Field(description="Of question and answer; found by the script without it.")] = None
    rows: Rows = 20


class Profile(_Asked):
    user: Annotated[Id | None, Field(description="A user id of the log. Give either this or segment.")] = None
    segment: Annotated[Id | None, Field(description="A rule that takes users, such as device=phone, or purchase>=3 and country!=FR.")] = (
        None
    )
    lang: Language = "en"


class Check(_Asked):
    claim: Annotated[
        dict[str, Any] | None,
        BeforeValidator(_from_json),
        Field(
            description="What to compute and, with comparison and value, what is stated of it. Give either this or cell.",
        ),
    ] = None
    cell: Annotated[
        Id | None, Field(description="The id of a figure in an earlier answer of this server: it is computed again and shown.")
    ] = None
    rows: Annotated[int, Field(ge=0, le=20, description="At most so many rows of evidence.")] = 5
    lang: Language = "en"


class CheckClaims(_Asked):
    text: Annotated[
        str,
        Field(
            min_length=1, max_length=LONGEST_PROSE, description="Prose about the log in English or Chinese, such as a draft of your answer."
        ),
    ]
    lang: Annotated[Lang | None, Field(description="Of the text; found for each sentence by its script without it.")] = None


class Recommend(_Asked):
    user: Annotated[Id | None, Field(description="A user id; one never seen gets what most users do. Give either this or history.")] = None
    history: History = None
    k: Annotated[int, Field(ge=1, le=MOST_LISTED, description="Length of the list.")] = 10


class Explain(_Asked):
    item: Annotated[Id | None, Field(description="The id of the item to explain; the first recommendation without it.")] = None
    user: Annotated[Id | None, Field(description="A user id of the log. Give either this or history.")] = None
    history: History = None
    k: Annotated[int, Field(ge=1, le=MOST_LISTED, description="Length of the list that the item is in, or is not.")] = 10
    most: Annotated[int, Field(ge=1, le=10, description="Events that may be cited.")] = 3
    lang: Language = "en"


# ---- answers


class Cell(BaseModel):
    """One figure. cell: its id, to cite it by and to give to `check`. n: the denominator behind it; small: fewer than 30."""

    cell: str
    value: Any = None
    unit: str = ""
    n: int | None = None
    small: bool = False
    low: float | None = Field(default=None, description="Lower end of the interval.")
    high: float | None = None
    note: str = ""
    definition: str = ""
    claim: dict[str, Any] | None = Field(default=None, description="What was computed, as `check` takes it.")


class Table(BaseModel):
    """Some rows of a table that has `total` of them, from row `first` on."""

    columns: list[str] = []
    rows: list[list[Any]] = []
    first: int = 0
    total: int = 0


class Answer(BaseModel):
    """text: the answer in short, with the ids of its figures in brackets. cut: what was left out to keep the answer short."""

    text: str
    cut: list[str] = []


class Description(Answer):
    log: str
    fingerprint: str = Field(description="Of the data: cells of two logs are the same only where it is.")
    figures: list[Cell]
    event_types: dict[str, int] = Field(description="Rows of each type, impressions too.")
    columns: dict[str, list[str]] = Field(description="Of the events, the items and the users.")
    categories: list[str]
    brands: list[str]
    segments: dict[str, list[str]] = Field(description="Columns of users with their values, for rules such as device=phone.")
    doubts: list[str] = Field(description="What the quality report warns of.")
    conventions: list[str] = Field(description="What the words mean that claims, questions and answers use.")
    predicates: dict[str, str] = Field(description="What a claim can be about, with its arguments.")
    questions: list[str] = Field(description="Examples that `ask` answers.")
    analyses: list[str]
    run: dict[str, Any] | None = Field(default=None, description="The model that `recommend` and `explain` ask.")


class Option(BaseModel):
    name: str
    takes: str
    default: Any = None


class AnalysisEntry(BaseModel):
    name: str
    title: str
    about: str
    options: list[Option]
    details: str = Field(default="", description="How it is computed and what its options mean; where it was asked for by name.")


class AnalysisList(Answer):
    analyses: list[AnalysisEntry]


class Finding(BaseModel):
    text: str
    kind: str = Field(description="finding (what people do), doubt (what may mislead), question (what to look at next)")
    cells: list[str]


class AnalysisAnswer(Answer):
    name: str
    title: str
    definition: str
    population: str
    window: str
    options: dict[str, str]
    cells: list[Cell]
    n_cells: int = Field(description="How many cells there are; get others with the argument cells.")
    findings: list[Finding]
    warnings: list[str]
    table: Table
    tables: list[str] = Field(description="Further tables, for the argument table.")
    empty: bool = Field(description="Nothing was left to measure; warnings say why.")


class AskAnswer(Answer):
    question: str
    answered: bool
    value: Any = None
    cells: list[Cell]
    plan: dict[str, Any]
    table: Table | None = None
    refused: str = ""
    close: list[str] = Field(default=[], description="Names that are written nearly alike.")
    can_ask: list[str] = Field(default=[], description="Questions that this log answers, where this one is refused.")
    notes: list[str] = []


class Trait(BaseModel):
    section: Literal["interests", "habits", "drift", "next"]
    text: str
    cell: str


class ProfileAnswer(Answer):
    who: str
    traits: list[Trait]
    cells: list[Cell]
    left_out: list[str]


class CheckAnswer(Answer):
    holds: bool | None = Field(description="Whether the statement is true; null where nothing was stated, or it cannot be said.")
    cell: Cell
    parts: dict[str, Any] = Field(description="The figures behind the value, such as the numerator of a share.")
    why: str = ""
    evidence: Table
    """Rows of the log, or of counts, that bear the value out."""


class Sentence(BaseModel):
    sentence: str
    verdict: Literal["true", "false", "not checkable"]
    right: list[str] = Field(default=[], description="What is true instead, where it is false.")
    why: str = ""
    cells: list[str] = []


class ClaimsAnswer(Answer):
    counts: dict[str, int] = Field(description="Sentences by verdict.")
    sentences: list[Sentence]
    cells: list[Cell]


class Recommended(BaseModel):
    rank: int
    item_id: str
    title: str
    score: Any = Field(default=None, description="The model's own scale: it orders items and is no probability.")
    cell: str
    because_item_id: str | None = Field(default=None, description="The event of the history without which the score falls most.")
    because_title: str = ""


class RecommendAnswer(Answer):
    model: str
    user: str | None
    basis: str
    history: list[dict[str, str]] = Field(description="The newest events that the model read, oldest first.")
    n_history: int
    unknown_items: list[str]
    items: list[Recommended]
    notes: list[str]


class Cited(BaseModel):
    place: int = Field(description="In the history, from 1, the oldest.")
    item_id: str
    title: str
    event_type: str | None
    time: str | None
    score_drop: float | None = Field(description="How far the score falls without this event alone.")
    rank_without: int | None


class ExplainAnswer(Answer):
    model: str
    user: str | None
    item_id: str
    title: str
    rank: int
    basis: str = Field(description="events: those cited carry the item; history: no few events do; nothing: the deletion test failed.")
    cited: list[Cited]
    sentences: list[str]
    evidence: list[str]
    limits: list[str]
    cells: list[Cell]
    notes: list[str]
