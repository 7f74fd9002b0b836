from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from footpath.errors import ColumnError, ConfigError, DataError
from footpath.sequences import prepare as module
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.prepare import encode, k_core, prepare, prepare_parquet, stable_order

events = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(-3, 3)), min_size=1, max_size=60)


def rows_of(data: SequenceDataset) -> dict[str, list[str | None]]:
    return {user: data.vocabulary.decode(data.history(b)) for b, user in enumerate(data.users.to_pylist())}


def core_by_hand(rows: list[tuple[int, int, int]], core: int) -> list[tuple[int, int, int]]:
    while True:
        users, items = Counter(user for user, _, _ in rows), Counter(item for _, item, _ in rows)
        left = [row for row in rows if users[row[0]] >= core and items[row[1]] >= core]
        if len(left) == len(rows):
            return rows
        rows = left


def test_events_stand_by_user_and_time_and_equal_times_by_arrival() -> None:
    data = prepare(np.array([7, 3, 7, 7, 3]), np.array([10, 11, 12, 13, 14]), np.array([5, 2, 1, 5, 2]))
    assert rows_of(data) == {"3": ["11", "14"], "7": ["12", "10", "13"]}
    assert data.times is not None
    assert data.times.tolist() == [2, 2, 1, 5, 5]
    assert data.items.dtype == np.int32


@given(events, st.integers(1, 4))
def test_sequences_are_the_naive_core_in_the_naive_order(rows: list[tuple[int, int, int]], core: int) -> None:
    left = core_by_hand(rows, core)
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    if not left:
        with pytest.raises(DataError, match=f"core={core} leaves none of {len(rows)} events"):
            prepare(*columns, core=core)
        return
    expected: dict[str, list[str]] = {}
    for user, item, _ in sorted(left, key=lambda row: (row[0], row[2])):
        expected.setdefault(str(user), []).append(str(item))
    data = prepare(*columns, core=core)
    assert rows_of(data) == expected
    assert data.users.to_pylist() == sorted(expected)
    assert set(data.vocabulary.ids.to_pylist()) == {str(item) for _, item, _ in left}


@given(events, st.integers(1, 4))
def test_the_kind_of_ids_changes_nothing(rows: list[tuple[int, int, int]], core: int) -> None:
    users, items, times = (np.array(column) for column in zip(*rows, strict=True))
    if not core_by_hand(rows, core):
        return
    by_number = prepare(users, items, times, core=core)
    texts = [pa.array([str(n) for n in column]) for column in (users, items)]
    halves = [pa.chunked_array([text[:1], text[1:]]).dictionary_encode() for text in texts]
    # wide numbers leave the path of narrow ones; their order is the same
    wide = [column.astype(np.int64) * 10**15 for column in (users, items)]
    for other in (prepare(*texts, times, core=core), prepare(*halves, times, core=core)):
        assert rows_of(other) == rows_of(by_number)
        assert other.vocabulary == by_number.vocabulary
        np.testing.assert_array_equal(other.items, by_number.items)
    apart = prepare(*wide, times, core=core)
    assert [int(user) // 10**15 for user in apart.users.to_pylist()] == [int(user) for user in by_number.users.to_pylist()]
    np.testing.assert_array_equal(apart.offsets, by_number.offsets)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(-5, 5)), min_size=1, max_size=80),
    st.sampled_from([1, 1_000_000, 2**40, 2**50 + 1]),
    st.sampled_from([2, 7, 1 << 16]),
    st.sampled_from([1, 3, 2048]),
)
def test_the_packed_order_is_that_of_a_stable_sort(rows: list[tuple[int, int]], scale: int, block_events: int, block_rows: int) -> None:
    row = np.array([r for r, _ in rows], np.int32)
    key = np.array([k for _, k in rows], np.int64) * scale
    key[0] += 1  # so that the scale is not their common divisor
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK_EVENTS", block_events)
        patch.setattr(module, "_BLOCK_ROWS", block_rows)
        np.testing.assert_array_equal(stable_order(row, key, 10), np.lexsort((key, row)))
        np.testing.assert_array_equal(stable_order(row, None, 10), np.argsort(row, kind="stable"))


def test_times_too_wide_to_pack_are_divided_by_what_they_share() -> None:
    rng = np.random.default_rng(0)
    row = rng.integers(0, 300, 5_000).astype(np.int32)
    key = rng.integers(0, 2**20, 5_000) * 2**42
    np.testing.assert_array_equal(stable_order(row, key, 300), np.lexsort((key, row)))


def test_the_extremes_of_64_bits_are_ordered_too() -> None:
    key = np.array([2**63 - 1, -(2**63), 0, -(2**63)])
    assert stable_order(np.zeros(4, np.int32), key, 1).tolist() == [1, 3, 2, 0]


