from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Command


@pytest.fixture
def run(footpath: Command, store: Path, tmp_path: Path) -> Path:
    done = footpath("train", store, "--model", "markov", "--repeat", "--into", tmp_path / "run")
    assert done.code == 0, done.err
    return tmp_path / "run"


def last_stop(ring: Path, user: str) -> int:
    return int([line.split(",")[1] for line in ring.read_text().splitlines() if line.startswith(f"{user},")][-1][1:])


def test_the_next_stop_is_carried_by_the_last_one(footpath: Command, run: Path, ring: Path) -> None:
    last = last_stop(ring, "u7")
    here, following = f"Stop {last}", f"Stop {(last + 1) % 12}"
    done = footpath("explain", run, "--user", "u7", "-k", 1)
    assert done.code == 0, done.err
    assert f"“{following}” stands at place 1 of 12 candidates after a history of 8 events." in done.out
    assert f"Without “{here}” (1 of 8 events) its score falls by" in done.out
    assert f"Without “{here}” it would stand at place" in done.out
    assert f"and “{here}” would be listed instead." in done.out
    assert f"other users who had “{here}”" in done.out
    assert done.out.splitlines()[-1] == f"Next: footpath explain {run} --user u7 --item i{last}"


def test_one_object_holds_figures_events_and_sentences_of_both_languages(footpath: Command, run: Path, ring: Path) -> None:
    last = last_stop(ring, "u7")
    answer = footpath("explain", run, "--user", "u7", "--item", f"i{(last + 1) % 12}", "--json").json()
    assert (answer["model"], answer["user"], answer["basis"]) == ("markov", "u7", "events")
    (cited,) = answer["cited"]
    assert (cited["event"]["place"], cited["event"]["item_id"]) == (8, f"i{last}")
    assert cited["pattern"]["n_users"] == 39  # all 40 but the one who asks
    assert cited["pattern"]["n_next"] <= cited["pattern"]["n_later"] <= cited["pattern"]["n_with"]
    assert answer["outcome"]["rank"] > answer["rank"] == 1
    assert len(answer["sentences"]) == len(answer["sentences_zh"])


def test_chinese_sentences_and_a_page_of_the_history(footpath: Command, run: Path, ring: Path, tmp_path: Path) -> None:
    last = last_stop(ring, "u7")
    done = footpath("explain", run, "--user", "u7", "--lang", "zh", "--picture", tmp_path / "why.html")
    assert done.code == 0, done.err
    assert f"“Stop {(last + 1) % 12}” 排在 12 个候选中的第 1 位。" in done.out
    assert f"删去“Stop {last}”（8 个事件中的 1 个）后" in done.out
    page = (tmp_path / "why.html").read_text(encoding="utf-8")
    assert '<html lang="zh-Hans">' in page
    assert f"<h1><bdi>为什么是“Stop {(last + 1) % 12}”？</bdi></h1>" in page
    assert "下一步运行" in page
    assert "http" not in page.partition('<script type="application/json"')[0].replace("http-equiv", "")
    assert "What to run next" in english(footpath, run, tmp_path)


def english(footpath: Command, run: Path, tmp_path: Path) -> str:
    assert footpath("explain", run, "--history", "i3,i4", "--picture", tmp_path / "why-en.html").code == 0
    return (tmp_path / "why-en.html").read_text(encoding="utf-8")


def test_a_history_is_explained_without_its_store_and_says_what_is_missing(
    footpath: Command, run: Path, store: Path, tmp_path: Path
) -> None:
    store.rename(tmp_path / "elsewhere")
    done = footpath("explain", run, "--history", "i3,i4")
    assert done.code == 0, done.err
    assert "“Stop 5” stands at place 1" in done.out
    assert "The store of the run is not here: nothing is said of other users." in done.out
    moved = footpath("explain", run, "--history", "i3,i4", "--store", tmp_path / "elsewhere", "--json").json()
    assert moved["cited"][0]["pattern"]["n_users"] == 40


def test_somebody_without_events_gets_an_honest_answer(footpath: Command, run: Path) -> None:
    for arguments in (("--user", "nobody"), ("--history", "")):
        done = footpath("explain", run, *arguments)
        assert done.code == 0, done.err
        assert "after a history of 0 events" in done.out
        assert "The history holds no event on an item that the model knows" in done.out
    assert "holds no event of user nobody to explain with." in footpath("explain", run, "--user", "nobody").out


def test_popularity_is_said_to_be_carried_by_no_event(footpath: Command, store: Path, tmp_path: Path) -> None:
    assert footpath("train", store, "--model", "popularity", "--into", tmp_path / "popular").code == 0
    done = footpath("explain", tmp_path / "popular", "--user", "u7")
    assert "No event of the history carries it" in done.out
    assert "The cited events" not in done.out


def test_faithfulness_of_a_run_is_a_table_or_one_object(footpath: Command, run: Path) -> None:
    done = footpath("explain", run, "--faithfulness", "--users", 10, "--most", 1)
    assert done.code == 0, done.err
    assert "markov, 10 of 40 histories with at least 5 known events" in done.out
    assert "an explanation cites events that carry it" in done.out
    answer = footpath("explain", run, "--faithfulness", "--users", 10, "--most", 1, "--json").json()
    cells = {cell["id"]: cell for cell in answer["cells"]}
    assert (cells["beyond_random"]["value"], cells["beyond_random"]["n"]) == (1, 10)
    assert cells["level_with_last"]["value"] == 1
    assert len(answer["table"]) == 10


def test_titles_are_printed_as_they_are(footpath: Command, ring: Path, tmp_path: Path) -> None:
    items = tmp_path / "odd.csv"
    items.write_text("item_id,title\n" + "".join(f'i{i},"[red]{{Stop}} {i}% [/] `x`"\n' for i in range(12)), encoding="utf-8")
    assert footpath("ingest", ring, "--items", items, "--into", tmp_path / "odd").code == 0
    assert footpath("train", tmp_path / "odd", "--model", "markov", "--repeat", "--into", tmp_path / "odd-run").code == 0
    done = footpath("explain", tmp_path / "odd-run", "--history", "i3,i4", "--picture", tmp_path / "odd.html")
    assert done.code == 0, done.err
    assert "Without “[red]{Stop} 4% [/] `x`” (1 of 2 events)" in done.out
    assert done.out.count("[red]{Stop} 4% [/] `x`") > done.out.count("“[red]{Stop} 4% [/] `x`”")  # in the table too


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "give either --user ID or --history a,b,c"),
        (("--user", "u7", "--history", "i3"), "give either --user ID or --history a,b,c"),
        (("--user", "u7", "--item", "i99"), "the model knows no item 'i99' among its 12; did you mean 'i9'?"),
        (("--user", "u7", "--most", 0), "most must be at least 1, got 0"),
        (("--user", "u7", "-k", 0), "k must be at least 1, got 0"),
        (("--user", "u7", "--users", 5), "--users 5 is of --faithfulness"),
        (("--user", "u7", "--faithfulness"), "--faithfulness draws its own users"),
        (("--faithfulness", "--most", 20), "none of the 40 histories has 21 events"),
        (("--user", "u7", "--picture", "no/such/folder/why.html"), "there is no folder no/such/folder"),
        (("--history", "i3", "--store", "nowhere"), "nowhere"),
    ],
)
def test_bad_input_is_exit_status_2(footpath: Command, run: Path, arguments: tuple[object, ...], says: str) -> None:
    done = footpath("explain", run, *arguments)
    assert done.code == 2
    assert says in done.err.replace("\n", " ")
