"""What is found in a text: dates, numbers, names and words, English and Chinese; and what is not understood."""

from __future__ import annotations

from datetime import datetime

import pytest

from footpath.llm.ask.dates import Calendar, Window, han_number
from footpath.llm.ask.names import Names
from footpath.llm.ask.reading import Number, language, read
from tests.llm.shop_of_two import shop

CALENDAR = Calendar(datetime(2024, 9, 2, 8), datetime(2024, 11, 10, 22))


def day(month: int, of: int) -> datetime:
    return datetime(2024, month, of)


@pytest.fixture(scope="module")
def names() -> Names:
    return Names.of(shop())


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("in October 2024", day(10, 1), day(11, 1)),
        ("Sept. 12", day(9, 12), day(9, 13)),
        ("on the 12th of September", day(9, 12), day(9, 13)),
        ("2024-09-12", day(9, 12), day(9, 13)),
        ("24/10/2024", day(10, 24), day(10, 25)),
        ("between 1 October and 7 October 2024", day(10, 1), day(10, 8)),
        ("from 3 to 9 September", day(9, 3), day(9, 10)),
        ("Oct 1-7", day(10, 1), day(10, 8)),
        ("in the first week of October", day(10, 1), day(10, 8)),
        ("the week of 14 October", day(10, 14), day(10, 21)),
        ("before 10 September", None, day(9, 10)),
        ("since 5 October", day(10, 5), None),
        ("after 5 October", day(10, 6), None),
        ("until the end of September", None, day(10, 1)),
        ("9月12日那天", day(9, 12), day(9, 13)),
        ("十月一日到七日", day(10, 1), day(10, 8)),
        ("10月1日至7日之间", day(10, 1), day(10, 8)),
        ("10月下旬", day(10, 21), day(11, 1)),
        ("10月第一周", day(10, 1), day(10, 8)),
        ("自10月1日起", day(10, 1), None),
        ("10月5日之后", day(10, 6), None),
        ("截至9月底", None, day(10, 1)),
    ],
)
def test_a_window_is_read_as_the_conventions_say(text: str, since: datetime | None, until: datetime | None) -> None:
    found = CALENDAR.at(text, 0)
    assert found is not None
    assert (found.kind, found.value, found.end) == ("window", Window(since, until), len(text))


@pytest.mark.parametrize(
    ("text", "days"),
    [("over the last 14 days", 14), ("the past two weeks", 14), ("in the last week", 7), ("最近7天", 7), ("最近两周", 14), ("上周", 7)],
)
def test_the_last_days_are_counted(text: str, days: float) -> None:
    found = CALENDAR.at(text, 0)
    assert found is not None
    assert (found.kind, found.value) == ("last", days)


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("between 6 pm and 9 pm", (18, 19, 20)),
        ("between 20:00 and 21:59", (20, 21)),
        ("at 9 am", (9,)),
        ("晚上8点", (20,)),
        ("18点到20点", (18, 19)),
    ],
)
def test_times_of_day_are_whole_hours(text: str, hours: tuple[int, ...]) -> None:
    found = CALENDAR.at(text, 0)
    assert found is not None
    assert (found.kind, found.value) == ("hours", hours)


@pytest.mark.parametrize(
    "text",
    [
        "in January",
        "3/10/2024",
        "yesterday",
        "last month",
        "the week of 15 October",
        "2024-13-40",
        "昨天",
        "本月",
        "the second week of October",
    ],
)
def test_a_time_that_may_be_several_or_none_is_vague(text: str) -> None:
    found = CALENDAR.at(text, 0)
    assert found is not None
    assert found.kind == "vague"


@pytest.mark.parametrize(
    ("text", "number"), [("十五", 15), ("两百", 200), ("三千零五", 3005), ("二十", 20), ("一万二千", 12_000), ("二〇", 20)]
)
def test_chinese_numerals_are_numbers(text: str, number: int) -> None:
    assert han_number(text) == number


def test_every_letter_of_a_text_is_in_one_piece_and_they_do_not_overlap(names: Names) -> None:
    text = "How many purchases of “Green tea” did u1 make at least 3 times, 周末有多少次加购 zzz 12.5% ☃?"
    pieces = read(text, names).pieces
    covered = [place for piece in pieces for place in range(piece.start, piece.end)]
    assert len(covered) == len(set(covered))
    shown = read(text, names).text
    assert {i for i, letter in enumerate(shown) if letter.isalnum()} <= set(covered)


def test_names_are_found_bare_in_quotes_and_in_the_plural(names: Names) -> None:
    def found(text: str) -> list[tuple[str, str]]:
        return [(piece.kind, piece.value) for piece in read(text, names).of("user", "item", "category", "segment", "query")]

    assert found("views of Green tea by u1") == [("item", "a"), ("user", "u1")]
    assert found("《Green tea》") == [("item", "a")]
    assert found("loyal users, gifts") == [("segment", "segment=loyal"), ("segment", "segment=gift")]
    assert found("purchases of teas") == [("category", "tea")]
    assert found("searches for tea") == [("query", "tea")]
    assert found("user 7") == []


def test_a_number_alone_names_nobody_unless_it_is_said_to_be_a_user(names: Names) -> None:
    assert [piece.kind for piece in read("user 42", names).content] == ["unit", "user"]
    assert [piece.kind for piece in read("42 views", names).content] == ["number", "act"]


def test_a_name_in_quotes_that_the_log_has_not_is_unknown_as_a_whole(names: Names) -> None:
    pieces = read('How often was "the best purchase" viewed?', names).pieces
    assert [piece.value for piece in pieces if piece.kind == "unknown"] == ["the best purchase"]


def test_a_shared_title_carries_all_its_ids(names: Names) -> None:
    (piece,) = read("How often was Twin cup bought?", names).of("item")
    assert piece.ids == ("c", "d")


def test_a_slip_of_the_pen_is_read_and_said_while_another_word_is_not(names: Names) -> None:
    pieces = read("clicks taht happen in Ocotber by older users", names).pieces
    assert [(piece.text, piece.meant) for piece in pieces if piece.meant] == [("taht", "that")]
    assert [piece.value for piece in pieces if piece.kind == "unknown"] == ["older"]


def test_numbers_keep_how_exactly_they_were_written(names: Names) -> None:
    values = [piece.value for piece in read("12.5% or 1,234 or 百分之三十 or seven", names).of("number")]
    assert values == [Number(0.125, 0.001, True), Number(1234.0, 1.0), Number(0.30, 0.01, True), Number(7.0, 1.0)]


@pytest.mark.parametrize(
    ("text", "lang"),
    [("How many views?", "en"), ("有多少次浏览？", "zh"), ("tea 的点击率 CTR", "zh"), ("views of 《绿茶》", "en"), ("", "en")],
)
def test_the_language_is_that_of_the_words_outside_of_quotes(text: str, lang: str) -> None:
    assert language(text) == lang
