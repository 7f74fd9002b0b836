from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from footpath.errors import ConfigError, DataError
from footpath.models import catalog
from footpath.models.features import MOST_CATEGORIES, Encoded, Features, codes_of
from footpath.sequences.dataset import ItemFeatures, SequenceDataset
from footpath.sequences.impressions import VALUE_TASK, Impressions, from_table
from footpath.sequences.vocabulary import Vocabulary
from footpath.statistics import auc

NOTHING = pa.table({})
SECOND, HOUR = 1_000_000, 3_600_000_000


def rows_of(columns: Mapping[str, Any], labels: Mapping[str, Any] | None = None, **more: Any) -> Impressions:
    """Rows of one user without a history, on no item, with a context."""
    context = pa.table(dict(columns))
    n = context.num_rows
    return Impressions(
        SequenceDataset.from_lists([[]]),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        np.zeros(n, np.int32),
        {task: np.asarray(label, np.float32) for task, label in (labels or {}).items()},
        context,
        NOTHING,
        NOTHING,
        **more,
    )


def fitted(column: Any) -> Features:
    return Features.fit(rows_of({"x": column}))


def codes(features: Features, column: Any) -> list[int]:
    return features.encode(rows_of({"x": column})).codes[:, 0].tolist()


def amounts(features: Features, column: Any) -> np.ndarray:
    return features.encode(rows_of({"x": column})).amounts[:, 0]


# ---- categories


def test_categories_are_coded_in_order_and_those_seen_once_are_unknown() -> None:
    features = fitted(["b", "a", "b", "a", "rare", None])
    assert features.columns[0].categories == ("a", "b")
    assert codes(features, ["a", "b", "rare", "new", None]) == [1, 2, 0, 0, 0]
    assert codes_of(features).tolist() == [3]


@pytest.mark.parametrize(
    ("column", "asked", "expected"),
    [
        ([1, 2, 1, 2], pa.array([2, 1, 9, None]), [2, 1, 0, 0]),
        ([1, 2, 1, 2], pa.array([2.0, None]), [2, 0]),
        ([1, 2, 1, 2], pa.array([2.0, float("nan")]), [2, 0]),
        ([1, 2, 1, 2], pa.array(["2", "two"]), [2, 0]),
        ([1, 2, 1, 2], pa.array([2.0, 2.5]), [2, 0]),
        ([1, 2, 1, 2], pa.array([1.0, float("inf")]), [1, 0]),
        ([1, 2, 1, 2], pa.nulls(2), [0, 0]),
        ([True, False, True, False], pa.array([False, True, None]), [1, 2, 0]),
        (pa.array(["a", "b", "a", "b"]).dictionary_encode(), pa.array(["b"]), [2]),
        (pa.array(["a", "b", "a", "b"], pa.large_string()), pa.array(["b"]).dictionary_encode(), [2]),
        (pa.chunked_array([["a", "b"], ["a", "b"]]), pa.chunked_array([["b"], ["a"]]), [2, 1]),
    ],
    ids=["integers", "floats that are whole", "NaN", "text", "fraction", "infinite", "nulls", "booleans", "to plain", "large", "chunks"],
)
def test_a_category_is_the_same_in_whatever_type_it_comes(column: Any, asked: Any, expected: list[int]) -> None:
    found = codes(fitted(column), asked)
    assert found[: len(expected)] == expected[: len(found)]
    assert len(found) == len(asked)


def test_few_whole_numbers_are_categories_and_thousands_of_rare_ones_an_amount() -> None:
    assert fitted([*range(900)] * 2).columns[0].kind == "category"
    assert fitted([*range(1_500)] * 2).columns[0].kind == "amount"
    assert fitted([*range(1_500)] * 12).columns[0].kind == "category", "each is seen often"


def test_an_id_of_each_row_says_nothing_and_harms_nothing() -> None:
    label = np.random.default_rng(0).random(2_000) < 0.3
    features = Features.fit(rows_of({"x": [f"row {i}" for i in range(2_000)]}, {"click": label}))
    assert features.columns[0].size == 1
    assert set(codes(features, ["row 7", "row 2000"])) == {0}


