"""The forward pass of FuxiCTR 2.3.10 on drawn weights: `benchmarks/peers/fuxictr_forward.py` wrote it in an environment of its own."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from footpath.models.item_table import ItemTable
from footpath.models.response_layers import ColumnVectors, HistoryVectors
from footpath.training.batches import Events
from footpath.training.impression_batches import Columns, ImpressionBatch

DIM, USERS, ITEMS, SLOTS = 8, 6, 21, 6
_FILE = Path(__file__).parent / "fuxictr_forward.safetensors"


def read(variant: str) -> dict[str, Tensor]:
    """Weights, results and inputs of one variant, without its name before them."""
    found = load_file(_FILE)
    kept = {name.removeprefix(f"{variant}."): tensor for name, tensor in found.items() if name.startswith(f"{variant}.")}
    return kept | {name: tensor for name, tensor in found.items() if name.startswith("inputs.")}


def batch(found: dict[str, Tensor]) -> ImpressionBatch:
    history = found["inputs.history"]
    n = len(history)
    columns = Columns(
        torch.stack([found["inputs.user"], found["inputs.slot"]], 1), found["inputs.price"][:, None], torch.zeros(n, 1, dtype=torch.bool)
    )
    return ImpressionBatch(Events(history), (history > 0).sum(1), None, torch.arange(n), found["inputs.item"], columns, torch.zeros(n, 0))


def vectors(found: dict[str, Tensor]) -> tuple[HistoryVectors, ColumnVectors]:
    """The tables of FuxiCTR; columns are the user, the slot and the price."""
    prefix = next(name for name in found if name.endswith("embedding_layers.item.weight")).removesuffix("item.weight")
    items = ItemTable(ITEMS, DIM)
    assert items.weight is not None
    columns = ColumnVectors([USERS, SLOTS], 1, DIM)
    with torch.no_grad():
        items.weight.copy_(found[f"{prefix}item.weight"])
        columns.categories.weight.copy_(torch.cat([found[f"{prefix}user.weight"], found[f"{prefix}slot.weight"]]))
        columns.amounts.copy_(found[f"{prefix}price.weight"].T)
    return HistoryVectors((), items, 6), columns


def copy(layer: nn.Module, found: dict[str, Tensor], name: str) -> None:
    """Weights, biases, running figures and alphas of one layer."""
    with torch.no_grad():
        for own, tensor in (*layer.named_parameters(), *layer.named_buffers()):
            theirs = own.replace("norm.", "bn.")
            if "num_batches" not in own:
                tensor.copy_(found[f"weights.{name}.{theirs}"])


def by_field(weight: Tensor, order: list[int]) -> Tensor:
    """The columns of a first layer, a block of DIM each, in another order of fields."""
    return torch.cat([weight[:, DIM * place : DIM * (place + 1)] for place in order], 1)
