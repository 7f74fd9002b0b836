"""What leaves the machine: only what may, only as placeholders where it is personal, and never without a line in the ledger."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from footpath.errors import ConfigError, DataError
from footpath.llm.gateway import server as server_module
from footpath.llm.gateway.backends import Message
from footpath.llm.gateway.egress import Ledger, is_loopback, not_allowed, read_ledger, redact, summarise
from footpath.llm.gateway.gateway import Gateway, GatewaySettings
from footpath.llm.gateway.server import Patience
from tests.llm.stub_server import BINDS, IGNORES, answers, says, serving

KEY = "sk-a-secret-of-the-test"


class Said(BaseModel):
    who: str


def user(text: str) -> list[Message]:
    return [{"role": "user", "content": text}]


def hidden(text: str, fields: dict[str, list[str]] | None = None) -> str:
    return redact(user(text), fields or {}).messages[0]["content"]


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stub on loopback passes for another machine."""
    monkeypatch.setattr(server_module, "is_loopback", lambda url: False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("FOOTPATH_LLM_KEY", raising=False)


def door_to(url: str, folder: Path, **more: Any) -> Gateway:
    patience = Patience(attempts=2, total_seconds=5, back_off_seconds=0.01)
    return Gateway(GatewaySettings(url, "stub", cache=folder / "answers", ledger=folder / "egress.jsonl", patience=patience, **more))


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "egress.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.usefixtures("elsewhere")
def test_fields_that_are_not_allowed_do_not_leave(tmp_path: Path) -> None:
    with serving(says('{"who": "x"}')) as stub:
        door = door_to(stub.url, tmp_path, allow=("item.title",))
        fields = {"item.title": ["Tea"], "event.time": ["2024-09-12"], "item.price": ["3"]}
        answer = door.ask("Tea", Said, purpose="test", fields=fields)
        choice = door.choose("A or B?", ["A", "B"], purpose="test", fields={"counts": ["3"]})
        assert stub.requests == []
    assert (answer.value, answer.origin) == (None, "fallback")
    assert answer.why == "event.time, item.price may not leave this machine (allowed: item.title), so nothing was sent"
    assert choice.why == "counts may not leave this machine (allowed: item.title), so nothing was sent"
    assert not (tmp_path / "egress.jsonl").exists()


@pytest.mark.usefixtures("elsewhere")
def test_personal_values_leave_as_placeholders_and_come_back_in_the_answer(tmp_path: Path) -> None:
    with serving(says('{"who": "<user-1> searched <query-1>, mail <email-1>"}')) as stub:
        door = door_to(stub.url, tmp_path, allow=("item.title",))
        prompt = 'U0042 (ann@shop.example, 13812345678) searched "green \\"tea\\"" and saw Cup'
        fields = {"user.id": ["u0042"], "event.query": ['green \\"tea\\"'], "item.title": ["Cup"]}
        first = door.ask(prompt, Said, purpose="profile", fields=fields)
        [question] = stub.questions
        assert question.text.startswith('<user-1> (<email-1>, <phone-1>) searched "<query-1>" and saw Cup')
        assert "0042" not in json.dumps(question.body)
        second = door.ask(prompt, Said, purpose="profile", fields=fields)
    assert first.value == second.value == Said(who='U0042 searched green \\"tea\\", mail ann@shop.example')
    assert second.origin == "cache"
    kept = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "answers").rglob("*.json"))
    assert "ann@shop.example" not in kept
    [sent] = [line for line in lines_of(tmp_path) if line["state"] == "sent" and line["purpose"] == "profile"]
    assert sent["fields"] == {"user.id": 1, "event.query": 1, "item.title": 1}
    assert sent["redactions"] == {"user": 1, "query": 1, "email": 1, "phone": 1}
    assert sent["loopback"] is False


@pytest.mark.usefixtures("elsewhere")
def test_neither_a_schema_nor_a_repair_gives_away_what_is_hidden(tmp_path: Path) -> None:
    """The choices of a schema leave with the prompt, and what pydantic says of a wrong answer repeats them."""

    class Pick(BaseModel):
        user: Literal["u0042", "u0077"]

    fields = {"user.id": ["u0042", "u0077"]}
    for probe in (BINDS, IGNORES):
        with serving(says('{"user": "nobody"}'), says('{"user": "<user-2>"}'), probe=probe) as stub:
            answer = door_to(stub.url, tmp_path / str(probe is BINDS)).ask("Who, u0042?", Pick, purpose="test", fields=fields)
            sent = json.dumps([request.body for request in stub.requests])
            assert "<user-2>" in json.dumps(stub.questions[0].body)  # the schema went along
            assert "0042" not in sent
            assert "0077" not in sent
        assert (answer.value, answer.origin) == (Pick(user="u0077"), "repaired")


