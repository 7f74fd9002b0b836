from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from planted_impressions import tastes

from footpath.errors import ConfigError
from footpath.evaluation.predictions import log_loss, rmse
from footpath.models import storage
from footpath.models.response_head import ResponseHead
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.impressions import Impressions

QUICK = {"dim": 8, "epochs": 6, "batch_size": 64, "learning_rate": 0.01}


def halves(rows: Impressions) -> tuple[Impressions, Impressions]:
    assert rows.times is not None
    late = rows.times >= np.quantile(rows.times, 0.75)
    return rows.take(~late), rows.take(late)


@pytest.mark.parametrize("encoder", ["none", "gru4rec", "lru", "caser", "sasrec", "hstu"])
def test_any_encoder_of_the_zoo_can_be_read(encoder: str) -> None:
    train, test = halves(tastes())
    model = ResponseHead(encoder=encoder, **QUICK).fit(train)  # type: ignore[arg-type]
    label = test.label("click")
    assert log_loss(label, model.predict(test)[:, 0]) < 0.8 * log_loss(label, np.full(len(test), train.label("click").mean()))


def test_ratings_are_learned_from_the_values_of_the_history() -> None:
    train, test = halves(tastes(rating=True))
    model = ResponseHead(encoder="sasrec", inputs="value,category,place", **(QUICK | {"epochs": 12})).fit(train)  # type: ignore[arg-type]
    truth, predicted = test.label("rating"), model.predict(test)[:, 0]
    assert model.tasks == ("rating",)
    assert rmse(truth, predicted) < 0.75 * rmse(truth, np.full(len(test), train.label("rating").mean()))
    assert train.label("rating").min() <= predicted.min()
    assert predicted.max() <= train.label("rating").max()


def test_what_lies_beyond_the_window_is_looked_up() -> None:
    """Each trail begins with ten acts on one taste, then come forty on another item that say nothing; the taste decides."""
    rows = tastes(90, shown=12)
    n_users = len(rows.histories)
    trails = [[f"t{user % 3}-{i % 5}" for i in range(10)] + ["noise"] * 40 for user in range(n_users)]
    features = rows.histories.item_features
    assert features is not None
    vocabulary = type(rows.vocabulary).build([*rows.vocabulary.ids.to_pylist(), "noise"])
    names = ["", *(id.split("-")[0] if id != "noise" else "" for id in vocabulary.ids.to_pylist())]
    histories = SequenceDataset.from_lists(
        trails,
        vocabulary,
        item_features=dataclasses.replace(features, titles=names, texts=names, categories=names, attributes=[()] * len(names)),
    )
    items = vocabulary.encode(rows.vocabulary.decode(rows.items))
    taste = np.array([int(id[1]) for id in rows.vocabulary.decode(rows.items)])  # type: ignore[index]
    label = (taste == rows.rows % 3).astype(np.float32)
    rng = np.random.default_rng(0)
    label = np.where(rng.random(len(label)) < 0.1, 1 - label, label).astype(np.float32)
    asked = Impressions(
        histories, rows.rows, np.full(len(rows), 50), items, {"click": label}, rows.context.select([]), rows.item_columns.select([]),
        rows.user_columns.select([]),
    )  # fmt: skip
    held = asked.rows >= 60
    losses = []
    for lookup in (0, 5):
        model = ResponseHead(encoder="none", max_len=20, lookup=lookup, **QUICK).fit(asked.take(~held))  # type: ignore[arg-type]
        losses.append(log_loss(label[held], model.predict(asked.take(held))[:, 0]))
    assert losses[1] < 0.75 * losses[0]


def test_one_encoder_learns_the_next_item_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    train, test = halves(tastes())
    model = ResponseHead(encoder="gru4rec", next_item=0.5, **QUICK).fit(train)  # type: ignore[arg-type]
    histories, _ = test.asked()
    seen = histories.lengths > 2
    scores = model.score(histories)
    assert scores.shape == (len(histories), train.histories.n_items)
    best = scores[:, 1:].argmax(axis=1) + 1
    taste = np.array([int(str(id)[1]) for id in train.vocabulary.decode(best.astype(np.int32))])
    own = np.array([int(user[1:]) % 3 for user in histories.users.to_pylist()])
    assert (taste == own)[seen].mean() > 0.9
    folder = tmp_path_factory.mktemp("joint") / "model"
    storage.save_model(model, folder)
    loaded = storage.load_click_model(folder)
    assert isinstance(loaded, ResponseHead)
    np.testing.assert_array_equal(loaded.score(histories), scores)
    with pytest.raises(ConfigError, match="set next_item above 0"):
        ResponseHead(**QUICK).fit(train).score(histories)  # type: ignore[arg-type]


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"next_item needs an encoder .* got next_item 0.5 and encoder none"):
        ResponseHead(encoder="none", next_item=0.5)
    with pytest.raises(ConfigError, match=r"encoder must be one of none, rnn, .*, got 'sasrek'"):
        ResponseHead(encoder="sasrek")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"lookup must be at least 0, got -1"):
        ResponseHead(lookup=-1)
    bare = tastes(20)
    without = dataclasses.replace(bare, histories=dataclasses.replace(bare.histories, item_features=None))
    with pytest.raises(ConfigError, match=r"lookup=5 finds older events of an item's category, and the items of this log have none"):
        ResponseHead(lookup=5, **QUICK).fit(without)  # type: ignore[arg-type]
