"""Claims: statements about a log that can be computed, and are, before anybody reads them.

A claim is `(predicate, arguments, scope)` and, where it was stated by somebody, what was stated. `check` computes the value, compares it
with the statement, and returns the rows that bear it out. Nothing here knows of language models: they may propose claims, and no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

import pyarrow as pa

Predicate = Literal[
    "count", "share", "mean", "top", "trend", "first", "last", "recency", "rhythm", "follows", "repeat_rate", "novelty", "drift", "lift",
    "compare",
]  # fmt: skip
"""What can be said of the acts of a scope.

count      of: acts | users | items | categories | brands | sessions | days
share      part (a scope within the scope), of: acts | users | sessions                             0 to 1
mean       of: acts | sessions | items | days (then per: user | session | day), value | price (then per act)
top        by: item | category | brand | event_type | user | query, of: acts | users, k              names in order
trend      of: acts | users | sessions, window_days                 (last window - the one before) / the one before
first      by: time | item | category | event_type                  of the oldest act
last       by: time | item | category | event_type                  of the newest act
recency    -                                                         days from the newest act to the end of the log
rhythm     by: hour | weekday                                        the hour (0-23, UTC) or weekday (0 Monday) with most acts
follows    a, b (scopes), within: session | history                  share of acts in a directly followed by one in b
repeat_rate by: item | category                                      share of acts on what the user has met before
novelty    by: item | category, window_days                          share of acts of the last window on what was not met before it
drift      by: category | item                                       total variation between the first and the second half of the acts
lift       part, against (a scope; the whole log without it), of     share of part in scope / share of part in against
compare    measure (a claim's predicate and arguments), against      value in scope - value in against
"""

Comparison = Literal["=", "about", ">", ">=", "<", "<=", "up", "down", "flat", "is", "is not"]
"""How a statement binds a value. `about` and `=` allow for the rounding of the number as stated; is, is not: of names."""


@dataclass(frozen=True)
class Scope:
    """Whose acts, on what, of which kind, when: every field narrows, and an empty scope is the whole log but its impressions.

    user: an id. segment: a rule, as `footpath.llm.scopes` reads it, such as `device=phone` or `purchase>=2`. event_types: any of
    these; with `impression` among them impressions count too. item, category, brand, query: as the log spells them.
    since: included; until: left out; both UTC without a zone. hours: of the day, 0 to 23; weekdays: 0 is Monday. not_event_types,
    not_category: left out.
    """

    user: str | None = None
    segment: str | None = None
    event_types: tuple[str, ...] = ()
    item: str | None = None
    category: str | None = None
    brand: str | None = None
    query: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    hours: tuple[int, ...] = ()
    weekdays: tuple[int, ...] = ()
    not_event_types: tuple[str, ...] = ()
    not_category: str | None = None


@dataclass(frozen=True)
class Claim:
    """A predicate with its arguments over a scope and, where it is a statement, the comparison and the value that were stated.

    arguments: plain values and scopes, by the names that `Predicate` lists. value: None where nothing was stated, and the claim asks.
    digits: how exactly a number was stated, as its last decimal place (0.01 for `12.34`); None for exactly.
    """

    predicate: Predicate
    scope: Scope = field(default_factory=Scope)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    comparison: Comparison | None = None
    value: float | int | str | tuple[str, ...] | datetime | None = None
    digits: float | None = None


@dataclass(frozen=True, eq=False)
class Verdict:
    """What the log says to a claim.

    value: as computed; None where it is undefined. holds: whether the statement is true; None where nothing was stated, or it cannot be
    checked, and `why` then says so. n: the denominator behind the value. evidence: rows of the log, or of the counts, that bear it out.
    cell: an id under which prose may point at the value; equal claims on one log have equal ids.
    """

    claim: Claim
    value: float | int | str | tuple[str, ...] | datetime | None
    holds: bool | None
    n: int | None
    evidence: pa.Table
    cell: str
    unit: str = ""
    why: str = ""


PREDICATES: Final[tuple[str, ...]] = (
    "count", "share", "mean", "top", "trend", "first", "last", "recency", "rhythm", "follows", "repeat_rate", "novelty", "drift", "lift",
    "compare",
)  # fmt: skip
