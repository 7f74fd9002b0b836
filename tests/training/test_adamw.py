from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from footpath.training.adamw import AdamW


@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_ten_steps_follow_the_formulas_of_the_paper(l2: float) -> None:
    rng = np.random.default_rng(0)
    start = [rng.normal(size=(4, 3)), rng.normal(size=3)]
    parameters = [torch.from_numpy(values.copy()) for values in start]
    optimizer = AdamW(parameters, l2=l2)
    expected = [values.copy() for values in start]
    mean, square = [np.zeros_like(v) for v in start], [np.zeros_like(v) for v in start]
    for t in range(1, 11):
        rate = 0.1 / t
        for i, parameter in enumerate(parameters):
            gradient = rng.normal(size=start[i].shape)
            parameter.grad = torch.from_numpy(gradient.copy())
            mean[i] = 0.9 * mean[i] + 0.1 * gradient
            square[i] = 0.999 * square[i] + 0.001 * gradient**2
            step = mean[i] / (1 - 0.9**t) / (np.sqrt(square[i] / (1 - 0.999**t)) + 1e-8)
            expected[i] -= rate * (step + (l2 if i == 0 else 0.0) * expected[i])
        optimizer.step(rate)
    for parameter, values in zip(parameters, expected, strict=True):
        np.testing.assert_allclose(parameter.numpy(), values, atol=1e-7)
        assert parameter.grad is None


def test_a_parameter_without_a_gradient_stays() -> None:
    parameter = torch.ones(2, 2)
    AdamW([parameter], l2=0.5).step(0.1)
    assert torch.equal(parameter, torch.ones(2, 2))


def test_training_does_not_load_the_compiler_of_torch() -> None:
    code = """
import sys
from footpath.models.sasrec import SASRec
from footpath.sequences.dataset import SequenceDataset
SASRec(dim=4, epochs=1).fit(SequenceDataset.from_lists([["a", "b"], ["b", "a"]]))
print("torch._dynamo" in sys.modules)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