def hashed(n: int) -> pa.Array:
    return pc.binary_join_element_wise("device", pa.array(np.arange(n)).cast(pa.string()), "-")


def test_more_categories_than_are_kept_are_hashed() -> None:
    once = hashed(MOST_CATEGORIES + 1)
    features = fitted(pa.concat_arrays([once, once]))
    (column,) = features.columns
    assert (column.hashed, column.size, column.categories) == (True, MOST_CATEGORIES + 1, ())
    found = np.array(codes(features, pa.concat_arrays([once, pa.array([None], pa.string()), pa.array(["device-5"])])))
    assert (found[-2], found[-1]) == (0, found[5])
    assert found[:-2].min() >= 1
    assert found.max() <= MOST_CATEGORIES
    # of n that fall into as many buckets at random, n (1 - 1/e) are hit
    assert abs(len(np.unique(found[:-2])) / MOST_CATEGORIES - (1 - np.exp(-1))) < 0.01
    assert codes(Features.restore(features.state()), ["device-5"]) == [found[5]]


def test_as_many_categories_as_are_kept_are_not_hashed() -> None:
    once = hashed(MOST_CATEGORIES)
    (column,) = fitted(pa.concat_arrays([once, once])).columns
    assert (column.hashed, column.size) == (False, MOST_CATEGORIES + 1)


# ---- amounts


def test_an_amount_becomes_a_standard_score_and_0_where_it_is_missing() -> None:
    features = fitted([1.0, 2.0, 3.0, None, float("nan")])  # mean 2, deviation sqrt(2/3)
    encoded = features.encode(rows_of({"x": [3.0, None, float("nan"), 1e9]}))
    np.testing.assert_allclose(encoded.amounts[:, 0], [np.sqrt(1.5), 0, 0, 8], rtol=1e-6)
    assert encoded.missing[:, 0].tolist() == [False, True, True, False]


def test_a_skewed_amount_is_read_by_its_logarithm() -> None:
    values = np.array([0.0, 0.0, 1.0, 3.0, 1_000.0])  # mean 200.8, median 1
    features = fitted(values)
    logs = np.log1p(values)
    assert features.columns[0].log
    np.testing.assert_allclose(amounts(features, [3.0, -5.0]), (np.log1p([3, 0]) - logs.mean()) / logs.std(), rtol=1e-6)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([date(2026, 1, 1), date(2026, 1, 3), date(2026, 1, 5)]),
        pa.array([date(2026, 1, 1), date(2026, 1, 3), date(2026, 1, 5)], pa.date64()),
        pa.array([datetime(2026, 1, day, 12, tzinfo=UTC) for day in (1, 3, 5)]),
        pa.array([datetime(2026, 1, day) for day in (1, 3, 5)], pa.timestamp("ns")),
        pa.array([time(1), time(3), time(5)], pa.time32("s")),
        pa.array([timedelta(seconds=s) for s in (1, 3, 5)], pa.duration("ms")),
        pa.array([Decimal("1.50"), Decimal("3.50"), Decimal("5.50")]),
        pa.array([1, 3, 5], pa.float32()),
    ],
    ids=lambda column: str(column.type),
)
def test_numbers_and_times_of_every_type_are_amounts(column: pa.Array) -> None:
    features = fitted(column)
    assert features.columns[0].kind == "amount"
    np.testing.assert_allclose(amounts(features, column), [-np.sqrt(1.5), 0, np.sqrt(1.5)], atol=1e-5)


def test_a_duration_is_the_same_in_whatever_unit() -> None:
    features = fitted(pa.array([timedelta(seconds=s) for s in (1, 3, 5)], pa.duration("s")))
    np.testing.assert_allclose(amounts(features, pa.array([timedelta(seconds=5)], pa.duration("ns"))), [np.sqrt(1.5)], rtol=1e-5)


