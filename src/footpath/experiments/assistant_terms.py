"""What an assistant is told of the words in questions, claims and answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

CONVENTIONS: Final = (
    "Acts are all rows of the log but impressions; impressions count only where they are named.",
    "Times, days, hours, weekdays and months are UTC.",
    "The last N days are those up to the newest act of the whole log. Before D: strictly before it begins. After D: from the day after. "
    "Between A and B: both included.",
    "Sessions are those of the log where every act has one; else a pause of more than 30 minutes ends one.",
    "Users who did X: different users with at least one such act in scope. Share of users: these by all users with any act in scope.",
    "B follows A: it is the next act of the same user in the same session, impressions left out.",
    "A repeat is an act on an item that the same user has met earlier in the log.",
    "Top lists go by number of acts unless users are named; equal ones by name.",
    "A trend over N days is the last N days against the N days before these, relative to the latter.",
    "Lift is the share in the scope by the share in the whole log.",
    "A figure with fewer than 30 behind it is small: report it with its denominator or leave it out.",
    "A log shows what came after what, never why: sentences that tell of causes are not checkable.",
)
PREDICATES: Final[Mapping[str, str]] = {
    "count": "how many acts, users, items, categories, brands, sessions or days",
    "share": "the part of the acts, users or sessions of the scope that is also in `part`, 0 to 1",
    "mean": "acts, sessions, items, days or users per user, session or day; or the mean of value or price",
    "top": "the k names of a kind with most acts or users",
    "trend": "the last window_days against those before, relative to the latter",
    "first": "time, item, category or event type of the oldest act",
    "last": "time, item, category or event type of the newest act",
    "recency": "days from the newest act in scope to the end of the log",
    "rhythm": "the hour (0 to 23, UTC) or weekday (0 is Monday) with most acts",
    "follows": "share of the acts in `a` that are directly followed by one in `b`",
    "repeat_rate": "share of acts on what the user has met before",
    "novelty": "share of the acts of the last window_days on what was not met before them",
    "drift": "total variation between the first and the second half of the acts, 0 to 1",
    "lift": "share of `part` in the scope by its share in `against` (the whole log without it)",
    "compare": "a measure in the scope less that in `against`, or the one by the other",
}
