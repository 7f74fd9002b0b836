"""What a model is, how it was chosen, how good it is and for whom it is worse: the figures of `best` in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from footpath.models import catalog
from footpath.statistics import SMALL


def model_card(figures: Mapping[str, Any]) -> str:
    """Markdown, from the figures in best.json and nothing else."""
    idea = next(entry for entry in catalog.describe() if entry["name"] == figures["model"])
    data, protocol, test = figures["data"], figures["protocol"], figures["test"]
    winner = next(rung for rung in figures["ladder"] if rung["name"] == figures["winner"])
    settings = {**winner["fields"], **winner["settled"]}
    told = ", ".join(f"`{name}={value}`" for name, value in settings.items()) or "its defaults"
    lines = [
        f"# {figures['winner']} for {data['data']}",
        "",
        f"{idea['idea']} ({idea['paper']}.) Settings: {told}.",
        "",
        f"It was chosen by `footpath best` and then fitted on all {data['n_events']:,} events of {data['n_users']:,} users on "
        f"{data['n_items']:,} items (fingerprint `{data['fingerprint']}`). "
        + ("Items of the history may be recommended." if data["repeat"] else "Items that a user has met are not recommended again."),
        "",
        "## How good it is",
        "",
        *_quality(figures),
        "",
        "## For whom it is worse",
        "",
        *_weaknesses(figures),
        "",
        "## How it was chosen",
        "",
        f"Every model below was fitted on the training part of the {_protocol(protocol['name'])} ({protocol['why']}) and judged by NDCG@10 "
        f"on {protocol['n_validation']:,} validation histories, the whole catalogue ranked. The best figure won. "
        "Nothing was chosen on test: it was read once, after the choice.",
        "",
        *_ladder(figures),
        "",
        *_left_out(figures),
        "## Time",
        "",
        f"{figures['time']['wall_s']:,.0f} s of the {60 * figures['time']['minutes']:,.0f} s that were given, "
        f"{figures['time']['cpu_s']:,.0f} CPU-s of it in fitting and ranking; the last fit, on all events, took "
        f"{figures['time']['refit_cpu_s']:,.1f} CPU-s.",
        "",
        "## What to bear in mind",
        "",
        "- The test figures are of the model as fitted on the training part. The run is fitted on all events with the same settings, "
        "and this log cannot measure it.",
        "- The best of several models on one validation set looks better there than it is; the test figures do not have this flaw.",
        "- A log shows what people did with what they were shown. How people take these recommendations, only a trial with users tells.",
        f"- Audit: leakage {test['audit']['leakage']}; rule on item numbers {test['audit']['id_order']}.",
        *(f"- {warning.rstrip('.')}." for warning in [*figures["warnings"], *test["audit"]["warnings"]]),
    ]
    return "\n".join(lines) + "\n"


def _quality(figures: Mapping[str, Any]) -> list[str]:
    test, protocol = figures["test"], figures["protocol"]
    rows = test["rows"]
    first = rows[0]
    lines = [
        f"On {protocol['n_test']:,} test histories of the {_protocol(protocol['name'])}, the whole catalogue ranked, fitted on the "
        "training part (95 % intervals over users):",
        "",
        "| model | NDCG@10 | recall@10 | MRR@10 | items ever listed |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {'**' + row['model'] + '**' if row is first else row['model']} | "
            + " | ".join(_interval(row["metrics"][name]) for name in ("ndcg@10", "recall@10", "mrr@10"))
            + f" | {100 * (row['metrics']['coverage@10']['value'] or 0):.0f} % |"
            for row in rows
        ),
        "",
    ]
    for pair in test["against"]:
        p = pair["p_adjusted"]
        lines.append(
            f"- {_verdict(pair)} **{pair['floor']}**: {_difference(pair)} NDCG@10"
            + (f", p = {p:.4f} (paired permutation test, Holm)." if p is not None else ".")
        )
    if not test["against"]:
        lines.append("- There was no floor row to compare with.")
    return lines


def _weaknesses(figures: Mapping[str, Any]) -> list[str]:
    groups = figures["groups"]
    whole = figures["test"]["rows"][0]["metrics"]["ndcg@10"]["value"]
    said = []
    for group in groups:
        ndcg, gap = group["ndcg"], group.get("difference")
        if ndcg["n"] < SMALL:
            continue
        if gap is not None and gap["high"] is not None and gap["high"] < 0:
            said.append(f"- It is worse than {group['floor']} for **{group['group']}**: {_difference(gap)} NDCG@10 (n = {ndcg['n']:,}).")
        elif ndcg["high"] is not None and whole is not None and ndcg["high"] < whole:
            said.append(f"- It does less well than on average for **{group['group']}**: {_interval(ndcg)} (n = {ndcg['n']:,}).")
    if not said:
        said = [
            "- No group of 30 histories or more was found for which it is below its average, or below the best floor row, beyond chance."
        ]
    return [
        *said,
        "",
        "| by | group | n | NDCG@10 | best floor row | difference |",
        "| --- | --- | ---: | --- | --- | --- |",
        *(
            f"| {group['by']} | {group['group']} | {group['ndcg']['n']:,} | {_interval(group['ndcg'])} | "
            + (f"{group['floor']} {group['floor_ndcg']:.4f} | {_difference(group['difference'])} |" if "floor" in group else "– | – |")
            for group in groups
        ),
        "",
        "Groups of fewer than 30 histories are shown and not spoken of.",
    ]


def _ladder(figures: Mapping[str, Any]) -> list[str]:
    tried = [rung for rung in figures["ladder"] if rung["ndcg"] is not None]
    return [
        "| model | validation NDCG@10 | epochs | CPU-s | |",
        "| --- | --- | ---: | ---: | --- |",
        *(
            f"| {'**' + rung['name'] + '**' if rung['name'] == figures['winner'] else rung['name']} | "
            f"{_interval({'value': rung['ndcg'], 'low': rung['low'], 'high': rung['high']})} | {rung['epochs'] or ''} | "
            f"{rung['cpu_s']:,.1f} | {settings_and_note(rung).replace('|', '/')} |"
            for rung in sorted(tried, key=lambda rung: -rung["ndcg"])
        ),
    ]


def settings_and_note(rung: Mapping[str, Any]) -> str:
    """What differs from the model's defaults, and what happened."""
    settings = "" if rung["model"] == "mixture" else ", ".join(f"{name}={value}" for name, value in rung["fields"].items())
    return "; ".join(part for part in (settings, rung["note"]) if part)


