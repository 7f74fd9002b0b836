"""Text encoders and new items on the command line, over a small shop in Chinese and English."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from footpath.errors import ConfigError, RunError
from footpath.events.readers import read_events, read_items
from footpath.experiments import runs
from footpath.experiments.item_text import encoder_for, with_new_items, with_text
from footpath.llm.text import encoders
from footpath.llm.text.embed import text_encoder
from footpath.sequences.build import to_sequences

from .conftest import Command

KINDS = {
    "tea": ["龙井茶", "绿茶 茶包", "green tea bags", "红茶 茶叶", "乌龙茶 茶叶"],
    "shoe": ["running shoe", "跑步鞋", "shoe laces", "皮鞋 男", "运动鞋"],
}


@pytest.fixture
def shop(footpath: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Forty people, each of whom buys things of one kind."""
    monkeypatch.setenv("FOOTPATH_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    events, items = ["user_id,item_id,timestamp"], ["item_id,title"]
    for kind, titles in KINDS.items():
        items += [f"{kind}{i},{title}" for i, title in enumerate(titles)]
    for user in range(40):
        kind = list(KINDS)[user % 2]
        for step, i in enumerate(rng.permutation(5)[:4]):
            events.append(f"u{user},{kind}{i},{1_700_000_000 + 3600 * (user + 40 * step)}")
    (tmp_path / "events.csv").write_text("\n".join(events) + "\n", encoding="utf-8")
    (tmp_path / "items.csv").write_text("\n".join(items) + "\n", encoding="utf-8")
    (tmp_path / "new.csv").write_text("item_id,title\ntea0,龙井茶\nnew-tea,明前龙井茶 茶叶\nnew-shoe,running shoe 男\n", encoding="utf-8")
    assert footpath("ingest", tmp_path / "events.csv", "--items", tmp_path / "items.csv", "--into", tmp_path / "store").code == 0
    return tmp_path


def train(footpath: Command, shop: Path, *options: object, model: str = "content") -> Path:
    printed = footpath("train", shop / "store", "--model", model, "--into", shop / "run", *options)
    assert printed.code == 0, printed.err
    return shop / "run"


def test_a_new_item_is_recommended_at_once_to_whom_its_title_suits(footpath: Command, shop: Path) -> None:
    run = train(footpath, shop)
    before = footpath("recommend", run, "--user", "u0", "--json").json()
    answer = footpath("recommend", run, "--user", "u0", "--items", shop / "new.csv", "-k", 2, "--json").json()
    listed = [item["item_id"] for item in answer["items"]]
    assert answer["new_items"] == ["new-tea", "new-shoe"]
    assert "new-tea" in listed
    assert "new-shoe" not in listed
    assert next(item["title"] for item in answer["items"] if item["item_id"] == "new-tea") == "明前龙井茶 茶叶"
    assert all(item["item_id"] in {f"{kind}{i}" for kind in KINDS for i in range(5)} for item in before["items"])


def test_a_sequence_model_with_text_recommends_a_new_item_and_one_of_ids_says_that_it_cannot(footpath: Command, shop: Path) -> None:
    fields = ("--set", "dim=16", "--set", "epochs=20", "--set", "dropout=0.1", "--set", "patience=none")
    run = train(footpath, shop, "--set", "item_table=id+text", *fields, model="sasrec")
    answer = footpath("recommend", run, "--user", "u0", "--items", shop / "new.csv", "-k", 3, "--json").json()
    assert "new-tea" in [item["item_id"] for item in answer["items"]]
    ids = train(footpath, shop, "--overwrite", *fields, model="sasrec")
    refused = footpath("recommend", ids, "--user", "u0", "--items", shop / "new.csv")
    assert refused.code == 2
    assert "knows items by id alone" in refused.err


def test_a_model_that_reads_no_text_names_models_that_do(footpath: Command, shop: Path) -> None:
    run = train(footpath, shop, model="item_knn")
    refused = footpath("recommend", run, "--user", "u0", "--items", shop / "new.csv")
    assert refused.code == 2
    assert "item_knn knows items by what was done with them, so it cannot recommend 2 new ones" in " ".join(refused.err.split())


def test_the_record_of_a_run_names_its_encoder_and_new_items_are_encoded_alike(footpath: Command, shop: Path) -> None:
    run = train(footpath, shop, "--text", "static")
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    encoder = text_encoder("static")
    assert encoder is not None
    assert record["text"] == {"encoder": "static", "identity": encoder.identity, "dim": 256}
    assert len(list((shop / "cache" / "text-vectors").iterdir())) == 1
    answer = footpath("recommend", run, "--history", "shoe0,shoe2", "--items", shop / "new.csv", "-k", 3, "--json").json()
    assert "new-shoe" in [item["item_id"] for item in answer["items"]]
    opened = runs.open_run(run)
    other = record | {"text": record["text"] | {"identity": "static of another year"}}
    (run / "run.json").write_text(json.dumps(other), encoding="utf-8")
    with pytest.raises(RunError, match=r"were made by static \(static of another year\), and the one that is installed is another"):
        with_new_items(runs.open_run(run), shop / "new.csv")
    assert with_new_items(opened, shop / "items.csv") == (opened, [])


def test_evaluate_takes_an_encoder_and_refuses_an_unknown_one(footpath: Command, shop: Path) -> None:
    rows = footpath(
        "evaluate", shop / "store", "--models", "content", "--protocol", "loo", "--text", "static", "--no-references", "--json"
    ).json()
    assert [row["model"] for row in rows["rows"]] == ["content"]
    refused = footpath("evaluate", shop / "store", "--models", "content", "--text", "minlm")
    assert refused.code == 2
    assert "no text encoder 'minlm'" in refused.err


def test_auto_is_static_vectors_for_latin_titles_that_a_model_reads_and_words_otherwise(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chinese = read_events(shop / "events.csv", items=shop / "items.csv")
    latin = read_events(shop / "events.csv", items=_frame({"item_id": ["tea0", "shoe0"], "title": ["Tee für dich", "running shoe"]}))
    reads, reads_not = ("sasrec", {"item_table": "id+text"}), ("sasrec", {"item_table": "id"})
    chosen = encoder_for("auto", latin, [reads_not, reads])
    assert chosen is not None
    assert chosen.name == "static"
    assert encoder_for("auto", latin, [("content", {})]) == chosen
    assert encoder_for("auto", latin, [("mixture", {"models": "content,ease", "fields": ""})]) == chosen
    for log, models in (
        (chinese, [reads]),
        (latin, [reads_not, ("item_knn", {"weighting": "bm25"})]),
        (read_events(shop / "events.csv"), [reads]),
    ):
        assert encoder_for("auto", log, models) is None
    assert encoder_for("tfidf", latin, [reads]) is None
    monkeypatch.setattr(encoders.importlib.util, "find_spec", lambda name: None)
    assert encoder_for("auto", latin, [reads]) is None


def test_an_encoder_needs_an_item_table() -> None:
    log = read_events(_frame({"user_id": ["a", "a"], "item_id": ["x", "y"], "timestamp": [1_700_000_000, 1_700_000_100]}), name="bare")
    with pytest.raises(ConfigError, match=r"--text static reads titles and texts of items, and log 'bare' has no item table"):
        with_text(log, text_encoder("static"))


def test_vectors_lie_beside_the_titles_they_are_of(shop: Path) -> None:
    log = read_events(shop / "events.csv", items=shop / "items.csv")
    encoder = text_encoder("static")
    assert encoder is not None
    data = to_sequences(with_text(log, encoder, cache=shop / "vectors"))
    features = data.item_features
    assert features is not None
    assert features.vectors is not None
    place = data.vocabulary.index("shoe0")
    np.testing.assert_allclose(features.vectors[place], encoder.encode(["running shoe"])[0], atol=1e-6)
    assert not features.vectors[0].any()


def test_an_item_table_is_read_alone(tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    path.write_text("asin,product_name,genres\nb1,Red tea,Drinks\nb2,,\n", encoding="utf-8")
    rows = read_items(path).to_pyarrow().to_pylist()
    assert [(row["item_id"], row["title"]) for row in rows] == [("b1", "Red tea"), ("b2", None)]


def _frame(columns: dict[str, list[object]]) -> object:
    import pyarrow as pa

    return pa.table(columns)


def test_models_of_responses_take_no_encoder(footpath: Command, shop: Path) -> None:
    for command in (
        ("train", shop / "store", "--model", "deepfm", "--into", shop / "r"),
        ("evaluate", shop / "store", "--models", "deepfm"),
    ):
        refused = footpath(*command, "--text", "static")
        assert refused.code == 2
        assert "--text static is for models that say which items come next" in " ".join(refused.err.split())
