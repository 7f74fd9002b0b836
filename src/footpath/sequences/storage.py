"""Sequences on disk: plain arrays that can be mapped into memory, ids as Arrow files, and a JSON file that says what belongs together."""

from __future__ import annotations

import json
import tempfile
import zlib
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from footpath.errors import ConfigError, DataError
from footpath.sequences.dataset import ItemFeatures, SequenceDataset
from footpath.sequences.vocabulary import Vocabulary

_CONTENTS: Final = "sequences.json"
_VERSION: Final = 1
_ARRAYS: Final = {"offsets": "int64", "items": "int32", "times": "int64", "types": "int8", "values": "float32", "vectors": "float32"}
_FEATURES: Final = ("titles", "texts", "categories", "attributes")
_READ_AT_ONCE: Final = 1 << 24


def save(data: SequenceDataset, directory: str | Path) -> None:
    """Write the sequences into a directory, which is there whole or not at all; sequences that it held before are replaced.

    Raises ConfigError where the directory holds anything else.
    """
    target = Path(directory)
    if target.exists() and not (target / _CONTENTS).is_file() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"{target} holds something other than sequences and is left alone; choose a new directory")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as folder:
        fresh = Path(folder) / "fresh"
        fresh.mkdir()
        _write(data, fresh)
        if target.exists():
            target.rename(Path(folder) / "replaced")
        fresh.rename(target)


def load(directory: str | Path, *, mmap: bool = True) -> SequenceDataset:
    """The sequences of a directory.

    mmap: arrays stay on disk until they are read, and only the sizes of files are checked; otherwise all is read and its
    checksums too. Raises DataError where a file is missing, damaged or of a newer version.
    """
    folder = Path(directory)
    contents = _contents(folder)
    for name, entry in contents["files"].items():
        _check(folder / name, entry, in_full=not mmap)
    arrays = {name: _array(folder, name, mmap) if f"{name}.npy" in contents["files"] else None for name in _ARRAYS}
    try:
        data = SequenceDataset(
            Vocabulary(_column(folder, "vocabulary", mmap)),
            _column(folder, "users", mmap),
            **{name: arrays[name] for name in ("offsets", "items", "times", "types", "values")},  # type: ignore[arg-type]
            item_features=_features(folder, arrays["vectors"], mmap) if "features.arrow" in contents["files"] else None,
        )
    except (KeyError, TypeError, pa.ArrowException) as error:
        raise DataError(f"{folder} is damaged: {error}; prepare the sequences again") from None
    if (data.lengths < 0).any():
        raise DataError(f"{folder / 'offsets.npy'} is damaged: its offsets fall; prepare the sequences again")
    return data


def kept_on_disk(data: SequenceDataset, directory: str | Path | None, above_mib: int) -> SequenceDataset:
    """The same sequences, moved into the directory and mapped into memory from there if their arrays take more than `above_mib`."""
    columns = (data.offsets, data.items, data.times, data.types, data.values)
    if directory is None or sum(column.nbytes for column in columns if column is not None) <= above_mib << 20:
        return data
    save(data, directory)
    return load(directory)


def _write(data: SequenceDataset, folder: Path) -> None:
    features = data.item_features
    for name, kind in _ARRAYS.items():
        array = getattr(features, name, None) if name == "vectors" else getattr(data, name)
        if array is not None:
            np.save(folder / f"{name}.npy", np.ascontiguousarray(array, np.dtype(kind)), allow_pickle=False)
    tables = {"users": {"users": data.users}, "vocabulary": {"vocabulary": data.vocabulary.ids}}
    if features is not None:
        tables["features"] = {
            "titles": pa.array(features.titles, pa.string()),
            "texts": pa.array(features.texts, pa.string()),
            "categories": pa.array(features.categories, pa.string()),
            "attributes": pa.array(list(features.attributes), pa.list_(pa.string())),
        }
    for name, columns in tables.items():
        table = pa.table(columns)
        with pa.OSFile(str(folder / f"{name}.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    files = {path.name: {"bytes": path.stat().st_size, "crc32": _crc32(path)} for path in sorted(folder.iterdir())}
    (folder / _CONTENTS).write_text(json.dumps({"format": "footpath sequences", "version": _VERSION, "files": files}, indent=1))


def _contents(folder: Path) -> dict[str, Any]:
    path = folder / _CONTENTS
    try:
        contents = json.loads(path.read_text("utf-8"))
        version, files = contents["version"], contents["files"]
    except FileNotFoundError:
        raise DataError(f"{folder} holds no sequences: {_CONTENTS} is not there") from None
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise DataError(f"{path} is damaged: {error}; prepare the sequences again") from None
    if version != _VERSION:
        raise DataError(f"{path} is of version {version}, and this Footpath reads version {_VERSION}; prepare the sequences again")
    missing = [name for name in ("offsets.npy", "items.npy", "users.arrow", "vocabulary.arrow") if name not in files]
    if missing:
        raise DataError(f"{path} is damaged: it does not name {missing[0]}; prepare the sequences again")
    return contents


def _check(path: Path, entry: dict[str, int], *, in_full: bool) -> None:
    if not path.is_file():
        raise DataError(f"{path} is missing; prepare the sequences again")
    size = path.stat().st_size
    if size != entry["bytes"]:
        raise DataError(f"{path} is damaged: {size} bytes instead of {entry['bytes']}; prepare the sequences again")
    if in_full and (found := _crc32(path)) != entry["crc32"]:
        raise DataError(f"{path} is damaged: its checksum is {found} instead of {entry['crc32']}; prepare the sequences again")


def _crc32(path: Path) -> int:
    total = 0
    with path.open("rb") as file:
        while piece := file.read(_READ_AT_ONCE):
            total = zlib.crc32(piece, total)
    return total


def _array(folder: Path, name: str, mmap: bool) -> np.ndarray:
    path = folder / f"{name}.npy"
    try:
        array = np.load(path, mmap_mode="r" if mmap and path.stat().st_size else None, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{path} is damaged: {error}; prepare the sequences again") from None
    if array.dtype != _ARRAYS[name] or array.ndim != (2 if name == "vectors" else 1):
        raise DataError(f"{path} is damaged: it holds {array.ndim}-dimensional {array.dtype}; prepare the sequences again")
    return array


def _table(folder: Path, name: str, mmap: bool) -> pa.Table:
    path = folder / f"{name}.arrow"
    try:
        source = pa.memory_map(str(path)) if mmap else pa.OSFile(str(path))
        return pa.ipc.open_file(source).read_all()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is damaged: {error}; prepare the sequences again") from None


def _column(folder: Path, name: str, mmap: bool) -> pa.StringArray:
    column = _table(folder, name, mmap)[name]
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _features(folder: Path, vectors: np.ndarray | None, mmap: bool) -> ItemFeatures:
    table = _table(folder, "features", mmap)
    titles, texts, categories, attributes = (table[name].to_pylist() for name in _FEATURES)
    return ItemFeatures(titles, texts, categories, [tuple(tokens) for tokens in attributes], vectors)
