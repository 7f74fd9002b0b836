"""The cache of answers: the same question has the same answer, and nothing on the disk can make it another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from footpath.errors import ConfigError
from footpath.llm.gateway.answers import AnswerCache, question_hash

KEY = question_hash({"prompt": "?"})
ANSWER = {"text": "three 三"}


def kept(folder: Path) -> Path:
    AnswerCache(folder).put(KEY, ANSWER)
    [path] = folder.rglob("*.json")
    return path


def test_an_answer_is_found_again_by_another_object(tmp_path: Path) -> None:
    AnswerCache(tmp_path / "a" / "b").put(KEY, ANSWER)
    assert AnswerCache(tmp_path / "a" / "b").get(KEY) == ANSWER
    assert AnswerCache(tmp_path / "a" / "b").get(question_hash({"prompt": "!"})) is None


def test_the_hash_is_of_the_parts_and_not_of_their_order() -> None:
    assert question_hash({"a": 1, "b": [2]}) == question_hash({"b": [2], "a": 1})
    assert question_hash({"a": 1, "b": [2]}) != question_hash({"a": 1, "b": ["2"]})


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"[]", b'{"format": 1}', json.dumps({"format": 1, "key": KEY, "answer": ANSWER}).encode()],
    ids=["empty", "truncated", "bytes", "deep", "list", "other", "no checksum"],
)
def test_a_damaged_file_is_no_answer_and_is_written_anew(content: bytes, tmp_path: Path) -> None:
    kept(tmp_path).write_bytes(content)
    cache = AnswerCache(tmp_path)
    assert cache.get(KEY) is None
    cache.put(KEY, ANSWER)
    assert cache.get(KEY) == ANSWER


def test_a_changed_answer_is_no_answer(tmp_path: Path) -> None:
    path = kept(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("three", "seven"), encoding="utf-8")
    assert AnswerCache(tmp_path).get(KEY) is None


def test_an_answer_under_the_name_of_another_question_is_none(tmp_path: Path) -> None:
    other = question_hash({"prompt": "!"})
    path = kept(tmp_path)
    (tmp_path / other[:2]).mkdir(exist_ok=True)
    path.replace(tmp_path / other[:2] / f"{other}.json")
    assert AnswerCache(tmp_path).get(other) is None


def test_the_longest_unasked_go_first_where_the_cache_is_full(tmp_path: Path) -> None:
    keys = [question_hash({"n": n}) for n in range(12)]
    size = len(kept(tmp_path / "one").read_bytes())
    cache = AnswerCache(tmp_path / "many", limit_bytes=10 * size)
    for age, key in enumerate(keys[:10]):
        cache.put(key, ANSWER)
        os.utime(next((tmp_path / "many").rglob(f"{key}.json")), (age, age))
    assert cache.get(keys[0]) == ANSWER  # asked for now: the youngest
    cache.put(keys[10], ANSWER)
    left = [key for key in keys if cache.get(key) is not None]
    assert left == [keys[0], *keys[4:11]]  # 8 of 10 places stay taken
    assert cache.size() == (8, 8 * size)


def test_what_is_larger_than_the_cache_is_not_kept(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path, limit_bytes=100)
    cache.put(KEY, {"text": "x" * 200})
    assert cache.size() == (0, 0)


def test_a_place_that_cannot_be_written_keeps_nothing_and_raises_nothing(tmp_path: Path) -> None:
    (tmp_path / KEY[:2]).write_text("a file where a folder should be", encoding="utf-8")
    cache = AnswerCache(tmp_path)
    cache.put(KEY, ANSWER)
    assert cache.get(KEY) is None


def test_a_cache_can_be_emptied_and_needs_a_directory(tmp_path: Path) -> None:
    path = kept(tmp_path / "cache")
    assert AnswerCache(tmp_path / "cache").clear() == 1
    assert not path.exists()
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match="is a file: the cache of answers needs a directory"):
        AnswerCache(tmp_path / "file")


def test_nobody_reads_a_half_written_answer_of_two_processes(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\nfrom footpath.llm.gateway.answers import AnswerCache, question_hash\n"
        "cache = AnswerCache(pathlib.Path(sys.argv[1]))\n"
        "for round in range(60):\n"
        "    for n in range(5):\n"
        "        key = question_hash({'n': n})\n"
        "        found = cache.get(key)\n"
        "        assert found in (None, {'text': str(n) * 20_000}), 'half'\n"
        "        assert found is not None or round == 0, 'lost'\n"
        "        cache.put(key, {'text': str(n) * 20_000})\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(2)]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0]
    assert AnswerCache(tmp_path).size()[0] == 5
    assert list(tmp_path.rglob("*.writing")) == []
