"""Sequential patterns: counts against a naive miner and prefixspan, groups worked by hand, and planted contrasts."""

from __future__ import annotations

import itertools
import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import footpath as fp
from footpath.analysis.patterns import Miner, Sequences, closed, frequent_patterns, matched_cuts, patterns, two_shares
from footpath.errors import ConfigError, NotInLogError
from footpath.events.log import EventLog

START = datetime(2026, 3, 2, 9)
FIXTURE = Path(__file__).parent / "fixtures" / "prefixspan_counts.json"


def log_of(rows: list[tuple[str, str, float]], users: pd.DataFrame | None = None, **more: list[object]) -> EventLog:
    """Acts of (user, type, minutes after the start), each on an item of its own."""
    frame = pd.DataFrame(
        {
            "user_id": [user for user, _, _ in rows],
            "item_id": [f"i{n}" for n in range(len(rows))],
            "event_type": [kind for _, kind, _ in rows],
            "timestamp": [START + timedelta(minutes=minutes) for _, _, minutes in rows],
            **more,
        }
    )
    return fp.read_events(frame, users=users, zone="UTC") if users is not None else fp.read_events(frame, zone="UTC")


def rows_of(sequences: list[list[int]], times: list[list[int]] | None = None) -> Sequences:
    offsets = np.cumsum([0, *map(len, sequences)])
    flat = np.array([code for sequence in sequences for code in sequence], np.int64)
    when = None if times is None else np.array([at for row in times for at in row], np.int64)
    return Sequences(flat, offsets.astype(np.int64), when)


def mine(sequences: Sequences, least: int, max_length: int, **limits: int | None) -> dict[tuple[int, ...], int]:
    miner = Miner(sequences, least=least, **limits)
    found = frequent_patterns(miner, lambda seqs: seqs.tolist(), least=least, max_length=max_length)
    assert found is not None
    for pattern, (support, seqs) in found.items():
        assert miner.holders(pattern).tolist() == seqs == sorted(set(seqs))
        assert support == len(seqs)
    return {pattern: support for pattern, (support, _) in found.items()}


def naive(
    sequences: list[list[int]],
    least: int,
    max_length: int,
    gap: int | None = None,
    span: int | None = None,
    times: list[list[int]] | None = None,
) -> dict[tuple[int, ...], int]:
    """All subsequences of every sequence, one by one."""
    counted: dict[tuple[int, ...], int] = {}
    for row, sequence in enumerate(sequences):
        held = set()
        for length in range(1, max_length + 1):
            for places in itertools.combinations(range(len(sequence)), length):
                if gap is not None and any(b - a > gap for a, b in itertools.pairwise(places)):
                    continue
                if span is not None and times is not None and times[row][places[-1]] - times[row][places[0]] > span:
                    continue
                held.add(tuple(sequence[place] for place in places))
        for pattern in held:
            counted[pattern] = counted.get(pattern, 0) + 1
    return {pattern: n for pattern, n in counted.items() if n >= least}


