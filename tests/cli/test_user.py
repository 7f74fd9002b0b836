"""`footpath user`: one user's trail on the terminal and as JSON, and ids that are not there."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Command


def test_the_trail_of_a_user_is_printed(footpath: Command, store: Path) -> None:
    printed = footpath("user", store, "u3", "--last", 3)
    assert printed.code == 0
    assert "User u3: the latest 3 of 8 acts" in printed.out
    assert "Items met before: 0.0%" in printed.out
    assert "8 acts, 8 sessions, 8 items" in printed.out
    assert "is followed by an act in the same session" in printed.out  # acts of the ring are an hour apart
    assert printed.out.rstrip().splitlines()[-1].startswith("Next: footpath analyze ")


def test_a_user_who_was_only_shown_things_is_said_to_have_done_nothing(footpath: Command, tmp_path: Path) -> None:
    log = tmp_path / "shown.csv"
    log.write_text("user_id,item_id,event_type,timestamp\na,x,impression,1700000000\nb,x,view,1700000000\n", encoding="utf-8")
    assert footpath("ingest", log, "--into", tmp_path / "shown").code == 0
    printed = footpath("user", tmp_path / "shown", "a")
    assert printed.code == 0
    assert "User a: no acts of this user are left" in printed.out


def test_json_is_one_object_with_all_parts(footpath: Command, store: Path) -> None:
    told = footpath("user", store, "u3", "--by", "item_id", "--json").json()
    assert told["user"] == "u3"
    assert len(told["table"]) == 8
    assert set(told["parts"]) == {"sessions", "categories", "drift", "next_steps"}


def test_an_unknown_user_and_a_bad_number_are_refused(footpath: Command, store: Path) -> None:
    refused = footpath("user", store, "u3x")
    assert refused.code == 2
    assert "no user 'u3x' in log" in refused.err
    assert "'u3'" in refused.err
    assert "--last must be at least 1, got 0" in footpath("user", store, "u3", "--last", 0).err
