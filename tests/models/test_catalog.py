from __future__ import annotations

import dataclasses
import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from footpath.errors import ConfigError, FootpathError, MissingExtraError
from footpath.models import catalog
from footpath.models.ease import EASE
from footpath.models.item_knn import ItemKNN
from footpath.recommender import hyperparameters

NOT_MODELS = {
    "__init__",
    "catalog",
    "histories",
    "layers",
    "members",
    "storage",
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


def test_every_file_of_models_is_a_model_of_the_catalog_or_known_not_to_be() -> None:
    folder = Path(catalog.__file__).parent
    assert {path.stem for path in folder.glob("*.py")} - NOT_MODELS == {catalog.entry(name).module for name in catalog.names()}


def test_every_model_has_a_test_of_its_own_and_a_module_that_names_its_source_and_differences() -> None:
    for name in catalog.names():
        module = catalog.entry(name).module
        assert (Path(__file__).parent / f"test_{module}.py").is_file(), module
        text = (Path(catalog.__file__).parent / f"{module}.py").read_text(encoding="utf-8")
        assert "**Differs from the paper:**" in text, module
        assert "https://" in text or "Source: Footpath's own" in text, module


@pytest.mark.parametrize("name", catalog.names())
def test_what_is_read_from_a_file_is_what_its_class_declares(name: str) -> None:
    described = next(entry for entry in catalog.describe() if entry["name"] == name)
    model = catalog.create(name)
    assert described["hyperparameters"] == hyperparameters(model)
    assert list(described["hyperparameters"]) == list(hyperparameters(model))
    assert len(described["hyperparameters"]) - len(described["inherited"]) <= 12
    assert described["idea"].endswith(".")
    assert type(model).__module__ == f"footpath.models.{catalog.entry(name).module}"
    assert catalog.name_of(model) == name


def test_describing_and_naming_load_no_model() -> None:
    code = (
        "import json, sys; from footpath.models import catalog; names = catalog.names(); described = catalog.describe()\n"
        "loaded = [m for m in sys.modules if m.split('.')[0] in ('torch', 'implicit') or m.startswith('footpath.models.')]\n"
        "print(json.dumps({'names': names, 'same': [d['name'] for d in described] == names, 'loaded': loaded}))"
    )
    output = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert output == {"names": catalog.names(), "same": True, "loaded": ["footpath.models.catalog"]}


def test_an_unknown_model_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError, match=r"no model 'itemknn', `footpath models` lists all; did you mean 'item_knn'\?"):
        catalog.create("itemknn")


def test_an_unknown_hyperparameter_gets_a_suggestion_and_the_list() -> None:
    with pytest.raises(
        ConfigError, match=r"item_knn has no hyper-parameter 'neighbors', it takes weighting, .*; did you mean 'neighbours'\?"
    ):
        catalog.create("item_knn", neighbors=3)


def test_a_model_without_hyperparameters_says_so() -> None:
    with pytest.raises(ConfigError, match=r"popularity has no hyper-parameter 'k', it takes none"):
        catalog.create("popularity", k="3")


def test_text_becomes_the_type_of_its_field() -> None:
    model = catalog.create("item_knn", weighting="tfidf", neighbours="20", k1="2")
    assert model == ItemKNN("tfidf", 20, 2.0)
    assert isinstance(model, ItemKNN)
    assert isinstance(model.k1, float)
    assert catalog.create("ease", l2=100) == EASE(100.0)


@pytest.mark.parametrize(
    ("name", "field", "value", "rule"),
    [
        ("item_knn", "neighbours", "1.5", "a whole number"),
        ("item_knn", "neighbours", 1.5, "a whole number"),
        ("item_knn", "neighbours", True, "a whole number"),
        ("item_knn", "neighbours", "", "a whole number"),
        ("item_knn", "weighting", "bm26", "one of cosine, tfidf, bm25"),
        ("ease", "l2", "much", "a number"),
        ("ease", "l2", None, "a number"),
    ],
)
def test_a_value_of_the_wrong_type_names_field_rule_and_value(name: str, field: str, value: object, rule: str) -> None:
    with pytest.raises(ConfigError) as raised:
        catalog.create(name, **{field: value})
    assert str(raised.value) == f"{name}.{field} must be {rule}, got {value!r}"


def test_a_value_out_of_range_is_refused_by_the_model() -> None:
    with pytest.raises(ConfigError, match=r"neighbours must be at least 1, got 0"):
        catalog.create("item_knn", neighbours="0")


@dataclass
class Typed:
    """Every type that a hyper-parameter may have."""

    fast: bool = False
    limit: int | None = None
    loss: Literal["full", "sampled"] | None = "full"
    size: Literal[1, 2] = 1
    label: str = ""


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "model_class", lambda name: Typed)


@pytest.mark.usefixtures("typed")
@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("fast", "true", True),
        ("fast", "False", False),
        ("limit", "none", None),
        ("limit", "7", 7),
        ("loss", "sampled", "sampled"),
        ("loss", "None", None),
        ("size", "2", 2),
        ("label", "2", "2"),
    ],
)
def test_each_type_is_read_from_text(field: str, text: str, value: object) -> None:
    made = getattr(catalog.create("typed", **{field: text}), field)
    assert made == value
    assert type(made) is type(value)


@pytest.mark.usefixtures("typed")
@pytest.mark.parametrize(
    ("field", "text", "rule"),
    [
        ("fast", "1", "true or false"),
        ("limit", "many", "a whole number or none"),
        ("loss", "half", "one of full, sampled or none"),
        ("size", "3", "one of 1, 2"),
    ],
)
def test_each_type_says_what_it_takes(field: str, text: str, rule: str) -> None:
    with pytest.raises(ConfigError) as raised:
        catalog.create("typed", **{field: text})
    assert str(raised.value) == f"typed.{field} must be {rule}, got {text!r}"


def test_a_missing_extra_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # as if it were not installed
    for module in [m for m in sys.modules if m.startswith(("footpath.models.sasrec", "footpath.models.layers", "footpath.training."))]:
        monkeypatch.delitem(sys.modules, module)
    with pytest.raises(MissingExtraError, match=r"sasrec needs torch, .* pip install 'footpath\[models\]'"):
        catalog.create("sasrec")


def test_a_class_outside_the_catalog_has_no_name() -> None:
    with pytest.raises(ConfigError, match=r"Typed is not in the catalog of models"):
        catalog.name_of(Typed())  # type: ignore[arg-type]


def test_models_are_dataclasses_with_state_outside_their_settings() -> None:
    for name in catalog.names():
        if catalog.entry(name).extra is None or importlib.util.find_spec("torch") is not None:
            fields = {f.name: f for f in dataclasses.fields(catalog.model_class(name))}  # type: ignore[arg-type]
            assert not fields["items"].init, name
            assert not fields["items"].compare, name
    assert issubclass(MissingExtraError, FootpathError)
