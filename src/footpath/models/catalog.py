"""Every model by name. Names, papers and hyper-parameters are known without importing a model, so without loading torch.

A new model is one file and one line here; the tests of the catalog and the shared contract then cover it.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from footpath.errors import ConfigError, MissingExtraError, did_you_mean
from footpath.recommender import ClickModel, Recommender

Family = Literal[
    "popularity",
    "audit",
    "sequence",
    "neighbours",
    "content",
    "linear",
    "factorisation",
    "recurrence",
    "convolution",
    "attention",
    "generative",
    "mixture",
    "response",
    "rating",
    "two stages",
]
Answers = Literal["items", "responses", "ratings"]
"""What a model is asked: which items come next (a Recommender), or how likely an act on an item is, or its rating (a ClickModel)."""


@dataclass(frozen=True)
class Entry:
    """Where a model is defined, what it belongs to, where it comes from; `extra` is the optional dependency that it needs."""

    module: str
    class_name: str
    family: Family
    paper: str
    extra: str | None = None

    @property
    def answers(self) -> Answers:
        return "responses" if self.family == "response" else "ratings" if self.family == "rating" else "items"


_MODELS: Mapping[str, Entry] = {
    "popularity": Entry("popularity", "Popularity", "popularity", "Cremonesi et al., RecSys 2010"),
    "recent_popularity": Entry("recent_popularity", "RecentPopularity", "popularity", "Ji et al., SIGIR 2020"),
    "integer_rule": Entry("integer_rule", "IntegerRule", "audit", "a check of the numbering of items"),
    "markov": Entry("markov", "Markov", "sequence", "Rendle et al., WWW 2010"),
    "item_knn": Entry("item_knn", "ItemKNN", "neighbours", "Deshpande and Karypis, TOIS 2004"),
    "user_knn": Entry("user_knn", "UserKNN", "neighbours", "Sarwar et al., EC 2000"),
    "vsknn": Entry("vsknn", "VSKNN", "neighbours", "Ludewig and Jannach, UMUAI 2018"),
    "content": Entry("content", "ContentBased", "content", "Pazzani and Billsus, The Adaptive Web 2007"),
    "ease": Entry("ease", "EASE", "linear", "Steck, WWW 2019"),
    "als": Entry("als", "ALS", "factorisation", "Hu et al., ICDM 2008"),
    "bpr": Entry("bpr", "BPR", "factorisation", "Rendle et al., UAI 2009"),
    "rnn": Entry("rnn", "RNN", "recurrence", "Elman, Cognitive Science 1990", extra="models"),
    "lstm": Entry("lstm", "LSTM", "recurrence", "Hochreiter and Schmidhuber, Neural Computation 1997", extra="models"),
    "gru4rec": Entry("gru4rec", "GRU4Rec", "recurrence", "Hidasi et al., ICLR 2016", extra="models"),
    "lru": Entry("lru", "LRU", "recurrence", "Yue et al., WSDM 2024", extra="models"),
    "caser": Entry("caser", "Caser", "convolution", "Tang and Wang, WSDM 2018", extra="models"),
    "nextitnet": Entry("nextitnet", "NextItNet", "convolution", "Yuan et al., WSDM 2019", extra="models"),
    "sasrec": Entry("sasrec", "SASRec", "attention", "Kang and McAuley, ICDM 2018", extra="models"),
    "bert4rec": Entry("bert4rec", "BERT4Rec", "attention", "Sun et al., CIKM 2019", extra="models"),
    "hstu": Entry("hstu", "HSTU", "attention", "Zhai et al., ICML 2024", extra="models"),
    "esasrec": Entry("esasrec", "ESASRec", "attention", "Tikhonovich et al., RecSys 2025", extra="models"),
    "tiger": Entry("tiger", "TIGER", "generative", "Rajput et al., NeurIPS 2023", extra="models"),
    "mixture": Entry("mixture", "Mixture", "mixture", "Caruana et al., ICML 2004", extra="models"),
    "rating_bias": Entry("rating_bias", "RatingBias", "rating", "Koren et al., IEEE Computer 2009"),
    "biased_mf": Entry("biased_mf", "BiasedMF", "rating", "Koren et al., IEEE Computer 2009"),
    "svdpp": Entry("svdpp", "SVDpp", "rating", "Koren, KDD 2008"),
    "rating_knn": Entry("rating_knn", "RatingKNN", "rating", "Koren, TKDD 2010"),
    "two_stage": Entry("two_stage", "TwoStage", "two stages", "Covington et al., RecSys 2016"),
    "logistic_regression": Entry("logistic_regression", "LogisticRegression", "response", "Richardson et al., WWW 2007"),
    "gradient_boosting": Entry("gradient_boosting", "GradientBoosting", "response", "Ke et al., NeurIPS 2017"),
    "deepfm": Entry("deepfm", "DeepFM", "response", "Guo et al., IJCAI 2017", extra="models"),
    "dcn_v2": Entry("dcn_v2", "DCNv2", "response", "Wang et al., WWW 2021", extra="models"),
    "din": Entry("din", "DIN", "response", "Zhou et al., KDD 2018", extra="models"),
    "dien": Entry("dien", "DIEN", "response", "Zhou et al., AAAI 2019", extra="models"),
    "bst": Entry("bst", "BST", "response", "Chen et al., DLP-KDD 2019", extra="models"),
    "stacking": Entry("stacking", "Stacking", "response", "Wolpert, Neural Networks 1992", extra="models"),
    "response_head": Entry("response_head", "ResponseHead", "response", "Pi et al., CIKM 2020", extra="models"),
}


def names(answers: Answers | None = None) -> list[str]:
    """Every name that `create` takes, or those of the models that answer one kind of question."""
    return [name for name, entry in _MODELS.items() if answers in (None, entry.answers)]


def entry(name: str) -> Entry:
    """What the catalog holds of one name; raises ConfigError where there is no such model."""
    if name not in _MODELS:
        raise ConfigError(f"no model {name!r}, `footpath models` lists all{did_you_mean(name, _MODELS)}")
    return _MODELS[name]


def describe() -> list[dict[str, Any]]:
    """Name, idea, family, paper, extra and hyper-parameters with their defaults of every model, read without importing any.

    `inherited` names the hyper-parameters that are those of every sequence model, with the same default.
    """
    return [{"name": name, **_read(entry)} for name, entry in _MODELS.items()]


def search_space(name: str) -> dict[str, list[Any] | tuple[Any, ...]]:
    """What is worth searching for a model, as its file's `SEARCH_SPACE` says: a list of choices or (low, high) or (low, high, "log").

    Read without importing the model; empty where its file has none. Raises ConfigError where there is no such model.
    """
    for statement in _parsed(entry(name).module).body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "SEARCH_SPACE" for target in targets):
            return ast.literal_eval(statement.value)  # type: ignore[attr-defined]  # an assignment
    return {}


def create(name: str, **fields: object) -> Recommender:
    """An unfitted model. Text, as from `--set field=value`, is turned into the type of its field.

    Raises ConfigError for an unknown name or field or a value that its field cannot take, MissingExtraError.
    """
    return _create(name, fields)


def recommender(name: str, **fields: object) -> Recommender:
    """`create` of a model that is asked which items come next; raises ConfigError for any other."""
    _check_answers(name, ("items",), "says which items come next")
    return _create(name, fields)


def click_model(name: str, **fields: object) -> ClickModel:
    """`create` of a model that is asked how likely an act on an item is, or how it is rated; raises ConfigError for any other."""
    _check_answers(name, ("responses", "ratings"), "says how likely an act on an item is")
    return _create(name, fields)


def _check_answers(name: str, wanted: tuple[Answers, ...], does: str) -> None:
    if entry(name).answers not in wanted:
        there_are = ", ".join(other for answers in wanted for other in names(answers))
        raise ConfigError(f"{name} answers another question; a model that {does} is one of {there_are}")


def _create(name: str, fields: Mapping[str, object]) -> Any:
    model = model_class(name)
    hints = get_type_hints(model)
    known = [f.name for f in dataclasses.fields(model) if f.init]
    typed = {}
    for field, value in fields.items():
        if field not in known:
            takes = f"it takes {', '.join(known)}" if known else "it takes none"
            raise ConfigError(f"{name} has no hyper-parameter {field!r}, {takes}{did_you_mean(field, known)}")
        typed[field] = _typed(f"{name}.{field}", hints[field], value)
    return model(**typed)


def model_class(name: str) -> Any:
    """The class of a model; raises ConfigError, MissingExtraError."""
    found = entry(name)
    try:
        module = importlib.import_module(f"footpath.models.{found.module}")
    except ModuleNotFoundError as error:
        if found.extra is None or (error.name or "").split(".")[0] == "footpath":
            raise
        raise MissingExtraError(f"{name} needs {error.name}, which is not installed; run: pip install 'footpath[{found.extra}]'") from error
    return getattr(module, found.class_name)


def name_of(model: Recommender | ClickModel) -> str:
    """The name under which the catalog lists this model's class; raises ConfigError where it does not."""
    module, class_name = type(model).__module__, type(model).__qualname__
    for name, listed in _MODELS.items():
        if (module, class_name) == (f"footpath.models.{listed.module}", listed.class_name):
            return name
    raise ConfigError(f"{module}.{class_name} is not in the catalog of models; add a line for it to footpath.models.catalog")


