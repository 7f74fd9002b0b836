"""The house: every model has a test contract and names its source, and importing the package stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import footpath
from footpath.models import catalog

SOURCE = Path(footpath.__file__).parent
NOT_MODELS = {
    "__init__",
    "catalog",
    "storage",
    "histories",
    "layers",
    "members",
    "item_table",
    "item_text",
    "network",
    "retrieval",
    "reranking",
    "semantic_ids",
    "sequence_model",
    "features",
    "responses",
    "response_layers",
    "neural_click_model",
    "rating_histories",
}


def test_importing_footpath_loads_neither_torch_nor_a_model() -> None:
    heavy = ("torch", "implicit", "pandas", "openai", "xllamacpp", "onnxruntime", "mcp")
    code = f"import sys, footpath, footpath.cli.main; print(sorted(m for m in {heavy} if m in sys.modules))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_every_model_file_is_in_the_catalog() -> None:
    files = {path.stem for path in (SOURCE / "models").glob("*.py")} - NOT_MODELS
    assert files == {catalog.entry(name).module for name in catalog.names()}


@pytest.mark.parametrize("name", catalog.names())
def test_every_model_names_its_source(name: str) -> None:
    text = ast.get_docstring(ast.parse((SOURCE / "models" / f"{catalog.entry(name).module}.py").read_text(encoding="utf-8"))) or ""
    assert any(mark in text for mark in ("doi.org", "arxiv.org", "arXiv:", "DOI", "Source:", "Footpath's own")), text
    assert "**Differs from the paper:**" in text or "Footpath's own" in text


@pytest.mark.parametrize("name", footpath.__all__)
def test_every_exported_name_is_there(name: str) -> None:
    assert callable(getattr(footpath, name))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'recomend'"):
        _ = footpath.recomend


@pytest.mark.parametrize("name", ["utils", "helpers", "common", "base", "misc"])
def test_no_room_without_a_name(name: str) -> None:
    assert list(SOURCE.rglob(f"{name}.py")) == []