def test_numbers_written_as_text_are_read_and_words_refused() -> None:
    features = fitted([1.0, 2.0, 3.0])
    np.testing.assert_allclose(amounts(features, ["3", "2.0"]), [np.sqrt(1.5), 0], rtol=1e-6)
    with pytest.raises(DataError, match=r"column 'x' held numbers when the model was fitted, and here it does not: .*many"):
        amounts(features, ["many"])
    with pytest.raises(DataError, match="column 'x' held numbers when the model was fitted"):
        amounts(features, [[1.0]])


def test_infinity_is_refused_at_fit_and_at_prediction() -> None:
    with pytest.raises(DataError, match="column 'x' is infinite at row 1: leave it empty where it is unknown"):
        fitted([1.0, float("inf")])
    with pytest.raises(DataError, match="column 'x' is infinite at row 0"):
        amounts(fitted([1.0, 2.0]), [float("-inf")])


def test_what_is_neither_a_category_nor_an_amount_is_refused_by_name() -> None:
    with pytest.raises(DataError, match="column 'x' holds list<item: int64>, which is neither a category nor an amount: leave it out"):
        fitted([[1], [2]])
    with pytest.raises(DataError, match="column 'x' holds list"):
        codes(fitted(["a", "b"]), [["a"]])


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        st.lists(st.one_of(st.none(), st.floats(-1e9, 1e9)), min_size=1, max_size=30),
        st.lists(st.one_of(st.none(), st.integers(-(2**40), 2**40)), min_size=1, max_size=30),
        st.lists(st.one_of(st.none(), st.text(max_size=3)), min_size=1, max_size=30),
        st.lists(st.one_of(st.none(), st.booleans()), min_size=1, max_size=30),
    )
)
def test_a_saved_column_is_read_as_it_was_and_every_code_is_within_its_size(column: list[Any]) -> None:
    rows = rows_of({"x": pa.array(column, from_pandas=True)})
    features = Features.fit(rows)
    encoded, again = features.encode(rows), Features.restore(features.state()).encode(rows)
    for name in ("codes", "amounts", "missing"):
        np.testing.assert_array_equal(getattr(encoded, name), getattr(again, name))
    assert (encoded.codes < codes_of(features)).all()
    assert (encoded.codes >= 0).all()
    assert np.isfinite(encoded.amounts).all()
    assert Features.restore(features.state()).columns == features.columns


# ---- columns that say nothing


@pytest.mark.parametrize(
    "column",
    [
        ["a"] * 4,
        [1] * 4,
        [2.5] * 4,
        [True] * 4,
        pa.nulls(4),
        pa.nulls(4, pa.string()),
        pa.array([float("nan")] * 4),
        [date(2026, 1, 1)] * 4,
    ],
    ids=["text", "integer", "number", "boolean", "null", "empty text", "NaN", "date"],
)
def test_a_column_of_one_value_or_none_is_not_read(column: Any) -> None:
    features = fitted(column)
    assert features.columns == ()
    assert features.encode(rows_of({"x": ["later", "b"]})).codes.shape == (2, 0)


def test_whether_one_value_is_there_or_not_is_read() -> None:
    assert fitted(["a", None, "a"]).columns[0].categories == ("a",)
    assert fitted([2.5, None]).columns[0].kind == "amount"


# ---- where columns come from


def everywhere() -> Impressions:
    """Two trails at known hours, with a column in each place."""
    vocabulary = Vocabulary.build(["a", "b"])
    n = len(vocabulary)
    categories = [""] * n
    categories[vocabulary.index("a")], categories[vocabulary.index("b")] = "shoes", "hats"
    prices: list[float | None] = [None] * n
    prices[vocabulary.index("a")], prices[vocabulary.index("b")] = 1.0, 3.0
    thursday = 10 * HOUR  # 1970-01-01 10:00 was one
    histories = SequenceDataset.from_lists(
        [["a", "b"], []],
        vocabulary,
        ["u", "v"],
        times=np.array([thursday - 30 * SECOND, thursday - 10 * SECOND]),
        item_features=ItemFeatures([""] * n, [""] * n, categories, [()] * n),
    )
    return Impressions(
        histories,
        np.array([0, 0, 1, 1]),
        np.array([1, 2, 0, 0]),
        vocabulary.encode(["a", "b", "a", "b"]),
        {},
        pa.table({"device": ["phone", "web", "phone", "web"]}),
        pa.table({"price": prices}),
        pa.table({"age": [20.0, 40.0]}),
        np.array([thursday, thursday, thursday + 24 * HOUR, thursday + 25 * HOUR]),
    )


