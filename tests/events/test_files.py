"""Text files as people have them: separators, quotes, line ends, encodings, archives; and where each goes wrong."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest
from tests.events.conftest import Rows, Write

from footpath.errors import ColumnError, ConfigError, DataError
from footpath.events.files import open_file, read_through, sniff_separator
from footpath.events.readers import read_events

ACTS = [("a", "x", 1_700_000_000), ("a", "y", 1_700_000_060), ("b", "x", 1_700_000_030)]


def text(separator: str, end: str = "\n", header: bool = True) -> str:
    lines = [separator.join(map(str, row)) for row in [("user_id", "item_id", "timestamp"), *ACTS][0 if header else 1 :]]
    return end.join(lines) + end


@pytest.mark.parametrize("separator", [",", "\t", ";", "|", "::", " ", "\x01"])
def test_separators_are_found(write: Write, rows: Rows, separator: str) -> None:
    log = read_events(write("log.txt", text(separator)))
    assert rows(log, "user_id", "item_id") == [("a", "x"), ("a", "y"), ("b", "x")]


@pytest.mark.parametrize("told", ["~~", "tab", "\\t", "space", "^"])
def test_a_separator_may_be_told(write: Write, rows: Rows, told: str) -> None:
    written = {"tab": "\t", "\\t": "\t", "space": "  "}.get(told, told)
    log = read_events(write("log.txt", text(written)), separator=told)
    assert rows(log, "user_id", "item_id") == [("a", "x"), ("a", "y"), ("b", "x")]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + text(",").encode(),
        text(",", "\r\n").encode(),
        text(",", "\r").encode(),
        text(",").encode().rstrip(b"\n"),
        b"\n\n" + text(",").encode(),
        text(",", "\n\n").encode(),
        text(",", "\r\n").encode().replace(b"\r\n", b"\n", 2),
        text(",").replace("user_id", '"user_id"').replace("a,", '"a",').encode(),
        text(",").replace("a,", " a ,").encode(),
    ],
    ids=["BOM", "CRLF", "CR", "no last line end", "blank lines first", "blank lines between", "mixed line ends", "quoted", "spaces around"],
)
def test_the_same_rows_whatever_the_line_ends_and_quotes(write: Write, rows: Rows, content: bytes) -> None:
    plain = read_events(write("plain.csv", text(",")))
    log = read_events(write("log.csv", content))
    assert log.fingerprint == plain.fingerprint
    assert read_events(write("log.csv.gz", gzip.compress(content))).fingerprint == plain.fingerprint


def test_quoted_fields_may_hold_separators_quotes_and_line_ends(write: Write, rows: Rows) -> None:
    for end in ("\n", "\r\n"):
        content = end.join(
            ["user_id,item_id,timestamp,note", 'a,"x, 1",1700000000,"he said ""hi"""', f'b,y,1700000001,"two{end}lines"', ""]
        )
        log = read_events(write("log.csv", content))
        assert rows(log, "item_id", "note") == [("x, 1", 'he said "hi"'), ("y", f"two{end}lines")]


def test_quotes_in_tab_separated_files_are_plain_characters(write: Write, rows: Rows) -> None:
    log = read_events(write("log.tsv", 'user_id\titem_id\ttimestamp\na\t"x\t1700000000\nb\t7" disc\t1700000001\n'))
    assert rows(log, "item_id") == ['"x', '7" disc']


def test_several_gzip_members_are_one_file(write: Write) -> None:
    whole = text(",").encode()
    both = gzip.compress(whole[:40]) + gzip.compress(whole[40:])
    assert read_events(write("log.csv.gz", both)).fingerprint == read_events(write("log.csv", whole)).fingerprint


def test_a_file_without_header_is_read_by_position(write: Write, rows: Rows) -> None:
    path = write("log.csv", text(",", header=False).replace("a,", "1,").replace("b,", "2,"))
    with pytest.raises(
        ColumnError, match=r"no user_id column among column_1, column_2, column_3; say which one it is: --column user_id=column_1"
    ):
        read_events(path)
    log = read_events(path, columns={"user_id": "column_1", "item_id": "column_2", "timestamp": "column_3"})
    assert rows(log, "user_id", "item_id") == [("1", "x"), ("1", "y"), ("2", "x")]


