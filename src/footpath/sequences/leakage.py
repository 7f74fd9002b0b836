"""Does a split let a model fit on what it is asked about?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.split import Holdout, Split
from footpath.sequences.splits import from_iso_time

Verdict = Literal["clean", "by design", "leak", "not checked"]

_USERS_AT_ONCE: Final = 16_384


@dataclass(frozen=True)
class Finding:
    """One check of a split.

    share: of the events or questions named in the statement, 0 to 1; None where it could not be measured.
    by design: the protocol's own rule lets it happen, which every figure has to say.
    """

    check: str
    verdict: Verdict
    statement: str
    share: float | None = None


def check_leakage(split: Split) -> list[Finding]:
    """Every way known to us in which a split can tell the answer, checked on the events themselves."""
    parts = [("test", split.test, split.refit, "refit")]
    if split.validation is not None:
        parts.insert(0, ("validation", split.validation, split.train, "train"))
    findings = []
    for name, holdout, fitted, fitted_name in parts:
        findings += [
            _own_future(split, name, holdout, fitted, fitted_name),
            _later_history(name, holdout),
            _seen_targets(split, name, holdout),
        ]
    findings += _beyond_cuts(split)
    findings.append(_others_future(split))
    return findings


def _own_future(split: Split, name: str, holdout: Holdout, fitted: SequenceDataset, fitted_name: str) -> Finding:
    """Events of the very user who is asked that were fitted on and that the question does not show: the answer may be one.

    Of the questions about one user the one with the shortest history is checked, which shows least.
    """
    row_of = {user: b for b, user in enumerate(fitted.users.to_pylist())}
    rows = np.array([row_of.get(user, -1) for user in holdout.histories.users.to_pylist()], np.int64)
    order = np.lexsort((holdout.histories.lengths, rows))
    shortest = order[(np.diff(rows[order], prepend=-1) != 0) & (rows[order] >= 0)]
    users = events = 0
    for start in range(0, len(shortest), _USERS_AT_ONCE):
        questions = shortest[start : start + _USERS_AT_ONCE]
        own, shown = fitted.take(rows[questions]), holdout.histories.take(questions)
        unlike = np.flatnonzero(~_begins_with(shown, own))
        own, shown = own.take(unlike), shown.take(unlike)
        # as multisets of (question, item): what is left of the fitted events once those of the history are taken away
        signs = np.concatenate([np.ones(own.n_events, np.int64), -np.ones(shown.n_events, np.int64)])
        distinct, place = np.unique(np.concatenate([_pairs(own), _pairs(shown)]), return_inverse=True)
        hidden = np.maximum(np.bincount(place, signs, minlength=len(distinct)), 0)
        events += int(hidden.sum())
        users += len(np.unique(distinct[hidden > 0] // fitted.n_items))
    n_users = len(set(holdout.histories.users.to_pylist()))
    verdict: Verdict = "clean" if not users else "by design" if split.protocol == "cold" else "leak"
    statement = f"{users} of {n_users} {name} questions, one a user, do not show {events} events of that user that {fitted_name} holds"
    return Finding(f"{name}: own future", verdict, statement, users / n_users)


def _later_history(name: str, holdout: Holdout) -> Finding:
    """Events shown that happened after the question."""
    histories = holdout.histories
    check = f"{name}: history before the question"
    if histories.times is None or holdout.request_times is None:
        return Finding(check, "not checked", f"without a clock, the order of the log alone puts {name} histories before their questions")
    late = int(np.count_nonzero(histories.times > holdout.request_times[histories.rows]))
    statement = f"{late} of {histories.n_events} events in {name} histories are later than their question"
    return Finding(check, "leak" if late else "clean", statement, late / max(histories.n_events, 1))


def _seen_targets(split: Split, name: str, holdout: Holdout) -> Finding:
    """Answers that the history already holds, where a repeat is not allowed."""
    questions = np.repeat(np.arange(len(holdout)), np.diff(holdout.offsets))
    wanted = questions * np.int64(holdout.histories.n_items) + holdout.items
    # the pairs of a history lie near one another in the sorted ones: a search in them is far faster than np.isin
    ordered = np.unique(wanted)
    places = np.minimum(np.searchsorted(ordered, shown := _pairs(holdout.histories)), len(ordered) - 1)
    held = np.zeros(len(ordered), bool)
    held[places[ordered[places] == shown]] = True
    seen = int(held[np.searchsorted(ordered, wanted)].sum())
    statement = f"{seen} of {len(wanted)} {name} targets are in their history; repeats are {'allowed' if split.repeat else 'not allowed'}"
    return Finding(f"{name}: seen targets", "leak" if seen and not split.repeat else "clean", statement, seen / max(len(wanted), 1))


def _beyond_cuts(split: Split) -> list[Finding]:
    """Events fitted on that lie at or after the cut, under the protocol that has cuts."""
    if split.protocol != "time":
        return []
    findings = []
    for name, fitted, cut in zip(("train", "refit"), (split.train, split.refit), split.details["cuts"], strict=True):
        late = 0 if fitted.times is None else int(np.count_nonzero(fitted.times >= from_iso_time(cut)))
        statement = f"{late} of {fitted.n_events} {name} events lie at or after the cut {cut}"
        findings.append(Finding(f"{name}: before the cut", "leak" if late else "clean", statement, late / max(fitted.n_events, 1)))
    return findings


def _others_future(split: Split) -> Finding:
    """The share of what is fitted on that is later than a question, on average over the questions."""
    check = "test: future of other users"
    cuts_users_apart = split.protocol in ("loo", "cold")
    why = f"; protocol {split.protocol!r} cuts each user apart, so it leaks across users by design" if cuts_users_apart else ""
    if split.refit.times is None or split.test.request_times is None:
        statement = f"without a clock, it cannot be said how much of the refit events is later than the test questions{why}"
        return Finding(check, "by design" if cuts_users_apart else "not checked", statement)
    ordered = np.sort(split.refit.times)
    later = 1 - np.searchsorted(ordered, split.test.request_times, side="right") / max(len(ordered), 1)
    share = float(later.mean())
    statement = f"on average {share:.1%} of the refit events are later than a test question{why if share else ''}"
    return Finding(check, "clean" if not share else "by design" if cuts_users_apart else "leak", statement, share)


def _begins_with(data: SequenceDataset, beginnings: SequenceDataset) -> np.ndarray:
    """Which rows start with the row of the same number of the other data set: all that need no count of their items."""
    long_enough = data.lengths >= beginnings.lengths
    starts = data.prefixes(np.arange(len(data)), np.where(long_enough, beginnings.lengths, 0))
    expected = beginnings.prefixes(np.arange(len(data)), starts.lengths)
    alike = long_enough.copy()
    alike[starts.rows[starts.items != expected.items]] = False
    return alike


def _pairs(data: SequenceDataset) -> np.ndarray:
    return data.rows * np.int64(data.n_items) + data.items
