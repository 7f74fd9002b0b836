from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from planted_logs import clusters
from safetensors.numpy import load_file, save_file

from footpath.errors import ConfigError, NotFittedError, RunError
from footpath.models import storage
from footpath.models.item_knn import ItemKNN
from footpath.models.popularity import Popularity
from footpath.models.storage import load_model, save_model
from footpath.sequences.vocabulary import Vocabulary


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_model(ItemKNN("tfidf", 7).fit(clusters()), tmp_path / "model")
    return tmp_path / "model"


def rewrite(manifest: Path, **changes: object) -> None:
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | changes))


def seal(directory: Path) -> None:
    """Checksums as if the files had always been so."""
    rewrite(directory / "model.json", sha256={file: storage._sha256(directory / file) for file in ("weights.safetensors", "items.parquet")})


def test_a_directory_holds_three_files_and_the_types_of_the_arrays(saved: Path) -> None:
    assert sorted(path.name for path in saved.iterdir()) == ["items.parquet", "model.json", "weights.safetensors"]
    manifest = json.loads((saved / "model.json").read_text())
    assert manifest["name"] == "item_knn"
    assert manifest["format"] == 1
    assert manifest["hyperparameters"] == {"weighting": "tfidf", "neighbours": 7, "k1": 1.2, "b": 0.75}
    state = ItemKNN("tfidf", 7).fit(clusters()).state()
    assert {key: array.dtype for key, array in load_file(saved / "weights.safetensors").items()} == {k: a.dtype for k, a in state.items()}


@dataclass
class Odd:
    """A model whose arrays are awkward: a scalar, an empty one, a transposed one, several types."""

    items: Vocabulary = field(init=False)
    arrays: dict[str, np.ndarray] = field(init=False)

    def fit(self) -> Odd:
        self.items = Vocabulary(pa.array(["käse", "茶", " "]))
        self.arrays = {
            "scalar": np.array(0.1),
            "empty": np.zeros((0, 3), np.int32),
            "transposed": np.arange(6, dtype=np.int64).reshape(2, 3).T,
            "flags": np.array([True, False]),
            "half": np.array([0.5, 2], np.float16),
        }
        return self

    def state(self) -> dict[str, np.ndarray]:
        return self.arrays

    def restore(self, items: Vocabulary, state: dict[str, np.ndarray]) -> Odd:
        self.items, self.arrays = items, state
        return self


def test_awkward_arrays_and_ids_come_back_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage.catalog, "name_of", lambda model: "odd")
    monkeypatch.setattr(storage.catalog, "create", lambda name: Odd())
    save_model(Odd().fit(), tmp_path / "odd")  # type: ignore[arg-type]
    loaded = load_model(tmp_path / "odd")
    assert loaded.items.ids.to_pylist() == ["käse", "茶", " "]
    for key, array in Odd().fit().arrays.items():
        assert loaded.state()[key].dtype == array.dtype
        assert loaded.state()[key].shape == array.shape
        np.testing.assert_array_equal(loaded.state()[key], array)


