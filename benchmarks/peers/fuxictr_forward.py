"""FuxiCTR's DIN, DIEN and DCNv2 on sixteen made-up rows, in FuxiCTR's own environment: their weights, inputs and logits in one file.

    PYTHON benchmarks/peers/fuxictr_forward.py MODEL_ZOO [tests/models/fuxictr_forward.safetensors]

PYTHON: one that has fuxictr 2.3.10, torch and safetensors. MODEL_ZOO: the folder of that name in a checkout of
https://github.com/reczoo/FuxiCTR at COMMIT, because the wheel leaves these three models out. Nothing is trained. Each model is built by
its own constructor, every weight and every running statistic is then drawn anew (FuxiCTR's embeddings start at 1e-4, where no mistake
would show), and the model is run once in eval mode and float32. The metadata of the file name the versions, the settings of each
variant and the order in which its fields are joined.
"""

import argparse
import importlib.util
import json
import logging
from collections import OrderedDict
from pathlib import Path

import fuxictr
import numpy as np
import safetensors
import torch
from fuxictr.features import FeatureMap
from safetensors.torch import save_file

COMMIT = "0245987fdc1d43c36164ea496a02324885a8557a"
DIM = 8
ROWS = 16
MAX_LEN = 6
N_USERS, N_ITEMS, N_SLOTS = 6, 21, 6  # sizes of the tables: id 0 is padding and the unknown, and its row is zero
LENGTHS = [1, 6, 3, 2, 5, 4, 6, 1, 2, 3, 6, 4, 5, 2, 6, 3]
POOLING = "layers.MaskedAveragePooling()"  # what FuxiCTR gives a sequence unless told otherwise; DIN and DIEN need the bare sequence
ORDER = ["user", "item", "history", "slot", "price"]