def _left_out(figures: Mapping[str, Any]) -> list[str]:
    without = [rung for rung in figures["ladder"] if rung["ndcg"] is None]
    if not without:
        return []
    return ["Without a figure:", "", *(f"- {names}: {why.rstrip('.')}." for why, names in by_reason(without).items()), ""]


def by_reason(rungs: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Why rungs have no figure, and the names of those for each reason."""
    found: dict[str, list[str]] = {}
    for rung in rungs:
        found.setdefault(rung["note"], []).append(rung["name"])
    return {why: ", ".join(names) for why, names in found.items()}


def _protocol(name: str) -> str:
    return {"time": "split by time", "loo": "leave-one-out split", "given": "split that the log came with"}.get(name, f"{name} split")


def _verdict(pair: Mapping[str, Any]) -> str:
    if pair["low"] is not None and pair["low"] > 0:
        return "It is better than"
    if pair["high"] is not None and pair["high"] < 0:
        return "It is worse than"
    return "It cannot be told apart from"


def _difference(gap: Mapping[str, Any]) -> str:
    value = gap["difference"] if "difference" in gap else gap["value"]
    if value is None:
        return "undefined"
    bounds = f" [{gap['low']:+.4f}, {gap['high']:+.4f}]" if gap["low"] is not None and gap["high"] is not None else ""
    return f"{value:+.4f}{bounds}"


def _interval(figure: Mapping[str, Any]) -> str:
    if figure["value"] is None:
        return "undefined"
    bounds = f" [{figure['low']:.4f}, {figure['high']:.4f}]" if figure.get("low") is not None and figure.get("high") is not None else ""
    return f"{figure['value']:.4f}{bounds}"
