"""Learning curves: the loss and the validation figure of every epoch, as JSON for the record of a run and as a page to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from footpath.analysis import charts
from footpath.experiments.picture import Figure, picture
from footpath.recommender import ClickModel, Recommender

Epochs = Sequence[Mapping[str, Any]]
_NDCG, _LOSS = "validation_ndcg@10", "validation_loss"


def epochs_of(model: Recommender | ClickModel) -> list[dict[str, Any]]:
    """Number, loss, validation figure (None without validation) and CPU-seconds of every epoch; empty for a model without epochs.

    The figure is NDCG@10, or of a ClickModel the loss on validation.
    """
    history = getattr(model, "history", None)
    if history is None:
        return []
    name, sign = (_LOSS, -1) if isinstance(model, ClickModel) else (_NDCG, 1)
    return [
        {
            "epoch": epoch.number,
            "loss": round(epoch.loss, 6),
            name: None if epoch.validation is None else round(sign * epoch.validation, 6),
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
    key, called, how = (_NDCG, "NDCG@10", "NDCG@10 of a full ranking") if not held or _NDCG in held[0] else (_LOSS, "loss", "The loss")
    judged = [epoch for epoch in held if epoch[key] is not None]
    if judged:
        best = (max if key == _NDCG else min)(judged, key=lambda epoch: epoch[key])
        figures_above[f"best {called}"] = (f"{best[key]:.4f}", f"on validation, in epoch {best['epoch']} of {len(held)}")
        said.append(f"Epoch {best['epoch']} was the best of {len(held)} on validation, and so many epochs fitted the model that is served")
        figures.append(
            Figure(
                "validation",
                "Validation",
                f"{how} on validation after each epoch of the held fit",
                charts.lines(
                    x[: len(held)],
                    {"held": [epoch[key] for epoch in held]},
                    format="number",
                    x_name="epoch",
                    y_name=called,
                ),
                {"epoch": x[: len(held)], "figure": [epoch[key] for epoch in held]},
                {"figure": called},
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
