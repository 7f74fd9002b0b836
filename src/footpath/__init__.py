"""Footpath: from a log of what people did to evaluated recommendations.

    import footpath as fp

    log = fp.read_events("events.csv")
    parts = fp.split(log, protocol="time")
    model = fp.create("item_knn").fit(parts.train)
    print(fp.evaluate(model, parts).to_dict())
    print(fp.recommend(model, parts.test.histories, k=10).items(0))

Importing this package loads neither torch nor a model; each name is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from footpath.analysis.report import analyze as analyze
    from footpath.errors import FootpathError as FootpathError
    from footpath.evaluation.protocol import evaluate as evaluate
    from footpath.evaluation.responses import evaluate_responses as evaluate_responses
    from footpath.events.fetch import fetch as fetch
    from footpath.events.log import EventLog as EventLog
    from footpath.events.readers import read_events as read_events
    from footpath.events.store import ingest as ingest
    from footpath.events.store import open_store as open_store
    from footpath.experiments.compare import Candidate as Candidate
    from footpath.experiments.compare import compare as compare
    from footpath.experiments.runs import open_run as open_run
    from footpath.experiments.runs import recommend_from as recommend_from
    from footpath.experiments.runs import train as train
    from footpath.llm.claims.profile import profile as profile
    from footpath.llm.explain.explain import explain as explain
    from footpath.llm.statements.statements import check_claims as check_claims
    from footpath.models.catalog import click_model as click_model
    from footpath.models.catalog import create as create
    from footpath.models.storage import load_model as load_model
    from footpath.models.storage import save_model as save_model
    from footpath.recommender import recommend as recommend
    from footpath.recommender import refit as refit
    from footpath.result import Result as Result
    from footpath.rules import Rules as Rules
    from footpath.sequences.build import to_sequences as to_sequences
    from footpath.sequences.dataset import SequenceDataset as SequenceDataset
    from footpath.sequences.impression_splits import split_impressions as split_impressions
    from footpath.sequences.impressions import Impressions as Impressions
    from footpath.sequences.impressions import chosen as chosen
    from footpath.sequences.impressions import from_table as from_table
    from footpath.sequences.impressions import rated as rated
    from footpath.sequences.impressions import shown as shown
    from footpath.sequences.splits import split as split
    from footpath.sequences.vocabulary import Vocabulary as Vocabulary

_HOME = {
    "analyze": "analysis.report",
    "FootpathError": "errors",
    "evaluate": "evaluation.protocol",
    "evaluate_responses": "evaluation.responses",
    "fetch": "events.fetch",
    "EventLog": "events.log",
    "read_events": "events.readers",
    "ingest": "events.store",
    "open_store": "events.store",
    "Candidate": "experiments.compare",
    "compare": "experiments.compare",
    "open_run": "experiments.runs",
    "recommend_from": "experiments.runs",
    "train": "experiments.runs",
    "profile": "llm.claims.profile",
    "explain": "llm.explain.explain",
    "check_claims": "llm.statements.statements",
    "click_model": "models.catalog",
    "create": "models.catalog",
    "load_model": "models.storage",
    "save_model": "models.storage",
    "recommend": "recommender",
    "refit": "recommender",
    "Result": "result",
    "Rules": "rules",
    "to_sequences": "sequences.build",
    "SequenceDataset": "sequences.dataset",
    "Impressions": "sequences.impressions",
    "chosen": "sequences.impressions",
    "from_table": "sequences.impressions",
    "rated": "sequences.impressions",
    "shown": "sequences.impressions",
    "split_impressions": "sequences.impression_splits",
    "split": "sequences.splits",
    "Vocabulary": "sequences.vocabulary",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'footpath' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"footpath.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
