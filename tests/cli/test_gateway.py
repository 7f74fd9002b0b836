"""`footpath gateway`: what it prints is what was measured and what is in the ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from footpath.llm.gateway.egress import read_ledger
from tests.cli.conftest import Command
from tests.llm.stub_server import IGNORES, says, serving

KEY = "sk-a-secret-of-the-test"
PLAN = '{"measure": "count", "by": "item", "event": "cart", "days": 7}'


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FOOTPATH_LLM", "FOOTPATH_LLM_MODEL", "FOOTPATH_LLM_ALLOW", "FOOTPATH_LLM_BUDGET", "FOOTPATH_LLM_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def test_without_a_model_it_says_what_there_is_and_asks_nothing(footpath: Command) -> None:
    printed = footpath("gateway", "--json").json()
    assert printed["backend"] == "none"
    assert list(printed["backends"]) == ["none", "embedded", "FILE.gguf", "URL"]
    assert printed["measured"] is None
    assert printed["ledger"]["calls"] == []
    text = footpath("gateway").out
    assert "no call by HTTP so far" in text
    assert "To another machine may go: nothing" in text
    assert text.rstrip().endswith("Next: footpath gateway --llm embedded")


def test_a_server_is_measured_and_its_calls_are_in_the_table(footpath: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTPATH_LLM_KEY", KEY)
    monkeypatch.setenv("FOOTPATH_LLM_BUDGET", "100000")
    ledger = tmp_path / "egress.jsonl"
    with serving(says(PLAN, logprobs={"B": -0.5, "A": -2.0})) as stub:
        done = footpath("gateway", "--llm", stub.url, "--llm-model", "stub", "--calls", 3, "--ledger", ledger)
        assert done.code == 0, done.err
        host = stub.url.removeprefix("http://").removesuffix("/v1")
    assert "valid answers" in done.out
    assert "3 of 3, 0 of them repaired" in done.out
    assert "Budget: 100,000 tokens a command" in done.out
    calls, _ = read_ledger(ledger)
    assert calls["purpose"].to_pylist() == ["probe", *["measure"] * 5]  # two choices and three questions
    [row] = [line for line in done.out.splitlines() if line.startswith(host) and "measure" in line]
    assert "this machine" in row
    assert row.split()[-4] == "5"
    assert row.split()[-1] == str(5 * 18)
    assert KEY not in done.out + done.err + ledger.read_text(encoding="utf-8")


def test_a_server_that_answers_nonsense_is_told_so(footpath: Command) -> None:
    with serving(says("I cannot."), probe=IGNORES) as stub:
        done = footpath("gateway", "--llm", stub.url, "--llm-model", "stub", "--calls", 1)
    assert done.code == 0
    assert "0 of 1, 0 of them repaired" in done.out
    assert "not usable, nor after one repair: it holds no JSON object" in done.out
    assert "no: told in words, and checked" in done.out


def test_a_server_that_is_down_is_no_error_of_the_command(footpath: Command) -> None:
    with serving(says(PLAN)) as stub:
        url = stub.url  # closed by now
    done = footpath("gateway", "--llm", url, "--llm-model", "stub", "--calls", 1)
    assert done.code == 0
    assert "The model does not answer" in done.out
    assert "unreachable" in done.out  # the attempts are in the ledger


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--llm", "embeded"), "no language model 'embeded'; did you mean 'embedded'"),
        (("--llm", "http://127.0.0.1:1/v1"), "needs the name of a model"),
        (("--calls", "-1"), "--calls must be 0 or more, got -1"),
        (("--ledger", "."), "the egress ledger . cannot be read: Is a directory"),
    ],
)
def test_what_can_be_mended_is_said(footpath: Command, arguments: tuple[str, ...], message: str) -> None:
    done = footpath("gateway", *arguments)
    assert done.code == 2
    assert message in done.err


def test_the_cache_is_counted_and_cleared(footpath: Command, tmp_path: Path) -> None:
    from footpath.llm.gateway.answers import AnswerCache, question_hash

    AnswerCache(tmp_path / "cache" / "footpath" / "answers").put(question_hash({}), {"text": "x"})
    assert footpath("gateway", "--json").json()["cache"]["answers"] == 1
    cleared = footpath("gateway", "--clear-cache", "--json").json()["cache"]
    assert (cleared["cleared"], cleared["answers"]) == (1, 0)
