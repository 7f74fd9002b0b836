"""Several models of responses as one: their log odds are weighed, by weights learned on rows that none of them was fitted on.

Wolpert, "Stacked generalization", Neural Networks 1992 (https://doi.org/10.1016/S0893-6080(05)80023-1); weights of at least 0 as in
Breiman, "Stacked regressions", Machine Learning 1996 (https://doi.org/10.1007/BF00117832).

**Differs from the paper:** one held-out part, the validation rows or the last tenth, instead of folds; the model on top is a logistic
regression on log odds.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np
from jaxtyping import Float64
from scipy.optimize import minimize
from scipy.special import expit, logit

from footpath.errors import ConfigError, NotFittedError
from footpath.models import catalog
from footpath.models.members import member_labels, member_settings
from footpath.models.responses import check_impressions, labelled
from footpath.progress import Progress
from footpath.recommender import ClickModel, Settled, hyperparameters
from footpath.sequences.impressions import Impressions
from footpath.sequences.vocabulary import Vocabulary

_EDGE: Final = 1e-6
_HELD: Final = 0.1


@dataclass
class Stacking:
    """models: names of the catalog, between commas. fields: hyper-parameters of members, such as `gradient_boosting.trees=600`.

    weights: fixed ones, of every member and then a constant, between commas; tasks are parted by semicolons; None to learn them. seed: of
    every member that has one and whose seed is not in `fields`.
    """

    models: str = "gradient_boosting,response_head"
    fields: str = ""
    weights: str | None = None
    seed: int = 0
    items: Vocabulary = field(init=False, repr=False, compare=False)
    tasks: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _members: list[ClickModel] = field(init=False, repr=False, compare=False)
    _weights: Float64[np.ndarray, "M J+1"] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ConfigError(f"seed must be at least 0, got {self.seed}")
        self._members = self._new_members()
        if self.weights is not None:
            _parsed(self.weights, len(self._members))

    def fit(self, train: Impressions, *, validation: Impressions | None = None, progress: Progress | None = None) -> Self:
        """Fit the members, which may choose their settings by validation, then the weights on it.

        Without validation and fixed weights the last tenth of the rows is held out for that, and members are fitted again on everything.
        """
        labels = labelled(train, "Stacking")
        members = self._new_members()
        if self.weights is not None or (validation is not None and len(validation)):
            self._members = [
                m.fit(train, validation=validation, progress=_under(n, progress)) for n, m in zip(self._names(), members, strict=True)
            ]
            held = validation
        else:
            earlier, held = _parted(train)
            first = [m.fit(earlier, progress=_under(n, progress)) for n, m in zip(self._names(), members, strict=True)]
            self._members = first
        self.items, self.tasks = train.vocabulary, tuple(labels)
        if self.weights is not None:
            self._weights = _parsed(self.weights, len(members), len(self.tasks))
        else:
            assert held is not None
            self._weights = self._learned(held)
        if self.weights is None and held is not validation:
            again = [_settled(member) for member in self._members]
            self._members = [m.fit(train, progress=_under(n, progress)) for n, m in zip(self._names(), again, strict=True)]
        return self

    def settled(self) -> Self:
        """An unfitted model of settled members with the weights that were learned; raises NotFittedError."""
        if not hasattr(self, "_weights"):
            raise NotFittedError("Stacking is not fitted, so it has no weights: call fit(train, validation=...) first")
        changed = []
        for name, given, member in zip(self._names(), self._settings().values(), self._members, strict=True):
            chosen, fresh = hyperparameters(_settled(member)), hyperparameters(catalog.click_model(member_name(name)))
            own = {f: value for f, value in chosen.items() if value != fresh[f] and f not in given and f != "seed"}
            changed += [f"{name}.{f}={value}" for f, value in own.items() if value is not None or fresh[f] is not None]
        fields = ",".join([*([self.fields] if self.fields.strip() else []), *changed])
        weights = ";".join(",".join(f"{weight:.6g}" for weight in row) for row in self._weights)
        return dataclasses.replace(self, fields=fields, weights=weights)

    def predict(self, rows: Impressions) -> Float64[np.ndarray, "R M"]:
        check_impressions(self, rows)
        odds = self._odds(rows)  # (R, M, J)
        return expit(np.einsum("rmj,mj->rm", odds, self._weights[:, :-1]) + self._weights[:, -1])

    def state(self) -> Mapping[str, np.ndarray]:
        parts = {f"{n}.{key}": array for n, m in zip(self._names(), self._members, strict=True) for key, array in m.state().items()}
        return {**parts, "weights": self._weights, "tasks": np.frombuffer("\n".join(self.tasks).encode(), np.uint8)}

    def restore(self, items: Vocabulary, state: Mapping[str, np.ndarray]) -> Self:
        self._members = self._new_members()
        for name, member in zip(self._names(), self._members, strict=True):
            member.restore(items, {key.removeprefix(f"{name}."): a for key, a in state.items() if key.startswith(f"{name}.")})
        self.items, self._weights = items, np.array(state["weights"])
        self.tasks = tuple(bytes(np.asarray(state["tasks"])).decode().split("\n"))
        return self

    def _odds(self, rows: Impressions) -> Float64[np.ndarray, "R M J"]:
        found = [member.predict(rows)[:, [member.tasks.index(task) for task in self.tasks]] for member in self._members]
        return logit(np.clip(np.stack(found, axis=2), _EDGE, 1 - _EDGE))

    def _learned(self, held: Impressions) -> Float64[np.ndarray, "M J+1"]:
        """The weights with the lowest log-loss, those of members at least 0; all alike for a task of which the rows say too little."""
        odds, n = self._odds(held), len(self._members)
        found = np.zeros((len(self.tasks), n + 1))
        for number, task in enumerate(self.tasks):
            label = held.labels.get(task)
            known = np.zeros(len(held), bool) if label is None else ~np.isnan(label)
            found[number, :n] = 1 / n
            if label is None or not (label[known] > 0).any() or not (label[known] == 0).any():
                continue
            x, y = np.concatenate([odds[known, number], np.ones((int(known.sum()), 1))], axis=1), label[known].astype(np.float64)
            best = minimize(_loss, found[number], args=(x, y), jac=True, method="L-BFGS-B", bounds=[(0, None)] * n + [(None, None)])
            found[number] = best.x
        return found

    def _names(self) -> list[str]:
        return member_labels([name.strip() for name in self.models.split(",")])

    def _settings(self) -> dict[str, dict[str, str]]:
        return member_settings(self.fields, self._names(), "gradient_boosting.trees=600,din.dim=32")

    def _new_members(self) -> list[ClickModel]:
        members = []
        for label, given in self._settings().items():
            name = member_name(label)
            if not name or name == "stacking":
                raise ConfigError(
                    f"models must be names of models of responses between commas, stacking not among them, got {self.models!r}"
                )
            try:
                if catalog.entry(name).answers != "responses":
                    raise ConfigError(f"{name} does not say how likely an act is; there are: {', '.join(catalog.names('responses'))}")
                has_seed = any(f.name == "seed" and f.init for f in dataclasses.fields(catalog.model_class(name)))
                members.append(catalog.click_model(name, **({"seed": self.seed} if has_seed else {}) | given))
            except ConfigError as error:
                raise ConfigError(f"models or fields of {label} in {self.models!r}: {error}") from error
        return members


def member_name(label: str) -> str:
    """Of the catalog: `din` of `din-2`."""
    return label.split("-")[0]


def _settled(member: ClickModel) -> ClickModel:
    fresh: Any = member.settled() if isinstance(member, Settled) else type(member)(**hyperparameters(member))
    return fresh


def _parted(train: Impressions) -> tuple[Impressions, Impressions]:
    """All but the last tenth of the rows, by time where there is one, and that."""
    order = np.arange(len(train)) if train.times is None else np.argsort(train.times, kind="stable")
    cut = len(train) - max(1, round(_HELD * len(train)))
    return train.take(np.sort(order[:cut])), train.take(np.sort(order[cut:]))


def _loss(weights: Float64[np.ndarray, " J"], x: Float64[np.ndarray, "R J"], y: Float64[np.ndarray, " R"]) -> tuple[float, np.ndarray]:
    z = x @ weights
    return float(np.mean(np.logaddexp(0, z) - y * z)), x.T @ (expit(z) - y) / len(y)


def _parsed(text: object, n_members: int, n_tasks: int | None = None) -> Float64[np.ndarray, "M J+1"]:
    """Weights as written in the field of that name; raises ConfigError."""
    try:
        rows = [[float(weight) for weight in part.split(",")] for part in str(text).split(";")]
    except ValueError as error:
        raise ConfigError(f"weights must be numbers such as '0.5,0.6,-0.1', or none to learn them, got {text!r}") from error
    if any(len(row) != n_members + 1 for row in rows) or not np.isfinite(np.concatenate([np.array(row) for row in rows])).all():
        raise ConfigError(f"weights must be {n_members} finite numbers, one for each of the models, and a constant, got {text!r}")
    if n_tasks is not None and len(rows) != n_tasks:
        raise ConfigError(f"weights must be of {n_tasks} tasks, parted by semicolons, got {len(rows)} in {text!r}")
    return np.array(rows)


def _under(name: str, progress: Progress | None) -> Progress | None:
    if progress is None:
        return None
    return lambda what, done, total: progress(f"{name}: {what}", done, total)
