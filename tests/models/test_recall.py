"""Recall: what every causal sequence model takes from the whole history, beyond the window that it reads."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
import tracemalloc
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from footpath.errors import ConfigError, RunError
from footpath.models import catalog, storage
from footpath.models.gru4rec import GRU4Rec
from footpath.models.item_table import ItemTable
from footpath.models.network import Recall
from footpath.models.sasrec import SASRec
from footpath.models.sequence_model import Act, SequenceModel
from footpath.recommender import EpochFigures, recommend, refit
from footpath.sequences import storage as sequence_storage
from footpath.sequences.dataset import ItemFeatures, SequenceDataset
from footpath.sequences.long_history import trail_occasions
from footpath.sequences.split import Holdout
from footpath.sequences.vocabulary import Vocabulary
from footpath.training.batches import TrainingBatches, history_batches, known_events
from footpath.training.losses import softmax_loss
from footpath.training.objectives import all_action, next_item

CAUSAL = [
    name for name in catalog.names() if catalog.entry(name).family in ("recurrence", "convolution", "attention") and name != "bert4rec"
]
TINY: dict[str, Any] = {"dim": 8, "max_len": 4, "epochs": 2, "batch_size": 16, "recall": 3}


def repeats(n: int = 24, seed: int = 0, *, categories: bool = False, longest: int = 16) -> SequenceDataset:
    """Short and long rows over nine items and some that the vocabulary does not know; categories of three items each, and of none."""
    rng = np.random.default_rng(seed)
    vocabulary = Vocabulary.build([f"i{i}" for i in range(9)])
    rows = [[f"i{i}" for i in rng.integers(11, size=rng.integers(2, longest))] for _ in range(n)]
    times = np.concatenate([np.cumsum(rng.integers(1, 10**10, size=len(row))) for row in rows])
    features = None
    if categories:
        ids = [id or "" for id in vocabulary.decode(np.arange(1, 10, dtype=np.int32))]
        kinds = ["", *(["", "tea", "lamp"][int(id[1:]) // 3] for id in ids)]
        features = ItemFeatures([""] * 10, [""] * 10, kinds, [()] * 10)
    return SequenceDataset.from_lists(rows, vocabulary, times=times, item_features=features)


def telling(model: SequenceModel, seed: int = 0) -> SequenceModel:
    """The same model, in which what is recalled counts for much: the gate starts at zero, and a short training leaves it near."""
    rng = np.random.default_rng(seed)
    state = dict(model.state())
    for name in ("recall.gate", "recall.age", "recall.query.weight"):
        state[name] = rng.normal(size=state[name].shape).astype(np.float32)
    return dataclasses.replace(model).restore(model.items, state)


@pytest.mark.parametrize("categories", [False, True])
@pytest.mark.parametrize("name", CAUSAL)
def test_reading_one_act_after_another_recalls_as_the_whole_history_does(name: str, categories: bool) -> None:
    log = repeats(categories=categories)
    model = catalog.create(name, **TINY).fit(log)
    assert isinstance(model, SequenceModel)
    model = telling(model)
    assert log.times is not None
    expected = model.score(log)
    silent = dict(model.state()) | {"recall.gate": np.zeros(8, np.float32)}
    assert np.abs(expected - dataclasses.replace(model).restore(model.items, silent).score(log)).max() > 0.1
    for b in range(6):
        reading = None
        for item, time in zip(log.vocabulary.decode(log.history(b)), log.times[log.offsets[b] : log.offsets[b + 1]], strict=True):
            before = model.score_reading(reading)
            after = model.step(reading, Act(item or "unknown", time=int(time)))
            np.testing.assert_array_equal(model.score_reading(reading), before)
            reading = after
        np.testing.assert_allclose(model.score_reading(reading), expected[b], atol=1e-4)


@pytest.mark.parametrize("objective", [next_item, partial(all_action, within=3)])
@pytest.mark.parametrize("window", [3, 6, 40])
def test_training_recalls_at_each_place_what_lies_before_it_in_the_whole_row_and_no_more(objective: Any, window: int) -> None:
    log = repeats()
    categories = np.array([0, 1, 1, 1, 2, 2, 2, 0, 0, 0])
    batches = TrainingBatches(log, window, 5, objective, recall=2, categories=categories)
    trails = known_events(log)
    known = [trails.history(b).tolist() for b in range(len(trails))]
    n_beyond = n_seen = 0
    for batch in batches.shuffled(np.random.default_rng(0)):
        assert batch.recalled is not None
        length = batch.inputs.items.shape[1]
        for place, recalled in zip(batch.real.tolist(), batch.recalled.numpy(), strict=True):
            row, position = divmod(place, length)
            inputs = batch.inputs.items[row][batch.inputs.items[row] > 0].tolist()
            pasts = [
                trail[: max(0, len(trail) - window) + position + 1]
                for trail in known
                if trail[max(0, len(trail) - window) : len(trail) - 1] == inputs
            ]
            assert any(np.array_equal(trail_occasions(np.array(past), 2, categories=categories), recalled) for past in pasts)
            n_seen += 1
            n_beyond += bool((recalled[:, 2] > position).any())
    assert n_seen == sum(min(len(trail), window) - 1 for trail in known if len(trail) > 1)
    assert (n_beyond > 0) == (window < 40)


def test_asking_recalls_of_the_whole_history_though_the_window_is_short() -> None:
    log = repeats()
    trails = known_events(log)
    for batch in history_batches(log, max_len=2, batch_size=7, recall=3):
        assert batch.recalled is not None
        for row, recalled in zip(batch.rows.tolist(), batch.recalled.numpy(), strict=True):
            np.testing.assert_array_equal(recalled, trail_occasions(trails.history(row), 3))


@pytest.fixture(scope="module")
def sasrec() -> SequenceModel:
    return telling(SASRec(**TINY).fit(repeats()))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 10), min_size=1, max_size=12), st.lists(st.lists(st.integers(0, 10), max_size=30), max_size=4), st.data())
def test_company_and_unknown_items_change_nothing(
    sasrec: SequenceModel, history: list[int], company: list[list[int]], data: st.DataObject
) -> None:
    def score(*rows: list[int]) -> np.ndarray:
        return sasrec.score(SequenceDataset.from_lists([[f"i{i}" for i in row] for row in rows], sasrec.items))

    alone = score(history)[0]
    np.testing.assert_allclose(score(*company, history)[-1], alone, rtol=1e-4, atol=1e-4)
    mixed = list(history)
    for _ in range(3):
        mixed.insert(data.draw(st.integers(0, len(mixed))), 10)
    np.testing.assert_allclose(score(mixed)[0], alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", CAUSAL)
def test_without_anything_to_recall_and_before_the_gate_opens_the_model_is_what_it_was(name: str) -> None:
    log = repeats()
    recalling = catalog.create(name, **TINY).fit(log)
    assert isinstance(recalling, SequenceModel)
    state = {key: array for key, array in recalling.state().items() if not key.startswith("recall.")}
    plain = catalog.create(name, **TINY | {"recall": 0}).restore(log.vocabulary, state)
    once = SequenceDataset.from_lists([["i1", "i2", "i3"], ["i4"], []], log.vocabulary, times=np.arange(4))
    assert telling(recalling).score(once).tobytes() == plain.score(once).tobytes()
    closed = dict(recalling.state()) | {"recall.gate": np.zeros(8, np.float32)}
    np.testing.assert_array_equal(dataclasses.replace(recalling).restore(log.vocabulary, closed).score(log), plain.score(log))
    assert not np.array_equal(recalling.score(log), plain.score(log))


def test_the_formula_is_that_of_the_page_of_long_histories() -> None:
    rng = np.random.default_rng(0)
    dim, k = 6, 3
    recall, table = Recall(dim, k), ItemTable(8, dim).eval()
    for parameter in recall.parameters():
        parameter.data = torch.from_numpy(rng.normal(size=parameter.shape).astype(np.float32))
    recalled = np.array(
        [
            [[2, 5, 1], [2, 7, 9], [4, 1, 3]],  # the third is of the item's category
            [[0, 0, 0], [0, 0, 0], [0, 0, 0]],
            [[3, 3, 64], [0, 0, 0], [0, 0, 0]],
        ]
    )
    items, states = np.array([2, 5, 3]), rng.normal(size=(3, dim)).astype(np.float32)
    with torch.no_grad():
        found = recall(*map(torch.from_numpy, (states, items, recalled)), table).numpy()
    q, w = table.weight.detach().numpy().astype(np.float64), recall.query.weight.detach().numpy()  # type: ignore[union-attr]
    age, gate = recall.age.detach().numpy(), recall.gate.detach().numpy()
    for t in range(3):
        weights, values = [1.0], [np.zeros(dim)]  # attending to none
        for earlier, followed, ago in recalled[t]:
            if earlier:
                a, b = ((q[i] - q[i].mean()) / np.sqrt(q[i].var() + 1e-8) for i in (earlier, followed))
                u = w @ states[t]
                bias = age[int(np.log2(ago)) + (32 if earlier == items[t] else 0)]
                weights.append(np.exp((u[:dim] @ a + u[dim:] @ b) / np.sqrt(dim) + bias))
                values.append(b)
        mixed = np.array(weights) / np.sum(weights) @ np.stack(values)
        np.testing.assert_allclose(found[t], states[t] + gate * mixed, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found[1], states[1])


def test_the_parts_of_a_batch_learn_what_the_whole_learns() -> None:
    log = repeats(40)
    model = telling(GRU4Rec(**TINY | {"dropout": 0.0}).fit(log))
    network = model._network

    def gradients(batch: Any, weight: float) -> dict[str, torch.Tensor]:
        network.zero_grad()
        loss = softmax_loss(network.at(batch.inputs, batch.real, batch.recalled), network.items.table(), batch.targets) * weight
        torch.autograd.backward(loss)
        return {name: torch.zeros(p.shape) if p.grad is None else p.grad.clone() for name, p in network.named_parameters()}

    (batch,) = TrainingBatches(log, 5, 100, next_item, recall=3).shuffled(np.random.default_rng(0))
    whole = gradients(batch, 1.0)
    assert whole["recall.query.weight"].abs().max() > 0
    parts = [batch.rows_of(rank, 3) for rank in range(3)]
    summed = [gradients(part, part.n_real / batch.n_real) for part in parts]
    for name, expected in whole.items():
        np.testing.assert_allclose(sum(part[name] for part in summed), expected, rtol=1e-3, atol=1e-5)


def test_saved_restored_settled_and_resumed_models_recall_the_same(tmp_path: Path) -> None:
    log = repeats(40, categories=True)
    rows = np.arange(len(log))
    held = Holdout(log.prefixes(rows, log.lengths - 1), np.arange(len(log) + 1), log.items[log.offsets[1:] - 1])
    model = GRU4Rec(**TINY | {"epochs": 6}).fit(log, validation=held)
    assert "recall.categories" in model.state()
    storage.save_model(model, tmp_path / "model")
    loaded = storage.load_model(tmp_path / "model")
    assert loaded.score(log).tobytes() == model.score(log).tobytes()
    settled = refit(model, log)
    assert settled.score(log).tobytes() == model.score(log).tobytes()
    checkpoint = tmp_path / "checkpoint"

    class KilledError(Exception):
        pass

    def kill(epoch: EpochFigures) -> bool:
        if epoch.number == 3:
            raise KilledError
        return False

    with pytest.raises(KilledError):
        GRU4Rec(**TINY | {"epochs": 6}).observed(watch=kill, checkpoint=checkpoint).fit(log, validation=held)
    resumed = GRU4Rec(**TINY | {"epochs": 6}).observed(checkpoint=checkpoint).fit(log, validation=held)
    assert resumed.score(log).tobytes() == model.score(log).tobytes()
    with pytest.raises(RunError, match="recall"):
        GRU4Rec(**TINY | {"epochs": 6, "recall": 2}).observed(checkpoint=checkpoint).fit(log, validation=held)


def test_retrieval_finds_what_scores_say() -> None:
    log = repeats()
    model = telling(GRU4Rec(**TINY).fit(log))
    found, _ = model.retrieve(log, 3, exclude_seen=False)
    scores = model.score(log)
    scores[:, 0] = -np.inf
    np.testing.assert_array_equal(found, np.argsort(-scores, axis=1)[:, :3])


def test_impossible_recall_names_its_value() -> None:
    with pytest.raises(ConfigError, match="recall must be at least 0, got -1"):
        SASRec(recall=-1)
    with pytest.raises(ConfigError, match="BERT4Rec reads both ways: set it to 0, got 4"):
        catalog.create("bert4rec", recall=4)
    state = dict(SASRec(**TINY).fit(repeats()).state())
    with pytest.raises(RunError, match=r"recall\.age must have shape \(64,\), got None"):
        SASRec(**TINY).restore(repeats().vocabulary, {name: array for name, array in state.items() if name != "recall.age"})


def test_what_followed_an_item_of_the_same_category_is_recalled_where_the_item_is_new() -> None:
    # a user who went on from one kind of tea to a shop goes on from another kind of tea to the same shop
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(300):
        teas, others, shop = rng.choice(30, 2, replace=False), rng.integers(40, size=6), int(rng.integers(10))
        rows.append([f"tea{teas[0]}", f"shop{shop}", *(f"other{i}" for i in others), f"tea{teas[1]}", f"shop{shop}"])
    vocabulary = Vocabulary.build([id for row in rows for id in row])
    ids = [id or "" for id in vocabulary.decode(np.arange(1, len(vocabulary), dtype=np.int32))]
    categories = ["", *("tea" if id.startswith("tea") else "" for id in ids)]
    nothing = [""] * len(categories)
    features = ItemFeatures(nothing, nothing, categories, [()] * len(categories))
    log = SequenceDataset.from_lists(rows, vocabulary, item_features=features)
    train, asked = log.between(0, 200), log.between(200, 300)
    histories = asked.prefixes(np.arange(100), asked.lengths - 1)
    settings = {"dim": 16, "max_len": 3, "epochs": 20, "batch_size": 16, "learning_rate": 0.01, "dropout": 0.1}
    for data, at_least, at_most in ((train, 0.9, 1.0), (dataclasses.replace(train, item_features=None), 0.0, 0.3)):
        found = recommend(GRU4Rec(**settings, recall=2).fit(data), histories, 1, repeat=True)  # type: ignore[arg-type]
        assert at_least <= np.mean(found.indexes[:, 0] == asked.items[asked.offsets[1:] - 1]) <= at_most


def on_disk(log: SequenceDataset, folder: Path) -> SequenceDataset:
    sequence_storage.save(log, folder)
    mapped = sequence_storage.load(folder)
    assert isinstance(mapped.items, np.memmap)
    assert not mapped.items.flags.writeable
    return mapped


@pytest.mark.parametrize("fields", [{"recall": 0}, {"recall": 3}, {"recall": 0, "inputs": "gap"}])
def test_memory_mapped_sequences_are_fitted_and_scored_as_those_in_memory(tmp_path: Path, fields: dict[str, Any]) -> None:
    log = known_events(repeats(40))
    rows = np.arange(len(log))
    held = Holdout(log.prefixes(rows, log.lengths - 1), np.arange(len(log) + 1), log.items[log.offsets[1:] - 1])
    mapped = on_disk(log, tmp_path / "log")
    in_memory = GRU4Rec(**TINY | fields).fit(log, validation=held)
    from_disk = GRU4Rec(**TINY | fields).fit(
        mapped, validation=dataclasses.replace(held, histories=on_disk(held.histories, tmp_path / "h"))
    )
    assert from_disk.history is not None
    assert in_memory.history is not None
    assert [e.validation for e in from_disk.history.epochs] == [e.validation for e in in_memory.history.epochs]
    assert from_disk.score(mapped).tobytes() == in_memory.score(log).tobytes()


@pytest.mark.parametrize("recall", [0, 4])
def test_a_log_on_disk_is_never_in_memory_as_a_whole(tmp_path: Path, recall: int) -> None:
    n_users, length, n_items = 200, 8_000, 50
    rng = np.random.default_rng(0)
    items = rng.integers(1, n_items + 1, n_users * length).astype(np.int32)
    offsets = np.arange(n_users + 1, dtype=np.int64) * length
    users = SequenceDataset.from_lists([[] for _ in range(n_users)]).users
    vocabulary = Vocabulary.build([f"i{i}" for i in range(n_items)])
    log = on_disk(SequenceDataset(vocabulary, users, offsets, items, times=np.arange(len(items))), tmp_path / "log")
    del items
    model = GRU4Rec(dim=4, max_len=10, epochs=1, batch_size=8, recall=recall)
    tracemalloc.start()
    try:
        model.fit(log)
        scores = model.score(log)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert scores.shape == (n_users, n_items + 1)
    assert log.times is not None
    assert peak < log.items.nbytes  # of the smaller of two columns


def test_histories_of_like_length_are_scored_together() -> None:
    rng = np.random.default_rng(0)
    log = SequenceDataset.from_lists([["a"] * n for n in rng.integers(1, 200, size=2_000)])
    batches = list(history_batches(log, max_len=200, batch_size=64))
    places = sum(batch.inputs.items.numel() for batch in batches)
    assert sum(int((batch.inputs.items > 0).sum()) for batch in batches) > 0.95 * places
    assert places == sum(len(batch.rows) * int(log.lengths[batch.rows].max()) for batch in batches)


def test_long_windows_are_scored_in_smaller_batches() -> None:
    log = SequenceDataset.from_lists([["a", "b"] * 10] * 300)
    sizes = {}
    for max_len in (20, 2**14):
        model = GRU4Rec(dim=4, max_len=max_len, epochs=1).fit(log)
        sizes[max_len] = [len(batch.rows) for batch in model._batches(model._network, log, None)]
    assert sizes == {20: [256, 44], 2**14: [4] * 75}


def benchmark() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "long_histories.py"
    spec = importlib.util.spec_from_file_location("benchmark_of_long_histories", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look up the module that they are defined in
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_a_pair_that_was_seen_a_thousand_events_ago_is_answered_with_recall_and_not_without() -> None:
    planted = benchmark().planted
    train, asked = planted(192, 1000, 0, n_items=200, events=2000), planted(100, 1000, 1, n_items=200, events=2000)
    histories = asked.prefixes(np.arange(100), asked.lengths - 1)
    answers = asked.items[asked.offsets[1:] - 1]
    right = {}
    for recall in (0, 4):
        model = GRU4Rec(dim=32, max_len=50, dropout=0.1, batch_size=16, learning_rate=0.005, epochs=15, recall=recall).fit(train)
        right[recall] = np.mean(recommend(model, histories, 1, repeat=True).indexes[:, 0] == answers)
    assert right[4] > 0.9
    assert right[0] < 0.1
