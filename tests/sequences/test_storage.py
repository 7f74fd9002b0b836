from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from footpath.errors import ConfigError, DataError
from footpath.sequences.dataset import ItemFeatures, SequenceDataset
from footpath.sequences.prepare import prepare
from footpath.sequences.storage import kept_on_disk, load, save


@pytest.fixture
def data() -> SequenceDataset:
    plain = prepare(
        pa.array(["u", "v", "u"]),
        pa.array(["a", "ä", "ç"]),
        np.array([1, 2, 3]),
        types=np.array([1, 2, 3]),
        values=np.array([0.5, np.nan, 2.0]),
    )
    features = ItemFeatures(
        ["", "One", "Two", "Three"], ["", "x", "", "z"], [""] * 4, [(), ("red", "hot"), (), ("cold",)], np.eye(4, 2, dtype=np.float32)
    )
    return SequenceDataset(
        plain.vocabulary, plain.users, plain.offsets, plain.items, plain.times, plain.types, plain.values, item_features=features
    )


def assert_equal(one: SequenceDataset, other: SequenceDataset) -> None:
    assert one.vocabulary == other.vocabulary
    assert one.users.equals(other.users)
    for name in ("offsets", "items", "times", "types", "values"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    ours, theirs = one.item_features, other.item_features
    assert (ours is None) == (theirs is None)
    if ours is not None and theirs is not None:
        assert (ours.titles, ours.texts, ours.categories, ours.attributes) == (
            theirs.titles,
            theirs.texts,
            theirs.categories,
            theirs.attributes,
        )
        np.testing.assert_array_equal(ours.vectors, theirs.vectors)  # type: ignore[arg-type]


@pytest.mark.parametrize("mmap", [True, False])
def test_saving_and_loading_changes_nothing(data: SequenceDataset, tmp_path: Path, mmap: bool) -> None:
    save(data, tmp_path / "deep" / "sequences")
    loaded = load(tmp_path / "deep" / "sequences", mmap=mmap)
    assert_equal(loaded, data)
    assert isinstance(loaded.items, np.memmap) == mmap
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["sequences"]


def test_what_was_absent_stays_absent(tmp_path: Path) -> None:
    plain = prepare(np.array([1, 2]), np.array([1, 2]))
    save(plain, tmp_path / "sequences")
    loaded = load(tmp_path / "sequences")
    assert loaded.times is loaded.types is loaded.values is loaded.item_features is None
    assert_equal(loaded, plain)


def test_an_empty_data_set_can_be_kept(data: SequenceDataset, tmp_path: Path) -> None:
    save(data.between(0, 0), tmp_path / "sequences")
    assert_equal(load(tmp_path / "sequences"), data.between(0, 0))


def test_mapped_arrays_cannot_be_written_to(data: SequenceDataset, tmp_path: Path) -> None:
    save(data, tmp_path / "sequences")
    with pytest.raises(ValueError, match="read-only"):
        load(tmp_path / "sequences").items[0] = 1


def test_a_second_save_replaces_the_first_even_from_its_own_files(data: SequenceDataset, tmp_path: Path) -> None:
    save(data, tmp_path / "sequences")
    mapped = load(tmp_path / "sequences")
    save(mapped.between(0, 1), tmp_path / "sequences")
    assert_equal(load(tmp_path / "sequences", mmap=False), data.between(0, 1))
    assert_equal(mapped, data)


def test_a_failed_save_leaves_what_was_there(data: SequenceDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(data, tmp_path / "sequences")

    def full(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(json, "dumps", full)
    with pytest.raises(OSError, match="no space left"):
        save(data.between(0, 1), tmp_path / "sequences")
    assert_equal(load(tmp_path / "sequences", mmap=False), data)
    assert [path.name for path in tmp_path.iterdir()] == ["sequences"]


def test_a_folder_of_something_else_is_left_alone(data: SequenceDataset, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="holds something other than sequences and is left alone"):
        save(data, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("name", ["offsets.npy", "items.npy", "users.arrow", "vocabulary.arrow", "features.arrow", "values.npy"])
def test_a_shortened_file_is_damage(data: SequenceDataset, tmp_path: Path, name: str) -> None:
    save(data, tmp_path)
    path = tmp_path / name
    whole = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=rf"{name} is damaged: {whole - 1} bytes instead of {whole}"):
        load(tmp_path)


def test_a_changed_byte_is_damage_where_all_is_read(data: SequenceDataset, tmp_path: Path) -> None:
    save(data, tmp_path)
    content = bytearray((tmp_path / "items.npy").read_bytes())
    content[-1] ^= 1
    (tmp_path / "items.npy").write_bytes(content)
    with pytest.raises(DataError, match=r"items\.npy is damaged: its checksum is \d+ instead of \d+"):
        load(tmp_path, mmap=False)


def swap(folder: Path, name: str, content: bytes) -> None:
    """Replace a file and its recorded size, as only a foreign tool would."""
    (folder / name).write_bytes(content)
    contents = json.loads((folder / "sequences.json").read_text())
    contents["files"][name]["bytes"] = len(content)
    (folder / "sequences.json").write_text(json.dumps(contents))


def npy(folder: Path, array: np.ndarray) -> bytes:
    np.save(folder / "scratch.npy", array)
    content = (folder / "scratch.npy").read_bytes()
    (folder / "scratch.npy").unlink()
    return content


def test_files_that_hold_something_else_are_damage(data: SequenceDataset, tmp_path: Path) -> None:
    save(data, tmp_path)
    items = (tmp_path / "items.npy").read_bytes()
    for content, words in (
        (b"not an array", "items.npy is damaged"),
        (npy(tmp_path, np.array([{"a": 1}], dtype=object)), "items.npy is damaged"),
        (npy(tmp_path, np.zeros(3)), "items.npy is damaged: it holds 1-dimensional float64"),
        (npy(tmp_path, np.zeros((3, 1), np.int32)), "items.npy is damaged: it holds 2-dimensional int32"),
        (npy(tmp_path, np.zeros(2, np.int32)), "offsets must run from 0 to 2, got 0 to 3"),
    ):
        swap(tmp_path, "items.npy", content)
        with pytest.raises(DataError, match=words):
            load(tmp_path)
    swap(tmp_path, "items.npy", items)
    swap(tmp_path, "offsets.npy", npy(tmp_path, np.array([0, 4, 3])))
    with pytest.raises(DataError, match=r"offsets\.npy is damaged: its offsets fall"):
        load(tmp_path)
    swap(tmp_path, "users.arrow", b"x" * 50)
    with pytest.raises(DataError, match=r"users\.arrow is damaged"):
        load(tmp_path)


def test_a_table_under_a_wrong_name_is_damage(data: SequenceDataset, tmp_path: Path) -> None:
    save(data, tmp_path)
    swap(tmp_path, "users.arrow", (tmp_path / "vocabulary.arrow").read_bytes())
    with pytest.raises(DataError, match=r"is damaged: .*users"):
        load(tmp_path)


def test_a_missing_file_is_named(data: SequenceDataset, tmp_path: Path) -> None:
    save(data, tmp_path)
    (tmp_path / "times.npy").unlink()
    with pytest.raises(DataError, match=r"times\.npy is missing"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", r"sequences\.json is damaged"),
        ("[]", r"sequences\.json is damaged"),
        ('{"version": 1, "files": {}}', "it does not name offsets.npy"),
        ('{"version": 2, "files": {}}', "is of version 2, and this Footpath reads version 1"),
    ],
)
def test_a_foreign_table_of_contents_is_refused(data: SequenceDataset, tmp_path: Path, text: str, words: str) -> None:
    save(data, tmp_path)
    (tmp_path / "sequences.json").write_text(text)
    with pytest.raises(DataError, match=words):
        load(tmp_path)


def test_a_folder_without_sequences_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no sequences: sequences\.json is not there"):
        load(tmp_path / "nowhere")


def test_only_what_is_large_goes_to_disk(data: SequenceDataset, tmp_path: Path) -> None:
    assert kept_on_disk(data, None, 0) is data
    assert kept_on_disk(data, tmp_path / "sequences", 1) is data
    assert isinstance(kept_on_disk(data, tmp_path / "sequences", 0).items, np.memmap)
