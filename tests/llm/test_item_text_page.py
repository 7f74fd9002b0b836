from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_tables_of_item_text_are_those_of_the_measured_rows() -> None:
    """`python benchmarks/item_text.py --table` writes them; in a process of its own, for it sets threads where it is imported."""
    code = (
        "import sys; sys.path.insert(0, 'benchmarks'); import item_text as page; "
        "print(page.MARK + page.tables(page.read_results()), end='')"
    )
    printed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert (ROOT / "docs" / "item-text.md").read_text(encoding="utf-8").endswith(printed)
    assert printed.count("\n| ") > 5
