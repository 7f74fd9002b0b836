"""Why a run recommends an item: the model, the user's history, the log and the titles brought together, and drawn as one page."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from footpath.errors import ConfigError, RunError, StoreError
from footpath.events.log import EventLog
from footpath.events.store import open_store
from footpath.experiments.embed import histories_before
from footpath.experiments.picture import Figure, picture
from footpath.experiments.runs import Run, moment
from footpath.llm.explain.explain import chart, explain
from footpath.llm.explain.explanation import Explanation
from footpath.llm.explain.faithfulness import faithfulness
from footpath.page.text import Lang
from footpath.progress import Progress
from footpath.recommender import recommend
from footpath.result import Phrase, Result, in_language, say
from footpath.sequences.build import acts_of, item_features
from footpath.sequences.dataset import ItemFeatures, SequenceDataset


@dataclass(frozen=True, eq=False)
class Explained:
    """An explanation with the run that was asked. notes: what the answer lacks or stands on, beside the explanation's own limits."""

    run: Run
    user: str | None
    explanation: Explanation
    notes: tuple[Phrase, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        about = {"model": self.run.record["model"], "run": str(self.run.path), "user": self.user}
        return about | self.explanation.to_dict() | {"notes": list(self.notes), "notes_zh": [note.zh for note in self.notes]}


def explain_from(
    run: Run,
    item: str | None = None,
    *,
    user: str | None = None,
    history: Sequence[str] | None = None,
    k: int = 10,
    most: int = 3,
    newest: int = 50,
    draws: int = 50,
    seed: int = 0,
    repeat: bool | None = None,
    store: Path | None = None,
    at: str | None = None,
) -> Explained:
    """Why a run gives an item its place, for a user of the store or after a history of item ids, oldest first.

    item: the first recommendation where None. A history needs no store; without one nothing is said of other users. The other options
    are those of `footpath.llm.explain.explain.explain`; at: as in `footpath.experiments.runs.recommend_from`. Raises ConfigError, RunError,
    StoreError.
    """
    if (user is None) == (history is None):
        raise ConfigError("give either --user ID or --history a,b,c")
    event_types, asked = run.record["data"]["event_types"], None if at is None else np.array([moment(at)])
    notes: list[Phrase] = []
    log: EventLog | None = None
    if user is not None:
        log = open_store(store or run.store_path())
        ids, row = acts_of(log, user, run.model.items, event_types=event_types)
        if not ids:
            notes.append(
                say(
                    "{log} holds no event of user {user} to explain with",
                    "{log} 中没有用户 {user} 可用于解释的事件",
                    log=log.name,
                    user=user,
                )
            )
    else:
        assert history is not None
        row = SequenceDataset.from_lists([history], vocabulary=run.model.items, users=["history"])
        try:
            log = open_store(store or run.store_path())
        except (RunError, StoreError):
            if store is not None:
                raise
            notes.append(Phrase("the store of the run is not here: nothing is said of other users", "找不到该运行的存储：不涉及其他用户"))
    repeats = bool(run.record["repeat"] if repeat is None else repeat)
    if item is None:
        item = recommend(run.model, row, 1, repeat=repeats, request_times=asked).items(0)[0]
    trails = None
    if log is not None:
        trails = histories_before(log, run.model.items, None, event_types=event_types)
        if log.fingerprint != run.record["data"]["fingerprint"]:
            notes.append(
                say(
                    "{log} holds other events than those that the run was fitted on; users are counted in it as it is now",
                    "{log} 的事件与训练该运行时不同；用户按其现状计数",
                    log=log.name,
                )
            )
    options: dict[str, Any] = {
        "k": k,
        "most": most,
        "newest": newest,
        "draws": draws,
        "seed": seed,
        "repeat": repeats,
        "request_times": asked,
    }
    found = explain(run.model, row, item, log=trails, features=features_of(run, log), **options)
    return Explained(run, user, found, tuple(notes))


def features_of(run: Run, log: EventLog | None) -> ItemFeatures:
    """What is known of the items of a run: the item table of its log, else the titles and categories that the run keeps."""
    if log is not None and log.items is not None:
        return item_features(log.items, run.model.items)
    ids = ["", *run.model.items.ids.to_pylist()]
    titles, categories = ([held.get(id) or "" for id in ids] for held in (run.titles, run.categories))
    return ItemFeatures(titles, [""] * len(ids), categories, [()] * len(ids))


def faithfulness_of(
    run: Run,
    *,
    users: int = 300,
    most: int = 3,
    newest: int = 50,
    draws: int = 50,
    seed: int = 0,
    repeat: bool | None = None,
    store: Path | None = None,
    progress: Progress | None = None,
) -> Result:
    """`footpath.llm.explain.faithfulness.faithfulness` of a run, over users of its store.

    Raises ConfigError, RunError, StoreError, DataError.
    """
    log = open_store(store or run.store_path())
    trails = histories_before(log, run.model.items, None, event_types=run.record["data"]["event_types"])
    repeats = bool(run.record["repeat"] if repeat is None else repeat)
    found = faithfulness(
        run.model, trails, users=users, most=most, newest=newest, draws=draws, seed=seed, repeat=repeats, log=trails,
        features=features_of(run, log), progress=progress,
    )  # fmt: skip
    return dataclasses.replace(found, meta={**found.meta, "fingerprint": log.fingerprint, "model": run.record["model"]})


def page(of: Explained, lang: Lang = "en") -> str:
    """One HTML file: what was found, a bar an event with the cited ones set apart, and the table behind it."""
    found = of.explanation
    cited = {citation.event.place for citation in found.cited}
    whom = say("user {user}", "用户 {user}", user=of.user) if of.user is not None else Phrase("a history", "一段历史")
    title = say("Why “{item}”?", "为什么是“{item}”？", item=found.title or found.item_id)
    lead = say("For {whom}, by the model {model}", "对象：{whom}；模型：{model}", whom=whom, model=of.run.record["model"])
    headlines = {
        Phrase("place now", "当前名次"): (f"{found.rank:,}", say("of {n:,} candidates", "共 {n:,} 个候选", n=found.n_candidates)),
    }
    if found.outcome is not None:
        without = say("without {n} of {all:,} events", "删去 {all:,} 个事件中的 {n} 个", n=found.n_left_out, all=found.n_events)
        kept = say("with nothing but {n}", "只保留 {n} 个", n=found.n_left_out)
        headlines[Phrase("place without what weighs most", "删去分量最重者后的名次")] = (f"{found.outcome.rank:,}", without)
        headlines[Phrase("place with only that", "只保留它们时的名次")] = (f"{found.outcome.kept_rank:,}", kept)
    if found.random is not None:
        small = say("mean of {n} draws", "{n} 次的平均", n=found.random.draws)
        headlines[Phrase("place after random deletions", "随机删除后的名次")] = (f"{found.random.mean_rank:,.1f}", small)
    drawn = chart(found)
    figures = []
    if drawn is not None:
        columns: dict[Any, list[Any]] = {
            "place": [event.place for event in found.events],
            "event": [event.title or event.item_id for event in found.events],
            "score_drop": [event.outcome.drop if event.outcome else None for event in found.events],
            "rank": [event.outcome.rank if event.outcome else None for event in found.events],
            "cited": [event.place in cited for event in found.events],
        }
        labels = {
            "place": Phrase("event", "事件"),
            "event": Phrase("item", "物品"),
            "score_drop": Phrase("fall of the score without it", "删去后分数的下降"),
            "rank": Phrase("place without it", "删去后的名次"),
            "cited": Phrase("cited", "引用"),
        }
        about = Phrase(
            "How far the score falls when each event alone is left out, oldest first: a bar to the left means that it rises; the cited "
            "ones, and the newest others up to 20 in all",
            "逐个删去事件后分数的下降，最早的在前；向左的柱表示分数上升；显示引用的事件，连同最新的其他事件共至多 20 个",
        )
        name = Phrase("The history, event by event", "历史中的每个事件")
        figures.append(Figure("history", in_language(name, lang), in_language(about, lang), drawn, columns, in_language(labels, lang)))
    said = [in_language(text, lang) for text in (*found.sentences, *found.evidence)]
    notes = [in_language(text, lang) for text in (*of.notes, *found.limits)]
    return picture(
        in_language(title, lang), [in_language(lead, lang)], in_language(headlines, lang), figures, said=said, notes=notes, lang=lang,
        commands=[f"footpath recommend {shlex.quote(str(of.run.path))}{whose(of.user)}"],
    )  # fmt: skip


def whose(user: str | None) -> str:
    """The option that names the user, for a command to run next; nothing for a history."""
    return "" if user is None else f" --user {shlex.quote(user)}"