def _read(listed: Entry) -> dict[str, Any]:
    tree = _parsed(listed.module)
    found = _class(tree, listed.class_name)
    own = _defaults(found)
    extended = [above.id for above in found.bases if isinstance(above, ast.Name) and above.id in _EXTENDED]
    inherited = _defaults(_class(_parsed(_EXTENDED[extended[0]]), extended[0])) if extended else {}
    idea = (ast.get_docstring(tree) or "").split("\n\n")[0].replace("\n", " ")
    return {
        "idea": idea,
        "family": listed.family,
        "paper": listed.paper,
        "extra": listed.extra,
        "hyperparameters": inherited | own,
        "inherited": [name for name in inherited if name not in own],
    }


_EXTENDED = {"SequenceModel": "sequence_model", "NeuralClickModel": "neural_click_model"}
"""Classes whose fields their models have too, and the file of each."""


def _parsed(module: str) -> ast.Module:
    spec = importlib.util.find_spec(f"footpath.models.{module}")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"footpath.models.{module}")
    return ast.parse(Path(spec.origin).read_text(encoding="utf-8"))


def _class(tree: ast.Module, name: str) -> ast.ClassDef:
    return next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)


def _defaults(found: ast.ClassDef) -> dict[str, Any]:
    return {
        statement.target.id: ast.literal_eval(statement.value)
        for statement in found.body
        if isinstance(statement, ast.AnnAssign)
        and isinstance(statement.target, ast.Name)
        # state is declared by field(init=False), a call; what belongs to the class and not to one model is no hyper-parameter
        and statement.value is not None
        and not isinstance(statement.value, ast.Call)
        and not ast.unparse(statement.annotation).startswith("ClassVar")
    }


