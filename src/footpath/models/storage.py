"""A fitted model as a directory that any later process can open and that runs no code when it is read.

DIRECTORY/model.json           name, hyper-parameters, versions and the checksums of the other two
DIRECTORY/weights.safetensors  the arrays of `state()`, each with its own type
DIRECTORY/items.parquet        the item ids, in the order of the vocabulary
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from footpath.errors import ConfigError, NotFittedError, RunError
from footpath.models import catalog
from footpath.recommender import ClickModel, Recommender, hyperparameters
from footpath.sequences.vocabulary import Vocabulary

FORMAT = 1
_MANIFEST, _WEIGHTS, _ITEMS = "model.json", "weights.safetensors", "items.parquet"
_AGAIN = "fit and save the model again"


def save_model(model: Recommender | ClickModel, directory: Path) -> None:
    """Write a fitted model in one step: the directory is complete or, after a failure, as it was before.

    A model that is there already is replaced. Raises NotFittedError, ConfigError (the class is not in the catalog), RunError (the
    directory holds something else).
    """
    directory = Path(directory)
    name = catalog.name_of(model)
    if getattr(model, "items", None) is None:
        raise NotFittedError(f"{name} is not fitted, so there is nothing to save: call fit(train) first")
    if directory.exists() and not (directory / _MANIFEST).is_file():
        raise RunError(f"{directory} exists and is not a saved model: it has no {_MANIFEST}; choose another directory")
    directory.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
    try:
        save_file({key: np.asarray(array, order="C") for key, array in model.state().items()}, building / _WEIGHTS)
        pq.write_table(pa.table({"item_id": model.items.ids}), building / _ITEMS)
        manifest = {
            "format": FORMAT,
            "footpath": version("footpath"),
            "name": name,
            "hyperparameters": hyperparameters(model),
            "sha256": {file: _sha256(building / file) for file in (_WEIGHTS, _ITEMS)},
        }
        (building / _MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        building.chmod(0o755)
        replace_directory(directory, building)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def load_model(directory: Path) -> Recommender:
    """The model that `save_model` wrote: its scores are the same to the last bit.

    Raises RunError where a file is missing, damaged, foreign or of a newer version, or where the model answers another question than which
    items come next (`load_click_model` loads it); MissingExtraError.
    """
    return _load(directory, "predict", "score", "load_click_model")


def load_click_model(directory: Path) -> ClickModel:
    """`load_model` of a model that says how likely an act on an item is, or how it is rated."""
    return _load(directory, "score", "predict", "load_model")


def _load(directory: Path, foreign: str, own: str, otherwise: str) -> Any:
    directory = Path(directory)
    manifest = _read_manifest(directory / _MANIFEST)
    for file, expected in manifest["sha256"].items():
        if not (directory / file).is_file():
            raise RunError(f"{directory / file} is missing; {_AGAIN}")
        if (found := _sha256(directory / file)) != expected:
            raise RunError(f"{directory / file} is damaged: its SHA-256 is {found[:12]}..., not {expected[:12]}...; {_AGAIN}")
    try:
        model: Any = catalog.create(manifest["name"], **manifest["hyperparameters"])
        if hasattr(model, foreign) and not hasattr(model, own):
            raise RunError(f"{directory} holds {manifest['name']}, a model that answers another question: load it with {otherwise}")
        state = load_file(directory / _WEIGHTS)
        ids = pq.read_table(directory / _ITEMS)["item_id"].combine_chunks()
        return model.restore(Vocabulary(ids), state)
    except ConfigError as error:
        raise RunError(f"{directory / _MANIFEST} names what this version of footpath does not have: {error}; {_AGAIN}") from error
    except (SafetensorError, pa.ArrowInvalid, KeyError) as error:
        raise RunError(f"{directory} does not hold what {manifest['name']} was saved with ({error}); {_AGAIN}") from error


def _read_manifest(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise RunError(f"{path} is missing, so {path.parent} is not a saved model; {_AGAIN}")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if manifest["format"] > FORMAT:
            raise RunError(
                f"{path} was written by footpath {manifest.get('footpath')} in format {manifest['format']}; this version reads "
                f"format {FORMAT}: upgrade footpath, or {_AGAIN}"
            )
        _ = manifest["name"], manifest["hyperparameters"], manifest["sha256"][_WEIGHTS], manifest["sha256"][_ITEMS]
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is damaged or foreign ({error!r}); {_AGAIN}") from error
    return manifest


def replace_directory(directory: Path, building: Path) -> None:
    """Rename into place; a model that is there steps aside first and comes back should the renaming fail."""
    if not directory.exists():
        building.rename(directory)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
    try:
        directory.rename(aside / "old")
        try:
            building.rename(directory)
        except OSError:
            (aside / "old").rename(directory)
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