def test_on_loopback_nothing_is_hidden_and_all_is_in_the_ledger(tmp_path: Path) -> None:
    with serving(says('{"who": "u0042"}')) as stub:
        door = door_to(stub.url, tmp_path)
        assert door.ask("u0042", Said, purpose="profile", fields={"user.id": ["u0042"]}).value == Said(who="u0042")
        assert stub.questions[0].text == "u0042"
        size = len(json.dumps(stub.questions[0].body, ensure_ascii=False).encode())
        host = stub.url.removeprefix("http://").removesuffix("/v1")
    calls, damaged = read_ledger(tmp_path / "egress.jsonl")
    assert damaged == 0
    probe, question = calls.to_pylist()
    assert (probe["purpose"], probe["fields"], probe["values"]) == ("probe", "", 0)
    assert (question["host"], question["loopback"], question["purpose"], question["model"]) == (host, True, "profile", "stub")
    assert (question["fields"], question["values"], question["redactions"]) == ("user.id × 1", 1, "")
    assert (question["bytes_out"], question["status"]) == (size, "200")
    assert (question["prompt_tokens"], question["completion_tokens"]) == (11, 7)


def test_the_ledger_has_no_text_and_every_attempt(tmp_path: Path) -> None:
    with serving(answers(500), says('{"who": "an answer of the model"}')) as stub:
        door_to(stub.url, tmp_path).ask("a prompt in words", Said, purpose="test", fields={"item.title": ["a title"]})
    text = (tmp_path / "egress.jsonl").read_text(encoding="utf-8")
    for told in ("prompt in words", "a title", "answer of the model"):
        assert told not in text
    calls, _ = read_ledger(tmp_path / "egress.jsonl")
    assert [(row["purpose"], row["status"]) for row in calls.to_pylist()] == [("probe", "200"), ("test", "500"), ("test", "200")]
    assert oct((tmp_path / "egress.jsonl").stat().st_mode & 0o777) == "0o600"


def test_a_ledger_that_cannot_be_written_lets_nothing_leave(tmp_path: Path) -> None:
    (tmp_path / "egress.jsonl").mkdir()
    with serving(says('{"who": "x"}')) as stub:
        answer = door_to(stub.url, tmp_path).ask("?", Said, purpose="test", fields={})
        assert stub.requests == []
    assert "cannot be written (Is a directory), so nothing left" in answer.why


def test_the_key_goes_to_the_server_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FOOTPATH_LLM_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    told = answers(401, f'{{"error": "Incorrect API key {KEY}"}}'.encode())
    with serving(says(f'{{"who": "{KEY}"}}'), told, answers(500, KEY.encode()), answers(200, KEY.encode())) as stub:
        door = door_to(stub.url, tmp_path)
        first = door.ask("1", Said, purpose="test", fields={})
        rest = [door.ask(str(number), Said, purpose="test", fields={}) for number in range(2, 6)]
        assert {request.headers["Authorization"] for request in stub.requests} == {f"Bearer {KEY}"}
    assert first.value == Said(who="***")
    files = "".join(path.read_text(encoding="utf-8") for path in tmp_path.rglob("*") if path.is_file())
    captured = capsys.readouterr()
    for place in (files, caplog.text, captured.out, captured.err, repr(door), repr(door.backend), repr(first), repr(rest)):
        assert KEY not in place


