"""`footpath evaluate`: several models on one split, with intervals and an audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from footpath.cli import console, responses
from footpath.errors import ConfigError


def evaluate(
    store: Annotated[Path, typer.Argument(help="The store that `footpath ingest` made.")],
    models: Annotated[str, typer.Option("--models", "--model", help="Names, separated by commas; `footpath models` lists all.")],
    protocol: Annotated[
        str,
        typer.Option(
            help="time: cut at two moments for everybody. loo: each user's last event. given: the log's own split. cold: new items. "
            "Responses, ratings: time, given, kfold, user-tail; without it the log's own split, else time."
        ),
    ] = "auto",
    k: Annotated[int, typer.Option("-k", "--k", help="Length of the lists.")] = 10,
    metric: Annotated[list[str] | None, typer.Option(help="A metric such as recall@20; may be repeated.")] = None,
    refit: Annotated[bool, typer.Option("--refit", help="Fit again with the validation events once settings are chosen.")] = False,
    repeat: Annotated[bool, typer.Option("--repeat", help="Items of the history may be recommended, and may be the answer.")] = False,
    targets: Annotated[str, typer.Option(help="Protocol time: first event after the cut, all of them, or each in turn.")] = "first",
    set: Annotated[list[str] | None, typer.Option("--set", help="MODEL.FIELD=VALUE; may be repeated.")] = None,
    event_type: Annotated[list[str] | None, typer.Option(help="Only events of this type; may be repeated.")] = None,
    target_type: Annotated[
        list[str] | None, typer.Option(help="Ask only about events of this type, such as purchase, from histories of all; may be repeated.")
    ] = None,
    core: Annotated[int, typer.Option(help="Only users and items with at least that many events.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the vocabulary, the split and the intervals.")] = 0,
    references: Annotated[bool, typer.Option(help="Add the rows that every table needs: popularity, item-kNN, the integer rule.")] = True,
    text: console.Text = "auto",
    examples: console.Examples = "auto",
    label: console.Labels = None,
    threshold: console.Threshold = None,
    negatives: console.Negatives = None,
    context: console.ContextColumns = None,
    calibrate: Annotated[str, typer.Option(help="Responses: auto, isotonic or platt, on validation; none.")] = "none",
    fold: Annotated[int, typer.Option(help="Protocol kfold: which of the five, from 0.")] = 0,
    picture: Annotated[Path | None, typer.Option(help="Responses: where the reliability picture goes, one HTML file.")] = None,
    json: console.Json = False,
) -> None:
    """Compare models on one log: full ranking, or responses and ratings; intervals, paired tests, an audit."""
    from footpath.events.store import open_store
    from footpath.experiments.compare import Candidate, compare

    names = [name.strip() for name in models.split(",") if name.strip()]
    fields: dict[str, dict[str, object]] = {name: {} for name in names}
    for key, value in console.pairs(set or [], "--set").items():
        name, dot, field = key.partition(".")
        if not (dot and field):
            raise ConfigError(f"--set takes MODEL.FIELD=VALUE here, got {key}={value}")
        if name not in fields:
            raise ConfigError(f"--set {key}={value} names model {name!r}, which is not among --models {models}")
        fields[name][field] = value
    log = open_store(store)
    if responses.answers(names) == "responses":
        from footpath.experiments import responses as of_responses

        responses.only_for_items(k=k, metric=metric, repeat=repeat, targets=targets, target_type=target_type, core=core)
        responses.only_for_items(text=None if text == "auto" else text)
        options = responses.options(examples, label, threshold, negatives, context, event_type)
        with console.progress() as progress:
            found = of_responses.compare(
                log,
                [Candidate(name, fields[name]) for name in names],
                protocol=protocol,
                options=options,
                calibrate=calibrate,
                refit_on_validation=refit,
                fold=fold,
                seed=seed,
                references=references,
                progress=progress,
            )
        if picture is not None:
            from footpath.experiments.reliability import write_reliability

            write_reliability(found, picture)
        told = found.to_dict()
        if json:
            console.print_json(told)
            return
        responses.print_report(told, names)
        if picture is not None:
            console.out.print(f"Picture: {picture}")
        best = responses.best(told, names)
        console.next_step(responses.training(store, best, options, fields[best]))
        return
    responses.only_for_responses(
        examples=examples, label=label, threshold=threshold, negatives=negatives, context=context, fold=fold, picture=picture,
        calibrate="auto" if calibrate == "none" else calibrate,
    )  # fmt: skip
    protocol = "time" if protocol == "auto" else protocol
    with console.progress() as progress:
        report = compare(
            log,
            [Candidate(name, fields[name]) for name in names],
            protocol=protocol,  # type: ignore[arg-type]  # checked by split, which names what there is
            k=k,
            metrics=metric,
            refit_on_validation=refit,
            repeat=repeat,
            targets=targets,  # type: ignore[arg-type]
            event_types=event_type,
            target_types=target_type,
            core=core,
            seed=seed,
            references=references,
            text=text,
            progress=progress,
        )
    printed = report.to_dict()
    if json:
        console.print_json(printed)
        return
    print_report(printed, requested=names, metrics=metric and list(printed["rows"][0]["metrics"]))
    console.next_step(f"footpath train {store} --model {_best(printed, names)} --into RUN")


def print_report(report: Mapping[str, Any], requested: Sequence[str], metrics: Sequence[str] | None = None) -> None:
    """The table, its paired tests and its audit; rows that were added for reference are marked.

    metrics: the columns; None for those that fit a terminal, while `--json` has them all.
    """
    rows = report["rows"]
    shown = metrics or [name for name in rows[0]["metrics"] if name.startswith(("recall", "ndcg", "coverage", "novelty"))]
    fitted = {"train": "training events", "refit": "training and validation events"}[rows[0]["fitted_on"]]
    console.table(
        f"{report['data']}, protocol {report['protocol']}: {rows[0]['n_histories']:,} histories of {rows[0]['n_users']:,} users\n"
        f"whole catalogue of {report['audit']['n_catalogue']:,} items ranked, "
        f"{'repeats allowed' if report['audit']['repeat'] else 'seen items masked'}, fitted on {fitted}",
        ["model", *shown, "CPU-s"],
        [
            [
                row["model"] if row["model"] in requested else f"{row['model']} *",
                *(console.figure(row["metrics"][name]) for name in shown),
                f"{row['fit_cpu_s'] + row['score_cpu_s']:.1f}",
            ]
            for row in sorted(rows, key=lambda row: -(row["metrics"][shown[0]]["value"] or 0))
        ],
        right=[*shown, "CPU-s"],
        caption="[ ]: 95 % bootstrap interval over users. CPU-s: to fit and to rank. * added for reference.",
    )
    for comparison in report.get("comparisons", []):
        if comparison["model"] in requested:
            console.out.print(_in_words(comparison))
    audit = report["audit"]
    console.out.print(f"Audit: leakage {audit['leakage']['verdict']}; id-order rule {audit['id_order']['verdict']}.")
    for warning in audit["warnings"]:
        console.out.print(f"  - {warning}")


def _in_words(comparison: Mapping[str, Any]) -> str:
    p = comparison["p_adjusted"]
    return (
        f"{comparison['model']} against {comparison['reference']}, {comparison['metric']}: "
        f"{comparison['difference']:+.4f} [{comparison['low']:+.4f}, {comparison['high']:+.4f}] on the same users"
        + ("" if p is None else f", p = {p:.4f} (Holm)")
    )


def _best(report: Mapping[str, Any], requested: Sequence[str]) -> str:
    first = next(iter(report["rows"][0]["metrics"]))
    rows = [row for row in report["rows"] if row["model"] in requested]
    return max(rows, key=lambda row: row["metrics"][first]["value"] or 0)["model"]
