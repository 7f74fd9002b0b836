"""Whether contrastive patterns are counted as the package prefixspan 0.5.2 counts them, in all sequences and in each group.

    python benchmarks/patterns.py STORE [--contrast CONTRAST] [--max-length 4] [--work DIR]

The sequences and groups are those that `footpath.patterns(log, contrast=CONTRAST)` compares; without a contrast it is its default.
Both count, for every pattern of up to that length, the sequences that hold it: the patterns that are frequent among all sequences must be
the same and as frequent, and within each group as well. The command fails where they are not. prefixspan is installed into an
environment of its own in the work folder.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PEER = "prefixspan==0.5.2"


def run_peer(asked: Path) -> None:
    """In the environment of prefixspan."""
    from prefixspan import PrefixSpan

    given = json.loads(asked.read_text())
    answers = []
    for group in given["groups"]:
        miner = PrefixSpan(group["sequences"])
        miner.maxlen = given["max_length"]
        answers.append([[pattern, support] for support, pattern in miner.frequent(group["least"])])
    sys.stdout.write(json.dumps(answers))


def counted_by_peer(work: Path, groups: list[dict[str, Any]], max_length: int) -> list[dict[tuple[int, ...], int]]:
    python = work / "prefixspan" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(work / "prefixspan")], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", "-q", "--disable-pip-version-check", PEER], check=True)
    asked = work / "asked.json"
    asked.write_text(json.dumps({"max_length": max_length, "groups": groups}))
    done = subprocess.run([str(python), __file__, "--peer", str(asked)], stdout=subprocess.PIPE, text=True, check=True)
    return [{tuple(pattern): support for pattern, support in rows} for rows in json.loads(done.stdout)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", nargs="?", type=Path)
    parser.add_argument("--contrast")
    parser.add_argument("--max-length", type=int, default=4)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--peer", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.peer:
        run_peer(given.peer)
        return
    if given.store is None:
        parser.error("the path of a store is needed")
    work = given.work or Path(tempfile.mkdtemp(prefix="footpath-patterns-"))
    work.mkdir(parents=True, exist_ok=True)

    from footpath.analysis.coded_acts import code_acts
    from footpath.analysis.patterns import _contrast, _grouped, _mined
    from footpath.analysis.trail import trail
    from footpath.events.store import open_store

    t = trail(open_store(given.store))
    groups = _grouped(t, code_acts(t, seed=0), _contrast(t, given.contrast), None, 0)
    sizes = [int((groups.group == code).sum()) for code in groups.tested]
    mined = _mined(groups, None, min(min(size, len(groups.group) - size) for size in sizes), given.max_length, None, None)
    rows = [groups.sequences.label[a:b].tolist() for a, b in zip(groups.sequences.offsets, groups.sequences.offsets[1:], strict=False)]
    asked = [{"sequences": rows, "least": mined.least}]
    for code in groups.tested:
        inside = (groups.group == code).tolist()
        asked.append({"sequences": [row for row, yes in zip(rows, inside, strict=True) if yes], "least": max(2, mined.least // 10)})
    everywhere, *within = counted_by_peer(work, asked, given.max_length)
    ours = {pattern: support for pattern, (support, _) in mined.found.items()}
    wrong = sum(ours.get(pattern) != everywhere.get(pattern) for pattern in ours.keys() | everywhere.keys())
    print(f"{len(rows):,} sequences; {len(ours):,} patterns in {mined.least:,} or more of them; {wrong} counted otherwise by {PEER}")
    for code, least, theirs in zip(groups.tested, (one["least"] for one in asked[1:]), within, strict=True):
        in_group = {pattern: int(counts[code]) for pattern, (_, (counts, _)) in mined.found.items()}
        differ = sum(n != theirs.get(pattern, 0) for pattern, n in in_group.items() if n >= least or pattern in theirs)
        wrong += differ
        frequent = sum(n >= least for n in in_group.values())
        print(f"  in group {groups.names[code]}: {frequent:,} of them in {least:,} or more; {differ} otherwise")
    if wrong:
        raise SystemExit("the two do not count alike")


if __name__ == "__main__":
    main()
