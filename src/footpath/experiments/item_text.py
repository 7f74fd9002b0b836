"""Text encoders where logs and runs meet them: vectors beside the item table before a fit, and for items that came after it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import ibis
import pyarrow as pa

from footpath.errors import ConfigError, MissingExtraError, RunError
from footpath.events.log import EventLog
from footpath.events.readers import read_items
from footpath.llm.text.embed import cache_folder, encode_items, item_texts, text_encoder
from footpath.llm.text.encoders import TextEncoder
from footpath.progress import Progress
from footpath.recommender import TakesNewItems
from footpath.sequences.build import item_features
from footpath.sequences.vocabulary import Vocabulary

if TYPE_CHECKING:
    from footpath.experiments.runs import Run


_MOST_ITEMS: Final = 200_000
_LATIN_SHARE: Final = 0.8


def encoder_for(text: str, log: EventLog, models: Iterable[tuple[str, Mapping[str, object]]]) -> TextEncoder | None:
    """The encoder that `--text` names, None for words; models: names and hyper-parameters of those that will read the log.

    auto: static vectors where one of the models reads item text, most letters of the item table are Latin and the package is installed,
    for up to 200,000 items; else words. On amazon-beauty they are better than words alone at next to no cost (docs/item-text.md); of
    scripts that they hardly know, words know more. Raises ConfigError, MissingExtraError for a name.
    """
    if text != "auto":
        return text_encoder(text)
    if log.items is None or not any(_reads_text(name, fields) for name, fields in models):
        return None
    table = log.items.to_pyarrow()
    if table.num_rows > _MOST_ITEMS:
        return None
    written = "".join(item_texts(item_features(log.items, Vocabulary(table["item_id"].combine_chunks()))))
    letters = [character for character in written if character.isalpha()]
    if not letters or sum(character < "\u0250" for character in letters) < _LATIN_SHARE * len(letters):
        return None
    try:
        return text_encoder("static")
    except MissingExtraError:
        return None


def _reads_text(name: str, fields: Mapping[str, object]) -> bool:
    """Of models that are combined, such as those of a mixture, by the fields that name them and their settings."""
    return name == "content" or any("text" in str(value) or "content" in str(value) for value in fields.values())


def with_text(log: EventLog, encoder: TextEncoder | None, *, cache: Path | None = None, progress: Progress | None = None) -> EventLog:
    """The log with a vector for each item of its item table, which every model that reads item text takes in the place of words.

    cache: where vectors are kept; the user's folder of caches where None. Raises ConfigError where the log has no item table.
    """
    if encoder is None:
        return log
    if log.items is None:
        raise ConfigError(
            f"--text {encoder.name} reads titles and texts of items, and log {log.name!r} has no item table: ingest it with one"
        )
    table = log.items.to_pyarrow()
    features = item_features(log.items, Vocabulary(table["item_id"].combine_chunks()))
    vectors = encode_items(features, encoder, cache=cache or cache_folder(), progress=progress)
    lists = pa.FixedSizeListArray.from_arrays(pa.array(vectors[1:].reshape(-1)), encoder.dim)
    return dataclasses.replace(log, items=ibis.memtable(table.append_column("vectors", lists)))


def told(encoder: TextEncoder | None) -> dict[str, Any]:
    """What the record of a run says of the encoder, so that later items are encoded alike."""
    return {} if encoder is None else {"text": {"encoder": encoder.name, "identity": encoder.identity, "dim": encoder.dim}}


def with_new_items(run: Run, source: Any, *, progress: Progress | None = None) -> tuple[Run, list[str]]:
    """The run with the items of a table that it does not know, recommendable at once, and their ids; nothing is learned.

    source: a path or a frame with `item_id` and titles, texts, categories. They are encoded as those of the fit were, without the cache.
    Raises ConfigError where the model cannot take in items, RunError where the encoder of the run is not the one that is installed now.
    """
    items = read_items(source)
    model = run.model
    ids = [id for id in items.item_id.to_pyarrow().to_pylist() if id not in model.items]
    if not ids:
        return run, []
    if not isinstance(model, TakesNewItems):
        raise ConfigError(
            f"{run.record['model']} knows items by what was done with them, so it cannot recommend {len(ids):,} new ones: "
            "train a model that reads their text, such as content, or sasrec with --set item_table=id+text"
        )
    features = item_features(items, Vocabulary(pa.array(ids, pa.string())))
    encoder = _encoder_of(run.record)
    if encoder is not None:
        features = dataclasses.replace(features, vectors=encode_items(features, encoder, progress=progress))
    titles, categories = dict(run.titles), dict(run.categories)
    titles |= zip(ids, features.titles[1:], strict=True)
    categories |= zip(ids, features.categories[1:], strict=True)
    return dataclasses.replace(run, model=model.with_items(ids, features), titles=titles, categories=categories), ids


def _encoder_of(record: Mapping[str, Any]) -> TextEncoder | None:
    made_with = record.get("text")
    if made_with is None:
        return None
    encoder = text_encoder(made_with["encoder"])
    if encoder is None or encoder.identity != made_with["identity"]:
        raise RunError(
            f"the item vectors of this run were made by {made_with['encoder']} ({made_with['identity']}), and the one that is installed is "
            f"another ({encoder.identity if encoder is not None else 'none'}): install that one, or train the run again"
        )
    return encoder
