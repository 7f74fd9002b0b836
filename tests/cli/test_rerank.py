from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Command, write_ring


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    return write_ring(tmp_path / "ring.csv", users=60)


def test_without_a_model_the_table_says_that_nothing_was_shown(footpath: Command, store: Path, tmp_path: Path) -> None:
    done = footpath(
        "rerank", store, "--model", "popularity", "--protocol", "loo", "--probes", 2, "--llm", "none", "--into", tmp_path / "r.json"
    )
    assert done.code == 0, done.err
    assert "Did the language model help? ring, protocol loo, 20 candidates of popularity" in done.out
    assert "all 60 test users; the answer of 60 is among the candidates" in done.out
    assert "Verdict: not shown: the model answered no question (no language model is set)" in done.out
    assert "2 of 2 lists were not to be had" in done.out
    assert done.out.splitlines()[-1] == f"Next: footpath rerank {store} --model popularity --llm URL --llm-model NAME, for a larger model"
    kept = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert (kept["model"], kept["weight"]) == ("none", 0.0)


def test_a_run_brings_its_model_and_settings(footpath: Command, store: Path, tmp_path: Path) -> None:
    done = footpath("train", store, "--model", "item_knn", "--set", "neighbours=7", "--seed", 3, "--into", tmp_path / "run")
    assert done.code == 0, done.err
    found = footpath("rerank", tmp_path / "run", "--protocol", "loo", "--llm", "none", "--probes", 0, "--users", 10, "--json").json()
    assert (found["first_stage"], found["n_users"], found["seed"], found["language_model"]) == ("item_knn", 10, 3, "none")
    assert [row["name"] for row in found["rows"]] == ["first stage", "random order", "fused"]
    refused = footpath("rerank", tmp_path / "run", "--model", "ease")
    assert refused.code == 2
    assert "leave out --model and --set" in refused.err.replace("\n", " ")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "name the first stage with --model"),
        (("--model", "popularity", "--candidates", 50), "candidates must be 2 to 20, one letter each, got 50"),
        (("--model", "popularity", "--orders", 3), "orders must be an even number of at least 2"),
        (("--model", "logistic_regression"), "logistic_regression"),
        (("--model", "popularity", "--llm", "embeded"), "no language model 'embeded'; did you mean 'embedded'?"),
    ],
)
def test_bad_input_is_exit_status_2(footpath: Command, store: Path, arguments: tuple[object, ...], says: str) -> None:
    done = footpath("rerank", store, *arguments)
    assert done.code == 2
    assert says in done.err.replace("\n", " ")


def test_profiles_by_templates_are_written_and_ingested_again(footpath: Command, store: Path, ring: Path, tmp_path: Path) -> None:
    told = footpath("knowledge", store, "--estimate", "--llm", "none")
    assert told.code == 0, told.err
    assert "items: 0 of 12 by the model, 0 tokens of prompts" in told.out
    done = footpath("knowledge", store, "--into", tmp_path / "k", "--llm", "none", "--text", "tfidf", "--dim", 2)
    assert done.code == 0, done.err
    assert "12 profiles of items: 0 by the model, 12 templates" in done.out
    assert "60 profiles of users: 0 by the model, 60 templates" in done.out
    again = footpath(
        "ingest",
        ring,
        "--items",
        tmp_path / "k" / "items.parquet",
        "--users",
        tmp_path / "k" / "users.parquet",
        "--into",
        tmp_path / "again",
    )
    assert again.code == 0, again.err
    record = footpath("knowledge", tmp_path / "again", "--into", tmp_path / "k2", "--kind", "users", "--llm", "none", "--json").json()
    assert record["users"]["profiles"] == 60
    assert "items" not in record


def test_knowledge_needs_a_place_to_go(footpath: Command, store: Path) -> None:
    done = footpath("knowledge", store, "--llm", "none")
    assert done.code == 2
    assert "nothing to do: give --into DIR to write the profiles, or --estimate" in done.err.replace("\n", " ")