def test_a_header_may_be_denied(write: Write, rows: Rows) -> None:
    path = write("log.csv", "user,item,7\nb,x,8\n")
    log = read_events(path, header=False, columns={"user_id": "column_1", "item_id": "column_2", "position": "column_3"})
    assert rows(log, "user_id", "item_id") == [("b", "x"), ("user", "item")]


def test_file_names_may_hold_wildcards(write: Write, rows: Rows) -> None:
    write("logab.csv", "not,this\n1,2\n")
    assert rows(read_events(write("log[ab]*.csv", text(","))), "user_id") == ["a", "a", "b"]


def test_content_is_named_by_the_hash_of_what_is_unpacked(write: Write) -> None:
    content = text(",").encode()
    packed, plain = write("log.csv.gz", gzip.compress(content)), write("log.csv", content)
    assert read_through(open_file(packed)).sha256 == read_through(open_file(plain)).sha256 == hashlib.sha256(content).hexdigest()


def test_the_separator_that_splits_most_lines_alike_wins() -> None:
    assert sniff_separator(["1::Toy, The (1995)::A|B\n", "2::Heat::C\n"]) == "::"
    assert sniff_separator(["time,kind\n", "2019-10-01 00:00:00 UTC,view\n"]) == ","
    assert sniff_separator(["a;b;c\n", "1;2,5;3,5\n"]) == ";"
    assert sniff_separator(["one\n", "two\n"]) is None


def test_a_missing_file_suggests_its_neighbour(write: Write) -> None:
    path = write("events.csv", text(","))
    with pytest.raises(DataError, match=r"no file .*event\.csv; did you mean 'events\.csv'\?"):
        read_events(path.with_name("event.csv"))


@pytest.mark.parametrize("content", [b"", b"\n \r\n\n", gzip.compress(b"")])
def test_an_empty_file_is_refused(write: Write, content: bytes) -> None:
    with pytest.raises(DataError, match=r"log\.csv is empty: there is nothing to read in it"):
        read_events(write("log.csv", content))


def test_a_header_without_rows_is_refused(write: Write) -> None:
    with pytest.raises(DataError, match=r"log\.csv has a header and no rows: there are no acts in it"):
        read_events(write("log.csv", "user_id,item_id,timestamp\n"))


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty holds no file that can be read; files end in \.csv"):
        read_events(tmp_path / "empty")