def _typed(place: str, annotation: object, value: object) -> object:
    """The value as one of the types that the annotation allows; raises ConfigError naming the place, the value and what is allowed."""
    kinds = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    for kind in kinds:
        found, typed = _as(kind, value)
        if found:
            return typed
    raise ConfigError(f"{place} must be {' or '.join(_in_words(kind) for kind in kinds)}, got {value!r}")


def _as(kind: object, value: object) -> tuple[bool, object]:
    """Whether the value, or what its text says, is of this kind, and that."""
    if get_origin(kind) is Literal:
        by_text = {str(allowed): allowed for allowed in get_args(kind)}
        return str(value) in by_text, by_text.get(str(value))
    if kind is NoneType:
        return value is None or (isinstance(value, str) and value.lower() == "none"), None
    if kind is bool:
        by_text = {"true": True, "false": False}
        return str(value).lower() in by_text, by_text.get(str(value).lower())
    if kind is str:
        return isinstance(value, str), value
    if kind in (int, float) and not isinstance(value, bool):
        number = int if kind is int else float
        if isinstance(value, str):
            try:
                return True, number(value)
            except ValueError:
                return False, None
        allowed = (int, np.integer) if kind is int else (int, float, np.integer, np.floating)
        return (True, number(value)) if isinstance(value, allowed) else (False, None)
    return False, None


def _in_words(kind: object) -> str:
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(str(allowed) for allowed in get_args(kind))
    words: dict[object, str] = {NoneType: "none", bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    return words.get(kind, str(kind))