def test_every_place_gives_its_columns() -> None:
    features = Features.fit(everywhere())
    assert {(c.name, c.place, c.kind) for c in features.columns} == {
        ("device", "context", "category"),
        ("hour", "moment", "category"),
        ("weekday", "moment", "category"),
        ("history.length", "moment", "amount"),
        ("history.pause", "moment", "amount"),
        ("user.age", "user", "amount"),
        ("item.price", "item", "amount"),
        ("item.category", "item", "category"),
    }


def read(features: Features, rows: Impressions) -> dict[str, list[Any]]:
    """By column: the category, or the amount to three digits; None where unknown."""
    encoded = features.encode(rows)
    found: dict[str, list[Any]] = {}
    for i, c in enumerate(features.categories):
        found[c.name] = [None if code == 0 else c.categories[code - 1] for code in encoded.codes[:, i]]
    for f, c in enumerate(features.amounts):
        values = encoded.amounts[:, f].astype(np.float64) * c.deviation + c.mean
        values = np.round(np.expm1(values) if c.log else values, 3)
        found[c.name] = [None if missing else value for value, missing in zip(values.tolist(), encoded.missing[:, f], strict=True)]
    return found


def test_each_column_holds_what_is_known_of_its_row() -> None:
    rows = everywhere()
    found = read(Features.fit(rows), rows)
    assert found["device"] == ["phone", "web", "phone", "web"]
    assert found["hour"] == ["10", "10", "10", None], "eleven was seen once"
    assert found["weekday"] == ["3", "3", "4", "4"], "counted from Monday"
    assert found["history.length"] == [1, 2, 0, 0]
    assert found["history.pause"] == [30, 10, None, None]
    assert found["user.age"] == [20, 20, 40, 40]
    assert found["item.price"] == [1, 3, 1, 3]
    assert found["item.category"] == ["shoes", "hats", "shoes", "hats"]


def test_rows_do_not_read_one_another() -> None:
    rows = everywhere()
    features = Features.fit(rows)
    whole = features.encode(rows)
    for place in range(len(rows)):
        one = features.encode(rows.take(np.array([place])))
        for name in ("codes", "amounts", "missing"):
            np.testing.assert_array_equal(getattr(one, name)[0], getattr(whole, name)[place])


def test_columns_that_are_missing_at_prediction_are_unknown_and_named() -> None:
    rows = everywhere()
    features = Features.fit(rows)
    bare = dataclasses.replace(rows, context=NOTHING, user_columns=NOTHING, item_columns=NOTHING, times=None)
    found = read(features, bare)
    assert found["device"] == found["hour"] == found["user.age"] == found["history.pause"] == [None] * 4
    assert found["item.price"] == [1, 3, 1, 3], "what items are was learned"
    assert sorted(features.absent(bare)) == ["device", "user.age"]
    assert features.absent(rows) == []
    empty = dataclasses.replace(rows, context=pa.table({"device": pa.nulls(4, pa.string())}))
    assert features.absent(empty) == ["device"]


def test_a_column_of_the_context_that_is_called_like_one_of_the_moment_is_its_own() -> None:
    rows = dataclasses.replace(everywhere(), context=pa.table({"hour": ["late", "late", "early", "early"]}))
    features = Features.fit(rows)
    assert read(features, rows)["hour"] == ["late", "late", "early", "early"]
    assert read(features, everywhere())["hour"] == [None] * 4, "the clock is no stand-in for it"
    assert "hour" in features.absent(everywhere())
    by_clock = Features.fit(everywhere())
    assert read(by_clock, rows)["hour"] == ["10", "10", "10", None], "nor it for the clock"


