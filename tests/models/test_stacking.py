from __future__ import annotations

import numpy as np
import pytest
from planted_impressions import tastes
from scipy.special import expit, logit

from footpath.errors import ConfigError, NotFittedError
from footpath.evaluation.predictions import log_loss
from footpath.models import catalog
from footpath.models.stacking import Stacking
from footpath.sequences.impressions import Impressions

PAIR = {"models": "gradient_boosting,logistic_regression", "fields": "gradient_boosting.fewest=10,gradient_boosting.trees=60"}


def parts() -> tuple[Impressions, Impressions, Impressions]:
    rows = tastes()
    assert rows.times is not None
    first, second = np.quantile(rows.times, [0.6, 0.8])
    return rows.take(rows.times < first), rows.take((rows.times >= first) & (rows.times < second)), rows.take(rows.times >= second)


def test_the_answer_is_the_weighed_sum_of_the_members_log_odds() -> None:
    train, held, test = parts()
    model = Stacking(**PAIR, weights="0.7,0.2,-0.1;1,0,0").fit(train, validation=held)  # type: ignore[arg-type]
    trees = catalog.click_model("gradient_boosting", fewest=10, trees=60).fit(train, validation=held)
    straight = catalog.click_model("logistic_regression").fit(train)
    odds = [logit(member.predict(test)) for member in (trees, straight)]
    predicted = model.predict(test)
    np.testing.assert_allclose(predicted[:, 0], expit(0.7 * odds[0][:, 0] + 0.2 * odds[1][:, 0] - 0.1), rtol=1e-9)
    np.testing.assert_allclose(predicted[:, 1], expit(odds[0][:, 1]), rtol=1e-9)


def test_weights_are_learned_on_validation_and_never_make_it_worse_there_than_a_member() -> None:
    train, held, _ = parts()
    model = Stacking(**PAIR).fit(train, validation=held)  # type: ignore[arg-type]
    assert (model._weights[:, :-1] >= 0).all()
    label = held.label("click")
    own = log_loss(label, model.predict(held)[:, 0])
    assert all(own <= log_loss(label, member.predict(held)[:, 0]) + 1e-6 for member in model._members)


def test_a_settled_model_keeps_the_weights_and_what_its_members_chose() -> None:
    train, held, test = parts()
    model = Stacking(models=PAIR["models"], fields="gradient_boosting.fewest=10").fit(train, validation=held)
    settled = model.settled()
    assert settled.weights is not None
    assert "gradient_boosting.trees=" in settled.fields
    again = settled.fit(train)
    np.testing.assert_allclose(again.predict(test)[:, 0], model.predict(test)[:, 0], atol=1e-4)  # the other task has more trees
    with pytest.raises(NotFittedError, match="has no weights"):
        Stacking(**PAIR).settled()  # type: ignore[arg-type]


def test_what_cannot_be_stacked_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"svdpp does not say how likely an act is"):
        Stacking(models="svdpp,din")
    with pytest.raises(ConfigError, match=r"stacking not among them, got 'din,stacking'"):
        Stacking(models="din,stacking")
    with pytest.raises(ConfigError, match=r"fields name 'dinn', the members are din, bst; did you mean 'din'\?"):
        Stacking(models="din,bst", fields="dinn.dim=4")
    with pytest.raises(ConfigError, match=r"weights must be 2 finite numbers, one for each of the models, and a constant, got '1,2'"):
        Stacking(models="din,bst", weights="1,2")
