"""Profiles of a store's items and users, and the tables through which models read them.

DIR/item_profiles.parquet   a row of `footpath.llm.knowledge.PROFILES` for each item of the item table, the most frequent first
DIR/user_profiles.parquet   the same for each user
DIR/items.parquet           the item table with the profile behind each text: for `footpath ingest --items`
DIR/users.parquet           the user table with the columns profile_1, profile_2 ...: for `footpath ingest --users`
DIR/knowledge.json          what was written by whom, at what cost
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from footpath.errors import ConfigError, DataError
from footpath.events.log import EventLog
from footpath.experiments.embed import before, parsed
from footpath.llm.gateway.gateway import Gateway
from footpath.llm.knowledge import Facts, ItemFacts, UserFacts, profile_texts, profile_vectors, tokens_ahead, write_profiles
from footpath.llm.text.embed import text_encoder
from footpath.progress import Progress
from footpath.sequences.build import to_sequences
from footpath.sequences.dataset import ItemFeatures, SequenceDataset

KINDS: Final = ("items", "users")
FILES: Final = ("item_profiles.parquet", "user_profiles.parquet", "items.parquet", "users.parquet", "knowledge.json")
_OF_ROW: Final = ("item_id", "title", "text", "category", "attributes", "vectors")
_LONGEST_VALUE: Final = 40
_CPU_PER_TOKEN: Final = (1 / 236, 1 / 100)  # of the packaged model: prompt, written


def write_knowledge(
    log: EventLog,
    into: Path,
    gateway: Gateway,
    *,
    kinds: Sequence[str] = KINDS,
    most: int | None = None,
    until: datetime | str | None = None,
    text: str = "auto",
    dim: int = 8,
    cache: Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write profiles and the tables that carry them; the record, as in knowledge.json.

    most: so many of each kind are asked of the model, those with most events; the others are templates. until: only events before it tell
    of users (ISO 8601, UTC without a zone), so that a test after it stays honest. text, dim: by which encoder user profiles become how many
    columns. What is there and still holds is taken over, so that a run which was stopped goes on. Raises ConfigError, DataError.
    """
    _check(into, kinds)
    encoder = text_encoder(text)
    facts = facts_of(log, kinds, until)
    into.mkdir(parents=True, exist_ok=True)
    written: dict[str, Any] = {}
    for kind in kinds:
        profiles = write_profiles(facts[kind], gateway, into / f"{kind[:-1]}_profiles.parquet", most=most, progress=progress)
        written[kind] = counted(profiles)
        if kind == "items":
            _write(into / "items.parquet", items_with_profiles(log, profiles))
        else:
            texts = profile_texts(profiles)
            vectors = profile_vectors(list(texts.values()), encoder, dim, cache=cache, seed=seed)
            _write(into / "users.parquet", users_with_profiles(log, list(texts), vectors))
    record = {
        "footpath": version("footpath"),
        "store": {"name": log.name, "fingerprint": log.fingerprint},
        "until": None if until is None else parsed(until).isoformat(),
        "language_model": "none" if gateway.backend is None else gateway.backend.identity,
        "encoder": "words" if encoder is None else encoder.identity,
        **written,
    }
    (into / "knowledge.json").write_text(json.dumps(record, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return record


def estimate(
    log: EventLog, gateway: Gateway, *, kinds: Sequence[str] = KINDS, most: int | None = None, until: str | None = None
) -> dict[str, Any]:
    """What writing would take: profiles, tokens of prompts, tokens of answers at most; CPU-seconds of the packaged model on one thread."""
    _check_kinds(kinds)
    found: dict[str, Any] = {}
    for kind, facts in facts_of(log, kinds, until).items():
        n, prompts, answers = tokens_ahead(facts, gateway, most=most)
        seconds = prompts * _CPU_PER_TOKEN[0] + answers * _CPU_PER_TOKEN[1]
        found[kind] = {"profiles": n, "of": len(facts), "prompt_tokens": prompts, "most_answer_tokens": answers}
        found[kind]["most_cpu_seconds"] = round(seconds, 1)
    return found


def facts_of(log: EventLog, kinds: Sequence[str], until: datetime | str | None = None) -> dict[str, Sequence[Facts]]:
    """What is known of the items of the item table and of all users, those with most events first."""
    events = to_sequences(before(log, None if until is None else parsed(until)))
    found: dict[str, Sequence[Facts]] = {}
    if "items" in kinds:
        found["items"] = item_facts(log, events)
    if "users" in kinds:
        found["users"] = user_facts(events, log.name)
    return found


def item_facts(log: EventLog, events: SequenceDataset) -> list[ItemFacts]:
    """Raises DataError without an item table."""
    if log.items is None:
        raise DataError(f"log {log.name!r} has no item table, so there is nothing to write about items: ingest one, or ask for users alone")
    counts = np.bincount(events.items, minlength=events.n_items)
    often = dict(zip(events.vocabulary.ids.to_pylist(), counts[1:].tolist(), strict=True))
    found: dict[str, ItemFacts] = {}
    for row in log.items.to_pyarrow().to_pylist():
        values = {name: "" if value is None else str(value).strip() for name, value in row.items() if name != "vectors"}
        more = tuple((n, v) for n, v in values.items() if n not in _OF_ROW and not n.startswith("_") and 0 < len(v) <= _LONGEST_VALUE)
        texts = {name: values.get(name, "") for name in ("title", "category", "text")}
        facts = ItemFacts(values["item_id"], **texts, attributes=tuple(values.get("attributes", "").split()), more=more)
        found.setdefault(facts.id, facts)
    return sorted(found.values(), key=lambda facts: (-often.get(facts.id, 0), facts.id))


def user_facts(events: SequenceDataset, name: str) -> list[UserFacts]:
    """Raises DataError where items have neither titles nor kinds."""
    features = events.item_features
    if features is None or not (any(features.titles) or any(features.categories) or any(features.attributes)):
        raise DataError(
            f"log {name!r} has no titles, categories or attributes of items, so nothing can be said of users: ingest an item table"
        )
    found = []
    for row, user in enumerate(events.users.to_pylist()):
        items = events.history(row)[::-1]
        kinds = Counter(kind for item in items for kind in _kinds(features, int(item)))
        names = [kind for kind, _ in sorted(kinds.items(), key=lambda pair: (-pair[1], pair[0]))]
        titles = dict.fromkeys(features.titles[item] for item in items if features.titles[item])
        found.append((len(items), UserFacts(str(user), tuple(names), tuple(titles))))
    return [facts for _, facts in sorted(found, key=lambda pair: (-pair[0], pair[1].id))]


def _kinds(features: ItemFeatures, item: int) -> tuple[str, ...]:
    category = features.categories[item]
    return (category,) if category else tuple(features.attributes[item])


def with_item_profiles(log: EventLog, profiles: pa.Table) -> EventLog:
    """The log whose items carry their profiles."""
    return dataclasses.replace(log, items=ibis.memtable(items_with_profiles(log, profiles)))


def items_with_profiles(log: EventLog, profiles: pa.Table) -> pa.Table:
    """The item table with each profile behind the item's text."""
    if log.items is None:
        raise DataError(f"log {log.name!r} has no item table to put profiles into")
    table = log.items.to_pyarrow()
    found = profile_texts(profiles)
    before_it = table["text"].to_pylist() if "text" in table.column_names else [None] * len(table)
    told = [found.get(id, "") for id in table["item_id"].to_pylist()]
    texts = [". ".join(part for part in (text, profile) if part) or None for text, profile in zip(before_it, told, strict=True)]
    kept = table.drop_columns([name for name in ("text", "vectors") if name in table.column_names])
    return kept.append_column("text", pa.array(texts, pa.string()))


def users_with_profiles(log: EventLog, users: Sequence[str], vectors: np.ndarray) -> pa.Table:
    """The user table with the columns profile_1, profile_2 ...; users that it lacks are added."""
    columns = {f"profile_{place + 1}": pa.array(column.astype(np.float64)) for place, column in enumerate(vectors.T)}
    profiles = pa.table({"user_id": pa.array(users, pa.string())} | columns)
    if log.users is None:
        return profiles
    table = log.users.to_pyarrow()
    old = [name for name in table.column_names if name.startswith("profile_")]
    return table.drop_columns(old).join(profiles, "user_id", join_type="full outer").sort_by("user_id")


def counted(profiles: pa.Table) -> dict[str, Any]:
    """How many profiles are of the model and of templates, why those are, and what all took."""
    rows = profiles.to_pylist()
    asked = [row for row in rows if row["model"]]
    return {
        "profiles": len(rows),
        "asked": len(asked),
        "by_model": sum(row["origin"] == "model" for row in rows),
        "refused": dict(Counter(_kind_of(row["why"]) for row in asked if row["why"]).most_common()),
        "prompt_tokens": sum(row["prompt_tokens"] for row in rows),
        "completion_tokens": sum(row["completion_tokens"] for row in rows),
        "cpu_seconds": round(sum(row["cpu_seconds"] for row in rows), 2),
    }


_REFUSALS: Final[Mapping[str, str]] = {
    "the number ": "a number that is not in the rows",
    "the name ": "a name that is not in the row",
    "it says nothing": "nothing that the row does not say",
    "it repeats": "the question repeated",
    "it names nothing": "no name of the history",
    "it wrote nothing": "an empty text",
}


def _kind_of(why: str) -> str:
    for beginning, kind in _REFUSALS.items():
        if why.startswith(beginning):
            return kind
    return "a word that is neither in the history nor plain" if why.endswith("nor a plain word") else why.split(":")[0]


def _check(into: Path, kinds: Sequence[str]) -> None:
    _check_kinds(kinds)
    if into.exists() and not into.is_dir():
        raise ConfigError(f"{into} is a file: profiles go into a directory")
    strange = (
        sorted(file.name for file in into.glob("*") if file.name not in FILES and not file.name.startswith(".")) if into.exists() else []
    )
    if strange:
        raise ConfigError(f"{into} holds {strange[0]!r}, which `footpath knowledge` did not write; choose another directory")


def _check_kinds(kinds: Sequence[str]) -> None:
    for kind in kinds:
        if kind not in KINDS:
            raise ConfigError(f"profiles are of items and of users, got {kind!r}")


def _write(path: Path, table: pa.Table) -> None:
    building = path.with_name(f".{path.name}.writing")
    pq.write_table(table, building)
    building.replace(path)
