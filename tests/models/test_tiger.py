"""TIGER: the probability of every semantic id is exact, beam search finds the likeliest, and nothing outside the catalogue is spelled."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from planted_logs import CLUSTER_SIZE, N_CLUSTERS, RING, clusters, ring
from torch.nn.functional import linear

from footpath.errors import ConfigError, NotFittedError, RunError
from footpath.models import storage
from footpath.models.histories import event_counts
from footpath.models.semantic_ids import Trie
from footpath.models.tiger import TIGER, Branches
from footpath.recommender import Embedder, Iterative, Recommender, Retriever, Settled, TakesNewItems, recommend, refit
from footpath.sequences.dataset import ItemFeatures, SequenceDataset
from footpath.sequences.splits import split_last_out
from footpath.sequences.vocabulary import Vocabulary
from footpath.training.batches import history_batches

SMALL = {"dim": 16, "epochs": 20, "batch_size": 16, "learning_rate": 0.01, "levels": 2, "codes": 4}


def new(**fields: object) -> TIGER:
    return TIGER(**(SMALL | fields))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def log() -> SequenceDataset:
    return clusters()


@pytest.fixture(scope="module", params=[True, False], ids=["own vectors", "digits alone"])
def model(request: pytest.FixtureRequest, log: SequenceDataset) -> TIGER:
    return new(own_vectors=request.param).fit(log)


@pytest.fixture(scope="module")
def histories(log: SequenceDataset) -> SequenceDataset:
    return log.prefixes(np.arange(40), np.full(40, 3))


def spelled_by_hand(model: TIGER, log: SequenceDataset, histories: SequenceDataset) -> np.ndarray:
    """Log-probabilities, item by item and digit by digit, from the formula on the page of the model."""
    network, codes = model._network, model.codes_of_items().tolist()
    table, decoder = network.table, network.decoder
    branches = network.branches
    scores = np.zeros((len(histories), log.n_items))
    for batch in history_batches(histories, max_len=model.max_len, batch_size=64):
        states = network.at(batch.inputs, batch.last)
        for row, s in zip(batch.rows, states, strict=True):
            for item in range(1, log.n_items):
                prefix, total = decoder.begin, 0.0
                for depth, vectors in enumerate(table.digits):
                    begins = codes[item][:depth]
                    choices = sorted({code[depth] for code in codes[1:] if code[:depth] == begins})
                    query = linear(s, decoder.queries[depth].weight, decoder.queries[depth].bias)
                    gate = linear(prefix, decoder.gates[depth].weight, decoder.gates[depth].bias)
                    shift = linear(prefix, decoder.shifts[depth].weight, decoder.shifts[depth].bias)
                    energies = {}
                    for digit in choices:
                        energies[digit] = (query * (1 + gate) + shift) @ vectors[digit]
                        if depth and table.weight is not None:
                            there = [i for i in range(1, log.n_items) if codes[i][: depth + 1] == [*begins, digit]]
                            if len(there) == 1:
                                own = there[0]
                            else:
                                own = int(branches.at(depth)[4][branches.node_of[there[0], depth]])
                                assert own >= log.n_items
                            energies[digit] = energies[digit] + query @ table.weight[own]
                    chosen = energies[codes[item][depth]]
                    total += float(chosen - torch.logsumexp(torch.stack(list(energies.values())), 0))
                    prefix = decoder.cell(vectors[codes[item][depth]][None], prefix[None])[0]
                scores[row, item] = total
    return scores


@torch.inference_mode()
def test_the_score_of_every_item_is_the_sum_of_the_log_probabilities_of_its_digits(model: TIGER, log: SequenceDataset) -> None:
    few = log.prefixes(np.arange(5), np.arange(1, 6))
    np.testing.assert_allclose(model.score(few)[:, 1:], spelled_by_hand(model, log, few)[:, 1:], rtol=1e-4, atol=1e-4)


def test_probabilities_of_all_items_sum_to_1(model: TIGER, histories: SequenceDataset) -> None:
    np.testing.assert_allclose(np.exp(model.score(histories)[:, 1:].astype(np.float64)).sum(axis=1), 1, rtol=1e-5)


@torch.inference_mode()
def test_what_is_learned_is_what_is_scored(model: TIGER, log: SequenceDataset, histories: SequenceDataset) -> None:
    network = model._network
    targets = torch.from_numpy(log.items[log.offsets[:40] + 3].astype(np.int64))
    (batch,) = history_batches(histories, max_len=50, batch_size=64)
    states = network.at(batch.inputs, batch.last)
    learned = network.decoder.log_probabilities(states, targets[batch.rows], network.table, network.branches)
    scored = model.score(histories)[batch.rows, targets[batch.rows]]
    np.testing.assert_allclose(learned.numpy(), scored, rtol=1e-4, atol=1e-5)


def test_items_without_training_events_have_no_share_in_what_is_learned() -> None:
    codes = np.array([[0, 0], [0, 0], [0, 1], [1, 0], [1, 1]])
    whole, part = (Trie.of(codes, np.array(items)) for items in ([1, 2, 3, 4], [1, 3, 4]))
    learned = Branches(part, whole)
    assert [learned.at(depth)[3].tolist() for depth in range(2)] == [[2], [1, 2]]  # item 2 is no sibling of item 1
    # items 1 to 4 have rows 1 to 4; the nodes 0 and 1 of depth 0 lead to two items each
    assert [learned.at(depth)[4].tolist() for depth in range(2)] == [[5, 6], [1, 3, 4]]
    assert Branches(whole).n_own == learned.n_own == 7


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_a_beam_as_wide_as_the_catalogue_finds_the_best_of_all_scores(model: TIGER, histories: SequenceDataset, exclude_seen: bool) -> None:
    wide = dataclasses.replace(model, beam=36)
    wide.restore(model.items, model.state())
    indexes, scores = wide.retrieve(histories, 10, exclude_seen=exclude_seen)
    expected = recommend(model, histories, 10, repeat=not exclude_seen)
    np.testing.assert_allclose(scores, expected.scores, rtol=1e-4, atol=1e-4)
    assert (indexes == expected.indexes).mean() > 0.99


def test_a_beam_of_1_takes_the_likeliest_digit_each_time(model: TIGER, histories: SequenceDataset) -> None:
    greedy = dataclasses.replace(model, beam=1)
    greedy.restore(model.items, model.state())
    indexes, scores = greedy.retrieve(histories, 1, exclude_seen=False)
    codes, table = model.codes_of_items(), model.score(histories).astype(np.float64)
    for b in range(len(histories)):
        left = np.arange(1, len(codes))
        for depth in range(codes.shape[1]):
            mass = {digit: np.exp(table[b, left[codes[left, depth] == digit]]).sum() for digit in np.unique(codes[left, depth])}
            left = left[codes[left, depth] == max(mass, key=lambda digit: mass[digit])]
        assert indexes[b, 0] == left[0]
        assert scores[b, 0] == pytest.approx(table[b, left[0]], abs=1e-4)


@pytest.mark.parametrize("beam", [1, 2, 5])
def test_a_narrow_beam_lists_k_unseen_items_of_the_catalogue(model: TIGER, histories: SequenceDataset, beam: int) -> None:
    narrow = dataclasses.replace(model, beam=beam)
    narrow.restore(model.items, model.state())
    indexes, scores = narrow.retrieve(histories, 7)
    assert ((indexes > 0) & (indexes < histories.n_items)).all()
    assert all(len(set(row)) == 7 for row in indexes.tolist())
    assert not any(set(row) & set(histories.history(b).tolist()) for b, row in enumerate(indexes.tolist()))
    assert (np.diff(scores, axis=1) <= 0).all()
    np.testing.assert_allclose(scores, np.take_along_axis(model.score(histories), indexes.astype(np.int64), 1), rtol=1e-4, atol=1e-4)


def test_fewer_items_than_k_leave_0_and_minus_infinity(model: TIGER, log: SequenceDataset) -> None:
    few = SequenceDataset.from_lists([[str(id) for id in log.vocabulary.decode(np.arange(1, 35))], []], log.vocabulary)
    indexes, scores = model.retrieve(few, 40)
    assert sorted(indexes[0].tolist()) == [0] * 38 + [35, 36]
    assert np.isneginf(scores[0, 2:]).all()
    assert (indexes[1, :36] > 0).all()
    assert indexes[1, 36:].tolist() == [0] * 4


def test_retrieval_of_no_item_is_refused(model: TIGER, histories: SequenceDataset) -> None:
    with pytest.raises(ConfigError, match=r"k must be at least 1, got 0"):
        model.retrieve(histories, 0)


def test_a_cold_item_is_listed_where_its_like_are(log: SequenceDataset) -> None:
    cold = {cluster: int(log.vocabulary.encode([f"c{cluster}-cold"])[0]) for cluster in range(N_CLUSTERS)}
    assert event_counts(log)[list(cold.values())].tolist() == [0] * N_CLUSTERS
    for own_vectors in (True, False):
        model = new(ids_from="text", own_vectors=own_vectors).fit(log)
        scores = model.score(log.prefixes(np.arange(40), np.full(40, 4)))[:, list(cold.values())]
        assert scores.argmax(axis=1).tolist() == [b % N_CLUSTERS for b in range(40)]
        listed, _ = model.retrieve(log.prefixes(np.arange(40), np.full(40, 4)), CLUSTER_SIZE - 3)  # what is left of the cluster
        assert np.mean([cold[b % N_CLUSTERS] in listed[b] for b in range(40)]) > 0.8


def titled(*titles: str) -> ItemFeatures:
    n = 1 + len(titles)
    return ItemFeatures(["", *titles], [""] * n, [""] * n, [()] * n)


@pytest.mark.parametrize("own_vectors", [True, False])
def test_an_item_that_comes_later_is_listed_at_once_and_changes_no_score(log: SequenceDataset, own_vectors: bool) -> None:
    model = new(ids_from="text", own_vectors=own_vectors).fit(log)
    extended = model.with_items(["x", "y"], titled("yoga mat", "tea kettle"))
    x, y = extended.items.encode(["x", "y"]).tolist()
    assert (x, y) == (37, 38)
    asked = SequenceDataset.from_lists([["c0-1", "c0-2"], ["c3-1", "c3-2"]], extended.items)
    before = model.score(SequenceDataset.from_lists([["c0-1", "c0-2"], ["c3-1", "c3-2"]], model.items))
    after = extended.score(asked)
    np.testing.assert_allclose(after[:, :37], before, atol=1e-4)
    assert after[0, y] > after[0, x]
    assert after[1, x] > after[1, y]
    listed, scores = extended.retrieve(asked, 38, exclude_seen=False)
    np.testing.assert_allclose(scores, np.sort(after[:, 1:])[:, ::-1], atol=1e-4)
    assert y in listed[0, :12]
    assert x in listed[1, :12]


def test_items_that_come_one_by_one_or_together_are_the_same(log: SequenceDataset, tmp_path: Path) -> None:
    model = new(ids_from="text", epochs=5).fit(log)
    titles = ["tea kettle", "tea kettle", "desk lamp 3", "yoga hose"]
    together = model.with_items(["a", "b", "c", "d"], titled(*titles))
    one_by_one = model
    for id, title in zip("abcd", titles, strict=True):
        one_by_one = one_by_one.with_items([id], titled(title))
        storage.save_model(one_by_one, tmp_path / id)
        one_by_one = storage.load_model(tmp_path / id)  # type: ignore[assignment]
    np.testing.assert_array_equal(one_by_one.codes_of_items(), together.codes_of_items())
    histories = SequenceDataset.from_lists([["c0-1"], ["c2-1", "a"]], together.items)
    np.testing.assert_allclose(one_by_one.score(histories), together.score(histories), atol=1e-5)


def test_new_items_need_ids_of_text() -> None:
    with pytest.raises(NotFittedError, match=r"TIGER is not fitted"):
        new().with_items(["x"], titled("tea"))
    with pytest.raises(ConfigError, match=r"co-occurrence alone.*ids_from=text\+cooccurrence"):
        new(epochs=1).fit(ring()).with_items(["x"], titled("tea"))


def test_learns_a_ring_of_three_digits() -> None:
    train = ring()
    model = new(levels=2, codes=3, epochs=40).fit(train)
    found, _ = model.retrieve(train.prefixes(np.arange(RING), np.full(RING, 4)), 1)
    assert train.vocabulary.decode(found[:, 0]) == [f"r{(b + 4) % RING}" for b in range(RING)]


@pytest.mark.parametrize("protocol", [Recommender, Retriever, Settled, Iterative, TakesNewItems])
def test_can_what_these_protocols_ask_for(model: TIGER, protocol: type[object]) -> None:
    assert isinstance(model, protocol)


def test_does_not_pretend_that_scores_are_products_of_vectors(model: TIGER) -> None:
    assert not isinstance(model, Embedder)


def test_validation_chooses_the_epoch_and_a_refit_keeps_it() -> None:
    parts = split_last_out(ring())
    held = new(epochs=12).fit(parts.train, validation=parts.validation)
    figures = [epoch.validation for epoch in held.history.epochs]  # type: ignore[union-attr]
    best = 1 + int(np.argmax(figures))  # type: ignore[arg-type]
    assert held.settled() == new(epochs=best)
    assert len(refit(held, parts.refit).history.epochs) == best  # type: ignore[attr-defined]


def test_goes_on_from_a_checkpoint_to_the_same_scores(tmp_path: Path, log: SequenceDataset) -> None:
    whole = new(epochs=6).fit(log)
    stopped = new(epochs=6).observed(watch=lambda epoch: epoch.number == 6, checkpoint=tmp_path).fit(log)
    np.testing.assert_array_equal(stopped.score(log), whole.score(log))
    again = new(epochs=6).observed(watch=pytest.fail, checkpoint=tmp_path).fit(log)  # type: ignore[arg-type]
    np.testing.assert_array_equal(again.score(log), whole.score(log))
    with pytest.raises(RunError, match=r"codes"):
        new(epochs=6, codes=5).observed(checkpoint=tmp_path).fit(log)


@pytest.mark.parametrize("own_vectors", [True, False])
def test_restoring_gives_ids_report_and_scores(log: SequenceDataset, own_vectors: bool) -> None:
    model = new(own_vectors=own_vectors, epochs=2).fit(log)
    twin = new(own_vectors=own_vectors, epochs=2).restore(log.vocabulary, model.state())
    assert twin.ids == model.ids
    np.testing.assert_array_equal(twin.codes_of_items(), model.codes_of_items())
    np.testing.assert_array_equal(twin.score(log), model.score(log))


def test_foreign_weights_are_refused(log: SequenceDataset) -> None:
    state = dict(new(epochs=1).fit(log).state())
    with pytest.raises(RunError, match=r"36 items with 4 digits were expected, got \(37, 3\)"):
        new(levels=3).restore(log.vocabulary, state)
    with pytest.raises(RunError, match=r"1 items with 3 digits were expected, got \(37, 3\)"):
        new().restore(Vocabulary.build(["a"]), state)
    with pytest.raises(RunError, match=r"must have shape \(.*8\)"):
        new(dim=8).restore(log.vocabulary, state)
    with pytest.raises(RunError, match=r"got \(0, 0\)"):
        new().restore(log.vocabulary, {name: array for name, array in state.items() if name != "table.codes"})
    with pytest.raises(RunError, match=r"do not belong together: 36 items have 1 codes"):
        new().restore(log.vocabulary, {**state, "table.codes": np.zeros_like(state["table.codes"])})


def test_an_unfitted_model_has_neither_ids_nor_a_settled_twin() -> None:
    with pytest.raises(NotFittedError, match=r"TIGER is not fitted"):
        new().codes_of_items()
    with pytest.raises(NotFittedError, match=r"TIGER is not fitted"):
        new().settled()


def test_ids_from_text_without_text_say_what_to_do() -> None:
    with pytest.raises(ConfigError, match=r"ids_from=text needs titles.*ids_from=cooccurrence"):
        new(ids_from="text").fit(ring())


@pytest.mark.parametrize("ids_from", ["text", "cooccurrence", "text+cooccurrence"])
@pytest.mark.parametrize("titles", [["", "tea", "tea"], ["", "tea", "lamp"]])
def test_two_items_are_told_apart(ids_from: str, titles: list[str]) -> None:
    features = ItemFeatures(titles, [""] * 3, [""] * 3, [()] * 3)
    vocabulary = Vocabulary.build(["a", "b"])
    log = SequenceDataset.from_lists([["a", "b", "a", "b"]] * 20, vocabulary, item_features=features)
    model = new(ids_from=ids_from).fit(log)
    after = SequenceDataset.from_lists([["a"], ["b"]], vocabulary)
    assert vocabulary.decode(recommend(model, after, 1, repeat=True).indexes[:, 0]) == ["b", "a"]


def test_items_of_one_title_are_told_apart_by_the_last_digit() -> None:
    train = ring()
    features = ItemFeatures(["same"] * train.n_items, [""] * train.n_items, [""] * train.n_items, [()] * train.n_items)
    train = dataclasses.replace(train, item_features=features)
    model = new(ids_from="text", epochs=40).fit(train)
    assert (model.ids.buckets, model.ids.collided, model.ids.largest_bucket) == (1, 1.0, RING)
    found = recommend(model, train.prefixes(np.arange(RING), np.full(RING, 4)), 1)
    assert [found.items(b) for b in range(RING)] == [[f"r{(b + 4) % RING}"] for b in range(RING)]


def test_one_item_is_all_there_is() -> None:
    train = SequenceDataset.from_lists([["a", "a", "a"]])
    model = new().fit(train)
    assert model.score(train)[0, 1] == 0  # log 1
    assert model.retrieve(train, 1, exclude_seen=False)[0].tolist() == [[1]]


def test_unknown_items_of_a_history_are_passed_over_and_an_empty_one_gets_what_is_popular(model: TIGER, log: SequenceDataset) -> None:
    rows = SequenceDataset.from_lists([["c1-2", "new"], ["c1-2"], ["new"], []], log.vocabulary)
    scores = model.score(rows)
    np.testing.assert_array_equal(scores[0], scores[1])
    popular = np.log1p(event_counts(log))
    np.testing.assert_array_equal(scores[2:], [popular, popular])
    indexes, _ = model.retrieve(rows, 3, exclude_seen=False)
    assert indexes[2].tolist() == indexes[3].tolist() == recommend(model, rows.between(3, 4), 3).indexes[0].tolist()


def test_settings_out_of_range_are_refused() -> None:
    for field, value in (("beam", 0), ("levels", 0), ("dim", 0), ("codes", 1), ("dropout", 1.0)):
        with pytest.raises(ConfigError, match=rf"{field} must .* got {value}"):
            new(**{field: value})


def test_the_tables_of_the_page_are_those_of_the_measured_rows() -> None:
    """`python benchmarks/semantic_ids.py --table` writes them; in a process of its own, for it sets threads where it is imported."""
    root = Path(__file__).resolve().parents[2]
    code = "import sys; sys.path.insert(0, 'benchmarks'); import semantic_ids as b; print(b.MARK + chr(10) + b.table(b.read_results()))"
    printed = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True).stdout
    assert (root / "docs" / "models" / "generative-retrieval.md").read_text(encoding="utf-8").endswith(printed)
