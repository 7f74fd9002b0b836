"""Profiles of items and users, written once by a language model or by a template, and read as features: serving calls no model.

What a model writes is checked against the rows that it was shown; what does not pass is replaced by the template, with the reason. A
profile is kept as soon as it is written, so that a kill loses one at most, and is not written again while nothing that it rests on changes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse as sp
from jaxtyping import Float32

from footpath.errors import ConfigError, DataError
from footpath.llm.gateway.backends import Message
from footpath.llm.gateway.gateway import Gateway
from footpath.llm.gateway.quoting import RULE, quoted
from footpath.llm.text.embed import encode_texts
from footpath.llm.text.encoders import TextEncoder
from footpath.models.item_text import projected, text_vectors, unit_rows, whiten, words
from footpath.progress import Progress
from footpath.sequences.dataset import ItemFeatures
from footpath.sequences.vocabulary import Vocabulary

if TYPE_CHECKING:
    from pydantic import BaseModel

PROFILES: Final = pa.schema(
    {
        "id": pa.string(), "text": pa.string(), "tags": pa.list_(pa.string()), "origin": pa.string(), "why": pa.string(),
        "model": pa.string(), "prompt_tokens": pa.int64(), "completion_tokens": pa.int64(), "cpu_seconds": pa.float64(), "key": pa.string(),
    }
)  # fmt: skip
"""origin: model or template. why: of a template, why it is none of the model. model: its identity with the digest of its weights, empty
of a template that no model was asked for. Tokens and CPU-seconds: what it took, 0 from the cache. key: a hash of what the row rests on."""

ITEM_PURPOSE: Final = "item profile"
USER_PURPOSE: Final = "user profile"
_VERSION: Final = 1
_ANSWER_TOKENS: Final = 96
_TEXT, _TAG, _TAGS = 160, 24, 4
_NAMES, _TITLES = 5, 8  # of a user
_HAN: Final = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)*")
_WORD: Final = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?")
_PLAIN: Final = frozenset(
    [
        "a", "an", "and", "are", "as", "both", "by", "chose", "chooses", "enjoy", "enjoys", "film", "films", "for", "genre",
        "genres", "has", "have", "in", "including", "interest", "interested", "interests", "is", "item", "items", "like", "likes",
        "movie", "movies", "of", "on", "or", "person", "product", "products", "someone", "somebody", "such", "the", "their", "they",
        "things", "this", "title", "titles", "to", "user", "who", "with",
    ]
)  # fmt: skip
_PLAIN_HAN: Final = frozenset("这该位名个用户人喜欢爱好感兴趣对和与及以的等类还有也看过选择买电影片商品作品是在包括")
_ASK_ITEM: Final = (
    f"You write about items of a catalogue. {RULE} text: one short sentence on what kind of item it is, without names and numbers that are "
    "not in its row. tags: up to four single words, such as its theme, its mood or whom it is for."
)
_ASK_USER: Final = (
    f"You write about the interests of people. {RULE} text: one short sentence with names from the lists only, without numbers. "
    "tags: up to four names from the lists."
)
_EXAMPLE_ITEM: Final = (
    "Row: <data>Kettle Plain. kitchen. steel, electric</data>",
    '{"text": "A simple electric kettle for tea and coffee at home.", "tags": ["tea", "everyday", "home", "warm"]}',
)
_EXAMPLE_USER: Final = (
    "Kinds: <data>Garden; Tools</data>\nTitles: <data>Spade; Rake</data>",
    '{"text": "Interested in Garden and Tools, such as Spade and Rake.", "tags": ["Garden", "Tools"]}',
)


class Facts(Protocol):
    """What is known of an item or a user: what is asked of a model, what stands in for its answer, and what of an answer is borne out."""

    @property
    def id(self) -> str: ...
    @property
    def purpose(self) -> str: ...

    def prompt(self) -> list[Message]: ...

    def fields(self) -> Mapping[str, Sequence[str]]:
        """What of the log the prompt holds, by the names of `footpath.llm.gateway.egress.FIELDS`."""
        ...

    def template(self) -> tuple[str, tuple[str, ...]]:
        """Text and tags that are true by construction, in Chinese where the names are."""
        ...

    def refusal(self, text: str) -> str:
        """Why a text is not borne out; empty where it is."""
        ...

    def kept(self, tags: Sequence[str]) -> tuple[str, ...]:
        """The tags that are borne out."""
        ...


@dataclass(frozen=True)
class ItemFacts:
    """The row of an item. more: further columns with their values, such as brand or release_year."""

    id: str
    title: str = ""
    category: str = ""
    attributes: tuple[str, ...] = ()
    text: str = ""
    more: tuple[tuple[str, str], ...] = ()
    purpose: str = ITEM_PURPOSE

    def prompt(self) -> list[Message]:
        return _shown(_ASK_ITEM, _EXAMPLE_ITEM, f"Row: {quoted('. '.join(part for part in self._parts() if part), limit=400)}")

    def fields(self) -> dict[str, list[str]]:
        columns = {"title": self.title, "category": self.category, "attributes": " ".join(self.attributes), "text": self.text}
        return {f"item.{_column(name)}": [value] for name, value in (*columns.items(), *self.more) if value}

    def template(self) -> tuple[str, tuple[str, ...]]:
        said = [self.category, _listed(self.attributes, self._chinese), *(f"{name.replace('_', ' ')} {value}" for name, value in self.more)]
        mark = "；" if self._chinese else "; "
        return mark.join(part for part in said if part), self.attributes[:_TAGS]

    def refusal(self, text: str) -> str:
        """Numbers and names that the row lacks are statements on the world that nothing here can check."""
        row = ". ".join(self._parts())
        if _repeats(text, (_ASK_ITEM, *_EXAMPLE_ITEM)):
            return "it repeats the question"
        if strange := [number for number in _NUMBER.findall(text) if number not in _NUMBER.findall(row)]:
            return f"the number {strange[0]} is not in the row"
        known = {word.casefold() for word in _WORD.findall(row)}
        for sentence in re.split(r"[.!?]\s+", text):
            for word in _WORD.findall(sentence)[1:]:
                if word[0].isupper() and len(word) > 1 and word.casefold() not in known:
                    return f"the name {word} is not in the row"
        if not set(words(text)) - set(words(row)):
            return "it says nothing that the row does not"
        return ""

    def kept(self, tags: Sequence[str]) -> tuple[str, ...]:
        """Single words in lower case; numbers only of the row."""
        row = set(_NUMBER.findall(". ".join(self._parts())))
        plain = (" ".join(tag.casefold().split()) for tag in tags)
        return tuple(dict.fromkeys(tag for tag in plain if tag and " " not in tag and set(_NUMBER.findall(tag)) <= row))[:_TAGS]

    @property
    def _chinese(self) -> bool:
        return bool(_HAN.search(self.title + self.category))

    def _parts(self) -> list[str]:
        more = [f"{name.replace('_', ' ')}: {value}" for name, value in self.more]
        return [self.title, self.category, ", ".join(self.attributes), *more, self.text]


@dataclass(frozen=True)
class UserFacts:
    """names: the categories, or attributes where there are none, of what a user acted on, the most frequent first. titles: newest first."""

    id: str
    names: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()
    purpose: str = USER_PURPOSE

    def prompt(self) -> list[Message]:
        names, titles = ("; ".join(found) for found in (self.names[:_NAMES], self.titles[:_TITLES]))
        return _shown(_ASK_USER, _EXAMPLE_USER, f"Kinds: {quoted(names)}\nTitles: {quoted(titles, limit=500)}")

    def fields(self) -> dict[str, list[str]]:
        found = {"item.category": list(self.names[:_NAMES]), "item.title": list(self.titles[:_TITLES])}
        return {name: values for name, values in found.items() if values}

    def template(self) -> tuple[str, tuple[str, ...]]:
        """Counted, so true: the most frequent kinds and the newest titles."""
        chinese = bool(_HAN.search("".join((*self.names, *self.titles))))
        often, lately = _listed(self.names[:3], chinese), ("、" if chinese else "; ").join(self.titles[:3])  # titles have commas
        words_of = ("最常：", "最近：", "；", "。") if chinese else ("Most often ", "Lately ", ". ", ".")
        said = [mark + names for mark, names in zip(words_of, (often, lately), strict=False) if names]
        return words_of[2].join(said) + (words_of[3] if said else ""), self.names[:3]

    def refusal(self, text: str) -> str:
        """Beside names of the history only words may stand that say nothing of their own: no number, no time, no negation, no judgement."""
        if number := _NUMBER.search(self._without_names(text)):
            return f"the number {number[0]} is not checked"
        rest = self._without_names(text)
        if rest.casefold() == text.casefold():
            return "it names nothing of the history"
        for word in _WORD.findall(rest):
            if _HAN.search(word):
                if strange := [character for character in word if character not in _PLAIN_HAN]:
                    return f"{strange[0]} is neither in the history nor a plain word"
            elif word.casefold() not in _PLAIN:
                return f"{word} is neither in the history nor a plain word"
        return ""

    def kept(self, tags: Sequence[str]) -> tuple[str, ...]:
        known = {name.casefold(): name for name in (*self.titles[:_TITLES], *self.names[:_NAMES])}
        plain = (" ".join(tag.casefold().split()) for tag in tags)
        return tuple(dict.fromkeys(known[tag] for tag in plain if tag in known))[:_TAGS]

    def _without_names(self, text: str) -> str:
        for name in sorted({*self.names[:_NAMES], *self.titles[:_TITLES]}, key=len, reverse=True):
            bound = "" if _HAN.search(name) else r"(?!\w)"
            if name.strip():
                text = re.sub(("" if _HAN.search(name) else r"(?<!\w)") + re.escape(name) + bound, " ", text, flags=re.IGNORECASE)
        return text


def write_profiles(
    facts: Sequence[Facts], gateway: Gateway, into: Path, *, most: int | None = None, progress: Progress | None = None
) -> pa.Table:
    """A row of `PROFILES` for each of the facts, kept in a Parquet file; what stands there and rests on the same is taken over.

    most: so many of the first are asked of the model, the others are templates. Until all are there, those that are lie beside the file,
    in `.NAME.unfinished`, from where the next call goes on. Raises ConfigError, DataError (a file that is none of ours).
    """
    if most is not None and most < 0:
        raise ConfigError(f"at most how many profiles a model may write must be 0 or more, got {most}")
    journal = into.with_name(f".{into.name}.unfinished")
    into.parent.mkdir(parents=True, exist_ok=True)
    known = {row["key"]: row for row in (*_stored(into), *_unfinished(journal)) if row["key"]}
    model = "" if gateway.backend is None else gateway.backend.identity
    rows = []
    with journal.open("ab") as file:
        for done, one in enumerate(facts):
            if progress is not None:
                progress(f"{one.purpose}s", done, len(facts))
            writer = model if most is None or done < most else ""
            row = known.get(_key(one, writer))
            if row is None:
                row = _written(one, gateway, writer)
                if writer:  # templates cost nothing to write again
                    file.write(json.dumps(row, ensure_ascii=False).encode(errors="replace") + b"\n")
                    file.flush()
                    os.fsync(file.fileno())
            rows.append(row)
    table = pa.Table.from_pylist(rows, PROFILES)
    building = into.with_name(f".{into.name}.writing")
    pq.write_table(table, building)
    building.replace(into)
    journal.unlink(missing_ok=True)
    return table


def read_profiles(path: Path) -> pa.Table:
    """What `write_profiles` wrote; raises DataError for any other file."""
    try:
        table = pq.read_table(path)
        if table.schema.names != PROFILES.names:
            raise DataError(f"{path} has the columns {', '.join(table.schema.names)}, profiles have {', '.join(PROFILES.names)}")
        return table.cast(PROFILES)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path} holds no profiles ({error}); write them with `footpath knowledge STORE --into DIR`") from error


def profile_texts(profiles: pa.Table) -> dict[str, str]:
    """Text and tags of each profile in one line, by id; tags that the text has are not said again."""
    found = {}
    for row in profiles.select(["id", "text", "tags"]).to_pylist():
        tags = ", ".join(tag for tag in row["tags"] if tag.casefold() not in row["text"].casefold())
        found[row["id"]] = ". ".join(part for part in (row["text"].rstrip("."), tags) if part)
    return found


def with_profiles(features: ItemFeatures, items: Vocabulary, profiles: pa.Table) -> ItemFeatures:
    """The features with each item's profile behind its text, to be read by words or encoded anew; vectors of before are left out."""
    texts = list(features.texts)
    found = profile_texts(profiles)
    for index, id in enumerate(items.ids.to_pylist(), start=1):
        if profile := found.get(id):
            texts[index] = ". ".join(part for part in (texts[index], profile) if part)
    return dataclasses.replace(features, texts=texts, vectors=None)


