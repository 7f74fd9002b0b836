"""What every sequence model shares beyond the contract: settings that change what is read and what is learned, and serving by events."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from planted_logs import CLUSTER_SIZE, RING, clusters, ring
from torch import nn

from footpath.errors import ConfigError, NotFittedError, RunError
from footpath.events.contract import EVENT_TYPES
from footpath.models import catalog, sequence_model
from footpath.models.gru4rec import GRU4Rec
from footpath.models.hstu import HSTU
from footpath.models.layers import Clock, State
from footpath.models.sasrec import SASRec
from footpath.models.sequence_model import Act, SequenceModel
from footpath.recommender import EpochFigures, Recommender, recommend
from footpath.sequences.dataset import ItemFeatures, SequenceDataset
from footpath.sequences.split import Holdout
from footpath.sequences.vocabulary import Vocabulary

SEQUENCE_MODELS = [name for name in catalog.names() if catalog.entry(name).family in ("recurrence", "convolution", "attention")]
TINY: dict[str, Any] = {"dim": 8, "max_len": 4, "epochs": 2, "batch_size": 16, "inputs": "type,value,gap"}
QUICK: dict[str, Any] = {"dim": 16, "max_len": 8, "dropout": 0.1, "epochs": 20, "batch_size": 16, "learning_rate": 0.01}
SECOND = 1_000_000


def timed(seed: int = 0, n: int = 24) -> SequenceDataset:
    rng = np.random.default_rng(seed)
    rows = [[f"i{i}" for i in rng.integers(9, size=rng.integers(2, 9))] for _ in range(n)]
    size = sum(map(len, rows))
    times = np.concatenate([np.cumsum(rng.integers(1, 10**10, size=len(row))) for row in rows])
    values = np.where(rng.random(size) < 0.3, np.nan, rng.random(size)).astype(np.float32)
    return SequenceDataset.from_lists(rows, times=times, types=rng.integers(1, 6, size).astype(np.int8), values=values)


def with_time_biases(model: SequenceModel) -> SequenceModel:
    """The same model, in which gaps of time count for much: a bias starts at zero, and a short training leaves it near."""
    rng = np.random.default_rng(0)
    state = dict(model.state())
    for name in [name for name in state if name.endswith("time_bias.weight")]:
        state[name] = rng.normal(size=state[name].shape).astype(np.float32)
    return dataclasses.replace(model).restore(model.items, state)


@pytest.mark.parametrize("later", [0, 5_000_000, 10**12])
@pytest.mark.parametrize(
    ("name", "request_time"), [(n, False) for n in SEQUENCE_MODELS] + [(n, True) for n in ("sasrec", "esasrec", "hstu")]
)
def test_reading_one_act_after_another_scores_as_the_whole_history_does(name: str, request_time: bool, later: int) -> None:
    log = timed()
    model = catalog.create(name, **TINY, request_time=request_time).fit(log)
    assert isinstance(model, SequenceModel)
    assert log.times is not None
    assert log.types is not None
    assert log.values is not None
    model = with_time_biases(model)
    ends = log.times[log.offsets[1:] - 1] + later
    expected = model.score(log, ends)
    if later:  # BERT4Rec asks by an event to come, whose gap is then known
        assert (np.abs(expected - model.score(log)).max() > 0.01) == (request_time or name == "bert4rec")
    assert {len(log.history(b)) > 4 for b in range(8)} == {True, False}
    for b in range(8):
        reading = None
        for e in range(log.offsets[b], log.offsets[b + 1]):
            time = int(log.times[e])
            last = e == log.offsets[b + 1] - 1
            act = Act(str(log.vocabulary.decode(log.items[e : e + 1])[0]), EVENT_TYPES[log.types[e]], time, float(log.values[e]))
            before = model.score_reading(reading)
            after = model.step(model.step(reading, Act("unknown", time=time)), act, int(ends[b]) if last else None)
            np.testing.assert_array_equal(model.score_reading(reading), before)
            reading = after
        np.testing.assert_allclose(model.score_reading(reading), expected[b], atol=1e-4)


def test_an_act_that_cannot_be_read_says_why() -> None:
    log = timed()
    model = GRU4Rec(**TINY).fit(log)
    with pytest.raises(ConfigError, match=r"no event type 'purchas'; did you mean 'purchase'\?"):
        model.step(None, Act("i1", "purchas", 0))
    with pytest.raises(ConfigError, match=r"GRU4Rec reads times, and the act on 'i1' has none"):
        model.step(None, Act("i1", "view"))
    with pytest.raises(NotFittedError, match="GRU4Rec is not fitted"):
        GRU4Rec().step(None, Act("i1"))


LOW, HIGH = 10 * SECOND, 100_000 * SECOND
TOLD_BY: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {  # columns of the events `start` and `x` of users who go on to A, and to B
    "type": ({"types": ["view", "view"]}, {"types": ["view", "cart"]}),
    "value": ({"values": [np.nan, 1.0]}, {"values": [np.nan, 5.0]}),
    "value, or that there is none": ({"values": [np.nan, np.nan]}, {"values": [np.nan, 3.0]}),
    "gap": ({"times": [0, LOW]}, {"times": [0, HIGH]}),
}


def told_apart(columns: tuple[dict[str, Any], dict[str, Any]], n: int = 40) -> SequenceDataset:
    """Everybody does `start` and `x`, then A or B in turn: what comes is in a column of the first two events, and nowhere else."""
    last = {"types": "purchase", "values": np.nan}
    found: dict[str, list[Any]] = {name: [] for name in columns[0]}
    for user in range(n):
        for name, values in columns[user % 2].items():
            found[name] += [*values, values[-1] + 50 * SECOND if name == "times" else last[name]]
    arrays: dict[str, np.ndarray] = {}
    for name, values in found.items():
        if name == "types":
            arrays[name] = np.array([EVENT_TYPES.index(kind) for kind in values], np.int8)
        else:
            arrays[name] = np.array(values, np.float32 if name == "values" else np.int64)
    return SequenceDataset.from_lists([["start", "x", "AB"[user % 2]] for user in range(n)], **arrays)


def first_two_answers(model: SequenceModel, log: SequenceDataset) -> list[str]:
    """What is recommended to a user of either kind after `start` and `x`."""
    found = recommend(model, log.prefixes(np.arange(2), np.full(2, 2)), 1)
    return [*found.items(0), *found.items(1)]


@pytest.mark.parametrize("column", TOLD_BY)
def test_a_rule_that_a_column_alone_tells_is_learned_where_it_is_an_input(column: str) -> None:
    log = told_apart(TOLD_BY[column])
    read = column.split(",")[0]
    assert first_two_answers(GRU4Rec(**QUICK, inputs=read).fit(log), log) == ["A", "B"]
    blind = GRU4Rec(**QUICK).fit(log)
    scores = blind.score(log.prefixes(np.arange(2), np.full(2, 2)))
    np.testing.assert_array_equal(scores[0], scores[1])


def test_a_category_tells_of_an_item_that_was_never_seen() -> None:
    rows = [["start", f"{'tl'[user % 2]}{user % 12}", "AB"[user % 2]] for user in range(72)]
    new = ["t-new", "l-new"]
    vocabulary = Vocabulary.build([*new, *(id for row in rows for id in row)])
    ids = [id or "" for id in vocabulary.decode(np.arange(1, len(vocabulary), dtype=np.int32))]
    categories = ["", *({"t": "tea", "l": "lamp"}.get(id[0] if id != "start" else "", "") for id in ids)]
    nothing = [""] * len(categories)
    features = ItemFeatures(nothing, nothing, categories, [()] * len(categories))
    log = SequenceDataset.from_lists(rows, vocabulary, item_features=features)
    asked = SequenceDataset.from_lists([["start", id] for id in new], vocabulary, item_features=features)
    found = recommend(GRU4Rec(**QUICK, inputs="category").fit(log), asked, 1)
    assert [found.items(0), found.items(1)] == [["A"], ["B"]]
    with pytest.raises(ConfigError, match="inputs=category needs an item table with categories"):
        GRU4Rec(inputs="category").fit(dataclasses.replace(log, item_features=None))


@pytest.mark.parametrize("build", [SASRec, HSTU])
def test_the_time_of_the_question_decides_where_it_is_read(build: type[SequenceModel]) -> None:
    # who comes back soon wants the newer of two items again, who comes back late the older one
    rng = np.random.default_rng(0)
    pairs = np.array([rng.choice(6, 2, replace=False) for _ in range(240)])
    late = np.arange(240) % 2
    answers = np.where(late, pairs[:, 0], pairs[:, 1])
    asked = 50 * SECOND + np.where(late, HIGH, LOW)
    times = np.stack([np.zeros(240, np.int64), np.full(240, 50 * SECOND), asked], axis=1).ravel()
    log = SequenceDataset.from_lists([[f"i{i}" for i in (*pair, answer)] for pair, answer in zip(pairs, answers, strict=True)], times=times)
    histories = log.prefixes(np.arange(240), np.full(240, 2))
    settings = QUICK | {"dropout": 0.0, "batch_size": 32}

    def right(request_times: np.ndarray) -> float:
        found = recommend(model, histories, 1, repeat=True, request_times=request_times)
        return float(np.mean(found.indexes[:, 0] == log.items[2::3]))

    model = build(**settings, request_time=True).fit(log)
    assert right(asked) > 0.98
    assert right(50 * SECOND + np.where(late, LOW, HIGH)) < 0.02
    model = build(**settings | {"epochs": 2}).fit(log)  # does not read it
    np.testing.assert_array_equal(model.score(histories, asked), model.score(histories, asked + HIGH))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"inputs": "gap"}, r"GRU4Rec with inputs=gap reads the times of events, and these sequences hold none"),
        ({"inputs": "value"}, r"GRU4Rec with inputs=value reads the values of events"),
        ({"inputs": "type"}, r"GRU4Rec with inputs=type reads the types of events"),
        ({"request_time": True}, r"GRU4Rec with request_time reads the times of events"),
        ({"targets": "view"}, r"targets choose event types, and these sequences hold none"),
        ({"item_table": "text"}, r"item_table=text needs titles or other text of the items, and this log has no item table"),
        ({"item_table": "id+text+delta"}, r"item_table=id\+text\+delta needs titles"),
    ],
)
def test_a_setting_that_reads_what_the_log_lacks_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        GRU4Rec(**settings).fit(ring())


def test_only_chosen_event_types_are_targets() -> None:
    # after a view of v comes the view of the next one, or in one of five cases the purchase of p
    rng = np.random.default_rng(0)
    rows, types = [], []
    for user in range(120):
        row = [f"v{(user + step) % 6}" for step in range(4)]
        bought = int(rng.integers(4)) if user % 5 else 3
        rows.append([*row[: bought + 1], f"p{row[bought][1]}"])
        types += ["view"] * (bought + 1) + ["purchase"]
    log = SequenceDataset.from_lists(rows, types=np.array([EVENT_TYPES.index(kind) for kind in types], np.int8))
    asked = SequenceDataset.from_lists([[f"v{i}"] for i in range(6)], log.vocabulary, types=np.full(6, EVENT_TYPES.index("view"), np.int8))
    of_purchases = recommend(SASRec(**QUICK, targets="purchase").fit(log), asked, 1)
    assert [of_purchases.items(i) for i in range(6)] == [[f"p{i}"] for i in range(6)]
    of_all = recommend(SASRec(**QUICK).fit(log), asked, 1)
    assert [of_all.items(i) for i in range(6)] == [[f"v{(i + 1) % 6}"] for i in range(6)]


def places(histories: SequenceDataset) -> list[int]:
    return [int(str(id)[1:]) for id in histories.vocabulary.decode(histories.items[histories.offsets[1:] - 1])]


def learns_the_ring(model: Recommender, known: int = 3) -> bool:
    log = ring()
    histories = log.prefixes(np.arange(RING), np.full(RING, known))
    found = recommend(model.fit(log), histories, 1, repeat=True)
    return [found.items(b) for b in range(RING)] == [[f"r{(place + 1) % RING}"] for place in places(histories)]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"negatives": 6},
        {"negatives": 6, "per_position": True},
        {"negatives": 6, "sampling": "popularity"},
        {"negatives": 6, "sampling": "popularity", "per_position": True},
        {"loss": "gbce", "negatives": 6},
        {"loss": "gbce", "negatives": 6, "calibration": 0.0, "per_position": True},
        {"loss": "bpr", "negatives": 6},
        {"schedule": "linear", "warmup_steps": 5},
        {"schedule": "cosine"},
        {"clip_norm": 0.5, "l2": 0.01},
    ],
    ids=lambda settings: ", ".join(f"{name} {value}" for name, value in settings.items()),
)
def test_every_way_to_learn_learns_the_ring(settings: dict[str, Any]) -> None:
    assert learns_the_ring(GRU4Rec(**QUICK | settings))


def test_what_happened_before_the_newest_window_is_learned_from_where_all_windows_are() -> None:
    # long ago everyone walked around a ring of six; since then, all do the same five things
    rows = [[f"r{(user + step) % 6}" for step in range(6)] + [f"n{step}" for step in range(5)] for user in range(60)]
    log = SequenceDataset.from_lists(rows)
    asked = SequenceDataset.from_lists([[f"r{i}"] for i in range(6)], log.vocabulary)

    def answers(windows: Literal["newest", "all"]) -> list[list[str]]:
        found = recommend(GRU4Rec(**QUICK | {"max_len": 4}, windows=windows).fit(log), asked, 1)
        return [found.items(i) for i in range(6)]

    assert answers("all") == [[f"r{(i + 1) % 6}"] for i in range(6)]
    assert answers("newest") != answers("all")


def test_large_tables_of_which_a_step_moves_only_what_it_reads_learn_the_ring_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequence_model, "_SPARSE_FROM", 4)
    for loss in ("softmax", "gbce", "bpr"):
        assert learns_the_ring(GRU4Rec(**QUICK, negatives=6, loss=loss, clip_norm=5.0))


@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("tied", [False, True])
def test_validation_of_a_large_catalogue_has_the_same_figure_in_bounded_memory(
    monkeypatch: pytest.MonkeyPatch, repeats: bool, tied: bool
) -> None:
    rng = np.random.default_rng(5)
    rows = [[f"i{i}" for i in rng.integers(0, 40, rng.integers(3, 12))] for _ in range(90)]
    log = SequenceDataset.from_lists([*rows, []])
    model = GRU4Rec(dim=8, epochs=3, max_len=8).fit(log)
    if tied:  # every item has a twin of the same score
        state = dict(model.state())
        half = len(log.vocabulary) // 2
        state["items.weight"] = state["items.weight"].round(1)
        state["items.weight"][half : 2 * half] = state["items.weight"][:half]
        model = dataclasses.replace(model).restore(model.items, state)
    histories = SequenceDataset.from_lists([*[row[:-1] for row in rows], ["unknown"]], log.vocabulary)
    relevant = np.array([*(log.history(b)[-1] for b in range(90)), 1], np.int32)
    fresh = ~np.array([relevant[b] in histories.history(b) for b in range(91)])
    counts = np.ones(91, int) if repeats else fresh.astype(int)
    holdout = Holdout(histories, np.concatenate([[0], np.cumsum(counts)]), relevant if repeats else relevant[fresh])
    sizes: list[int] = []
    true = torch.Tensor.__matmul__

    def watched(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        product = true(a, b)
        sizes.append(product.numel())
        return product

    def figure() -> float:
        with torch.inference_mode():
            return model._validation_figure(model._network, model._popularity, holdout)

    at_once = figure()
    assert 0 < at_once < 1
    monkeypatch.setattr(torch.Tensor, "__matmul__", watched)
    monkeypatch.setattr(sequence_model, "_SCORES_AT_ONCE", 5 * len(log.vocabulary))
    few_at_once = figure()
    assert max(sizes) == 5 * len(log.vocabulary)
    assert few_at_once == pytest.approx(at_once, abs=1e-12) or tied
    monkeypatch.setattr(sequence_model, "RETRIEVE_FROM", 1)
    monkeypatch.setattr(SequenceModel, "_score_chunks", None)  # not called
    retrieved = figure()
    if not tied:
        assert retrieved == pytest.approx(at_once, abs=1e-12)
        return
    # equal scores are ordered by index, as recommend orders them
    listed = model.retrieve(histories, 10, exclude_seen=not repeats)[0]
    gains = [1 / np.log2(2 + listed[b].tolist().index(r)) if r in listed[b] else 0 for b, r in enumerate(relevant) if repeats or fresh[b]]
    assert retrieved == pytest.approx(np.mean(gains), abs=1e-12)


def test_fitting_a_large_catalogue_with_validation_is_fitting_a_small_one(monkeypatch: pytest.MonkeyPatch) -> None:
    log = ring()
    rows = np.arange(RING)
    held = Holdout(log.prefixes(rows, np.full(RING, 3)), np.arange(RING + 1), log.items[log.offsets[rows] + 3])
    small = GRU4Rec(**QUICK, patience=3).fit(log, validation=held)
    monkeypatch.setattr(sequence_model, "RETRIEVE_FROM", 4)
    large = GRU4Rec(**QUICK, patience=3).fit(log, validation=held)
    assert small.history is not None
    assert large.history is not None
    of_small, of_large = ([epoch.validation for epoch in model.history.epochs] for model in (small, large))  # type: ignore[union-attr]
    assert of_small == pytest.approx(of_large)
    assert large.score(log).tobytes() == small.score(log).tobytes()


def test_within_two_events_both_are_expected_alike() -> None:
    log = ring(n_users=120)
    histories = log.prefixes(np.arange(RING), np.full(RING, 3))
    for within, alike in ((1, False), (2, True)):
        scores = GRU4Rec(**QUICK, within=within, schedule="linear").fit(log).score(histories)
        for b, place in enumerate(places(histories)):
            first, second, third = (scores[b, log.vocabulary.index(f"r{(place + step) % RING}")] for step in (1, 2, 3))
            assert first - third > 2
            assert (first - second < 1.5) == alike


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_settled_settings_repeat_the_learning_rates_of_the_fit_that_was_validated(schedule: str) -> None:
    log = ring()
    rows = np.arange(RING)
    held = Holdout(log.prefixes(rows, np.full(RING, 3)), np.arange(RING + 1), log.items[log.offsets[rows] + 3])
    model = GRU4Rec(**QUICK, schedule=schedule, patience=3, warmup_steps=2).fit(log, validation=held)  # type: ignore[arg-type]
    assert model.history is not None
    settled = model.settled()
    assert settled == dataclasses.replace(model, epochs=model.history.best_epoch, patience=None, schedule_epochs=20)
    assert settled.epochs < 20
    assert settled.fit(log).score(log).tobytes() == model.score(log).tobytes()
    assert settled.settled().schedule_epochs == 20
    cut_short = dataclasses.replace(settled, schedule_epochs=None).fit(log)
    assert cut_short.score(log).tobytes() != model.score(log).tobytes()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "gbce"}, r"loss gbce of SASRec needs sampled items: set negatives to 1 or more, got 0"),
        ({"loss": "bpr"}, r"loss bpr of SASRec needs sampled items"),
        ({"loss": "hinge"}, r"loss must be one of softmax, gbce, bpr, got 'hinge'"),
        ({"sampling": "batch"}, r"sampling must be one of uniform, popularity, got 'batch'"),
        ({"schedule": "step"}, r"schedule must be one of constant, linear, cosine, got 'step'"),
        ({"schedule_epochs": 0}, r"schedule_epochs must be at least 1, or none for epochs, got 0"),
        ({"calibration": 1.5}, r"calibration must be between 0 and 1, got 1\.5"),
        ({"clip_norm": -1.0}, r"clip_norm must be above 0 and finite, or none, got -1\.0"),
        ({"warmup_steps": -1}, r"warmup_steps must be at least 0, got -1"),
        ({"windows": "old"}, r"windows must be one of newest, all, got 'old'"),
        ({"within": 0}, r"within must be at least 1, got 0"),
        ({"min_epochs": 0}, r"min_epochs must be at least 1, got 0"),
        ({"targets": "view, purchas"}, r"targets must be event types, got 'purchas'; did you mean 'purchase'\?; there are: other, view"),
        ({"inputs": "typ"}, r"inputs must be of type, value, gap, category, got 'typ'; did you mean 'type'\?"),
        ({"item_table": "title"}, r"item_table must be one of id, text, .*, got 'title'"),
        ({"l2": float("inf")}, r"l2 must be at least 0 and finite, got inf"),
    ],
)
def test_impossible_settings_name_field_and_value(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SASRec(**settings)


def test_names_in_a_list_may_have_spaces_and_repeat() -> None:
    log = timed()
    plain = GRU4Rec(**TINY | {"inputs": "type,gap"}).fit(log)
    assert GRU4Rec(**TINY | {"inputs": " type , gap,,type"}).fit(log).score(log).tobytes() == plain.score(log).tobytes()


COLOURS = ["red", "green", "blue", "white", "black", "brown", "grey", "pink", "violet"]
THINGS = ["tea kettle", "garden hose", "desk lamp", "yoga mat"]


def titled() -> SequenceDataset:
    """The clusters; a title is a thing and a colour, and the colour of an item without events is that of others with many."""
    log = clusters()
    ids = [id or "" for id in log.vocabulary.decode(np.arange(1, len(log.vocabulary), dtype=np.int32))]
    numbers = [(int(id[1]), CLUSTER_SIZE if id.endswith("cold") else int(id[3:])) for id in ids]
    titles = ["", *(f"{THINGS[cluster]} {COLOURS[(item + 2 * cluster) % 9]}" for cluster, item in numbers)]
    nothing = [""] * len(titles)
    return dataclasses.replace(log, item_features=ItemFeatures(titles, nothing, nothing, [()] * len(titles)))


@pytest.mark.parametrize("item_table", ["text", "id+text", "text+delta", "id+text+delta"])
def test_an_item_without_an_event_is_recommended_for_its_title(item_table: str) -> None:
    log = titled()
    histories = log.prefixes(np.arange(12), np.full(12, 3))
    model = SASRec(**QUICK, item_table=item_table).fit(log)  # type: ignore[arg-type]
    found = recommend(model, histories, CLUSTER_SIZE - 2)
    for b in range(12):
        assert f"c{b % 4}-cold" in found.items(b)


def test_an_item_that_was_never_trained_has_a_finite_score() -> None:
    log = clusters()
    for settings in ({}, {"negatives": 8}, {"item_table": "text+delta"}):
        scores = GRU4Rec(**QUICK | {"epochs": 4} | settings).fit(log).score(log)
        assert np.isfinite(scores).all()


def test_weights_that_do_not_belong_to_the_settings_are_refused() -> None:
    log = titled()
    fitted = SASRec(**QUICK | {"epochs": 1}).fit(log)
    state = dict(fitted.state())
    with pytest.raises(RunError, match=r"weights of GRU4Rec: blocks\.0\.layer\.weight_ih_l0 must have shape \(48, 16\), got None"):
        GRU4Rec(**QUICK).restore(log.vocabulary, state)
    with pytest.raises(RunError, match=r"weights of SASRec: items\.text is missing"):
        SASRec(**QUICK, item_table="text+delta").restore(log.vocabulary, state)
    with pytest.raises(RunError, match=r"weights of SASRec: side\.categories is missing"):
        SASRec(**QUICK, inputs="category").restore(log.vocabulary, state)
    with pytest.raises(RunError, match=r"items\.weight must have shape \(13, 16\), got \(37, 16\)"):
        SASRec(**QUICK).restore(ring().vocabulary, state)
    with pytest.raises(RunError, match=r"popularity must have shape \(37,\), got \(5,\)"):
        SASRec(**QUICK).restore(log.vocabulary, state | {"popularity": np.ones(5, np.float32)})
    with pytest.raises(RunError, match=r"best_epoch must have shape \(\), got None"):
        SASRec(**QUICK).restore(log.vocabulary, {name: array for name, array in state.items() if name != "best_epoch"})


@pytest.mark.parametrize(
    "settings",
    [{"item_table": "text+delta"}, {"inputs": "type,value,gap", "request_time": True}],
    ids=["text of items", "side inputs"],
)
def test_restored_weights_score_as_before(settings: dict[str, Any]) -> None:
    log = titled() if "item_table" in settings else timed()
    fitted = SASRec(**QUICK | {"epochs": 2} | settings).fit(log)
    again = SASRec(**QUICK | {"epochs": 2} | settings).restore(log.vocabulary, fitted.state())
    assert again.score(log).tobytes() == fitted.score(log).tobytes()
    assert again.settled() == fitted.settled()


def test_a_finished_training_is_not_run_again_and_another_one_is_not_mixed_up_with_it(tmp_path: Path) -> None:
    log, seen = ring(), []

    def watch(epoch: EpochFigures) -> bool:
        seen.append(epoch.number)
        return False

    settings = QUICK | {"epochs": 3}
    first = GRU4Rec(**settings).observed(watch=watch, checkpoint=tmp_path).fit(log)
    assert seen == [1, 2, 3]
    again = GRU4Rec(**settings).observed(watch=watch, checkpoint=tmp_path).fit(log)
    assert seen == [1, 2, 3]
    assert again.history == first.history
    assert again.score(log).tobytes() == first.score(log).tobytes()
    assert first.score(log).tobytes() == GRU4Rec(**settings).fit(log).score(log).tobytes()
    for other in (GRU4Rec(**settings | {"learning_rate": 0.02}), GRU4Rec(**settings, within=2), SASRec(**settings)):
        with pytest.raises(RunError, match="checkpoint"):
            other.observed(checkpoint=tmp_path).fit(log)
    with pytest.raises(RunError, match="checkpoint"):
        GRU4Rec(**settings).observed(checkpoint=tmp_path).fit(ring(n_users=61))
    named = titled()
    assert named.item_features is not None
    GRU4Rec(**settings, item_table="text").observed(checkpoint=tmp_path / "text").fit(named)
    titles = ["", *(f"{title}s" for title in named.item_features.titles[1:])]
    renamed = dataclasses.replace(named, item_features=dataclasses.replace(named.item_features, titles=titles))
    with pytest.raises(RunError, match="checkpoint"):
        GRU4Rec(**settings, item_table="text").observed(checkpoint=tmp_path / "text").fit(renamed)


def test_training_stops_where_it_is_told_to() -> None:
    model = GRU4Rec(**QUICK).observed(watch=lambda epoch: epoch.number == 2).fit(ring())
    assert model.history is not None
    assert len(model.history.epochs) == 2
    assert model.settled().epochs == 2


def test_training_in_bf16_leaves_weights_in_single_precision_and_says_how_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    log, settings = timed(n=60), TINY | {"blocks": 2}
    single = SASRec(**settings).fit(log)
    assert single.fitted_with is not None
    assert single.fitted_with["precision"] == "single"
    monkeypatch.setenv("FOOTPATH_PRECISION", "single")
    assert SASRec(**settings).fit(log).score(log).tobytes() == single.score(log).tobytes()
    monkeypatch.setenv("FOOTPATH_PRECISION", "bf16")
    model = SASRec(**settings).fit(log)
    assert {name: array.dtype for name, array in model.state().items()} == {name: array.dtype for name, array in single.state().items()}
    assert model.state()["items.weight"].dtype == np.float32
    assert model.fitted_with is not None
    assert model.fitted_with["precision"] == "bf16"
    assert model.score(log).tobytes() != single.score(log).tobytes()
    monkeypatch.delenv("FOOTPATH_PRECISION")
    again = SASRec(**settings).restore(log.vocabulary, model.state())
    assert again.score(log).tobytes() == model.score(log).tobytes()


@pytest.mark.parametrize("name", SEQUENCE_MODELS)
def test_every_model_learns_the_ring_in_bf16(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTPATH_PRECISION", "bf16")
    settings = (
        {"epochs": 80, "dim": 32} if name == "bert4rec" else {"epochs": 40}
    )  # few places of a row are hidden, so few are learned from
    assert learns_the_ring(catalog.create(name, **QUICK | settings), known=6)  # whole rows but for the last event, as they are trained on


@pytest.mark.parametrize("name", SEQUENCE_MODELS)
def test_every_input_and_every_loss_trains_in_bf16(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTPATH_PRECISION", "bf16")
    causal = name != "bert4rec"
    settings = TINY | {"epochs": 1, "blocks": 2, "request_time": causal, "recall": 3 * causal}
    for loss in ({}, {"negatives": 8}, {"negatives": 8, "loss": "gbce", "per_position": True}):
        model = catalog.create(name, **settings | loss).fit(timed())
        assert np.isfinite(model.score(timed())[:, 1:]).all()


def test_a_training_of_another_precision_is_not_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = timed()
    GRU4Rec(**TINY).observed(checkpoint=tmp_path).fit(log)
    monkeypatch.setenv("FOOTPATH_PRECISION", "bf16")
    with pytest.raises(RunError, match=r"progress of another training, with precision \(single, not bf16\)"):
        GRU4Rec(**TINY).observed(checkpoint=tmp_path).fit(log)
    monkeypatch.setenv("FOOTPATH_PRECISION", "half")
    with pytest.raises(ConfigError, match="precision must be single or bf16, got 'half'"):
        GRU4Rec(**TINY).fit(log)


class FadingMemory(nn.Module):
    """Each state is the event and half of the memory before it."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.mix = nn.Linear(dim, dim)

    def forward(self, x: torch.Tensor, clock: Clock | None = None) -> torch.Tensor:
        state, states = self.initial(len(x)), []
        for event in x.unbind(1):
            y, state = self.step(event, state)
            states.append(y)
        return torch.stack(states, 1)

    def initial(self, batch: int) -> State:
        return {"memory": self.mix.weight.new_zeros(batch, self.mix.in_features)}

    def step(self, x: torch.Tensor, state: State, clock: Clock | None = None) -> tuple[torch.Tensor, State]:
        memory = x + state["memory"] / 2
        return self.mix(memory), {"memory": memory}


@dataclass
class Fading(SequenceModel):
    """A model is a block and its own defaults."""

    learning_rate: float = 0.01

    def block(self, index: int) -> nn.Module:
        return FadingMemory(self.dim)


def test_a_model_is_a_block_and_its_defaults() -> None:
    assert learns_the_ring(Fading(dim=16, epochs=30, batch_size=16, dropout=0.1))
    log = timed()
    model = Fading(dim=8, epochs=2, max_len=4, inputs="gap").fit(log)
    assert log.times is not None
    reading = None
    for item, time in zip(log.vocabulary.decode(log.history(2)), log.times[log.offsets[2] : log.offsets[3]], strict=True):
        reading = model.step(reading, Act(str(item), time=int(time)))
    np.testing.assert_allclose(model.score_reading(reading), model.score(log)[2], atol=1e-5)
    with pytest.raises(ConfigError, match="dim must be at least 1, got 0"):
        Fading(dim=0)