def test_columns_can_be_left_out_by_name() -> None:
    features = Features.fit(everywhere(), without=["device", "user.age", "item.category", "hour"])
    assert {c.name for c in features.columns} == {"weekday", "history.length", "history.pause", "item.price"}
    with pytest.raises(ConfigError, match=r"no column 'devise' to leave out; did you mean 'device'.; there are: .*user.age"):
        Features.fit(everywhere(), without=["devise"])
    with pytest.raises(ConfigError, match=r"no column 'x' to leave out$"):
        Features.fit(dataclasses.replace(rows_of({"a": [1]}), context=NOTHING), without=["x"])


def test_nothing_after_the_training_rows_shapes_a_column() -> None:
    rows = rows_of({"x": [1.0, 2.0, 3.0, 1e6], "y": ["a", "a", "b", "b"]})
    first = Features.fit(rows.take(np.arange(3)))
    assert [c.mean for c in first.amounts] == [2.0]
    assert first.categories[0].categories == ("a",)


def test_no_rows_give_no_columns() -> None:
    assert Features.fit(rows_of({"x": pa.array([], pa.string()), "y": pa.array([], pa.float64())})).columns == ()


def test_encoded_rows_are_taken_together() -> None:
    encoded = Encoded(np.array([[1], [2]], np.int32), np.array([[0.5], [1.5]], np.float32), np.array([[False], [True]]))
    taken = encoded.take(np.array([1, 1, 0]))
    assert (taken.codes[:, 0].tolist(), taken.amounts[:, 0].tolist()) == ([2, 2, 1], [1.5, 1.5, 0.5])
    assert taken.missing[:, 0].tolist() == [True, True, False]


# ---- columns that tell a label


RNG = np.random.default_rng(0)
N = 1_000
CLICK = RNG.random(N) < 0.2
NOISE = RNG.standard_normal(N)

LEAKS: dict[str, Any] = {
    "a category": np.where(CLICK, "after", "before"),
    "many categories": [f"{'paid' if c else 'shown'} {i % 7}" for i, c in enumerate(CLICK)],
    "a whole number": CLICK.astype(int),
    "a boolean": CLICK,
    "an amount": np.where(CLICK, 2.0, 0.0) + 0.1 * NOISE,
    "a falling amount": np.where(CLICK, -2.0, 0.0) + 0.1 * NOISE,
    "an amount on both sides": np.where(CLICK, np.sign(NOISE) * (1 + np.abs(NOISE)), 0.0),
    "an amount between": np.where(CLICK, 0.2 * NOISE, np.sign(NOISE) * (3 + np.abs(NOISE))),
    "an amount filled after a click": [float(x) if c else None for c, x in zip(CLICK, NOISE, strict=True)],
    "an amount filled without one": [None if c else float(x) for c, x in zip(CLICK, NOISE, strict=True)],
    "a category filled after a click": [f"s{i % 3}" if c else None for i, c in enumerate(CLICK)],
    "a time": [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=int(c), minutes=i % 60) for i, c in enumerate(CLICK)],
    "with a few slips": np.where(CLICK ^ (np.arange(N) % 400 == 0), "after", "before"),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_column_that_tells_a_label_stops_the_fit(leak: str) -> None:
    rows = rows_of({"honest": NOISE, "told": LEAKS[leak]}, {"click": CLICK})
    with pytest.raises(DataError, match=r"column 'told' alone tells 'click' \(AUC (0\.99\d|1\.000) .*without=told"):
        Features.fit(rows)
    assert [c.name for c in Features.fit(rows, without=["told"]).columns] == ["honest"]


@pytest.mark.parametrize("place", ["user", "item"])
def test_a_column_of_users_or_items_that_tells_a_label_stops_the_fit(place: str) -> None:
    vocabulary = Vocabulary.build([f"i{i}" for i in range(50)])
    of = RNG.integers(0, 50, N)
    clicked = RNG.random(51) < 0.3
    rows = Impressions(
        SequenceDataset.from_lists([[]] * 50, vocabulary),
        of if place == "user" else np.zeros(N, np.int64),
        np.zeros(N, np.int64),
        (of + 1 if place == "item" else np.zeros(N, np.int64)).astype(np.int32),
        {"click": clicked[of + (place == "item")].astype(np.float32)},
        NOTHING,
        pa.table({"sold": clicked}) if place == "item" else NOTHING,
        pa.table({"sold": clicked[:50]}) if place == "user" else NOTHING,
    )
    with pytest.raises(DataError, match=rf"column '{place}\.sold' alone tells 'click'"):
        Features.fit(rows)


