"""What is written about items as vectors of an encoder, each text encoded once and kept on disk by the hash of its content.

The vectors go into `ItemFeatures.vectors`, from where every model that reads item text takes them; without an encoder, models make their
own from words (footpath.models.item_text), which needs no package and no cache.
"""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float32

from footpath.errors import ConfigError, EncoderError, did_you_mean
from footpath.llm.text.encoders import TextEncoder, cleaned, minilm, multilingual_e5, static_vectors
from footpath.progress import Progress
from footpath.sequences.dataset import ItemFeatures

ENCODERS: Final[dict[str, Callable[[], TextEncoder]]] = {"static": static_vectors, "minilm": minilm, "e5": multilingual_e5}
"""The encoders on this machine by name."""
WORDS: Final = ("auto", "tfidf", "none")
"""Names that stand for no encoder: models weigh words by themselves. Whoever has the log may choose better where it reads `auto`."""
_KEPT_AT_ONCE: Final = 256  # texts: what a kill loses


def text_encoder(name: str) -> TextEncoder | None:
    """An encoder by name, or behind the URL of an embeddings server; None for `WORDS`.

    `URL#MODEL`: a server that speaks OpenAI's `/v1/embeddings`, such as `http://127.0.0.1:8080/v1#bge-m3`.
    Raises ConfigError, MissingExtraError where its package is not installed.
    """
    if name in WORDS:
        return None
    if name.startswith(("http://", "https://")):
        from footpath.llm.text.embedding_server import embedding_server

        return embedding_server(name)
    if name not in ENCODERS:
        known = (*WORDS, *ENCODERS)
        raise ConfigError(f"no text encoder {name!r}{did_you_mean(name, known)}; there are: {', '.join(known)}, or URL#MODEL of a server")
    return ENCODERS[name]()


def item_texts(features: ItemFeatures) -> list[str]:
    """One text for each item: title, free text, category, and those attributes that are words; empty for padding."""
    found = [""]
    for i in range(1, len(features.titles)):
        attributes = [a.replace("_", " ") for a in features.attributes[i] if any(c.isalpha() for c in a)]
        parts = [features.titles[i], features.texts[i], features.categories[i], ", ".join(attributes)]
        found.append(cleaned(". ".join(part for part in parts if part)))
    return found


def encode_items(
    features: ItemFeatures, encoder: TextEncoder, *, cache: Path | None = None, progress: Progress | None = None
) -> Float32[np.ndarray, "N D"]:
    """A vector of length 1 for each item, of `item_texts`; zeros for padding and for items without text.

    cache: a folder, where None nothing is kept. Raises EncoderError where an encoder gives something else than finite vectors.
    """
    return encode_texts(item_texts(features), encoder, cache=cache, progress=progress)


def encode_texts(
    texts: Sequence[str], encoder: TextEncoder, *, cache: Path | None = None, progress: Progress | None = None
) -> Float32[np.ndarray, "n D"]:
    """A vector for each text; equal texts are encoded once, those in the cache not at all."""
    read = [cleaned(text) for text in texts]
    wanted = sorted({text for text in read if text}, key=lambda text: (len(text), text))  # of like length together: little padding
    kept = _Kept(cache, encoder)
    known = kept.read(wanted)
    missing = [text for text in wanted if text not in known]
    for start in range(0, len(missing), _KEPT_AT_ONCE):
        if progress is not None:
            progress(f"text vectors, {encoder.name}", start, len(missing))
        some = missing[start : start + _KEPT_AT_ONCE]
        vectors = _checked(encoder.encode(some), len(some), encoder)
        kept.write(some, vectors)
        known |= zip(some, vectors, strict=True)
    found = np.zeros((len(texts), encoder.dim), np.float32)
    for i, text in enumerate(read):
        if text:
            found[i] = known[text]
    return found


def cache_folder() -> Path:
    """Where vectors are kept unless said otherwise: FOOTPATH_CACHE, else `footpath` in the user's folder of caches."""
    if "FOOTPATH_CACHE" in os.environ:
        return Path(os.environ["FOOTPATH_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "footpath"


@dataclass(frozen=True)
class _Kept:
    """One SQLite file an encoder, which a kill leaves whole; one that cannot be read or written is done without."""

    folder: Path | None
    encoder: TextEncoder

    def read(self, texts: Sequence[str]) -> dict[str, Float32[np.ndarray, " D"]]:
        by_key = {_key(text): text for text in texts}
        found: dict[str, Float32[np.ndarray, " D"]] = {}
        path = self._path()
        if path is None or not path.is_file():
            return found
        keys = list(by_key)
        try:
            with _opened(path) as file:
                for start in range(0, len(keys), 500):
                    some = keys[start : start + 500]
                    query = f"SELECT key, vector FROM vectors WHERE key IN ({','.join('?' * len(some))})"
                    for key, blob in file.execute(query, some):
                        if isinstance(blob, bytes) and len(blob) == 4 * self.encoder.dim:
                            vector = np.frombuffer(blob, "<f4").astype(np.float32)
                            if np.isfinite(vector).all():
                                found[by_key[key]] = vector
        except sqlite3.DatabaseError:
            return {}
        return found

    def write(self, texts: Sequence[str], vectors: Float32[np.ndarray, "n D"]) -> None:
        path = self._path()
        if path is None:
            return
        rows = [(_key(text), vector.astype("<f4").tobytes()) for text, vector in zip(texts, vectors, strict=True)]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._add(path, rows)
        except sqlite3.OperationalError:  # busy, or the disk is full
            return
        except sqlite3.DatabaseError:  # damaged
            path.unlink(missing_ok=True)
            self._add(path, rows)
        except OSError:
            return

    @staticmethod
    def _add(path: Path, rows: Sequence[tuple[bytes, bytes]]) -> None:
        with _opened(path) as file:
            file.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID")
            file.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)

    def _path(self) -> Path | None:
        if self.folder is None:
            return None
        name = hashlib.sha256(self.encoder.identity.encode()).hexdigest()[:16]
        return self.folder / "text-vectors" / f"{re.sub(r'[^a-z0-9]+', '-', self.encoder.name.lower())[:40]}-{name}.sqlite"


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that is committed and closed, or rolled back and closed."""
    file = sqlite3.connect(path, timeout=10)
    try:
        with file:
            yield file
    finally:
        file.close()


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _checked(vectors: np.ndarray, n: int, encoder: TextEncoder) -> Float32[np.ndarray, "n D"]:
    if vectors.shape != (n, encoder.dim) or not np.isfinite(vectors).all():
        raise EncoderError(
            f"the encoder {encoder.name} gave vectors of shape {vectors.shape} for {n} texts, or some that are not finite; "
            f"{encoder.dim} finite numbers a text were expected: choose another encoder"
        )
    return vectors.astype(np.float32, copy=False)