def profile_vectors(
    texts: Sequence[str], encoder: TextEncoder | None, dim: int = 8, *, cache: Path | None = None, seed: int = 0
) -> Float32[np.ndarray, "n D"]:
    """A row of at most `dim` numbers for each text, whitened: its strongest directions. Without an encoder, of weighed words."""
    if dim < 1:
        raise ConfigError(f"dim of profile vectors must be at least 1, got {dim}")
    rows = ["", *texts]
    if not any(rows):
        return np.zeros((len(texts), 0), np.float32)
    empty = [""] * len(rows)
    vectors = encode_texts(rows, encoder, cache=cache) if encoder is not None else None
    narrow = text_vectors(ItemFeatures(rows, empty, empty, [()] * len(rows), vectors), dim, seed=seed)
    if narrow.shape[1] > dim:
        narrow = projected(sp.csr_matrix(unit_rows(whiten(narrow, shrinkage=0.5))), dim, seed)
    return whiten(narrow)[1:]


def tokens_ahead(facts: Sequence[Facts], gateway: Gateway, *, most: int | None = None, sample: int = 8) -> tuple[int, int, int]:
    """Profiles that a model would be asked for, and their tokens, prompts and longest answers, by the mean of a sample."""
    asked = list(facts if most is None else facts[:most]) if gateway.has_model else []
    some = asked[:: max(1, len(asked) // sample)][:sample]
    if not some:
        return 0, 0, 0
    guesses = [gateway.estimate(one.prompt(), _schema(), max_tokens=_ANSWER_TOKENS, fields=one.fields()) for one in some]
    prompts = sum(guess.prompt_tokens for guess in guesses) / len(some)
    return len(asked), round(prompts * len(asked)), _ANSWER_TOKENS * len(asked)


def _written(one: Facts, gateway: Gateway, writer: str) -> dict[str, Any]:
    text, tags = one.template()
    row: dict[str, Any] = {"id": one.id, "text": text, "tags": list(tags), "origin": "template", "why": "", "model": writer}
    row |= {"prompt_tokens": 0, "completion_tokens": 0, "cpu_seconds": 0.0, "key": _key(one, writer)}
    if not writer:
        return row
    answer = gateway.ask(one.prompt(), _schema(), purpose=one.purpose, fields=one.fields(), max_tokens=_ANSWER_TOKENS)
    row |= {name: getattr(answer, name) for name in ("prompt_tokens", "completion_tokens", "cpu_seconds")}
    if answer.value is None:
        return row | {"why": answer.why, "key": ""}  # a server may be up again: asked once more the next time
    said = " ".join(answer.value.text.split())
    if why := one.refusal(said) if said else "it wrote nothing":
        return row | {"why": why}
    return row | {"text": said, "tags": list(one.kept(answer.value.tags)), "origin": "model"}


def _schema() -> Any:
    from pydantic import Field, create_model

    tags = list[Annotated[str, Field(max_length=_TAG)]]
    schema: type[BaseModel] = create_model(
        "Profile", text=(Annotated[str, Field(max_length=_TEXT)], ...), tags=(Annotated[tags, Field(max_length=_TAGS)], ...)
    )
    return schema


def _key(one: Facts, writer: str) -> str:
    known = json.dumps([_VERSION, writer, one.purpose, one.id, one.prompt(), one.template()], ensure_ascii=True)
    return hashlib.sha256(known.encode()).hexdigest()


def _stored(path: Path) -> list[dict[str, Any]]:
    return read_profiles(path).to_pylist() if path.exists() else []


def _unfinished(journal: Path) -> Iterator[dict[str, Any]]:
    """Whole lines; the last may be torn by a kill."""
    if not journal.is_file():
        return
    for line in journal.read_bytes().splitlines():
        try:
            row = json.loads(line)
            pa.Table.from_pylist([row], PROFILES)
            yield {name: row[name] for name in PROFILES.names}
        except (ValueError, KeyError, TypeError, AttributeError, pa.ArrowException):
            continue


def _shown(ask: str, example: tuple[str, str], question: str) -> list[Message]:
    """A small model copies the instruction where it sees no example."""
    turns = [("system", ask), ("user", example[0]), ("assistant", example[1]), ("user", question)]
    return [{"role": role, "content": content} for role, content in turns]


def _repeats(text: str, asked: Sequence[str]) -> bool:
    """Whether half or more of a text's runs of three words stand in what was asked."""
    known = {run for part in asked for run in _runs(part)}
    own = _runs(text)
    return bool(own) and 2 * sum(run in known for run in own) >= len(own)


def _runs(text: str) -> list[tuple[str, ...]]:
    found = list(words(text))
    return [tuple(found[start : start + 3]) for start in range(len(found) - 2)]


def _column(name: str) -> str:
    plain = re.sub(r"[^a-z0-9_]", "_", name.casefold())
    return plain if plain[:1].isalpha() else f"c_{plain}"


def _listed(names: Sequence[str], chinese: bool) -> str:
    return ("、" if chinese else ", ").join(name for name in names if name)