def test_any_task_is_held_against_every_column_where_it_is_known() -> None:
    cart = np.where(np.arange(N) % 2, np.nan, RNG.random(N) < 0.3)
    told = np.where(np.isnan(cart), RNG.random(N) < 0.5, cart)
    with pytest.raises(DataError, match="column 'told' alone tells 'cart'"):
        Features.fit(rows_of({"told": told}, {"click": CLICK, "cart": cart}))


@pytest.mark.parametrize("told", ["the value", "a category", "nearly"])
def test_a_column_that_tells_a_rating_stops_the_fit(told: str) -> None:
    value = RNG.integers(1, 6, N).astype(float)
    column = {"the value": value, "a category": [f"{v:g} stars" for v in value], "nearly": 2 * value + 0.1 * NOISE}[told]
    with pytest.raises(DataError, match=r"column 'told' alone tells 'rating' \(R2 0\.99|R2 1\.000"):
        Features.fit(rows_of({"told": column}, {VALUE_TASK: value}))
    honest = value + 0.5 * NOISE  # tells 0.9 of the variance
    assert Features.fit(rows_of({"honest": honest}, {VALUE_TASK: value})).columns


def strong(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """An amount with an AUC of 0.9 by construction: normals 1.8124 deviations apart."""
    rng = np.random.default_rng(seed)
    click = rng.random(N) < 0.1
    return click, rng.standard_normal(N) + 1.8124 * click


@pytest.mark.parametrize("seed", range(3))
def test_honest_columns_pass_however_strong(seed: int) -> None:
    click, amount = strong(seed)
    assert auc(click, amount) == pytest.approx(0.9, abs=0.03)
    columns = {"amount": amount, "category": np.floor(4 * amount).astype(int), "gap": np.where(amount > 0, amount, np.nan)}
    assert len(Features.fit(rows_of(columns, {"click": click})).columns) == 3


def test_names_that_were_computed_from_what_came_before_may_tell_a_label() -> None:
    rows = rows_of({"rank": CLICK.astype(float)}, {"click": CLICK}, about={"computed": ("rank",)})
    features = Features.fit(rows)
    assert [(c.name, c.place) for c in features.columns] == [("rank", "moment")]
    np.testing.assert_array_equal(features.encode(rows).amounts[:, 0] > 0, CLICK)


def test_a_label_of_few_rows_is_not_held_against_columns() -> None:
    few = np.arange(N) < 30  # 15 in each half
    assert Features.fit(rows_of({"told": few.astype(str)}, {"click": few})).columns


def test_what_tells_who_a_user_is_does_not_tell_a_label() -> None:
    user = np.repeat(np.arange(100), 10)
    always = RNG.random(100) < 0.5  # half of the users click on everything, the others on nothing
    rows = from_table(
        pa.table({"user_id": user, "fingerprint": [f"f{u}" for u in user], "height": 150 + 0.3 * (user * 37 % 100), "click": always[user]}),
        labels=["click"],
    )
    assert [c.name for c in Features.fit(rows).columns] == ["fingerprint", "height"]
    leaking = dataclasses.replace(rows, context=rows.context.append_column("told", pa.array(always[user])))
    with pytest.raises(DataError, match="column 'told' alone tells 'click'"):
        Features.fit(leaking)


def test_three_lists_without_a_click_do_not_condemn_what_they_have_in_common() -> None:
    request = [*range(60), *([60] * 14), *([61] * 13), *([62] * 13)]
    click = np.arange(100) < 60
    weather = np.where(click, NOISE[:100], 9.0)
    assert Features.fit(from_table(pa.table({"request_id": request, "click": click, "weather": weather}), labels=["click"])).columns


# ---- public samples of click logs


@dataclasses.dataclass(frozen=True)
class Sample:
    """A file of the samples. columns: what from_table is told of. names: of a file without a header. cannot: why no model is fitted."""

    file: str
    rows: int
    labels: tuple[str, ...]
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    names: tuple[str, ...] = ()
    cannot: str = ""


SHORT_VIDEO = ("uid", "city", "item", "author", "item_city", "channel", "finish", "like", "music", "device", "created", "seconds")
ADVERTISEMENTS = (*(f"f{i}" for i in range(250)), "uid", *(f"f{i}" for i in range(251, 266)), "click")
ALI_CCP, ALIEXPRESS = ("click", "purchase"), ("click", "conversion")

SAMPLES = (
    Sample("deepctr_byterec_sample.txt", 200, ("finish", "like"), {"user": "uid", "item": "item"}, SHORT_VIDEO),
    Sample("deepctr_criteo_sample.txt", 200, ("label",)),
    Sample("deepctr_movielens_sample.txt", 200, ("rating",), {"item": "movie_id"}, cannot="no labels .* they have rating"),
    Sample("paddlerec_alimama_dmr_sample.csv", 500, ("click",), {"user": "uid"}, ADVERTISEMENTS),
    Sample("rechub_ali-ccp_ali_ccp_test_sample.csv", 50, ALI_CCP),
    Sample("rechub_ali-ccp_ali_ccp_train_sample.csv", 100, ALI_CCP),
    Sample("rechub_ali-ccp_ali_ccp_val_sample.csv", 50, ALI_CCP),
    Sample("rechub_aliexpress_aliexpress_test_sample.csv", 20, ALIEXPRESS, {"request": "search_id"}),
    Sample("rechub_aliexpress_aliexpress_train_sample.csv", 100, ALIEXPRESS, {"request": "search_id"}),
    Sample("rechub_amazon-electronics_amazon_electronics_sample.csv", 100, (), {"time": "time"}, cannot="no labels .* they have none"),
    Sample("rechub_avazu_test_sample.csv", 20, ("label",)),
    Sample("rechub_avazu_train_sample.csv", 70, ("label",)),
    Sample("rechub_avazu_valid_sample.csv", 10, ("label",)),
    Sample("rechub_census-income_census_income_train_sample.csv", 80, ("income", "marital status")),
    Sample("rechub_criteo_criteo_sample.csv", 115, ("label",)),
    Sample("rechub_yidian_news_yidian_news_sampled.csv", 1_000, ("click",), {"user": "userId", "item": "itemId", "time": "showTime"}),
)


def read_sample(folder: Path, sample: Sample) -> pa.Table:
    delimiter = "\t" if "byterec" in sample.file else ","
    return pyarrow.csv.read_csv(
        folder / "ctr-samples" / f"{sample.file}.gz",
        read_options=pyarrow.csv.ReadOptions(column_names=list(sample.names) or None),
        parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter),
    )


