"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from footpath.errors import ConfigError
from footpath.page.figures import show


def write_text(path: str | os.PathLike, text: str) -> Path:
    """A text file in UTF-8; what stood there before stays until the new one is whole."""
    return _whole(path, lambda file: file.write(text.encode("utf-8")))


def write_parquet(path: str | os.PathLike, table: pa.Table) -> Path:
    """A table as Parquet, columns and types as they are."""
    return _whole(path, lambda file: pyarrow.parquet.write_table(table, file, compression="zstd"))


def write_csv(path: str | os.PathLike, table: pa.Table) -> Path:
    """A table as CSV in UTF-8 with a header.

    A text that a spreadsheet would run as a formula (it begins with =, +, -, @, tab or a line break) gets an apostrophe before it.
    """
    columns = [_flat(column) for column in table.columns]
    return _whole(
        path, lambda file: pyarrow.csv.write_csv(pa.table(columns, names=[_safe_name(name) for name in table.column_names]), file)
    )


def _flat(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _flat(column.cast(kind.value_type))
    if pa.types.is_nested(kind):
        column, kind = pa.array([None if value is None else show(value) for value in column.to_pylist()], pa.string()), pa.string()
    if pa.types.is_floating(kind):
        return pc.if_else(pc.is_nan(column), pa.scalar(None, kind), column)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        risky = pc.match_substring_regex(column, r"^[=+\-@\t\r\n]")
        return pc.if_else(risky, pc.binary_join_element_wise(pa.scalar("'", kind), column, pa.scalar("", kind)), column)
    if pa.types.is_duration(kind):
        return pc.divide(column.cast(pa.duration("us")).cast(pa.int64()).cast(pa.float64()), 1e6)
    return column


def _safe_name(name: str) -> str:
    return f"'{name}" if name[:1] in ("=", "+", "-", "@", "\t", "\r", "\n") else name


def check_target(path: str | os.PathLike) -> Path:
    """The path of a file that can be written. Raises ConfigError where it cannot, so that nobody waits for work in vain."""
    target = Path(path)
    handle, scratch = _beside(target)
    os.close(handle)
    scratch.unlink()
    return target


def _beside(target: Path) -> tuple[int, Path]:
    """A scratch file in the folder of a target, open for writing."""
    try:
        if target.is_dir():
            raise ConfigError(f"{target} is a folder; give the path of a file")
        if not target.parent.is_dir():
            raise ConfigError(f"cannot write {target}: there is no folder {target.parent}; make it first")
        target.exists()  # raises where the name itself is too long
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".footpath.")
    except OSError as error:
        raise ConfigError(f"cannot write {target}: {error.strerror}; give a path that can be written") from None
    return handle, Path(name)


def _whole(path: str | os.PathLike, write: Callable[[IO[bytes]], object]) -> Path:
    target = Path(path)
    handle, scratch = _beside(target)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        scratch.chmod(0o666 & ~mask)
        scratch.replace(target)
    except OSError as error:
        raise ConfigError(f"cannot write {target}: {error.strerror or error}; what stood there before is as it was") from None
    finally:
        scratch.unlink(missing_ok=True)
    return target