SEQUENCES = st.lists(st.lists(st.integers(0, 3), max_size=7), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(SEQUENCES, st.integers(1, 3))
def test_supports_are_those_of_trying_every_subsequence(sequences: list[list[int]], least: int) -> None:
    assert mine(rows_of(sequences), least, 4) == naive(sequences, least, 4)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_limits_of_gap_and_span_are_those_of_trying_every_subsequence(data: st.DataObject) -> None:
    sequences = data.draw(SEQUENCES)
    times = [sorted(data.draw(st.lists(st.integers(0, 12), min_size=len(row), max_size=len(row)))) for row in sequences]
    gap, span = data.draw(st.sampled_from([None, 1, 2])), data.draw(st.sampled_from([None, 0, 3, 8]))
    least = data.draw(st.integers(1, 2))
    found = mine(rows_of(sequences, times), least, 3, max_gap=gap, max_span=span)
    assert found == naive(sequences, least, 3, gap, span, times)


@settings(max_examples=40, deadline=None)
@given(SEQUENCES)
def test_a_pattern_is_closed_where_no_longer_one_is_held_as_often(sequences: list[list[int]]) -> None:
    counted = naive(sequences, 1, 4)

    def inside(short: tuple[int, ...], long: tuple[int, ...]) -> bool:
        rest = iter(long)
        return all(code in rest for code in short)

    expected = {p for p, n in counted.items() if not any(len(q) > len(p) and counted[q] == n and inside(p, q) for q in counted)}
    assert set(closed({pattern: (n, None) for pattern, n in counted.items()})) == expected


@pytest.mark.parametrize("case", ["small", "shop"])
def test_supports_are_those_of_the_prefixspan_package(case: str) -> None:
    given = json.loads(FIXTURE.read_text(encoding="utf-8"))[case]
    expected = {tuple(pattern): support for support, pattern in given["frequent"]}
    assert mine(rows_of(given["sequences"]), given["least"], given["max_length"]) == expected


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_p_values_are_those_of_chi_square_and_of_fisher_where_few_are_expected(n: int, m: int, data: st.DataObject) -> None:
    a, b = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    table = np.array([[a, n - a], [b, m - b]])
    found = float(two_shares(*(np.array([float(x)]) for x in (a, n, b, m)))[0])
    expected_counts = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    if expected_counts.min() < 5:
        assert found == pytest.approx(stats.fisher_exact(table)[1])
    else:
        assert found == pytest.approx(stats.chi2_contingency(table, correction=False)[1])


def buyers(n: int = 120) -> EventLog:
    """Users one session each: those who search and then favourite all buy; the others view, and a few of them buy."""
    rows: list[tuple[str, str, float]] = []
    for k in range(n):
        user, path = f"u{k:03}", ("search", "favourite", "purchase", "view") if k % 2 else ("view", "favourite", "search")
        steps = (*path, "purchase") if k % 20 == 0 else path
        rows += [(user, kind, float(step)) for step, kind in enumerate(steps)]
    return log_of(rows)


def test_buyers_walk_the_planted_path_and_the_purchase_itself_is_no_part_of_it() -> None:
    found = patterns(buyers(), top=50)
    rows = {row["pattern"]: row for row in found.table.to_pylist()}
    assert not any("purchase" in pattern for pattern in rows)
    best = rows["search > favourite"]
    # 60 of 66 buyers search and then favourite; the other 6 buy after 3 acts, and no one without a purchase has more than 3
    assert (best["support"], best["n"], best["support_others"], best["n_others"]) == (60, 60, 0, 54)
    assert best["q_value"] < 1e-9
    assert best["example_users"] == ["u001", "u003", "u005"]
    assert "search > favourite" in found.findings[0].text
    assert found.findings[0].p_value == best["q_value"]  # the best of many is no single test


def test_acts_after_the_outcome_do_not_count() -> None:
    paths = ("click", "purchase", "view"), ("click", "view")
    rows = [(f"u{k}", kind, float(step)) for k in range(40) for step, kind in enumerate(paths[k % 2])]
    table = patterns(log_of(rows), min_support=0.01).table.to_pylist()
    # of those without a purchase one act counts too: the view comes where others buy
    assert [(row["pattern"], row["share"], row["share_others"]) for row in table] == [("click", 1.0, 1.0)]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("unit", ["session", "user"])
def test_acts_drawn_at_random_lead_to_no_purchase_however_long_people_stay(seed: int, unit: str) -> None:
    rng = np.random.default_rng(seed)
    rows = [
        (f"u{k:03}", str(kind), 1_000.0 * session + step)
        for k in range(300)
        for session in range(2)
        for step, kind in enumerate(rng.choice(["view", "search", "click", "purchase"], rng.geometric(0.15), p=[0.4, 0.25, 0.2, 0.15]))
    ]
    found = patterns(log_of(rows), unit=unit)  # type: ignore[arg-type]
    assert found.meta["n_tested"] > 20
    assert found.findings == ()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=60), st.integers(0, 3))
def test_cuts_have_equal_lengths_on_both_sides(drawn: list[tuple[int, int]], seed: int) -> None:
    sizes = np.array([size for size, _ in drawn])
    first = np.array([min(at, size) for size, at in drawn])
    reached = first < sizes
    cut = matched_cuts(first, reached, sizes, seed)
    assert ((cut == 0) | (cut == first))[reached].all()
    assert ((cut == 0) | (cut < sizes))[~reached].all()
    cases, others = np.bincount(cut[reached], minlength=10)[1:], np.bincount(cut[~reached], minlength=10)[1:]
    if cases.sum():
        ratio = min(int((~reached & (sizes > n)).sum()) / int(cases[n - 1 :].sum()) for n in range(1, 10) if cases[n - 1 :].sum())
        assert (abs(others - ratio * cases) <= 1).all()


