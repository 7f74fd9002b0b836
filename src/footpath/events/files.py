"""What a file is: its kind, compression, encoding, separator, header, and the form of a preset that it has.

A text file is read once from end to end before anything believes it, so that a cut-off archive or a foreign encoding is found with
its place, and its content has a hash that names it in a store.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from footpath.errors import ColumnError, ConfigError, DataError, did_you_mean
from footpath.events.aliases import EVENT_ALIASES, plain
from footpath.events.presets import Form, form_by_file, form_by_header, form_by_look, forms_of
from footpath.progress import Progress

Kind = Literal["text", "json", "parquet", "duckdb", "sqlite"]

_CHUNK: Final = 1 << 20
_HEAD: Final = 1 << 18
SPACE: Final = " "
"""The separator that stands for any run of white space."""
SEPARATORS: Final = ("\t", "::", ",", ";", "|", "\x01", SPACE)
_SEPARATOR_NAMES: Final = {
    "\t": "tab",
    "tab": "\t",
    "\\t": "\t",
    "space": SPACE,
    SPACE: "white space",
    "comma": ",",
    "semicolon": ";",
    "pipe": "|",
}
_KNOWN_PLAIN: Final = {name for ranks in EVENT_ALIASES.values() for names in ranks for name in names}


@dataclass(frozen=True)
class Layout:
    """How the rows of a text file are written.

    header_lines: physical lines up to the end of the header, 0 without one. kinds: RecBole's type of each column, where the header
    has them.
    """

    separator: str
    columns: tuple[str, ...]
    header_lines: int
    quoted: bool
    encoding: str
    kinds: tuple[str, ...] = ()

    @property
    def header(self) -> bool:
        return self.header_lines > 0


@dataclass(frozen=True)
class SourceFile:
    """A file that exists and is not empty, with what its first bytes tell; `layout` only for text."""

    path: Path
    kind: Kind
    gzipped: bool
    form: Form | None
    layout: Layout | None

    @property
    def label(self) -> str:
        return str(self.path)


@dataclass(frozen=True)
class Content:
    """What reading a whole file told: the SHA-256 of its content, unpacked, and how its lines end."""

    sha256: str
    mixed_line_ends: bool


def say_separator(separator: str) -> str:
    """How a message names a separator."""
    return _SEPARATOR_NAMES.get(separator, repr(separator)) if separator in ("\t", SPACE) else repr(separator)


def open_file(path: Path, *, preset: str | None = None, separator: str | None = None, header: bool | None = None) -> SourceFile:
    """Look at the beginning of a file. Raises DataError, ColumnError, ConfigError."""
    forms = forms_of(preset)
    raw = _first_bytes(path)
    if raw.startswith(b"PAR1"):
        return SourceFile(path, "parquet", False, None, None)
    if raw[8:12] == b"DUCK":
        return SourceFile(path, "duckdb", False, None, None)
    if raw.startswith(b"SQLite format 3\x00"):
        return SourceFile(path, "sqlite", False, None, None)
    for magic, kind, command in (
        (b"PK\x03\x04", "zip", "unzip"),
        (b"BZh", "bzip2", "bunzip2"),
        (b"\x28\xb5\x2f\xfd", "zstd", "unzstd"),
        (b"\xfd7zXZ", "xz", "unxz"),
    ):
        if raw.startswith(magic):
            raise DataError(f"{path} is a {kind} archive; unpack it first (`{command} {path.name}`), or pass it as .gz")
    gzipped = raw.startswith(b"\x1f\x8b")
    head = _head(path, gzipped)
    named = form_by_file(forms, path.name)
    encoding = "utf-8" if named is None else named.encoding
    text = head.decode("utf-8-sig" if encoding == "utf-8" else encoding, errors="replace")
    if not text.strip():
        raise DataError(f"{path} is empty: there is nothing to read in it")
    if re.match(r"\s*\{\s*(\"|\})", text) or re.match(r"\s*\[\s*(\{|\])", text):
        return SourceFile(path, "json", gzipped, None, None)
    complete = len(head) < _HEAD
    layout, form = _layout(path, text, complete, named, preset, separator, header)
    return SourceFile(path, "text", gzipped, form, layout)


def read_through(file: SourceFile, progress: Progress | None = None) -> Content:
    """Read a file from end to end: its hash, its encoding, its completeness. Raises DataError with the place."""
    digest = hashlib.sha256()
    encoding = "utf-8" if file.layout is None else file.layout.encoding
    text = file.kind in ("text", "json")
    decoder = codecs.getincrementaldecoder("utf-8")() if text and encoding == "utf-8" else None
    done = lines = windows = 0
    size = file.path.stat().st_size
    last = b""
    for chunk, packed in unpacked(file):
        digest.update(chunk)
        if text and (at := chunk.find(b"\x00")) >= 0:
            raise DataError(
                f"{file.path}: a zero byte at byte {done + at} (line {lines + chunk[:at].count(10) + 1}); this is not plain text, or it is "
                f"UTF-16: convert it with `iconv -f utf-16 -t utf-8 {file.path.name} > utf8.csv`"
            )
        if decoder is not None:
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                raise _not_utf8(
                    file, done - pending + error.start, lines + chunk[: max(0, error.start - pending)].count(10) + 1, error
                ) from None
        windows += chunk.count(b"\r\n") + (last == b"\r" and chunk[:1] == b"\n")
        lines += chunk.count(10)
        done += len(chunk)
        last = chunk[-1:]
        if progress is not None:
            progress(f"checking {file.path.name}", packed, size)
    if decoder is not None:
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise _not_utf8(file, done - len(error.object), lines + 1, error) from None
    return Content(digest.hexdigest(), 0 < windows < lines)


def _not_utf8(file: SourceFile, offset: int, line: int, error: UnicodeDecodeError) -> DataError:
    byte = error.object[error.start]
    return DataError(
        f"{file.path}: byte 0x{byte:02x} at byte {offset} (line {line}) is not UTF-8; convert the file with "
        f"`iconv -f latin1 -t utf-8 {file.path.name} > utf8-{file.path.name}`{' after unpacking it' if file.gzipped else ''}"
    )


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as handle:
            raw = handle.read(64)
    except FileNotFoundError:
        near = did_you_mean(path.name, [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else [])
        raise DataError(f"no file {path}{near}") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    if not raw:
        raise DataError(f"{path} is empty: there is nothing to read in it")
    return raw


def _head(path: Path, gzipped: bool) -> bytes:
    if not gzipped:
        with path.open("rb") as handle:
            return handle.read(_HEAD)
    try:
        with gzip.open(path) as handle:
            return handle.read(_HEAD)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return _rescued(path)


def _rescued(path: Path) -> bytes:
    # a cut-off archive still shows its beginning; reading it through will name the place where it ends
    unpacker = zlib.decompressobj(31)
    try:
        head = unpacker.decompress(path.read_bytes()[:_HEAD], _HEAD)
    except zlib.error:
        head = b""
    if not head:
        raise DataError(f"{path} is not a complete gzip file: nothing in it can be unpacked; copy or download it again")
    return head


def unpacked(file: SourceFile) -> Iterator[tuple[bytes, int]]:
    """The content in parts, each with the number of bytes of the file used so far. Raises DataError where a gzip file breaks off."""
    with file.path.open("rb") as raw:
        if not file.gzipped:
            while chunk := raw.read(_CHUNK):
                yield chunk, raw.tell()
            return
        done = lines = 0
        with gzip.GzipFile(fileobj=raw) as content:
            while True:
                try:
                    chunk = content.read(_CHUNK)
                except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                    raise DataError(
                        f"{file.path} is not a complete gzip file: it breaks off after {done} bytes of content (line {lines + 1}): "
                        f"{error}; copy or download it again"
                    ) from None
                if not chunk:
                    return
                done += len(chunk)
                lines += chunk.count(10)
                yield chunk, raw.tell()


def _layout(
    path: Path, text: str, complete: bool, named: Form | None, preset: str | None, separator: str | None, header: bool | None
) -> tuple[Layout, Form | None]:
    lines = text.splitlines(keepends=True)
    if not complete and len(lines) > 1:
        lines = lines[:-1]
    first = next(i for i, line in enumerate(lines) if line.strip())
    sample = lines[first : first + 400]
    chosen = _asked(path, separator) or (named.separator if named is not None else None) or sniff_separator(sample)
    if chosen is None:
        return Layout(",", _lone_column(path, sample, header), first + 1, True, "utf-8"), None
    quoted = chosen != SPACE and (_is_quoted(sample, chosen) if named is None else named.quoted)
    rows, consumed = split_rows(sample, chosen, quoted)
    if len(rows[0]) < 2:
        raise _single_column(path, chosen, rows[0][0], sniff_separator(sample))
    cells = tuple(cell.strip() for cell in rows[0])
    kinds: tuple[str, ...] = ()
    if all(re.fullmatch(r".+:(token|float|token_seq|float_seq)", cell) for cell in cells):
        cells, kinds = tuple(c.rsplit(":", 1)[0] for c in cells), tuple(c.rsplit(":", 1)[1] for c in cells)
    form, has_header = _form(named, preset, cells, rows, header, typed=bool(kinds))
    encoding = form.encoding if form is not None else "utf-8"
    if has_header:
        columns = tuple(cell if cell else f"column_{i}" for i, cell in enumerate(cells, start=1))
        _refuse_repeats(path, columns)
        return Layout(chosen, columns, first + consumed, quoted, encoding, kinds), form
    columns = form.names if form is not None and form.names else tuple(f"column_{i}" for i in range(1, len(cells) + 1))
    if form is not None and len(columns) != len(cells):
        raise ColumnError(
            f"{path} has {len(cells)} columns where the preset {form.preset} expects {len(columns)} ({', '.join(columns)}); "
            "pass --separator, or --column NAME=COLUMN without the preset"
        )
    return Layout(chosen, columns, 0, quoted, encoding, kinds), form


def _asked(path: Path, separator: str | None) -> str | None:
    if separator is None:
        return None
    if not separator:
        raise ConfigError(f"the separator for {path} is empty; pass one such as ',' or 'tab', or leave --separator out to have it found")
    chosen = separator if len(separator) == 1 else _SEPARATOR_NAMES.get(separator, separator)
    if len(chosen.encode()) > 4:
        raise ConfigError(f"separator {separator!r} is longer than four bytes; pass one of at most four, or one of tab, space, comma")
    return chosen


def _form(
    named: Form | None, preset: str | None, cells: Sequence[str], rows: Sequence[Sequence[str]], header: bool | None, *, typed: bool
) -> tuple[Form | None, bool]:
    """The form of a text file and whether it has a header."""
    forms = forms_of(preset)
    by_header = form_by_header(forms, cells, told=preset is not None)
    by_look = form_by_look(forms if named is None else (named,), rows[:20])
    if header is None:
        if named is not None and named.names and by_header is None:
            header = False
        else:
            header = typed or by_header is not None or (by_look is None and _is_header(rows))
    if named is not None:
        return named, header
    if header and typed:
        return next((form for form in forms if form.preset == "recbole" and form.role == "events"), None), True
    if header:
        return by_header, True
    if by_look is None and preset is not None:
        by_look = next((form for form in forms if len(form.names) == len(cells)), None)
    return by_look, False


def _single_column(path: Path, chosen: str, line: str, seen: str | None) -> ColumnError:
    other = seen is not None and seen != chosen
    hint = f"; the file seems to use {say_separator(seen)}: pass --separator {say_separator(seen)}" if other and seen is not None else ""
    return ColumnError(f"{path} read with separator {say_separator(chosen)} has a single column, {line.strip()[:80]!r}{hint}")


def _lone_column(path: Path, sample: Sequence[str], header: bool | None) -> tuple[str, ...]:
    first = sample[0].strip()
    rest = [line.strip() for line in sample[1:] if line.strip()]
    if header is not False and (not rest or (plain(first) in _KNOWN_PLAIN)):
        return (first.strip('"'),)
    raise ColumnError(
        f"{path}: none of the separators tab, '::', ',', ';', '|' or white space splits its lines alike; its first line is {first[:80]!r}; "
        "pass --separator"
    )


def sniff_separator(lines: Sequence[str]) -> str | None:
    """The separator that splits most lines into as many fields as the first, at least two; None where none does."""
    best: tuple[float, int] = (0.5, 1)
    found = None
    for candidate in SEPARATORS:
        if candidate == SPACE and found is not None:
            break
        if candidate != SPACE and candidate not in lines[0]:
            continue
        rows, _ = split_rows(lines, candidate, candidate != SPACE and _is_quoted(lines, candidate))
        share = sum(len(row) == len(rows[0]) for row in rows) / len(rows)
        # near-equal consistency: more fields is the better explanation
        if len(rows[0]) > 1 and (round(share, 1), len(rows[0])) > best:
            best, found = (round(share, 1), len(rows[0])), candidate
    return found


def split_rows(lines: Sequence[str], separator: str, quoted: bool) -> tuple[list[list[str]], int]:
    """The fields of sampled lines without blank ones, and the number of physical lines that the first row takes."""
    if separator == SPACE:
        rows = [line.split() for line in lines if line.strip()]
        return rows, 1
    if not quoted or len(separator) > 1:
        return [line.rstrip("\r\n").split(separator) for line in lines if line.strip()], 1
    reader = csv.reader(io.StringIO("".join(lines), newline=""), delimiter=separator)
    rows, consumed = [], 0
    try:
        for row in reader:
            if row and any(cell.strip() for cell in row):
                rows.append(row)
                consumed = consumed or reader.line_num
    except csv.Error:  # an open quotation mark that swallows the sample: what was read before it must do
        rows = rows or [lines[0].rstrip("\r\n").split(separator)]
    return (rows[:-1] if len(rows) > 2 else rows), consumed or 1


def _is_quoted(lines: Sequence[str], separator: str) -> bool:
    """Whether quotation marks enclose fields; in tab-separated files they are more often plain characters."""
    if separator in (",", ";"):
        return True
    mark = re.escape(separator)
    return any(re.search(rf'(^|{mark})"([^"]|"")*"({mark}|\r?\n?$)', line) for line in lines)


def _is_header(rows: Sequence[Sequence[str]]) -> bool:
    first = [cell.strip() for cell in rows[0]]
    if any(plain(cell) in _KNOWN_PLAIN for cell in first):
        return True
    if any(re.fullmatch(r"[-+]?[\d.]+([eE][-+]?\d+)?|\d{4}-\d\d-\d\d.*", cell) for cell in first):
        return False
    filled = [cell for cell in first if cell]
    return len(set(filled)) == len(filled) >= len(first) - 1


def _refuse_repeats(path: Path, columns: Sequence[str]) -> None:
    seen: dict[str, int] = {}
    for place, column in enumerate(columns, start=1):
        if column.lower() in seen:
            raise ColumnError(f"{path} has two columns named {column!r}, number {seen[column.lower()]} and {place}; rename one of them")
        seen[column.lower()] = place