def test_an_unfitted_model_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(NotFittedError, match=r"item_knn is not fitted"):
        save_model(ItemKNN(), tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_model_outside_the_catalog_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Odd is not in the catalog"):
        save_model(Odd().fit(), tmp_path / "model")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_saving_again_replaces_the_model_and_leaves_nothing_beside_it(saved: Path) -> None:
    save_model(Popularity().fit(clusters()), saved)
    assert isinstance(load_model(saved), Popularity)
    assert [path.name for path in saved.parent.iterdir()] == ["model"]


def test_a_directory_of_something_else_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("mine")
    with pytest.raises(RunError, match=r"thesis exists and is not a saved model: it has no model.json; choose another directory"):
        save_model(Popularity().fit(clusters()), tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "mine"


def test_a_failed_save_leaves_the_model_that_was_there(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path.name: path.read_bytes() for path in saved.iterdir()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage, "save_file", full)
    with pytest.raises(OSError, match="No space left"):
        save_model(Popularity().fit(clusters()), saved)
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before
    assert [path.name for path in saved.parent.iterdir()] == ["model"]


def test_a_failed_rename_puts_the_old_model_back(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def refuse_the_new_one(path: Path, target: Path) -> Path:
        if target == saved and path.name != "old":
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse_the_new_one)
    with pytest.raises(OSError, match="Input/output error"):
        save_model(Popularity().fit(clusters()), saved)
    assert isinstance(load_model(saved), ItemKNN)
    assert [path.name for path in saved.parent.iterdir()] == ["model"]


def test_a_directory_that_is_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"nowhere/model.json is missing, so .*nowhere is not a saved model; fit and save the model again"):
        load_model(tmp_path / "nowhere")


@pytest.mark.parametrize("file", ["weights.safetensors", "items.parquet"])
def test_a_missing_file_is_named(saved: Path, file: str) -> None:
    (saved / file).unlink()
    with pytest.raises(RunError, match=rf"{file} is missing; fit and save the model again"):
        load_model(saved)


@pytest.mark.parametrize("file", ["weights.safetensors", "items.parquet"])
def test_one_flipped_bit_or_a_cut_file_is_found_and_named(saved: Path, file: str) -> None:
    whole = (saved / file).read_bytes()
    for damaged in (whole[:-1] + bytes([whole[-1] ^ 1]), whole[: len(whole) // 2], b""):
        (saved / file).write_bytes(damaged)
        with pytest.raises(RunError, match=rf"{file} is damaged: its SHA-256 is [0-9a-f]{{12}}\.\.\., not [0-9a-f]{{12}}"):
            load_model(saved)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 1}', '{"format": "new"}', "null"])
def test_a_damaged_manifest_is_named(saved: Path, text: str) -> None:
    (saved / "model.json").write_text(text)
    with pytest.raises(RunError, match=r"model.json is damaged or foreign"):
        load_model(saved)


def test_a_manifest_that_is_not_text_is_named(saved: Path) -> None:
    (saved / "model.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RunError, match=r"model.json is damaged or foreign"):
        load_model(saved)


def test_a_newer_format_asks_for_an_upgrade(saved: Path) -> None:
    rewrite(saved / "model.json", format=2, footpath="9.1.0")
    with pytest.raises(RunError, match=r"written by footpath 9.1.0 in format 2; this version reads format 1: upgrade footpath"):
        load_model(saved)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "item_knm"}, r"no model 'item_knm'.*did you mean 'item_knn'"),
        ({"hyperparameters": {"neighbours": 7, "momentum": 0.9}}, r"no hyper-parameter 'momentum'"),
        ({"hyperparameters": {"neighbours": 0}}, r"neighbours must be at least 1, got 0"),
    ],
)
def test_a_model_or_setting_that_this_version_lacks_is_named(saved: Path, changes: dict[str, object], said: str) -> None:
    rewrite(saved / "model.json", **changes)
    with pytest.raises(RunError, match=rf"model.json names what this version of footpath does not have: .*{said}"):
        load_model(saved)


def no_weights(directory: Path) -> None:
    save_file({}, directory / "weights.safetensors")


def text_as_weights(directory: Path) -> None:
    (directory / "weights.safetensors").write_text("weights")


def another_column(directory: Path) -> None:
    pq.write_table(pa.table({"id": ["a"]}), directory / "items.parquet")


def text_as_items(directory: Path) -> None:
    (directory / "items.parquet").write_text("items")


@pytest.mark.parametrize("replace", [no_weights, text_as_weights, another_column, text_as_items])
def test_a_foreign_file_under_a_right_checksum_is_still_an_error(saved: Path, replace: Callable[[Path], None]) -> None:
    replace(saved)
    seal(saved)
    with pytest.raises(RunError, match=r"model does not hold what item_knn was saved with .*; fit and save the model again"):
        load_model(saved)


def test_a_copied_directory_is_the_same_model(saved: Path, tmp_path: Path) -> None:
    shutil.copytree(saved, tmp_path / "elsewhere")
    log = clusters()
    assert load_model(tmp_path / "elsewhere").score(log).tobytes() == load_model(saved).score(log).tobytes()
