"""What was given: single files, tables of databases and frames, with item and user tables told apart from events."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from footpath.errors import DataError
from footpath.events.files import SourceFile, open_file
from footpath.events.mapping import Options
from footpath.events.presets import Form, Role
from footpath.events.reports import SourceRole

_READABLE: Final = (".csv", ".tsv", ".txt", ".dat", ".data", ".parquet", ".pq", ".json", ".jsonl", ".ndjson", ".inter", ".item", ".user")


@dataclass(frozen=True)
class Input:
    """One source as given, before it is staged: a file, a table of a database file, or a frame.

    orders: the file that dates baskets. part: one of several files of a folder, which may be empty.
    """

    role: SourceRole
    file: SourceFile | None = None
    table: str | None = None
    frame: Any = None
    label: str = ""
    orders: SourceFile | None = None
    part: bool = False


_TABLES: Final[dict[Role, SourceRole]] = {"items": "items", "users": "users"}


def gather(sources: Any, role: SourceRole, options: Options) -> list[Input]:
    """Every single source that was given; files that lie beside an event file and belong to it are taken too.

    sources: a path, a folder, a frame, or a list of these. Raises DataError, ColumnError.
    """
    listed = list(sources) if isinstance(sources, list | tuple) else [sources]
    if not listed:
        raise DataError(f"no {role} source was given; pass a file, a folder or a frame")
    found: list[Input] = []
    for n, source in enumerate(listed, start=1):
        if isinstance(source, str | Path):
            found += _from_path(str(source), role, options)
        else:
            found.append(Input(role, frame=source, label=f"frame {n} of {role}" if len(listed) > 1 else f"the frame of {role}"))
    if role != "events":
        return found
    found = _with_orders(found)
    return [*found, *_siblings(found)]


def _from_path(given: str, role: SourceRole, options: Options) -> list[Input]:
    text, _, table = (given, "", "") if Path(given).exists() else given.partition("#")
    path = Path(text)
    if path.is_dir():
        return _from_folder(path, role, options)
    file = _open(path, role, options)
    if table and file.kind not in ("duckdb", "sqlite"):
        raise DataError(f"{path} is no database, so it has no table {table!r}; leave '#{table}' out")
    return [Input(_role(file.form, role), file, table or None, label=given)]


def _open(path: Path, role: SourceRole, options: Options) -> SourceFile:
    """What was said of separators, headers and presets was said of the events."""
    if role in ("items", "users"):
        return open_file(path)
    return open_file(path, preset=options.preset, separator=options.separator, header=options.header)


def _role(form: Form | None, role: SourceRole) -> SourceRole:
    """Item and user files among events are taken for what they are."""
    return role if form is None or role != "events" else _TABLES.get(form.role, role)


def _from_folder(folder: Path, role: SourceRole, options: Options) -> list[Input]:
    def readable(path: Path) -> bool:
        hidden = any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
        return path.is_file() and not hidden and path.name.lower().removesuffix(".gz").endswith(_READABLE) and path.stat().st_size > 0

    paths = sorted(path for path in folder.rglob("*") if readable(path))
    if not paths:
        raise DataError(f"{folder} holds no file that can be read; files end in {', '.join(_READABLE)}, or one of these and .gz")
    files = [_open(path, role, options) for path in paths]
    preset = next((file.form.preset for file in files if file.form is not None and file.form.role == "events"), None)
    if preset is not None:  # a known data set: what is no part of it (a licence, links, tags) is left alone
        files = [file for file in files if file.form is not None and file.form.preset == preset]
    wanted = [file for file in files if file.form is None or file.form.role != "ignored"]
    return [Input(_role(file.form, role), file, label=file.label, part=len(wanted) > 1) for file in wanted]


def _with_orders(found: Sequence[Input]) -> list[Input]:
    """Files of baskets joined to the file of orders that dates them."""
    orders = [given.file for given in found if given.file is not None and given.file.form is not None and given.file.form.role == "orders"]
    joined = []
    for given in found:
        form = None if given.file is None else given.file.form
        if form is not None and form.role == "orders":
            continue
        if given.file is not None and form is not None and "orders" in form.siblings:
            beside = orders or _beside(given.file, form.siblings["orders"])
            if not beside:
                raise DataError(
                    f"{given.file.label} lists the baskets of orders; {form.siblings['orders']} must be given too, or lie beside it"
                )
            given = dataclasses.replace(given, orders=beside[0])
        joined.append(given)
    if orders and not joined:
        raise DataError(f"{orders[0].label} lists orders without products; give the files of baskets too (order_products__*.csv)")
    return joined


def _siblings(found: Sequence[Input]) -> list[Input]:
    """Item and user files beside event files, unless such files were given."""
    beside: dict[Path, Input] = {}
    for given in found:
        if given.file is None or given.file.form is None or given.role != "events":
            continue
        for kind, pattern in given.file.form.siblings.items():
            role = _TABLES.get(kind)
            if role is not None and not any(other.role == role for other in found):
                beside |= {file.path: Input(role, file, label=file.label) for file in _beside(given.file, pattern)}
    return list(beside.values())


def _beside(file: SourceFile, pattern: str) -> list[SourceFile]:
    stem = file.path.name.removesuffix(".gz").rsplit(".", 1)[0]
    wanted = file.path.with_name(pattern.format(stem=stem))
    for path in (wanted, wanted.with_name(wanted.name + ".gz")):
        if path.is_file() and path.stat().st_size > 0:
            return [open_file(path)]
    return []
