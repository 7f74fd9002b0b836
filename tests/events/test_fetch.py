"""Public data sets: official address first, packaged copy next, nothing kept that does not agree."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from footpath.errors import FetchError
from footpath.events import fetch as public
from footpath.events.readers import read_events

NOWHERE = "http://127.0.0.1:9/nothing.zip"
FILES = ("ml-100k.inter", "ml-100k.item", "ml-100k.user")
Offer = Callable[..., public.PublicDataset]


def official(folder: Path) -> Path:
    """An archive in the form of the official MovieLens-100k, with three films and one user."""
    path = folder / "official.zip"
    flags = "|".join("1" if n in (3, 4, 5) else "0" for n in range(19))
    films = ["Toy Story (1995)", "Misérables, Les (1995)", "unknown"]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ml-100k/u.data", "7\t1\t5\t881250949\n7\t2\t3\t881250950\n")
        lines = [f"{n}|{film}|01-Jan-1995||http://x|{flags}\n" for n, film in enumerate(films, start=1)]
        archive.writestr("ml-100k/u.item", "".join(lines).encode("latin-1"))
        archive.writestr("ml-100k/u.user", "7|24|M|technician|85711\n")
    return path


@pytest.fixture
def offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Offer:
    """Make a small ml-100k the only data set on offer, with fields of one's choice."""
    archive = official(tmp_path)
    small = dataclasses.replace(
        public.fetchable()[0], address=archive.as_uri(), archive_sha256=hashlib.sha256(archive.read_bytes()).hexdigest(), sha256={}
    )

    def offered(**changes: object) -> public.PublicDataset:
        dataset = dataclasses.replace(small, **changes)  # type: ignore[arg-type]
        monkeypatch.setattr(public, "_DATASETS", (dataset,))
        return dataset

    offered()
    return offered


def test_the_official_archive_reads_as_a_titled_log(offer: Offer, tmp_path: Path) -> None:
    dataset = offer()
    found = public.fetch("ml-100k", tmp_path / "data")
    assert (found.source, found.reused) == (dataset.address, False)
    assert [path.name for path in found.files] == list(FILES)
    log = read_events(list(found.events), preset=found.preset, items=found.items, users=found.users)
    assert log.items is not None
    titles = log.items.order_by("item_id").to_pyarrow().to_pylist()
    assert [row["title"] for row in titles] == ["Toy Story", "Misérables, Les", "unkonwn"]
    assert titles[0]["attributes"] == "Animation Children's Comedy"
    assert log.table.count().to_pyarrow().as_py() == 2
    assert "research" in found.licence


def test_what_is_there_and_agrees_is_not_fetched_again(offer: Offer, tmp_path: Path) -> None:
    dataset = offer()
    public.fetch("ml-100k", tmp_path / "data")
    offer(address=NOWHERE, wheel=None)
    again = public.fetch("ml-100k", tmp_path / "data")
    assert (again.source, again.reused) == (dataset.address, True)
    (tmp_path / "data" / "ml-100k" / "ml-100k.user").write_text("changed")
    with pytest.raises(FetchError, match=r"ml-100k cannot be had: http://127.0.0.1:9/nothing.zip cannot be reached .*by hand"):
        public.fetch("ml-100k", tmp_path / "data")
    offer()
    assert not public.fetch("ml-100k", tmp_path / "data").reused
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["ml-100k"]


