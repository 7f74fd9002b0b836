"""A report with one chart of every kind, made by hand, with names that would break a careless page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pytest

from footpath.analysis import catalog
from footpath.analysis.charts import bars, heatmap, intervals, lines, network, points, sankey
from footpath.analysis.report import Headline, Report, Statement
from footpath.result import Cell, Finding, Phrase, Result, say

HOSTILE = ["</script><script>window.broken=1</script>", '<img src=x onerror="window.broken=1">', "שלום עולם", "🛒 a & b", "`tick`"]
DAYS = [f"2026-01-{day:02d}" for day in range(1, 29)]
AXIS = say("share of users", "用户占比")

CHARTS = {
    "bars": bars(
        [*HOSTILE, "view", "cart"], {say("first", "第一组"): [5, 4, 3, 2, 1, 9, 7], HOSTILE[0]: [1, 2, None, 4, 5, 6, 7]}, horizontal=True
    ),
    "lines": lines(
        DAYS,
        {say("new", "新增"): [0.2 + 0.01 * i for i in range(28)], "</b>": [None if i % 9 == 0 else 0.6 - 0.01 * i for i in range(28)]},
        bands={"</b>": ([0.5 - 0.01 * i for i in range(28)], [None if i == 5 else 0.7 - 0.01 * i for i in range(28)])},
        format="share",
        x_kind="time",
        x_name=say("day", "日"),
        y_name=AXIS,
    ),
    "steps": lines(
        list(range(0, 900_000, 30_000)), {"all": [1 - i / 40 for i in range(30)]}, format="share", steps=True, x_kind="value", y_name=AXIS
    ),
    "stacked": bars(
        DAYS[:14], {"new": [3] * 14, "returning": list(range(14))}, stacked=True, x_name=say("day", "日"), y_name=say("users", "用户")
    ),
    "heat": heatmap(
        [str(hour) for hour in range(24)],
        ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
        [(h, d, None if h == 3 else (h * (d + 1) % 17) / 100) for h in range(24) for d in range(7)],
        x_name=say("hour", "小时"),
    ),
    "signed": heatmap(
        ["view", "cart", HOSTILE[1]],
        ["view", "cart", HOSTILE[2]],
        [(i, j, (i - j) / 2) for i in range(3) for j in range(3)],
        format="number",
    ),
    "interval": intervals(
        ["view → cart", "cart → purchase", HOSTILE[0]],
        {
            say("A", "甲组"): [(0.2, 0.15, 0.25), (0.5, 0.4, 0.6), (None, None, None)],
            "B": [(0.25, 0.2, 0.3), (0.4, None, None), (0.1, 0.0, 0.3)],
        },
        x_name=AXIS,
    ),
    "flow": sankey(
        [{"name": f"{step}:{i}", "label": label} for step in range(3) for i, label in enumerate(["view", HOSTILE[0], "שלום"])],
        [{"source": f"{s}:{i}", "target": f"{s + 1}:{j}", "value": 10 + 5 * i + j} for s in range(2) for i in range(3) for j in range(3)],
    ),
    "net": network(
        [{"name": "view", "value": 900}, {"name": "cart", "value": 200}, {"name": HOSTILE[0], "value": 50}, {"name": "buy", "value": 120}],
        [
            {"source": "view", "target": "view", "value": 0.5, "text": "50 % <b>"},
            {"source": "view", "target": "cart", "value": 0.3},
            {"source": "cart", "target": "buy", "value": 0.4},
            {"source": "buy", "target": HOSTILE[0], "value": 0.1},
        ],
    ),
    "dots": points(
        {"users": [(i, (i * 7) % 13, HOSTILE[i % 5]) for i in range(60)]}, x_name=say("acts", "行为数"), y_name=say("days", "天数")
    ),
    "empty": None,
}


def result(name: str) -> Result:
    """A result with a table of 70 rows, small cells, and texts that must stay texts."""
    names = [HOSTILE[i % 5] if i < 10 else f"item {i}" for i in range(70)]
    table = pa.table(
        {
            "item": names,
            "n": list(range(70)),
            "share": [i / 70 for i in range(70)],
            "low": [0.0] * 70,
            "median_seconds": [61.0 * i for i in range(70)],
        }
    )
    meta = {
        "definition": say("Users who <i>act</i> again within 7 days, over those who acted.", "七天内再次活跃的用户占比 <i>。"),
        "population": say("{n:,} acts", "{n:,} 次行为", n=12345),
        "window": say("2026-01-01 to 2026-01-28", "2026-01-01 至 2026-01-28"),
        "zone": "UTC",
        "warnings": [say("a week & a day are unfinished", "有一周零一天尚未结束")],
        "empty": name == "empty",
    }
    return Result(name, table, meta, (Cell("rate", 0.5, "share", 100),), CHARTS[name], {"dropped": pa.table({"user_id": names})})


@contextmanager
def catalog_by_hand() -> Iterator[None]:
    """The catalog lists the charts above."""
    groups = [say("How people move", "行为路径"), say("Who comes back", "回访")]
    made = tuple(
        catalog.Analysis(name, groups[i > 4], say(f"Chart {name}", f"图表 {name}"), say("What it is about.", "说明文字。"), "nowhere.none")
        for i, name in enumerate(CHARTS)
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(catalog, "ANALYSES", made)
        yield


def report() -> Report:
    """The report of all of them; use it within `catalog_by_hand`."""
    finding = Finding(
        "finding",
        say(
            "Users who search twice in vain are 3.1 times as likely to leave [2.2, 4.1]",
            "连续两次搜索无果的用户流失可能性是其他人的 3.1 倍 [2.2, 4.1]",
        ),
        ("rate",),
        0.001,
        0.9,
    )
    doubt = Finding("doubt", say("4.0 % of all acts come from users that look like bots", "4.0 % 的行为来自疑似机器人的用户"), weight=0.5)
    question = Finding(
        "question", say("Which users? `footpath analyze STORE --only bars`", "哪些用户？`footpath analyze STORE --only bars`")
    )
    statements = [Statement("bars", finding, 0.004), Statement("quality", doubt), Statement("bars", question)]
    return Report(
        name=f"shop {HOSTILE[0]} שלום",
        results={name: result(name) for name in CHARTS},
        not_measured={},
        headlines=[Headline("acts", Phrase("acts", "行为"), 1234567, "count", 1200000.0), Headline("users", Phrase("users", "用户"), 4321)],
        findings=statements[:1],
        doubts=statements[1:2],
        questions=statements[2:],
        statements=statements,
        meta={
            "window": say("2026-01-01 to 2026-01-28", "2026-01-01 至 2026-01-28"),
            "zone": "UTC",
            "population": say("1,234,567 acts", "1,234,567 次行为"),
            "sessions": say("a pause longer than 30 minutes ends a session", "间隔超过 30 分钟即结束会话"),
        },
        settings={"by": ["event_type"], "bots": "keep"},
        versions={"footpath": "0"},
        fingerprint="f" * 32,
        source="my store",
    )
