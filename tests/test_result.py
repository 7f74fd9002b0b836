"""What an analysis returns: sentences in two languages, cells, the SQL of its figures."""

from __future__ import annotations

import ibis
import pyarrow as pa
import pytest

from footpath.errors import ConfigError
from footpath.result import Cell, Finding, Phrase, Result, in_language, say


def result() -> Result:
    acts = ibis.table({"event_type": "string", "value": "float64"}, name="log")
    counted = acts.group_by("event_type").agg(n=acts.count())
    table = pa.table({"event_type": ["view"], "n": [2]})
    finding = Finding("finding", say("{n} views", "{n} 次浏览", n=2), cells=("views",), p_value=0.01, weight=0.5)
    return Result("mix", table, {"warnings": []}, (Cell("views", 2, "acts"),), findings=(finding,), queries={"counts": counted})


def test_a_sentence_reads_in_english_and_knows_its_chinese_with_the_same_values() -> None:
    inner = say("carts", "购物车")
    sentence = say("{n:,} of {what}", "{what}：{n:,}", n=1234, what=inner)
    assert sentence == "1,234 of carts"
    assert sentence.zh == "购物车：1,234"
    with pytest.raises(KeyError, match="m"):
        say("{n}", "{m}", n=1)


def test_all_texts_of_a_chart_turn_to_the_language_of_the_page() -> None:
    chart = {"xAxis": {"name": Phrase("week", "周")}, "series": [{"name": "plain", "data": [1, (2, Phrase("a", "甲"))]}]}
    assert in_language(chart, "zh") == {"xAxis": {"name": "周"}, "series": [{"name": "plain", "data": [1, [2, "甲"]]}]}
    assert in_language(chart, "en")["xAxis"]["name"] == "week"


def test_a_cell_of_few_is_small() -> None:
    assert Cell("a", 0.5, n=29).is_small
    assert not Cell("a", 0.5, n=30).is_small
    assert not Cell("a", 0.5).is_small


@pytest.mark.parametrize(("dialect", "quoted"), [("duckdb", '"event_type"'), ("spark", "`event_type`"), ("postgres", '"event_type"')])
def test_the_sql_of_a_figure_is_that_of_the_engine_asked_for(dialect: str, quoted: str) -> None:
    text = result().sql(dialect)
    assert quoted in text
    assert "COUNT(*)" in text


def test_an_unknown_dialect_or_query_is_refused_with_what_there_is() -> None:
    with pytest.raises(ConfigError, match=r"no dialect 'duckbd'.*did you mean 'duckdb'"):
        result().sql("duckbd")
    with pytest.raises(ConfigError, match=r"no query 'count'; it has counts"):
        result().sql(query="count")
    with pytest.raises(ConfigError, match="not the answer to one query"):
        Result("plain", pa.table({"a": [1]})).sql()


def test_json_holds_findings_with_the_cells_they_say() -> None:
    shown = result().to_dict()
    assert shown["findings"] == [{"kind": "finding", "text": "2 views", "cells": ["views"], "p_value": 0.01, "weight": 0.5}]