def test_buyers_without_an_act_before_are_left_out_and_that_is_said() -> None:
    rows = [("a", "purchase", 0.0), ("b", "view", 0.0), ("b", "purchase", 1.0), ("c", "view", 0.0), ("d", "view", 0.0), ("d", "cart", 2.0)]
    found = patterns(log_of(rows))
    assert "of 2 sessions with purchase, 1 without an act before it and 0 longer" in found.meta["warnings"][0]
    assert found.table["n"][0].as_py() == 1
    assert found.table["n_others"][0].as_py() == 1  # c was not there to buy after its view


def test_long_and_short_sessions_are_compared_on_beginnings_of_one_length() -> None:
    rows: list[tuple[str, str, float]] = []
    for k in range(100):
        kinds = ["search", "view"] * (3 if k % 2 else 2) if k % 2 else ["view", "search"] * 2
        rows += [(f"u{k:03}", kind, float(step)) for step, kind in enumerate(kinds)]
    found = patterns(log_of(rows), contrast="long_sessions", top=50)
    by_pattern = {row["pattern"]: row for row in found.table.to_pylist()}
    # the median is 5 acts, so only the first 2 of each count
    assert max(row["length"] for row in by_pattern.values()) == 2
    assert by_pattern["search > view"]["share"] == 1.0
    assert by_pattern["view > search"]["share_others"] == 1.0


def test_sessions_after_which_users_stay_away_are_told_from_those_they_come_back_from() -> None:
    rows: list[tuple[str, str, float]] = []
    day = 1_440.0
    for k in range(80):
        start = (k % 8) * 0.25 * day
        visits = ["view", "view", "search"] if k % 2 else ["view"] * 12
        for visit, kind in enumerate(visits):
            rows += [(f"u{k:02}", kind, start + visit * 5 * day), (f"u{k:02}", kind, start + visit * 5 * day + 1)]
    found = patterns(log_of(rows), contrast="leaving")
    best = found.table.to_pylist()[0]
    assert (best["pattern"], best["share"], best["share_others"]) == ("search > search", 1.0, 0.0)
    assert "cannot be judged" in found.meta["definition"]


def test_each_segment_is_held_against_all_others() -> None:
    rows: list[tuple[str, str, float]] = []
    segments = []
    rng = np.random.default_rng(0)
    for k in range(150):
        segment = ("gold", "silver", "bronze")[k % 3]
        kinds = rng.choice(["view", "cart", "search"], 4).tolist()
        kinds = ["favourite", "search", *kinds] if segment == "gold" else [*kinds, "favourite"]
        rows += [(f"u{k:03}", kind, float(step)) for step, kind in enumerate(kinds)]
        segments.append({"user_id": f"u{k:03}", "segment": segment})
    found = patterns(log_of(rows, users=pd.DataFrame(segments)), contrast="segment")
    best = found.table.to_pylist()[0]
    assert best["group"] == "gold"
    assert best["pattern"].startswith("favourite > ")
    assert (best["n"], best["n_others"]) == (50, 100)
    assert "segment gold" in found.findings[0].text