def test_an_archive_that_differs_is_not_kept(offer: Offer, tmp_path: Path) -> None:
    offer(archive_sha256="0" * 64, wheel=None)
    with pytest.raises(FetchError, match=r"official.zip gave a file with SHA-256 [0-9a-f]{64}, not 0000"):
        public.fetch("ml-100k", tmp_path / "data")
    offer(sha256={"ml-100k.item": "1" * 64}, wheel=None)
    with pytest.raises(FetchError, match=r"ml-100k.item from file:.*official.zip has SHA-256 [0-9a-f]{64}, not 1111"):
        public.fetch("ml-100k", tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_file_that_is_no_archive_is_named(offer: Offer, tmp_path: Path) -> None:
    page = tmp_path / "page.zip"
    page.write_text("<html>please log in</html>")
    offer(address=page.as_uri(), archive_sha256=None, wheel=None)
    with pytest.raises(FetchError, match=r"archive.zip is not the archive that was expected"):
        public.fetch("ml-100k", tmp_path / "data")


def test_the_packaged_copy_stands_in_and_is_checked(offer: Offer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pip(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        assert command[1:4] == ["-m", "pip", "download"]
        assert command[-1] == "recbole==1.2.1"
        with zipfile.ZipFile(Path(command[command.index("--dest") + 1]) / "recbole-1.2.1-py3-none-any.whl", "w") as wheel:
            for file in FILES:
                wheel.writestr(f"recbole/dataset_example/ml-100k/{file}", f"{file}\n")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", pip)
    sums = {file: hashlib.sha256(f"{file}\n".encode()).hexdigest() for file in FILES}
    offer(address=NOWHERE, sha256=sums)
    found = public.fetch("ml-100k", tmp_path / "data")
    assert found.source == "the copy in the Python package recbole==1.2.1"
    assert found.events[0].read_text() == "ml-100k.inter\n"
    offer(address=NOWHERE, sha256=dict.fromkeys(FILES, "0" * 64))
    with pytest.raises(FetchError, match=r"ml-100k\.inter from the copy in the Python package recbole==1.2.1 has SHA-256"):
        public.fetch("ml-100k", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_what_pip_says_is_passed_on(offer: Offer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(address=NOWHERE)
    failed = subprocess.CompletedProcess([], 1, "", "WARNING: noise\nERROR: No matching distribution found for recbole==1.2.1\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(
        FetchError, match=r"pip cannot download recbole==1.2.1 \(ERROR: No matching distribution found for recbole==1.2.1\)"
    ):
        public.fetch("ml-100k", tmp_path / "data")


def test_a_folder_of_the_users_own_is_left_alone(offer: Offer, tmp_path: Path) -> None:
    (tmp_path / "ml-100k").mkdir()
    (tmp_path / "ml-100k" / "mine.txt").write_text("mine")
    with pytest.raises(FetchError, match="was not made by fetch, so it is left alone"):
        public.fetch("ml-100k", tmp_path)
    assert (tmp_path / "ml-100k" / "mine.txt").read_text() == "mine"


def test_an_unknown_name_lists_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"no data set 'ml-10'; did you mean 'ml-100k'.; there are: ml-100k, ml-1m, cdnow"):
        public.fetch("ml-10", tmp_path)


def test_a_folder_that_cannot_be_written_is_named(offer: Offer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FetchError, match=r"file cannot be written: .*; pass another folder"):
        public.fetch("ml-100k", tmp_path / "file")


KILLED = """
import os, signal, sys
from footpath.events import fetch as public
public._download = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
public.fetch("ml-100k", sys.argv[1])
"""


def test_a_killed_fetch_leaves_nothing_that_counts(offer: Offer, tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "data")], env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert not (tmp_path / "data" / "ml-100k").exists()
    public.fetch("ml-100k", tmp_path / "data")
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["ml-100k"]


def test_progress_counts_the_bytes(offer: Offer, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    public.fetch("ml-100k", tmp_path / "data", progress=lambda *step: seen.append(step))
    size = (tmp_path / "official.zip").stat().st_size
    assert seen == [("downloading official.zip", size, size)]


def test_every_data_set_says_its_licence_and_how_it_is_read() -> None:
    for dataset in public.fetchable():
        assert len(dataset.licence) > 60
        assert dataset.preset in ("recbole", "movielens", "cdnow", "instacart", "obd")
        assert set(dataset.sha256) == set(dataset.files) or dataset.archive_sha256 is not None