def test_a_truncated_archive_is_refused_with_its_place(write: Write) -> None:
    content = "user_id,item_id,timestamp\n" + "".join(f"u{n},i{n * 7919 % 1000},{1_700_000_000 + n}\n" for n in range(20_000))
    packed = gzip.compress(content.encode())
    with pytest.raises(DataError, match=r"log\.csv\.gz is not a complete gzip file: it breaks off after \d+ bytes of content \(line \d+\)"):
        read_events(write("log.csv.gz", packed[: len(packed) // 2]))
    with pytest.raises(DataError, match=r"small\.csv\.gz is not a complete gzip file"):
        read_events(write("small.csv.gz", gzip.compress(text(",").encode())[:-4]))
    with pytest.raises(DataError, match=r"stub\.csv\.gz is not a complete gzip file: nothing in it can be unpacked"):
        read_events(write("stub.csv.gz", packed[:12]))
    damaged = bytearray(packed)
    damaged[-6] ^= 0xFF
    with pytest.raises(DataError, match=r"damaged\.csv\.gz is not a complete gzip file: .*CRC check failed"):
        read_events(write("damaged.csv.gz", bytes(damaged)))


def test_a_foreign_encoding_is_refused_with_byte_and_line(write: Write) -> None:
    content = "user_id,item_id,timestamp\na,x,1700000000\nb,Été,1700000001\n"
    with pytest.raises(
        DataError, match=r"log\.csv: byte 0xc9 at byte 43 \(line 3\) is not UTF-8; convert the file with `iconv -f latin1 -t utf-8"
    ):
        read_events(write("log.csv", content.encode("latin-1")))
    with pytest.raises(DataError, match=r"log16\.csv: a zero byte at byte \d+ \(line 1\); this is not plain text, or it is UTF-16"):
        read_events(write("log16.csv", content.encode("utf-16-le")))
    cut = "user_id,item_id,timestamp\na,x,1700000000\nb,É".encode()[:-1]
    with pytest.raises(DataError, match=r"cut\.csv: byte 0xc3 at byte 43 \(line 3\) is not UTF-8"):
        read_events(write("cut.csv", cut))


def test_a_character_on_the_border_of_two_chunks_is_whole(write: Write) -> None:
    padding = "é" * (2**19)
    path = write("log.csv", f"user_id,item_id,timestamp,note\na,x,1700000000,{padding}\n")
    assert read_events(path).table.note.length().max().to_pyarrow().as_py() == 2**19


@pytest.mark.parametrize(
    ("magic", "kind"), [(b"PK\x03\x04", "zip"), (b"BZh9", "bzip2"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"\xfd7zXZ", "xz")]
)
def test_other_archives_are_named(write: Write, magic: bytes, kind: str) -> None:
    with pytest.raises(DataError, match=rf"log\.csv is a {kind} archive; unpack it first"):
        read_events(write("log.csv", magic + b"rest"))


def test_a_wrong_separator_names_the_one_that_the_file_uses(write: Write) -> None:
    path = write("log.csv", text(","))
    with pytest.raises(
        ColumnError, match=r"log\.csv read with separator ';' has a single column, 'user_id,item_id,timestamp'; the file seems to use ','"
    ):
        read_events(path, separator=";")
    with pytest.raises(ColumnError, match=r"read with separator tab has a single column.*the file seems to use ','"):
        read_events(path, separator="tab")
    mixed = write("mixed.csv", "user_id;item_id;timestamp\na,x,1;b,y,2\n")
    with pytest.raises(DataError, match=r"mixed\.csv: line 2 has 2 fields where 3 are expected: 'a,x,1;b,y,2'"):
        read_events(mixed, separator=";")


def test_a_file_without_separator_says_which_were_tried(write: Write) -> None:
    with pytest.raises(ColumnError, match=r"none of the separators tab, '::', ',', ';', '\|' or white space splits its lines alike"):
        read_events(write("log.csv", "abc\ndef\n"))


def test_a_separator_must_be_something_and_short(write: Write) -> None:
    path = write("log.csv", text(","))
    with pytest.raises(ConfigError, match=r"the separator for .* is empty"):
        read_events(path, separator="")
    with pytest.raises(ConfigError, match="separator '<<>><<' is longer than four bytes"):
        read_events(path, separator="<<>><<")


def test_rows_of_another_length_are_refused_with_their_lines(write: Write) -> None:
    short = text(",") + "c,z\nd,z,1700000000\ne\n"
    with pytest.raises(DataError, match=r"short\.csv: line 5 has 2 fields where 3 are expected: 'c,z' \(2 such lines: 5, 7\)"):
        read_events(write("short.csv", short))
    with pytest.raises(DataError, match=r"long\.csv: line 5 has 4 fields where 3 are expected: 'c,z,1700000000,9'"):
        read_events(write("long.csv", text(",") + "c,z,1700000000,9\n"))
    with pytest.raises(DataError, match=r"spaces\.txt: line 5 has 2 fields where 3 are expected: 'c z' \(1 such lines\)"):
        read_events(write("spaces.txt", text(" ") + "c z\n"))
    with pytest.raises(DataError, match=r"bad\.csv: line 2 has 2 fields where 3 are expected"):
        read_events(write("bad.csv", "user_id,item_id,timestamp\na,x\nb,y\n"))


def test_an_open_quotation_mark_is_named(write: Write) -> None:
    with pytest.raises(DataError, match=r"log\.csv: line 3 has a quotation mark that is not closed"):
        read_events(write("log.csv", 'user_id,item_id,timestamp\na,x,1700000000\nb,"y,1700000001\nc,z,1700000002\n'))


def test_two_columns_of_one_name_are_refused(write: Write) -> None:
    with pytest.raises(ColumnError, match=r"log\.csv has two columns named 'user_id', number 1 and 3; rename one of them"):
        read_events(write("log.csv", "user_id,item_id,user_id,timestamp\na,x,b,1700000000\n"))