DIN = {
    "attention_hidden_units": [12],
    "attention_hidden_activations": "Dice",
    "dnn_hidden_units": [16, 8],
    "din_target_field": "item",
    "din_sequence_field": "history",
}
DIEN = {
    "gru_type": "AUGRU",
    "enable_sum_pooling": False,
    "attention_type": "bilinear_attention",
    "attention_hidden_units": [12],
    "attention_activation": "Dice",
    "use_attention_softmax": True,
    "dnn_hidden_units": [16, 8],
    "dnn_activations": "ReLU",
    "batch_norm": True,
    "aux_hidden_units": [100, 50],
    "aux_activation": "ReLU",
    "aux_loss_alpha": 0,
    "dien_target_field": "item",
    "dien_sequence_field": "history",
    "dien_neg_seq_field": [],
}
DCN = {"use_low_rank_mixture": False, "num_cross_layers": 2, "batch_norm": False}
VARIANTS = {
    "din_a": ("DIN", DIN | {"dnn_activations": "relu", "din_use_softmax": False, "batch_norm": False}),
    "din_b": ("DIN", DIN | {"dnn_activations": "Dice", "din_use_softmax": True, "batch_norm": False}),
    "dien": ("DIEN", DIEN),
    "dcn_parallel": ("DCNv2", DCN | {"model_structure": "parallel", "parallel_dnn_hidden_units": [16, 8], "dnn_activations": "relu"}),
    "dcn_cross": ("DCNv2", DCN | {"model_structure": "crossnet_only"}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model_zoo", type=Path)
    parser.add_argument("output", type=Path, nargs="?", default=Path("tests/models/fuxictr_forward.safetensors"))
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    inputs = rows(arguments.seed)
    tensors = {f"inputs.{field}": values for field, values in inputs.items()}
    settings, order = {}, {}
    for number, (variant, (name, chosen)) in enumerate(VARIANTS.items()):
        settings[variant] = {"model": name, "embedding_dim": DIM, "history pooling": POOLING if name == "DCNv2" else None, **chosen}
        order[variant] = [field for field in ORDER if field != "history"] if name == "DIEN" else ORDER
        if name == "DIEN":
            order[variant] = ["interest", *order[variant]]
        model = built(arguments.model_zoo, name, chosen)
        draw(model, arguments.seed + 1 + number)
        tensors |= {f"{variant}.{key}": value for key, value in run(model, name, inputs).items()}
    versions = {"fuxictr": fuxictr.__version__, "model_zoo": COMMIT, "torch": torch.__version__, "numpy": np.__version__}
    metadata = {
        "versions": json.dumps(versions),
        "settings": json.dumps(settings),
        "order": json.dumps(order),
        "seed": str(arguments.seed),
    }
    save_file({key: value.detach().contiguous().clone() for key, value in tensors.items()}, arguments.output, metadata)
    size = arguments.output.stat().st_size
    print(json.dumps({**versions, "safetensors": safetensors.__version__, "tensors": len(tensors), "bytes": size}))


def rows(seed: int) -> OrderedDict[str, torch.Tensor]:
    """Inputs in the order of the feature map, which is the order in which DIEN joins them; user 0 is one that training did not know."""
    random = np.random.default_rng(seed)
    item = random.integers(1, N_ITEMS, ROWS)
    history = random.integers(1, N_ITEMS, (ROWS, MAX_LEN))
    history[1, 2] = item[1]  # a target that is also in its history
    history[np.arange(MAX_LEN) >= np.array(LENGTHS)[:, None]] = 0
    columns = OrderedDict()
    columns["user"] = torch.from_numpy(random.integers(0, N_USERS, ROWS))
    columns["user"][2] = 0
    columns["item"] = torch.from_numpy(item)
    columns["history"] = torch.from_numpy(history)
    columns["slot"] = torch.from_numpy(random.integers(1, N_SLOTS, ROWS))
    columns["price"] = torch.from_numpy(random.normal(size=ROWS).astype(np.float32))
    return columns


def feature_map(pooled: bool) -> FeatureMap:
    """What FuxiCTR's feature processor would write of these columns."""
    fields = FeatureMap("made-up", "")
    fields.features["user"] = {"source": "", "type": "categorical", "padding_idx": 0, "vocab_size": N_USERS}
    fields.features["item"] = {"source": "", "type": "categorical", "padding_idx": 0, "vocab_size": N_ITEMS}
    fields.features["history"] = {
        "source": "",
        "type": "sequence",
        "share_embedding": "item",
        "padding_idx": 0,
        "max_len": MAX_LEN,
        "vocab_size": N_ITEMS,
    }
    if pooled:
        fields.features["history"]["feature_encoder"] = POOLING
    fields.features["slot"] = {"source": "", "type": "categorical", "padding_idx": 0, "vocab_size": N_SLOTS}
    fields.features["price"] = {"source": "", "type": "numeric"}
    assert list(fields.features) == ORDER
    fields.labels = ["label"]
    fields.default_emb_dim = DIM
    fields.num_fields = fields.get_num_fields()
    fields.set_column_index()
    return fields


def built(model_zoo: Path, name: str, chosen: dict[str, object]) -> torch.nn.Module:
    spec = importlib.util.spec_from_file_location(name, model_zoo / name / "src" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    common = {"optimizer": "adam", "loss": "binary_crossentropy", "metrics": ["AUC"], "verbose": 0, "model_root": ""}
    return getattr(module, name)(feature_map(pooled=name == "DCNv2"), model_id=name, gpu=-1, embedding_dim=DIM, **common, **chosen)


@torch.no_grad()
def draw(model: torch.nn.Module, seed: int) -> None:
    """Every weight anew, of a size at which each of them shows in the logit."""
    generator = torch.Generator().manual_seed(seed)

    def normal(tensor: torch.Tensor, std: float, mean: float = 0.0) -> None:
        tensor.copy_(mean + std * torch.randn(tensor.shape, generator=generator))

    for module in model.modules():
        if isinstance(module, torch.nn.Embedding):
            normal(module.weight, 0.5)
            module.weight[module.padding_idx] = 0
        elif isinstance(module, torch.nn.BatchNorm1d):
            normal(module.running_mean, 0.5)
            module.running_var.copy_(0.5 + 1.5 * torch.rand(module.running_var.shape, generator=generator))
            if module.affine:
                normal(module.weight, 0.3, mean=1.0)
                normal(module.bias, 0.3)
        elif isinstance(module, torch.nn.Linear):
            normal(module.weight, 0.5 if module.in_features == 1 else 2 * module.in_features**-0.5)
            if module.bias is not None:
                normal(module.bias, 0.3)
        else:  # the recurrent layers, Dice's alpha, the bilinear matrix
            for parameter in module.parameters(recurse=False):
                normal(parameter, 0.8)


@torch.no_grad()
def run(model: torch.nn.Module, name: str, inputs: OrderedDict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights by FuxiCTR's names, the logit of each row, and what DIN pools or DIEN ends its history with."""
    model.eval()
    kept: dict[str, torch.Tensor] = {}
    model.output_activation.register_forward_pre_hook(lambda _, given: kept.update(logit=given[0].squeeze(1)))
    if name == "DIN":
        model.attention_layers[0].register_forward_hook(lambda _, given, result: kept.update(pooled=result))
    if name == "DIEN":
        model.dnn.register_forward_pre_hook(lambda _, given: kept.update(interest=given[0][:, :DIM]))
    probability = model(inputs)["y_pred"]
    assert torch.equal(torch.sigmoid(kept["logit"]), probability.squeeze(1))
    return kept | {f"weights.{key}": value for key, value in model.state_dict().items()}


if __name__ == "__main__":
    main()
