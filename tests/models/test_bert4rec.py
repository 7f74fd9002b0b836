from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from planted_logs import ring

from footpath.errors import ConfigError
from footpath.models.bert4rec import BERT4Rec, BidirectionalBlock
from footpath.sequences.dataset import SequenceDataset
from footpath.training.batches import MASK, padded


@pytest.fixture(scope="module")
def model() -> BERT4Rec:
    return BERT4Rec(dim=8, blocks=1, max_len=5, epochs=2, batch_size=16).fit(ring())


def test_some_events_are_hidden_in_training_and_have_to_be_named() -> None:
    log = ring(n_users=400, length=30)
    windows = padded(log, np.arange(400), 30)
    batch = BERT4Rec(mask_share=0.3).objective()(windows, np.random.default_rng(0))
    hidden = batch.inputs.items == MASK
    assert torch.equal(hidden.flatten().nonzero()[:, 0], batch.real)
    assert batch.targets.tolist() == windows.items[hidden.numpy()].tolist()
    assert torch.equal(batch.inputs.items[~hidden], torch.from_numpy(windows.items)[~hidden])
    assert hidden.float().mean() == pytest.approx(0.9 * 0.3 + 0.1 / 30, abs=0.02)  # one row in ten hides its last event alone


def test_the_question_is_a_hidden_place_after_the_newest_event(model: BERT4Rec) -> None:
    items = ring().vocabulary
    w = {name: torch.from_numpy(array) for name, array in model.state().items()}
    block = model.block(0).eval()
    block.load_state_dict({name.removeprefix("blocks.0."): array for name, array in w.items() if name.startswith("blocks.0.")})
    for row in (["r4"], ["r4", "r5", "r9"], ["r0", "r1", "r4", "r5", "r9", "r2"]):
        newest = torch.from_numpy(items.encode(row[-4:]).astype(np.int64))  # of five places, the question takes one
        x = torch.cat([w["items.weight"][newest], w["mask"][None]]) + w["positions.weight"][: len(newest) + 1]
        with torch.inference_mode():
            states = block(x[None], torch.ones(1, len(x), dtype=torch.bool))
            state = F.layer_norm(states[0, -1], (8,), w["norm.weight"], w["norm.bias"])
        found = model.score(SequenceDataset.from_lists([row], items))[0]
        np.testing.assert_allclose(found, (w["items.weight"] @ state).numpy(), atol=1e-5)


def test_a_state_reads_both_sides_and_no_padding() -> None:
    torch.manual_seed(0)
    block = BidirectionalBlock(8, 2, 0.0).eval()
    x = torch.randn(1, 6, 8)
    real = torch.tensor([[True, True, True, True, False, False]])
    with torch.inference_mode():
        states = block(x, real)
        for place in range(6):
            other = x.clone()
            other[0, place] += torch.randn(8)
            moved = (block(other, real) - states).abs().amax(2)[0, :4] > 1e-4
            assert moved.tolist() == [place < 4] * 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mask_share": 0.0}, r"mask_share must be above 0 and below 1, got 0\.0"),
        ({"mask_share": 1.0}, r"mask_share must be above 0 and below 1, got 1\.0"),
        ({"max_len": 1}, "max_len must be at least 2, an event and the question, got 1"),
        ({"within": 2}, "leave within, targets and request_time out"),
        ({"targets": "purchase"}, "leave within, targets and request_time out"),
        ({"request_time": True}, "leave within, targets and request_time out"),
        ({"dim": 8, "heads": 3}, "got 3 heads and dim 8"),
    ],
)
def test_settings_that_mean_nothing_here_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BERT4Rec(**settings)