def test_the_core_is_taken_again_until_it_holds() -> None:
    # c leaves with its only user 3, then user 2 has one event too few, and b one user too few
    users, items = encode(np.array([1, 1, 2, 2, 2, 3]), "users"), encode(np.array([1, 1, 1, 2, 3, 3]), "items")
    kept, user_counts, item_counts = k_core(users, items, 2)
    assert kept is not None
    assert kept.tolist() == [True, True, False, False, False, False]
    assert user_counts.tolist() == [2, 0, 0]
    assert item_counts.tolist() == [2, 0, 0]


def test_a_core_of_one_keeps_all_events_without_a_mask() -> None:
    ids = encode(np.array([4, 5, 4]), "users")
    assert k_core(ids, ids, 1)[0] is None


def test_positions_come_before_times() -> None:
    data = prepare(pa.array(["u"] * 3), pa.array(["a", "b", "c"]), np.array([3, 1, 2]), positions=np.array([1, 2, 0]))
    assert rows_of(data) == {"u": ["c", "a", "b"]}


def test_types_and_values_follow_their_events() -> None:
    data = prepare(
        np.array([1, 1, 1, 2]),
        np.array([1, 2, 1, 9]),
        np.array([30, 10, 20, 5]),
        types=np.array([3, 1, 2, 5]),
        values=np.array([0.3, 0.1, np.nan, 9.0]),
        core=1,
    )
    assert data.types is not None
    assert data.values is not None
    assert data.types.tolist() == [1, 2, 3, 5]
    assert data.types.dtype == np.int8
    np.testing.assert_array_equal(data.values, np.array([0.1, np.nan, 0.3, 9.0], np.float32))


def test_types_and_values_follow_through_the_core() -> None:
    data = prepare(np.array([2, 1, 1]), np.array([1, 1, 1]), types=np.array([7, 8, 9]), values=np.array([0.0, 1.0, 2.0]), core=2)
    assert data.types is not None
    assert data.values is not None
    assert data.types.tolist() == [8, 9]
    assert data.values.tolist() == [1.0, 2.0]


def test_item_indexes_depend_on_the_set_of_ids_and_the_seed_alone() -> None:
    items = np.arange(100)
    users = np.zeros(100, int)
    forward, backward = prepare(users, items), prepare(users, items[::-1].copy())
    assert forward.vocabulary == backward.vocabulary
    assert forward.vocabulary != prepare(users, items, seed=1).vocabulary
    assert np.corrcoef(forward.items, items)[0, 1] < 0.3


@pytest.mark.parametrize(
    ("times", "unit", "microseconds"),
    [
        (np.array([1, 2]), "s", [1_000_000, 2_000_000]),
        (np.array([1, 2]), "ms", [1_000, 2_000]),
        (np.array([1, 2]), "us", [1, 2]),
        (np.array([1_999, 2_000]), "ns", [1, 2]),
        (np.array(["1970-01-01T00:00:01", "1970-01-01T00:00:02"], "datetime64[s]"), "us", [1_000_000, 2_000_000]),
        (pa.array([datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)] * 2, pa.timestamp("ms", "UTC")), "us", [1_000_000] * 2),
        (pa.chunked_array([[1], [2]], pa.int32()), "s", [1_000_000, 2_000_000]),
        (np.array([-1, 2], np.int8), "s", [-1_000_000, 2_000_000]),
        (np.array([-128, 127], np.int8), "us", [-128, 127]),
    ],
)
def test_times_of_any_unit_become_microseconds(times: object, unit: str, microseconds: list[int]) -> None:
    data = prepare(np.array([1, 1]), np.array([1, 2]), times, unit=unit)  # type: ignore[arg-type]
    assert data.times is not None
    assert data.times.tolist() == microseconds


def test_hashed_ids_of_64_unsigned_bits_are_kept() -> None:
    ids = np.array([2**64 - 1, 2**63, 2**64 - 1], np.uint64)
    assert rows_of(prepare(ids, ids)) == {str(2**63): [str(2**63)], str(2**64 - 1): [str(2**64 - 1)] * 2}


def write(path: Path, rows: int = 1_000, **options: object) -> pa.Table:
    rng = np.random.default_rng(3)
    table = pa.table(
        {
            "visitor": rng.integers(0, 60, rows) + 10**9,
            "product": pa.array(rng.integers(0, 40, rows)).cast(pa.string()),
            "at": rng.integers(0, 500, rows) + 1_600_000_000,
        }
    )
    pq.write_table(table, path, **options)
    return table