def test_the_key_is_in_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTPATH_LLM_KEY", KEY + "\nx")  # a header that cannot be sent
    with serving(says('{"who": "x"}')) as stub:
        door = door_to(stub.url, tmp_path)
        assert KEY not in door.ask("?", Said, purpose="test", fields={}).why
        assert door.backend is not None
        with pytest.raises(Exception, match="broke") as failed:
            door.backend.complete(user("?"), max_tokens=1, temperature=0.0, seed=0, sending=door._sending("test", {}))
    assert KEY not in "".join(traceback.format_exception(failed.value))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (f"https://me:{KEY}@host.example/v1", "the URL of the language model at host.example holds more than host and path"),
        (f"https://host.example/v1?key={KEY}", "put its key into FOOTPATH_LLM_KEY"),
        ("http://host.example/v1", "the key in FOOTPATH_LLM_KEY would go to host.example in the clear: use https"),
    ],
)
def test_a_key_in_a_url_or_in_the_clear_is_refused_and_not_repeated(url: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTPATH_LLM_KEY", "another-secret")
    with pytest.raises(ConfigError) as refused:
        Gateway(GatewaySettings(url, "m"))
    assert message in str(refused.value)
    assert KEY not in str(refused.value)


def test_requests_name_no_version_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-somebody")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)  # of another program
    monkeypatch.delenv("FOOTPATH_LLM_KEY", raising=False)
    with serving(says('{"who": "x"}')) as stub:
        door_to(stub.url, tmp_path).ask("?", Said, purpose="test", fields={})
        names = {name.lower() for name in stub.requests[0].headers}
        assert names == {"host", "accept", "accept-encoding", "connection", "user-agent", "content-length", "content-type"}
        assert stub.requests[0].headers["User-Agent"] == "footpath"


def test_calls_to_this_machine_go_by_no_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nobody listens
    with serving(says('{"who": "x"}')) as stub:
        assert door_to(stub.url, tmp_path).ask("?", Said, purpose="test", fields={}).origin == "model"


@pytest.mark.parametrize("url", ["http://localhost:1/v1", "http://127.0.0.1/v1", "http://127.8.9.1:5/v1", "http://[::1]:8080/v1"])
def test_this_machine_is_known(url: str) -> None:
    assert is_loopback(url)


@pytest.mark.parametrize(
    "url",
    ["http://0.0.0.0/v1", "http://localhost.example/v1", "http://127.0.0.1.example/v1", "http://192.168.1.2/v1", "http://127.0.0.1@h/v1"],
)
def test_another_machine_is_not_taken_for_this_one(url: str) -> None:
    assert not is_loopback(url)


def test_what_goes_as_a_placeholder_needs_no_leave() -> None:
    assert not_allowed({"user.id": [], "event.query": [], "item.title": [], "counts": []}, ("item.title",)) == ["counts"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mail ann.b+c@shop.example.com!", "mail <email-1>!"),
        ("邮箱ann@shop.cn，谢谢", "邮箱<email-1>，谢谢"),
        ("a@b.example and A@B.example", "<email-1> and <email-1>"),
        ("call +49 30 901820 now", "call <phone-1> now"),
        ("手机13812345678。", "手机<phone-1>。"),
        ("138-1234-5678", "<phone-1>"),
        ("(212) 555-0100 or 212-555-0100", "<phone-1> or <phone-2>"),
        ("010-8888 6666", "<phone-1>"),
        ("on 2024-09-12 10:00 to 2024-10-01", "on 2024-09-12 10:00 to 2024-10-01"),
        ("1,234,567 acts, 0.1234567890 of 30000, 12 3 456", "1,234,567 acts, 0.1234567890 of 30000, 12 3 456"),
        ("no @ here, 5 @ 3", "no @ here, 5 @ 3"),
    ],
)  # fmt: skip
def test_addresses_and_numbers_are_found_by_their_form(text: str, expected: str) -> None:
    assert hidden(text) == expected


@pytest.mark.parametrize(
    ("text", "fields", "expected"),
    [
        ("u1, u10, U1, xu1", {"user.id": ["u1"]}, "<user-1>, u10, <user-1>, xu1"),
        ("用户u1买了茶", {"user.id": ["u1"]}, "用户<user-1>买了茶"),
        ("user 42 has 42 acts of 420", {"user.id": ["42"]}, "user <user-1> has <user-1> acts of 420"),
        ("green tea, tea", {"event.query": ["tea", "green tea"]}, "<query-1>, <query-2>"),
        ("tea pot, tea", {"event.query": ["tea", "tea pot"]}, "<query-1>, <query-2>"),
        ("搜索龙井茶", {"event.query": ["龙井"]}, "搜索<query-1>茶"),
        ("a.*b", {"event.query": [".*"]}, "a<query-1>b"),
        ("nothing", {"user.id": ["", " "]}, "nothing"),
        ("ann@shop.example", {"user.id": ["ann@shop.example"]}, "<user-1>"),
        ("tea", {"item.title": ["tea"]}, "tea"),
    ],
)
def test_personal_values_are_found_by_the_fields_they_are_declared_in(text: str, fields: dict[str, list[str]], expected: str) -> None:
    assert hidden(text, fields) == expected


def test_a_restored_answer_stays_json() -> None:
    redaction = redact(user('say "a\\b\n" to u1'), {"event.query": ['"a\\b\n"'], "user.id": ["u1"]})
    assert redaction.messages[0]["content"] == "say <query-1> to <user-1>"
    assert json.loads(redaction.restored('{"x": "<query-1> <user-1>"}')) == {"x": '"a\\b\n" u1'}