@pytest.mark.real
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.file.split(".")[0])
def test_public_samples_are_read_fitted_and_predicted(real_data: Path, sample: Sample) -> None:
    rows = from_table(read_sample(real_data, sample), labels=sample.labels, **sample.columns)  # type: ignore[arg-type]
    assert len(rows) == sample.rows
    assert rows.tasks == sample.labels
    assert not set(sample.labels) & set(rows.context.column_names)
    for name in ("logistic_regression", "gradient_boosting"):
        model = catalog.click_model(name)
        if sample.cannot:
            with pytest.raises(DataError, match=sample.cannot):
                model.fit(rows)
            continue
        predicted = model.fit(rows).predict(rows)
        assert predicted.shape == (sample.rows, len(sample.labels))
        for column, task in enumerate(sample.labels):
            label = rows.label(task)
            assert 0 < label.mean() < 1
            assert auc(label, predicted[:, column]) >= (0.9 if name == "logistic_regression" else 0.5)
            assert predicted[:, column].mean() == pytest.approx(label.mean(), abs=0.02), "on what it was fitted on"


@pytest.mark.real
def test_every_public_sample_is_in_the_table(real_data: Path) -> None:
    assert {path.name for path in (real_data / "ctr-samples").iterdir()} == {f"{sample.file}.gz" for sample in SAMPLES}