@pytest.mark.parametrize("seed", range(5))
def test_groups_drawn_at_random_raise_no_finding(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = [
        (f"u{k:03}", kind, float(step)) for k in range(200) for step, kind in enumerate(rng.choice(["view", "cart", "search"], 6).tolist())
    ]
    users = pd.DataFrame({"user_id": [f"u{k:03}" for k in range(200)], "segment": rng.choice(["x", "y"], 200)})
    assert patterns(log_of(rows, users=users), contrast="segment").findings == ()


def test_a_user_with_a_hundred_sessions_is_one_witness() -> None:
    """All sessions that tell the groups apart are one user's: sessions alone would say p < 1e-9."""
    rows: list[tuple[str, str, float]] = []
    for k in range(100):
        rows += [("one", kind, 1_000.0 * k + step) for step, kind in enumerate(("search", "search", "purchase"))]
        rows += [(f"u{k:02}", kind, float(step)) for step, kind in enumerate(("search", "view", "click"))]
        rows += [(f"v{k:02}", kind, float(step)) for step, kind in enumerate(("view", "search", "purchase"))]
    # the one user is half of all sessions that lead to a purchase
    row = next(r for r in patterns(log_of(rows), top=50).table.to_pylist() if r["pattern"] == "search > search")
    assert (row["share"], row["share_others"]) == (0.5, 0.0)
    assert row["p_value"] > 1e-3


def test_patterns_that_one_set_of_sequences_holds_are_told_once() -> None:
    rows: list[tuple[str, str, float]] = []
    for k in range(150):
        path = ["view", "favourite", "search", "view"] if k % 3 else ["search", "favourite", *["click"][: k % 10], "purchase"]
        rows += [(f"u{k:03}", kind, float(step)) for step, kind in enumerate(path)]
    found = patterns(log_of(rows))
    assert found.table.num_rows < found.meta["n_tested"]
    assert sum(found.table["n_alike"].to_pylist()) > 0


def test_the_same_seed_gives_the_same_table() -> None:
    assert patterns(buyers()).table.equals(patterns(buyers()).table)


def test_hostile_names_come_through_as_they_are() -> None:
    names = ["</script>", 'a "quote"', "שלום", "🦊"]
    rows = [(f"{names[k % 4]}{k}", ("view", "search")[k % 2], float(step)) for k in range(24) for step in range(2)]
    log = log_of(rows, campaign=[names[n % 4] for n in range(len(rows))])
    found = patterns(log, by="campaign", contrast="long_sessions", min_support=0.01)
    assert all(part in names for row in found.table.to_pylist() for part in row["pattern"].split(" > "))


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([("a", "view", 0.0)], "no two groups"),
        ([("a", "view", 0.0), ("a", "purchase", 1.0)], "no two groups"),
        ([("a", "view", 0.0), ("b", "view", 0.0)], "no two groups"),
    ],
)
def test_a_log_without_two_groups_says_so(rows: list[tuple[str, str, float]], why: str) -> None:
    found = patterns(log_of(rows))
    assert found.is_empty
    assert why in found.meta["warnings"][0]
    assert found.table.num_rows == 0


def test_acts_of_one_moment_keep_their_order() -> None:
    rows = [(f"u{k}", kind, 0.0) for k in range(40) for kind in (("view", "search", "purchase") if k % 2 else ("search", "view", "cart"))]
    table = patterns(log_of(rows), max_minutes=0, top=50, min_support=0.01).table.to_pylist()
    assert {row["pattern"]: row["share"] for row in table}["view > search"] == 1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_support": 0}, "got 0"),
        ({"max_length": 0}, "max_length must be at least 1, got 0"),
        ({"max_gap": 0}, "max_gap must be at least 1, got 0"),
        ({"max_minutes": -1}, "got -1"),
        ({"top": 0}, "top must be at least 1, got 0"),
        ({"unit": "week"}, "got 'week'"),
        ({"contrast": "leaving", "unit": "user"}, "got 'user'"),
    ],
)
def test_an_option_that_cannot_be_is_refused(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        patterns(buyers(), **options)


def test_a_contrast_that_the_log_lacks_is_named() -> None:
    with pytest.raises(NotInLogError, match="rating"):
        patterns(buyers(), contrast="rating")
    with pytest.raises(NotInLogError, match="no column 'segmnt'"):
        patterns(buyers(), contrast="segmnt")


def telltale(seed: int, times: int) -> EventLog:
    """600 users of six random sessions; a fifth, the segment `special`, walks one path `times` as often as the 4 % of the others."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[str, str, float]] = []
    segment = {f"u{k:03}": "special" if k < 120 else "rest" for k in range(600)}
    for user, kind_of_user in segment.items():
        for session in range(6):
            path = rng.choice(
                ["view", "search", "click", "favourite", "cart"], 3 + rng.integers(0, 5), p=[0.5, 0.2, 0.15, 0.05, 0.1]
            ).tolist()
            if rng.random() < 0.04 * (times if kind_of_user == "special" else 1):
                path = ["search", "favourite", "search", "cart"]
            rows += [(user, kind, 1_440.0 * session + step) for step, kind in enumerate(path)]
    return log_of(rows, users=pd.DataFrame({"user_id": list(segment), "segment": list(segment.values())}))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_the_telltale_path_of_a_segment_is_found_and_without_it_there_is_none(seed: int) -> None:
    found = patterns(telltale(seed, 4), contrast="segment")
    best = found.table.to_pylist()[0]
    assert (best["pattern"], best["group"]) == ("search > favourite > search > cart", "special")
    assert best["low"] <= 4 <= best["high"]
    assert "“search > favourite > search > cart”" in found.findings[0].text
    assert patterns(telltale(seed, 1), contrast="segment").findings == ()
