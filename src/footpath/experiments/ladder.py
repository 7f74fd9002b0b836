"""The ladder of models that `best` climbs: each fitted on train and judged on validation, within its share of the time.

DIRECTORY/NAME.json   a finished rung; it is not climbed again
DIRECTORY/NAME.npy    its NDCG@10 of each validation history
DIRECTORY/NAME/       its model, where fitting it again would take more than a moment
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, Int64

from footpath.errors import ConfigError, MissingExtraError
from footpath.experiments import tune, validation
from footpath.models import catalog, storage
from footpath.progress import Progress
from footpath.recommender import EpochFigures, Iterative, Recommender, Settled, hyperparameters
from footpath.sequences.dataset import ItemFeatures, SequenceDataset
from footpath.sequences.split import Holdout, Split

State = Literal["finished", "stopped", "left out"]

FLOORS: Final = ("popularity", "recent_popularity", "item_knn", "ease")
"""What the chosen model is held against on test."""

_CLASSIC: Final = ("popularity", "recent_popularity", "markov", "item_knn", "ease", "vsknn")
_SEQUENCE: Final[Sequence[str]] = ("sasrec", "gru4rec", "esasrec", "hstu")
_SESSION_EVENTS: Final = 10  # mean events of a training row; up to this, rows are like sessions
_SMALLER: Final[Sequence[Mapping[str, Any]]] = ({"negatives": 256}, {"dim": 32, "negatives": 256})
"""What a sequence model is tried with, in turn, where its own settings take too long."""
_FIRST_SHARE: Final = (
    0.5,
    0.75,
)  # of the time that is left, for the first sequence model: one that is trained well beats four that are not
_SHARE: Final = 0.5  # and for each one after it
_EASE_SHARE: Final = 0.1  # of the time that is left, for EASE and its last fit, if it is to be tried
_MOST_TRIALS: Final = 40
_FEWEST_EPOCHS: Final = 8  # that must fit the share of the time, or a model is tried smaller
_HOPELESS_FROM: Final = 6  # epochs
_KEPT_FROM_SECONDS: Final = 3.0
_FINAL_SECONDS: Final = 4.0
_RESERVE: Final = 1.25  # times what the last test and fit should take
_SCALE_SECONDS: Final = 5e-8  # to rank one score among its row's, as the mixture may
_CUBE_FLOP: Final = 2.5  # per N^3, of EASE's Gram matrix, factor and inverse


class _TooSlow(Exception):
    """The share of the time is too small for this rung."""


@dataclass(frozen=True)
class Rung:
    """A model that was tried, or why it was not. ndcg, low, high: validation NDCG@10 with its 95 % interval. wall_s: of fit and judging."""

    name: str
    model: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    state: State = "finished"
    ndcg: float | None = None
    low: float | None = None
    high: float | None = None
    epochs: int | None = None
    settled: Mapping[str, Any] = field(default_factory=dict)
    cpu_s: float = 0.0
    fit_s: float = 0.0
    judge_s: float = 0.0
    note: str = ""

    @property
    def wall_s(self) -> float:
        return self.fit_s + self.judge_s


@dataclass
class Ladder:
    """The split, the clock and what was climbed so far.

    end: on the monotonic clock, when all must be done. refit_share: all events over training events. used_s: by earlier starts.
    """

    parts: Split
    directory: Path
    end: float
    seed: int
    refit_share: float
    used_s: float = 0.0
    progress: Progress | None = None
    rungs: list[Rung] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    _models: dict[str, Recommender] = field(default_factory=dict)
    _per_list: dict[str, Float64[np.ndarray, " B"]] = field(default_factory=dict)

    def climb(self) -> None:
        """Everything that the time allows: classic models, sequence models, their mixture, tuning of what leads, and the mixture again."""
        for model in _CLASSIC:
            self._classic(model)
        names = self._sequence_models()
        for model in names:
            self._sequence(model, self._share_of_sequence())
        for model in names:  # once more, where halves of halves were too little and time is left all the same
            if any(rung.name == model and rung.state == "left out" for rung in self.rungs) and self.time_left() > 5:
                self.rungs = [rung for rung in self.rungs if rung.name != model]
                self._sequence(model, self._share_of_sequence())
        self._mixture("mixture")
        self._tune()

    def leader(self) -> Rung:
        """The rung with the best figure, the earlier of equals; raises ConfigError where none has one."""
        judged = [rung for rung in self.rungs if rung.ndcg is not None]
        if not judged:
            raise ConfigError(f"no model could be fitted and judged in this time: {'; '.join(f'{r.name}: {r.note}' for r in self.rungs)}")
        return max(judged, key=lambda rung: rung.ndcg or 0.0)

    def elapsed(self) -> float:
        """Seconds that this start and those before it have taken."""
        return round(self.used_s + time.monotonic() - self.started, 2)

    def time_left(self) -> float:
        """Seconds until the last moment at which the leader can still be tested and fitted again."""
        judged = [rung for rung in self.rungs if rung.ndcg is not None]
        if not judged:
            return self.end - time.monotonic() - _FINAL_SECONDS
        leader = self.leader()
        test_share = len(self.parts.test) / max(1, len(self.parts.validation or ()))
        judging = sum(rung.judge_s for rung in judged if rung.name in FLOORS or rung is leader) * test_share
        return self.end - time.monotonic() - _RESERVE * (judging + self.refit_s(leader)) - _FINAL_SECONDS

    def refit_s(self, rung: Rung) -> float:
        """Seconds to fit it again on all events: as long as its fit, in proportion to the events and to the epochs that are kept."""
        share = self.refit_share
        if rung.epochs and "epochs" in rung.settled:
            share *= min(1.0, rung.settled["epochs"] / rung.epochs)
        return rung.fit_s * share

    def per_list(self, rung: Rung) -> Float64[np.ndarray, " B"]:
        """NDCG@10 of each validation history."""
        if rung.name not in self._per_list:
            self._per_list[rung.name] = np.load(self.directory / f"{rung.name}.npy")
        return self._per_list[rung.name]

    def model(self, rung: Rung) -> Recommender:
        """The fitted model of a rung: as it is in memory, as it was saved, or fitted again."""
        if rung.name not in self._models:
            saved = self.directory / rung.name
            if saved.is_dir():
                self._models[rung.name] = storage.load_model(saved)
            else:
                fresh = catalog.create(rung.model, **self._seeded(rung.model, rung.fields))
                self._models[rung.name] = fresh.fit(self.parts.train, validation=self.parts.validation, progress=self.progress)
        return self._models[rung.name]

    def _finished(self, name: str) -> bool:
        """Whether an earlier start has finished this rung."""
        record = self.directory / f"{name}.json"
        if any(rung.name == name for rung in self.rungs):
            return True
        if not record.is_file():
            return False
        self.rungs.append(Rung(**json.loads(record.read_text(encoding="utf-8"))))
        return True

    def _add(self, rung: Rung, model: Recommender | None = None, per_list: Float64[np.ndarray, " B"] | None = None) -> None:
        if per_list is not None and model is not None:
            assert self.parts.validation is not None
            figure = validation.mean(per_list, self.parts.validation, seed=self.seed)
            low, high = (None if np.isnan(bound) else float(bound) for bound in (figure.low, figure.high))
            rung = replace(rung, ndcg=figure.value, low=low, high=high)
            self._models[rung.name], self._per_list[rung.name] = model, per_list
            np.save(self.directory / f"{rung.name}.npy", per_list)
            if rung.fit_s > _KEPT_FROM_SECONDS:
                storage.save_model(model, self.directory / rung.name)
        self.rungs.append(rung)
        tune.write_json(self.directory / f"{rung.name}.json", vars(rung))
        tune.write_json(self.directory / "elapsed", {"seconds": self.elapsed()})

    def _leave_out(self, name: str, why: str, model: str | None = None) -> None:
        # not kept for the next start, which may have the time
        self.rungs.append(Rung(name, model or name, state="left out", note=why))

    def _seeded(self, model: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        known = hyperparameters(catalog.create(model))
        return {**({"seed": self.seed} if "seed" in known else {}), **fields}

    def _classic(self, model: str) -> None:
        if model not in catalog.names("items") or self._finished(model):
            return
        left = self.time_left()
        if model == _CLASSIC[0]:
            left = max(left, _FINAL_SECONDS)  # so that there is an answer, however short the time
        if left <= 0:
            self._leave_out(model, "no time was left for it")
            return
        train = self.parts.train
        if model == "vsknn" and train.n_events / max(1, len(train)) > _SESSION_EVENTS:
            mean = train.n_events / len(train)
            self._leave_out(model, f"it is made for sessions, and histories have {mean:.0f} events on average")
            return
        if model == "ease":
            needed = _ease_seconds(train.n_items)
            if needed * (1 + self.refit_share) > _EASE_SHARE * left:
                self._leave_out(model, f"its matrix of {train.n_items - 1:,} items squared would take about {needed:.0f} s")
                return
        try:
            self._fit(Rung(model, model), left / (1 + self.refit_share))
        except _TooSlow as slow:
            self._leave_out(model, str(slow))
        except (ConfigError, MissingExtraError) as error:
            self._leave_out(model, str(error))

    def _sequence_models(self) -> list[str]:
        listed = catalog.names("items")
        known = [name for name in _SEQUENCE if name in listed]
        others = [name for name in listed if name not in (*_SEQUENCE, "mixture") and catalog.entry(name).extra == "models"]
        chosen = known or others[:2]
        for name in others:
            if name not in chosen:
                self._leave_out(name, "not on the ladder, which holds four sequence models; `footpath evaluate` compares any")
        return chosen

    def _sequence(self, model: str, share: float) -> None:
        if self._finished(model):
            return
        share /= 1 + self.refit_share  # it may win, and is then fitted again
        if share <= 1:
            self._leave_out(model, "no time was left for it")
            return
        started = time.monotonic()
        text = {"item_table": "id+text"} if _has_words(self.parts.train.item_features) else {}
        tried = ""
        for fields in ({}, *_SMALLER):
            try:
                known = hyperparameters(catalog.create(model))
                settings = {name: value for name, value in {**text, **fields}.items() if name in known}
                note = "smaller than by default, for the time" if fields else ""
                best = self._best_sequence()
                rung = Rung(model, model, settings, note=note)
                self._fit(rung, share - (time.monotonic() - started), to_reach=best.low if best else None)
                return
            except _TooSlow as slow:
                tried = f"{tried}; smaller ({_in_words(fields)}): {slow}" if fields else f"its own settings: {slow}"
            except (ConfigError, MissingExtraError) as error:
                self._leave_out(model, str(error))
                return
        self._leave_out(model, tried)

    def _best_sequence(self) -> Rung | None:
        """The best so far of the models that are trained by epochs."""
        trained = [rung for rung in self.rungs if rung.ndcg is not None and rung.epochs]
        return max(trained, key=lambda rung: rung.ndcg or 0.0, default=None)

    def _fit(self, rung: Rung, share: float, *, to_reach: float | None = None) -> None:
        """Fit, judge, keep. share: seconds for both. Raises _TooSlow where it cannot be done in them."""
        started, cpu = time.monotonic(), time.process_time()
        model = catalog.create(rung.model, **self._seeded(rung.model, rung.fields))
        fitted: Recommender
        watch = _Watch(started + share, to_reach)
        if isinstance(model, Iterative):
            fitted = model.observed(watch=watch).fit(
                self.parts.train, validation=self.parts.validation, progress=self._told(rung.name, watch.steps(model, share))
            )
        else:
            fitted = model.fit(self.parts.train, validation=self.parts.validation, progress=self._told(rung.name, watch.clock))
        fit_s = time.monotonic() - started
        judged = time.monotonic()
        per_list = validation.ndcg(fitted, self.parts, self._told(rung.name, None if isinstance(model, Iterative) else watch.clock))
        done = replace(
            rung,
            state="stopped" if watch.why else "finished",
            note="; ".join(part for part in (rung.note, watch.why) if part),
            epochs=watch.epochs or None,
            settled=_settled(model, fitted),
            cpu_s=round(time.process_time() - cpu, 2),
            fit_s=round(fit_s, 2),
            judge_s=round(time.monotonic() - judged, 2),
        )
        self._add(done, fitted, per_list)

    def _told(self, name: str, check: Progress | None) -> Progress:
        def tell(what: str, done: int, total: int) -> None:
            if self.progress is not None:
                self.progress(f"{name}: {what}", done, total)
            if check is not None:
                check(what, done, total)

        return tell

    def _members(self) -> list[Rung]:
        """What is worth blending: the best rung of each kind of model, no floor that reads nothing of the history."""
        judged = sorted((r for r in self.rungs if r.ndcg is not None and r.model != "mixture"), key=lambda r: -(r.ndcg or 0))
        kinds: dict[str, Rung] = {}
        for rung in judged:
            if catalog.entry(rung.model).family not in ("popularity", "audit"):
                kinds.setdefault(rung.model, rung)
        neural = [r for r in kinds.values() if catalog.entry(r.model).extra][:2]
        plain = [r for r in kinds.values() if not catalog.entry(r.model).extra][:3]
        return sorted([*neural, *plain], key=lambda r: -(r.ndcg or 0))

    def _mixture_s(self, members: Sequence[Rung]) -> float:
        """Seconds to blend, judge, test and fit again a mixture of these members."""
        return sum(3 * rung.judge_s + self._scale_s() + _RESERVE * self.refit_s(rung) for rung in members)

    def _scale_s(self) -> float:
        """Seconds to put the scores of one member on the scale of a mixture, when it is judged and when it is tested."""
        assert self.parts.validation is not None
        lists = len(self.parts.validation) + _RESERVE * len(self.parts.test)
        return _SCALE_SECONDS * lists * self.parts.train.n_items

    def _time_for_mixture(self) -> float:
        return self.time_left() + _RESERVE * self.refit_s(self.leader())

    def _share_of_sequence(self) -> float:
        """Seconds for the next sequence model; the time of a mixture is kept: of the first with the classic ones, or of those before it."""
        if self._best_sequence() is None:
            left, members = self.time_left(), self._members()
            itself = self._scale_s() + 6 * max((rung.judge_s for rung in members), default=0.0)  # now, in the mixture, on test
            room = (left - self._mixture_s(members) - itself) * (1 + self.refit_share) / (1 + _RESERVE * self.refit_share)
            least, most = _FIRST_SHARE
            return min(max(room, least * left), most * left)
        return min(self.time_left(), self._time_for_mixture() - self._mixture_s(self._members())) * _SHARE

    def _affordable(self, members: list[Rung]) -> list[Rung]:
        """Those that can be blended and fitted again in the time, best first; the best stays, slow ones go first."""
        while len(members) > 1 and self._mixture_s(members) > self._time_for_mixture():
            slow = [rung for rung in members[1:] if self.refit_s(rung) > _KEPT_FROM_SECONDS] or members[1:]
            worst = min(slow, key=lambda rung: rung.ndcg or 0.0)
            members = [rung for rung in members if rung is not worst]
        return members

    def _mixture(self, name: str) -> None:
        if "mixture" not in catalog.names() or self._finished(name):
            return
        members = self._members()
        if len(members) < 2 or (self.time_left() <= 2 and self.rungs):
            self._leave_out(name, "it needs two members or more" if len(members) < 2 else "no time was left for it", "mixture")
            return
        members = self._affordable(members)
        if len(members) < 2:
            self._leave_out(name, "its members could not be fitted again in the time", "mixture")
            return
        assert self.parts.validation is not None
        cpu = time.process_time()
        fields = ",".join(f"{r.model}.{key}={value}" for r in members for key, value in {**r.fields, **r.settled}.items())
        settings = {"models": ",".join(rung.model for rung in members), "fields": fields}
        fresh = catalog.create("mixture", **self._seeded("mixture", settings))
        assert isinstance(fresh, _Blends)
        models = [self.model(rung) for rung in members]
        tell = self._told(name, None)
        per_list = np.full(len(self.parts.validation), np.nan)
        judge_s = 0.0
        halves = np.random.default_rng(self.seed).permutation(len(per_list)) % 2
        for half in (0, 1):  # weights of one half of the histories are judged on the other
            learn, judge = (_rows(self.parts.validation, np.flatnonzero((halves == half) == side)) for side in (False, True))
            if len(learn) and len(judge):
                blended = fresh.blend(models, learn, progress=tell)
                judged = time.monotonic()
                per_list[halves == half] = validation.ndcg(blended, replace(self.parts, validation=judge), tell)
                judge_s += time.monotonic() - judged
        blended = fresh.blend(models, self.parts.validation, progress=tell)
        shares = ", ".join(
            f"{member} {share:.0%}".replace("%", " %") for member, share in blended.shares(self.parts.validation.histories).items()
        )
        rung = Rung(
            name,
            "mixture",
            settings,
            cpu_s=round(time.process_time() - cpu, 2),
            fit_s=round(sum(map(self.refit_s, members)) / self.refit_share, 2),  # to fit it again is to fit its members again
            judge_s=round(judge_s, 2),
            note=f"shares: {shares}; judged on histories that its weights were not learned on",
        )
        self._add(rung, blended, per_list)

    def _tune(self) -> None:
        """A few trials for the leading models that have something to tune; then the mixture once more, if a member got better."""
        judged = sorted((r for r in self.rungs if r.ndcg is not None), key=lambda r: -(r.ndcg or 0))
        worth = [r for r in judged if r.model != "mixture" and catalog.search_space(r.model)][:2]
        better = False
        for place, rung in enumerate(worth):
            name = f"{rung.model}-tuned"
            if self._finished(name):
                continue
            share = self.time_left() / (len(worth) - place) / (1 + self.refit_share / 4)
            trials = min(_MOST_TRIALS, int(share / max(rung.wall_s, 0.05)))
            if trials < 2:
                self._leave_out(name, f"a trial takes {rung.wall_s:.0f} s and {max(0.0, share):.0f} s were left for it", rung.model)
                continue
            better |= self._tuned(rung, name, trials, time.monotonic() + share)
        if better:
            self._mixture("mixture-tuned")

    def _tuned(self, rung: Rung, name: str, trials: int, deadline: float) -> bool:
        started, cpu = time.monotonic(), time.process_time()
        directory = self.directory / f"{name}-study"
        directory.mkdir(exist_ok=True)
        best: list[tuple[float, Recommender, Float64[np.ndarray, " B"]]] = []

        def keep(trial: tune.Trial, model: Recommender, per_list: Float64[np.ndarray, " B"]) -> None:
            if trial.value is not None and trial.value > (best[0][0] if best else rung.ndcg or 0.0):
                best[:] = [(trial.value, model, per_list)]
                storage.save_model(model, directory / "best")
                np.save(directory / "best.npy", per_list)

        asked = {"model": rung.model, "fixed": self._seeded(rung.model, rung.fields), "seed": self.seed}
        try:
            tell = self._told(name, None)
            found = tune.search(
                self.parts,
                asked,
                directory,
                measure=validation.of_items(self.parts),
                trials=trials + 1,
                deadline=deadline,
                known=rung.ndcg,
                keep=keep,
                progress=tell,
            )
        except (ConfigError, MissingExtraError) as error:
            self._leave_out(name, str(error), rung.model)
            return False
        spent = {"cpu_s": round(time.process_time() - cpu, 2), "judge_s": 0.0, "fit_s": round(time.monotonic() - started, 2)}
        top = found.ranked[0]
        n = len(found.trials) - 1
        tried = f"{n} trial{'s' if n != 1 else ''} of {', '.join(catalog.search_space(rung.model))}"
        if (top.value or 0.0) <= (rung.ndcg or 0.0) or (not best and not (directory / "best").is_dir()):
            self._add(Rung(name, rung.model, note=f"{tried}: none was better", cpu_s=spent["cpu_s"], fit_s=spent["fit_s"]))
            return False
        model, per_list = best[0][1:] if best else (storage.load_model(directory / "best"), np.load(directory / "best.npy"))
        a_trial = spent["fit_s"] / max(1, len(found.trials) - 1)
        state: State = "finished" if top.state == "finished" else "stopped"
        fields = {**rung.fields, **top.parameters}
        made = Rung(name, rung.model, fields, state=state, epochs=top.epochs, settled=top.settled, cpu_s=spent["cpu_s"], note=f"{tried}")
        self._add(replace(made, fit_s=round(max(a_trial, top.cpu_s), 2), judge_s=rung.judge_s), model, per_list)
        return True


@runtime_checkable
class _Blends(Protocol):
    """What the ladder asks of the mixture beyond what every model does: to take models that are fitted already."""

    def blend(self, members: Sequence[Recommender], validation: Holdout, *, progress: Progress | None = None) -> _Blended: ...


class _Blended(Recommender, Protocol):
    def shares(self, histories: SequenceDataset) -> dict[str, float]: ...


class _Watch:
    """Stops a model that is trained by epochs when its time is up, or when it cannot reach the best one before it.

    Cannot: from epoch 6 on, the last third of the epochs added no more than the third before, and the best figure so far plus twice what
    it added is below the lower end of that model's interval. (Gains that shrink by a third from one such stretch to the next sum to
    twice the last one.)
    """

    def __init__(self, until: float, to_reach: float | None) -> None:
        self.until, self.to_reach = until, to_reach
        self.epochs, self.why = 0, ""
        self._best: list[float] = []
        self._last = time.monotonic()
        self._first: tuple[float, int] | None = None

    def __call__(self, epoch: EpochFigures) -> bool:
        self.epochs = epoch.number
        now = time.monotonic()
        epoch_s, self._last = now - self._last, now
        if epoch.validation is not None:
            self._best.append(max([epoch.validation, *self._best[-1:]]))
        if now + 1.5 * epoch_s > self.until:
            self.why = f"stopped after {self.epochs} epochs, when its share of the time was over"
        elif self.to_reach is not None and hopeless(self._best, self.to_reach):
            to_reach = f"{self.to_reach:.4f}, the lower bound of a model before it"
            self.why = f"stopped after {self.epochs} epochs: at this pace it could not reach {to_reach}"
        return bool(self.why)

    def clock(self, what: str, done: int, total: int) -> None:
        """As the progress of a model without epochs; raises _TooSlow once the time is up."""
        if time.monotonic() > self.until:
            raise _TooSlow("it took longer than its share of the time")

    def steps(self, model: Recommender, share: float) -> Progress:
        """As the progress of a model with epochs; raises _TooSlow where the first steps foretell too few epochs."""
        epochs = hyperparameters(model).get("epochs", 1)

        def check(what: str, done: int, total: int) -> None:
            now = time.monotonic()
            if self.epochs or what != "training" or not total:
                return
            self._first = self._first or (now, done)  # what was before the first step, such as loading torch, is done once
            began, steps = self._first[0], done - self._first[1]
            if steps < 5 or now - began < min(2.0, share / 10):
                return
            epoch_s = (now - began) / steps * total / epochs
            if _FEWEST_EPOCHS * epoch_s > share:
                raise _TooSlow(f"{_FEWEST_EPOCHS} epochs would take about {_FEWEST_EPOCHS * epoch_s:.0f} s, its share was {share:.0f} s")

        return check


def hopeless(best: Sequence[float], to_reach: float) -> bool:
    """best: the best figure up to each epoch. See `_Watch` for the rule."""
    if len(best) < _HOPELESS_FROM:
        return False
    third = len(best) // 3
    gain, before = best[-1] - best[-1 - third], best[-1 - third] - best[-1 - 2 * third]
    return gain <= before and best[-1] + 2 * gain < to_reach


def _ease_seconds(n_items: int) -> float:
    """About how long EASE takes, from the fastest of three products of matrices on this machine now."""
    square = np.ones((1024, 1024))
    fastest = math.inf
    for _ in range(3):
        started = time.monotonic()
        square @ square
        fastest = min(fastest, time.monotonic() - started)
    return n_items**3 * _CUBE_FLOP * fastest / (2 * 1024**3)


def _has_words(features: ItemFeatures | None) -> bool:
    """Whether anything but its category is written about an item."""
    return features is not None and (features.vectors is not None or any(map(any, (features.titles, features.texts, features.attributes))))


def _settled(before: Recommender, fitted: Recommender) -> dict[str, Any]:
    if not isinstance(fitted, Settled):
        return {}
    old, new = hyperparameters(before), hyperparameters(fitted.settled())
    return {name: new[name] for name in new if new[name] != old[name]}


def _in_words(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in settings.items())


def _rows(holdout: Holdout, rows: Int64[np.ndarray, " R"]) -> Holdout:
    """Some of the questions of a holdout."""
    counts = np.diff(holdout.offsets)
    kept = np.isin(np.repeat(np.arange(len(holdout)), counts), rows)
    return Holdout(
        holdout.histories.take(rows),
        np.concatenate([[0], np.cumsum(counts[rows])]).astype(np.int64),
        holdout.items[kept],
        None if holdout.request_times is None else holdout.request_times[rows],
        holdout.counts,
    )