@pytest.mark.parametrize("statistics", [True, False])
def test_a_parquet_file_gives_what_its_columns_give(tmp_path: Path, statistics: bool) -> None:
    table = write(tmp_path / "log.parquet", row_group_size=128, write_statistics=statistics)
    by_file = prepare_parquet(tmp_path / "log.parquet", user="visitor", item="product", time="at", unit="s", core=12)
    by_column = prepare(table["visitor"], table["product"], table["at"], unit="s", core=12)
    assert rows_of(by_file) == rows_of(by_column)
    np.testing.assert_array_equal(by_file.times, by_column.times)  # type: ignore[arg-type]
    assert 0 < by_file.n_events < 1_000


def test_a_folder_of_parquet_is_read_by_name(tmp_path: Path) -> None:
    for name, items in (("b", [2, 3]), ("a", [1])):
        pq.write_table(pa.table({"user_id": [5] * len(items), "item_id": items}), tmp_path / f"{name}.parquet")
    assert rows_of(prepare_parquet(tmp_path, time=None)) == {"5": ["1", "2", "3"]}


def test_parquet_timestamps_are_read(tmp_path: Path) -> None:
    at = pa.array([2_000, 1_000], pa.timestamp("ms"))
    pq.write_table(pa.table({"user_id": [1, 1], "item_id": ["a", "b"], "timestamp": at}), tmp_path / "log.parquet")
    data = prepare_parquet(tmp_path / "log.parquet")
    assert rows_of(data) == {"1": ["b", "a"]}
    assert data.times is not None
    assert data.times.tolist() == [1_000_000, 2_000_000]


def test_a_large_data_set_goes_to_the_directory_and_a_small_one_does_not(tmp_path: Path) -> None:
    users = items = np.arange(100_000)
    small = prepare(users, items, directory=tmp_path / "small", above_mib=2)
    large = prepare(users, items, directory=tmp_path / "large", above_mib=1)
    assert not isinstance(small.items, np.memmap)
    assert not (tmp_path / "small").exists()
    assert isinstance(large.items, np.memmap)
    np.testing.assert_array_equal(small.items, large.items)


def test_a_wrong_parquet_column_is_named_with_the_closest(tmp_path: Path) -> None:
    write(tmp_path / "log.parquet")
    with pytest.raises(ColumnError, match=r"no column 'visitors'; did you mean 'visitor'\?; it has: visitor, product, at"):
        prepare_parquet(tmp_path / "log.parquet", user="visitors", item="product", time="at")


def test_what_is_not_parquet_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no Parquet file .*gone\.parquet"):
        prepare_parquet(tmp_path / "gone.parquet")
    with pytest.raises(DataError, match=r"holds no \.parquet file"):
        prepare_parquet(tmp_path)
    (tmp_path / "log.parquet").write_text("user,item")
    with pytest.raises(DataError, match=r"log\.parquet cannot be read as Parquet"):
        prepare_parquet(tmp_path / "log.parquet")
    pq.write_table(pa.table({"user_id": pa.array([], pa.int64())}), tmp_path / "log.parquet")
    with pytest.raises(DataError, match="holds no rows"):
        prepare_parquet(tmp_path / "log.parquet")


def test_nulls_are_counted(tmp_path: Path) -> None:
    with pytest.raises(ColumnError, match="items has 2 nulls"):
        prepare(np.array([1, 2, 3]), pa.array(["a", None, None]))
    with pytest.raises(ColumnError, match="times has 1 nulls"):
        prepare(np.array([1, 2]), np.array([1, 2]), np.array(["2020-01-01", "NaT"], "datetime64[us]"))
    pq.write_table(pa.table({"user_id": [1, None], "item_id": [1, 2]}), tmp_path / "log.parquet")
    with pytest.raises(ColumnError, match="user_id has 1 nulls"):
        prepare_parquet(tmp_path / "log.parquet", time=None)


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(ColumnError, match="values has 1 rows for the 2 rows of users"):
        prepare(np.array([1, 2]), np.array([1, 2]), values=np.array([1.0]))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"core": 0}, ConfigError, "core must be at least 1, got 0"),
        ({"unit": "h"}, ConfigError, "no time unit 'h'; there are: s, ms, us, ns"),
        ({"unit": "s", "times": np.array([2**60])}, ColumnError, "lie beyond what microseconds can hold"),
        ({"times": np.array([0.5])}, ColumnError, "times must be integers or timestamps, got double"),
        ({"users": np.array([0.5])}, ColumnError, "users must hold integers or strings, got double"),
        ({"users": np.array([], int), "items": np.array([], int), "times": None}, DataError, "there are no events"),
    ],
)
def test_what_cannot_be_prepared_is_said(options: dict[str, object], error: type[Exception], words: str) -> None:
    given: dict[str, object] = {"users": np.array([1]), "items": np.array([1]), "times": np.array([1]), **options}
    with pytest.raises(error, match=words):
        prepare(**given)  # type: ignore[arg-type]
