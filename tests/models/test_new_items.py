"""Items that came after the fit: recommendable at once from what is written about them, everything else as it was to the last bit."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from planted_logs import clusters

from footpath.errors import ConfigError, DataError, NotFittedError
from footpath.models import catalog
from footpath.models.item_text import TextReader, Whitening, WordWeights, text_vectors, tfidf, unit_rows, whiten
from footpath.models.storage import load_model, save_model
from footpath.recommender import TakesNewItems, recommend
from footpath.sequences.dataset import ItemFeatures, SequenceDataset

QUICK: Mapping[str, Any] = {"dim": 16, "epochs": 30, "patience": None, "dropout": 0.1, "max_len": 8}


def titled(*titles: str, vectors: np.ndarray | None = None) -> ItemFeatures:
    nothing = [""] * (len(titles) + 1)
    return ItemFeatures(["", *titles], nothing, nothing, [()] * len(nothing), vectors)


def of_model(model: Any, *histories: list[str]) -> SequenceDataset:
    return SequenceDataset.from_lists(histories, model.items)


def fitted(name: str, **fields: object) -> Any:
    return catalog.create(name, **fields).fit(clusters())


@pytest.fixture(scope="module", params=["text", "id+text", "text+delta", "id+text+delta"])
def sasrec(request: pytest.FixtureRequest) -> Any:
    return fitted("sasrec", item_table=request.param, **QUICK)


@pytest.fixture(scope="module")
def content() -> Any:
    return fitted("content")


def test_a_new_item_is_listed_to_those_whose_taste_its_text_matches(sasrec: Any) -> None:
    extended = sasrec.with_items(["new-tea", "new-hose"], titled("tea kettle", "garden hose"))
    of_tea, of_hose = (
        recommend(extended, of_model(extended, row), 8).items(b)[:8] for b, row in ((0, ["c0-1", "c0-2"]), (0, ["c1-1", "c1-2"]))
    )
    assert "new-tea" in of_tea
    assert "new-hose" in of_hose
    assert "new-hose" not in of_tea
    assert "new-tea" not in of_hose


def test_content_lists_a_new_item_first_where_nothing_reads_more_alike(content: Any) -> None:
    extended = content.with_items(["new-tea"], titled("tea kettle 1 2"))
    assert recommend(extended, of_model(extended, ["c0-1", "c0-2"]), 1).items(0) == ["new-tea"]


def test_ids_alone_cannot_take_in_an_item() -> None:
    with pytest.raises(ConfigError, match=r"SASRec with item_table=id knows items by id alone: fit it with item_table=id\+text, or text"):
        fitted("sasrec", **QUICK | {"epochs": 1}).with_items(["new"], titled("tea kettle"))
    assert not isinstance(catalog.create("item_knn"), TakesNewItems)


def test_vectors_and_scores_of_known_items_stay_the_same_to_the_bit(sasrec: Any, content: Any) -> None:
    log = clusters()
    for model in (sasrec, content):
        for k in (1, 5, 16):
            extended = model.with_items([f"new{i}" for i in range(k)], titled(*["tea hose"] * k))
            known = dataclasses.replace(log, vocabulary=extended.items)
            assert len(extended.items) == log.n_items + k
            assert extended.score(known)[:, : log.n_items].tobytes() == model.score(log).tobytes()
        assert model.items == log.vocabulary
    before, after = sasrec.item_vectors(), sasrec.with_items(["new"], titled("desk lamp")).item_vectors()
    assert after[:-1].tobytes() == before.tobytes()


def test_items_may_come_one_after_another_or_all_at_once(sasrec: Any) -> None:
    titles = ["tea kettle", "desk lamp new", "yoga"]
    together = sasrec.with_items(["x", "y", "z"], titled(*titles))
    one_by_one = sasrec
    for id, title in zip(["x", "y", "z"], titles, strict=True):
        one_by_one = one_by_one.with_items([id], titled(title))
    np.testing.assert_array_equal(together.item_vectors(), one_by_one.item_vectors())
    assert together.items == one_by_one.items


@pytest.mark.parametrize("name", ["sasrec", "content"])
def test_an_extended_model_is_saved_and_loaded_and_extended_again(name: str, tmp_path: Path, sasrec: Any, content: Any) -> None:
    model = sasrec if name == "sasrec" else content
    extended = model.with_items(["new-tea"], titled("tea kettle"))
    save_model(extended, tmp_path / "model")
    loaded: Any = load_model(tmp_path / "model")
    histories = of_model(extended, ["c0-1", "new-tea"], [])
    assert loaded.score(histories).tobytes() == extended.score(histories).tobytes()
    again = loaded.with_items(["new-hose"], titled("garden hose"))
    at_once = model.with_items(["new-tea", "new-hose"], titled("tea kettle", "garden hose"))
    both = of_model(again, ["c0-1", "new-tea"], ["new-hose"])
    assert again.score(both).tobytes() == at_once.score(both).tobytes()


def test_a_new_item_in_a_history_counts_as_what_it_reads_like(sasrec: Any) -> None:
    extended = sasrec.with_items(["new-tea"], titled("tea kettle"))
    listed = recommend(extended, of_model(extended, ["new-tea", "new-tea"]), 5).items(0)
    assert sum(id.startswith("c0-") for id in listed) >= 4


def test_an_item_of_which_nothing_known_is_written_scores_zero(sasrec: Any) -> None:
    extended = sasrec.with_items(["blank", "unheard"], titled("", "Zylinderkopfdichtung"))
    assert not extended.item_vectors()[-2:].any()
    np.testing.assert_array_equal(extended.score(of_model(extended, ["c0-1"]))[0, -2:], 0)


def test_an_item_that_nobody_could_choose_is_no_wrong_answer() -> None:
    """Trained as a negative, the text of the items without events would be learned to be wrong; each is among the best of its cluster."""
    log = clusters()
    for fields in ({}, {"negatives": 8}):
        model: Any = catalog.create("sasrec", item_table="text", **QUICK, **fields).fit(log)
        listed = recommend(model, of_model(model, ["c1-1", "c1-2"]), 9).items(0)
        assert "c1-cold" in listed


def test_vectors_of_an_encoder_are_needed_again(sasrec: Any) -> None:
    log = clusters()
    assert log.item_features is not None
    own = np.random.default_rng(0).normal(size=(log.n_items, 6)).astype(np.float32)
    with_vectors = dataclasses.replace(log, item_features=dataclasses.replace(log.item_features, vectors=own))
    for name, fields in (("sasrec", {"item_table": "id+text", **QUICK, "epochs": 2}), ("content", {})):
        model: Any = catalog.create(name, **fields).fit(with_vectors)
        with pytest.raises(ConfigError, match=r"fitted with item vectors of 6 numbers.* encode the"):
            model.with_items(["new"], titled("tea kettle"))
        with pytest.raises(ConfigError, match=r"fitted with item vectors of 6 numbers.* encode the"):
            model.with_items(["new"], titled("tea kettle", vectors=np.ones((2, 5), np.float32)))
        place = log.vocabulary.index("c2-3")
        extended = model.with_items(["twin"], titled(log.item_features.titles[place], vectors=own[[0, place]]))
        scores = extended.score(of_model(extended, ["c2-1", "c2-2"]))[0]
        if name == "content":
            assert scores[-1] == pytest.approx(scores[place], abs=1e-6)
        else:
            white = Whitening.of_sample(np.concatenate([[np.zeros(6)], own[1:]]).astype(np.float32)).apply(own[[0, place]])[1]
            np.testing.assert_allclose(extended.state()["items.text"][-1], white, atol=1e-5)


def test_known_and_repeated_ids_are_refused(content: Any) -> None:
    with pytest.raises(DataError, match=r"1 of 2 new ids are known already, the first is 'c0-1': leave them out"):
        content.with_items(["new", "c0-1"], titled("a", "b"))
    with pytest.raises(DataError, match=r"2 new ids repeat 1 of them"):
        content.with_items(["new", "new"], titled("a", "b"))


def test_an_unfitted_model_takes_in_nothing() -> None:
    for name in ("content", "sasrec"):
        with pytest.raises(NotFittedError, match=r"is not fitted: call fit\(train\) before it takes in new items"):
            catalog.create(name).with_items(["new"], titled("a"))  # type: ignore[attr-defined]


def test_a_model_saved_without_its_words_says_so(sasrec: Any, content: Any) -> None:
    for model in (sasrec, content):
        old = {name: array for name, array in model.state().items() if not name.startswith("text.") and name not in ("words", "idf")}
        restored = type(model)(**{f.name: getattr(model, f.name) for f in dataclasses.fields(model) if f.init}).restore(model.items, old)
        with pytest.raises(ConfigError, match=r"saved by a version that did not keep"):
            restored.with_items(["new"], titled("tea kettle"))


def test_a_mixture_takes_in_what_all_of_its_members_take_in() -> None:
    log = clusters()
    of_text: Any = catalog.create("mixture", models="content,sasrec", fields="sasrec.item_table=text,sasrec.dim=16,sasrec.epochs=3").fit(
        log
    )
    extended = of_text.with_items(["new-tea"], titled("tea kettle 1 2"))
    assert "new-tea" in recommend(extended, of_model(extended, ["c0-1", "c0-2"]), 5).items(0)
    of_ids: Any = catalog.create("mixture", models="content,item_knn").fit(log)
    with pytest.raises(ConfigError, match=r"item_knn of this mixture knows items by what was done with them"):
        of_ids.with_items(["new-tea"], titled("tea kettle"))


def test_a_reader_reads_the_items_of_its_fit_as_the_fit_did() -> None:
    features = titled("red tea", "green tea", "red pot", "", "blue pot tea")
    reader, read = TextReader.fitted(features, 3)
    np.testing.assert_array_equal(reader.read(features), read)
    np.testing.assert_allclose(read, whiten(text_vectors(features, 3), shrinkage=3 / (3 + 4)), atol=1e-5)
    again = TextReader.restored(reader.state())
    assert again is not None
    np.testing.assert_array_equal(again.read(titled("green pot", "red")), reader.read(titled("green pot", "red")))


def test_words_of_later_items_are_weighed_as_those_of_the_fit() -> None:
    features = titled("red tea", "green tea")
    weights = WordWeights.of(features)
    # N = 3 with padding: tea is in 2 items, the others in 1; "new" was not met
    idf = {"red": np.log(4), "tea": np.log(2.5), "green": np.log(4)}
    row = np.array([idf["red"], idf["tea"], 0])
    np.testing.assert_allclose(weights.rows(titled("new red tea")).toarray()[1], row / np.linalg.norm(row), rtol=1e-6)
    np.testing.assert_array_equal(weights.rows(features).toarray(), tfidf(features).toarray())


def test_few_items_keep_what_they_have_in_common_when_whitened() -> None:
    """With more directions than items, full whitening makes all equally far from one another; shrunk, each is nearest to its kind."""
    rng = np.random.default_rng(0)
    kind = np.arange(20) // 10
    vectors = np.zeros((21, 64), np.float32)
    vectors[1:] = rng.normal(size=(2, 64))[kind] + 0.5 * rng.normal(size=(20, 64))
    for found, spread in ((whiten(vectors), 0.01), (Whitening.of_sample(vectors).apply(vectors), 0.25)):
        cosines = (unit := unit_rows(found[1:])) @ unit.T
        apart = kind[:, None] != kind
        np.fill_diagonal(cosines, -1)
        gap = cosines[~apart & (cosines > -1)].mean() - cosines[apart].mean()
        assert (gap > spread) == (spread == 0.25), gap
    assert (kind[cosines.argmax(axis=1)] == kind).all()
