"""A new model is one file and one line of the catalog: the tests that are there then cover it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import footpath

FILE = '''"""Each state is a mixture of the event and the one before it.

Source: Footpath's own.

**Differs from the paper:** there is none.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from footpath.models.sequence_model import SequenceModel


class TwoEvents(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.mix = nn.Linear(2 * dim, dim)

    def forward(self, x, clock=None):
        before = torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], 1)
        return self.mix(torch.cat([x, before], 2))

    def initial(self, batch):
        return {"before": self.mix.weight.new_zeros(batch, self.mix.out_features)}

    def step(self, x, state, clock=None):
        return self.mix(torch.cat([x, state["before"]], 1)), {"before": x}


@dataclass
class Newcomer(SequenceModel):
    dropout: float = 0.1

    def block(self, index):
        return TwoEvents(self.dim)
'''
LINE = '    "newcomer": Entry("newcomer", "Newcomer", "recurrence", "a test", extra="models"),\n'
SLIP = ("before = torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], 1)", "before = x.roll(-1, 1)")  # the event after it instead


def existing_tests(folder: Path, file: str, chosen: str, *modules: str) -> subprocess.CompletedProcess[str]:
    """The tests of all models, for the new one alone, against a copy of the package that holds it."""
    package = folder / "footpath"
    if not package.exists():
        shutil.copytree(Path(footpath.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
        catalog = package / "models" / "catalog.py"
        text = catalog.read_text(encoding="utf-8")
        head, tail = text.split("_MODELS: Mapping[str, Entry] = {\n")
        catalog.write_text(f"{head}_MODELS: Mapping[str, Entry] = {{\n{LINE}{tail}", encoding="utf-8")
    (package / "models" / "newcomer.py").write_text(file, encoding="utf-8")
    here = Path(__file__).parent
    return subprocess.run(
        [sys.executable, "-m", "pytest", *(str(here / f"{module}.py") for module in modules), "-k", chosen, "-n0", "--tb=line", "-rf"],
        capture_output=True,
        text=True,
        check=False,
        cwd=here.parents[1],
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
    )


@pytest.mark.slow
def test_a_model_of_one_file_and_one_line_is_covered_by_the_tests_that_are_there(tmp_path: Path) -> None:
    good = existing_tests(tmp_path, FILE, "newcomer", "test_contract", "test_catalog", "test_sequence_model")
    assert good.returncode == 0, good.stdout
    assert int(good.stdout.split(" passed")[0].split()[-1]) >= 20

    assert SLIP[0] in FILE
    bad = existing_tests(tmp_path, FILE.replace(*SLIP), "newcomer and False-0", "test_sequence_model")
    assert bad.returncode == 1
    failed = [line for line in bad.stdout.splitlines() if line.startswith("FAILED")]
    assert len(failed) == 1
    assert "test_reading_one_act_after_another_scores_as_the_whole_history_does[newcomer-False-0]" in failed[0]
