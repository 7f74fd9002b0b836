"""Learning curves: the loss and the validation figure of every epoch, as JSON for the record of a run and as a page to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from footpath.analysis import charts
from footpath.experiments.picture import Figure, picture
from footpath.recommender import Recommender

Epochs = Sequence[Mapping[str, Any]]


def epochs_of(model: Recommender) -> list[dict[str, Any]]:
    """Number, loss, validation NDCG@10 (None without validation) and CPU-seconds of every epoch; empty for a model without epochs."""
    history = getattr(model, "history", None)
    if history is None:
        return []
    return [
        {
            "epoch": epoch.number,
            "loss": round(epoch.loss, 6),
            "validation_ndcg@10": None if epoch.validation is None else round(epoch.validation, 6),
            "cpu_s": round(epoch.cpu_seconds, 2),
        }
        for epoch in history.epochs
    ]


def page(model: str, data: str, curves: Mapping[str, Epochs]) -> str:
    """One HTML file. curves: `held` (fitted without the validation events, which choose the epoch) and `refit` (with them), where run."""
    held, again = curves.get("held", ()), curves.get("refit", ())
    longest = max(len(epochs) for epochs in curves.values())
    x = list(range(1, longest + 1))
    losses = {name: [epoch["loss"] for epoch in epochs] + [None] * (longest - len(epochs)) for name, epochs in curves.items() if epochs}
    figures = []
    said = []
    figures_above: dict[str, tuple[str, str]] = {"epochs": (str(len(again or held)), "of the model that is served")}
    judged = [epoch for epoch in held if epoch["validation_ndcg@10"] is not None]
    if judged:
        best = max(judged, key=lambda epoch: epoch["validation_ndcg@10"])
        figures_above["best NDCG@10"] = (f"{best['validation_ndcg@10']:.4f}", f"on validation, in epoch {best['epoch']} of {len(held)}")
        said.append(f"Epoch {best['epoch']} was the best of {len(held)} on validation, and so many epochs fitted the model that is served")
        figures.append(
            Figure(
                "validation",
                "Validation",
                "NDCG@10 of a full ranking after each epoch of the held fit",
                charts.lines(
                    x[: len(held)],
                    {"held": [epoch["validation_ndcg@10"] for epoch in held]},
                    format="number",
                    x_name="epoch",
                    y_name="NDCG@10",
                ),
                {"epoch": x[: len(held)], "ndcg": [epoch["validation_ndcg@10"] for epoch in held]},
                {"ndcg": "NDCG@10"},
            )
        )
    else:
        said.append("There was no validation: all epochs that were asked for were run")
    figures.append(
        Figure(
            "loss",
            "Training loss",
            "Mean over the batches of each epoch; with dropout and while weights moved, so that it stands above the loss of the model",
            charts.lines(x, losses, format="number", x_name="epoch", y_name="loss"),
            {"epoch": x, **losses},
        )
    )
    cpu = sum(epoch["cpu_s"] for epochs in curves.values() for epoch in epochs)
    figures_above["CPU-seconds"] = (f"{cpu:,.0f}", "of all epochs, validation left out")
    return picture(
        f"Learning curves of {model}",
        [f"Fitted on {data}. Held: without the validation events, which choose the epoch. Refit: with them, as it is served"],
        figures_above,
        figures,
        said=said,
    )
