"""What every test shares: one thread, the folder of real logs, nothing from the user's settings."""

from __future__ import annotations

import os
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import pytest
import torch

torch.set_num_threads(1)  # ten times less CPU on two cores

_SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def _real_data_folder() -> Path | None:
    folder = Path(os.environ["FOOTPATH_DATA"]) if "FOOTPATH_DATA" in os.environ else _SHARED
    return folder if (folder / "README.md").is_file() else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if _real_data_folder() is None:
        missing = pytest.mark.skip(reason="the real logs are not here: set FOOTPATH_DATA to their folder")
        for item in items:
            if "real" in item.keywords:
                item.add_marker(missing)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real logs; tests that ask for it are marked `real`."""
    folder = _real_data_folder()
    assert folder is not None, "mark tests that need the real logs with @pytest.mark.real"
    return folder