def ledger_line(ledger: Ledger, purpose: str = "test") -> str:
    return ledger.sent(host="h:1", loopback=True, purpose=purpose, model="m", fields={"counts": 2}, redactions={}, body=b"{}")


def test_a_call_without_its_second_line_is_unfinished(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "deep" / "egress.jsonl")
    first = ledger_line(ledger)
    second = ledger_line(ledger)
    ledger.done(second, "200", bytes_in=9, prompt_tokens=3, completion_tokens=2, seconds=0.5)
    calls, damaged = read_ledger(ledger.path)
    assert calls["id"].to_pylist() == [first, second]
    assert calls["status"].to_pylist() == ["unfinished", "200"]
    assert damaged == 0


def test_a_damaged_line_hides_no_other(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "egress.jsonl")
    first = ledger_line(ledger)
    with ledger.path.open("ab") as file:
        file.write(b'not json\n{"id": "x", "state": "sent"}\n[1]\n{"id": "unknown", "state": "done"}\n\xff\xfe\n{"id": "torn", "sta')
    second = ledger_line(ledger)
    calls, damaged = read_ledger(ledger.path)
    assert calls["id"].to_pylist() == [first, second]
    assert damaged == 6


def test_calls_are_summed_by_what_went_where(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "egress.jsonl")
    for tokens in (3, 5):
        ledger.done(ledger_line(ledger), "200", bytes_in=10, prompt_tokens=tokens, completion_tokens=1, seconds=0.1)
    ledger_line(ledger, "other")
    first, second = summarise(read_ledger(ledger.path)[0]).to_pylist()
    assert (first["calls"], first["values"], first["bytes_out"], first["bytes_in"], first["prompt_tokens"]) == (2, 4, 4, 20, 8)
    assert (second["purpose"], second["calls"], second["status"]) == ("other", 1, "unfinished")


def test_an_absent_ledger_is_empty_and_a_folder_is_none(tmp_path: Path) -> None:
    calls, damaged = read_ledger(tmp_path / "none.jsonl")
    assert (calls.num_rows, damaged) == (0, 0)
    assert summarise(calls).num_rows == 0
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        read_ledger(tmp_path)


def test_a_kill_during_the_call_leaves_its_line(tmp_path: Path) -> None:
    """SIGKILL while the server keeps the client waiting: the call has left, and the ledger knows."""

    def kills(handler: Any) -> None:
        while "child" not in found:
            time.sleep(0.01)
        found["child"].send_signal(signal.SIGKILL)
        found["child"].wait()

    found: dict[str, Any] = {}
    code = (
        "import sys, pydantic, pathlib\nfrom footpath.llm.gateway.gateway import *\n"
        "class Said(pydantic.BaseModel):\n    who: str\n"
        "folder = pathlib.Path(sys.argv[2])\n"
        "door = Gateway(GatewaySettings(sys.argv[1], 'm', cache=None, ledger=folder / 'egress.jsonl'))\n"
        "door.ask('?', Said, purpose='killed', fields={'counts': ['1', '2']})\n"
    )
    with serving(kills) as stub:
        found["child"] = subprocess.Popen([sys.executable, "-c", code, stub.url, str(tmp_path)])
        assert found["child"].wait(timeout=60) == -signal.SIGKILL
        assert len(stub.questions) == 1
    calls, damaged = read_ledger(tmp_path / "egress.jsonl")
    assert damaged == 0
    assert [(row["purpose"], row["fields"], row["status"]) for row in calls.to_pylist()] == [
        ("probe", "", "200"),
        ("killed", "counts × 2", "unfinished"),
    ]


def test_two_processes_may_write_one_ledger(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\nfrom footpath.llm.gateway.egress import Ledger\n"
        "ledger = Ledger(pathlib.Path(sys.argv[1]))\n"
        "for i in range(100):\n"
        "    call = ledger.sent(host='h', loopback=True, purpose='p' * 500, model='m', fields={}, redactions={}, body=b'')\n"
        "    ledger.done(call, '200', bytes_in=1, prompt_tokens=1, completion_tokens=1, seconds=0.0)\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "egress.jsonl")], env=os.environ.copy()) for _ in range(2)]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0]
    calls, damaged = read_ledger(tmp_path / "egress.jsonl")
    assert (calls.num_rows, damaged) == (200, 0)
    assert set(calls["status"].to_pylist()) == {"200"}
