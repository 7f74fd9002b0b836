"""`footpath simulate`: files that `footpath ingest` takes, the truth on the terminal and as JSON, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Command


def test_the_planted_stories_are_told_and_the_files_can_be_ingested(footpath: Command, tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    printed = footpath("simulate", "--events", 5_000, "--into", shop)
    assert printed.code == 0, printed.err
    for story in json.loads((shop / "truth.json").read_text(encoding="utf-8")):
        assert f"\n{story} " in printed.out
    assert printed.out.rstrip().splitlines()[-1].startswith(f"Next: footpath ingest {shop}/events-*.parquet --items ")
    files = sorted(shop.glob("events-*.parquet"))
    told = footpath(
        "ingest", *files, "--items", shop / "items.parquet", "--users", shop / "users.parquet", "--into", tmp_path / "s", "--json"
    )
    assert told.code == 0, told.err
    assert {kind for source in told.json()["sources"] for kind in source["event_types"]} >= {"impression", "click", "purchase"}


def test_json_tells_what_was_written_and_strengths_are_taken(footpath: Command, tmp_path: Path) -> None:
    told = footpath("simulate", "--events", 2_000, "--no-stories", "--stories", "drift=0.5", "--into", tmp_path / "shop", "--json").json()
    assert {name for name, story in told["truth"].items() if story["planted"]} == {"drift"}
    assert told["stories"]["drift"] == 0.5
    assert all(Path(path).exists() for paths in told["paths"].values() for path in paths)


def test_a_control_says_that_nothing_is_planted(footpath: Command, tmp_path: Path) -> None:
    assert "Nothing is planted" in footpath("simulate", "--events", 2_000, "--no-stories", "--into", tmp_path / "shop").out


def test_what_cannot_be_is_refused_with_the_next_step(footpath: Command, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear", encoding="utf-8")
    for arguments, message in (
        (("--events", 10, "--into", tmp_path / "a"), "events must be a whole number from 1,000 to 1,000,000,000, got 10"),
        (("--seed", -1, "--into", tmp_path / "a"), "seed must be a whole number of at least 0, got -1"),
        (("--stories", "bot=1", "--into", tmp_path / "a"), "no story 'bot'; did you mean 'bots'?; there are: "),
        (("--stories", "bots=-1", "--into", tmp_path / "a"), "story bots must be between 0 (absent) and 10"),
        (("--stories", "bots=many", "--into", tmp_path / "a"), "--stories bots takes a number, got 'many'"),
        (("--into", tmp_path / "full"), "is not empty (it holds letter.txt); pass a new folder"),
        (("--into", tmp_path / "full" / "letter.txt"), "is a file; pass a new folder"),
    ):
        refused = footpath("simulate", *arguments)
        assert refused.code == 2, refused.err
        assert message in refused.err.replace("\n", " ")
    assert [path.name for path in tmp_path.iterdir()] == ["full"]
