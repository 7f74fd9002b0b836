"""Claims checked on one log: what was prepared and computed once serves all that follow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from footpath.analysis.trail import Trail
from footpath.errors import DataError
from footpath.events.log import EventLog
from footpath.llm.claims.claims import Claim, Scope, Value, Verdict, agrees, canonical, cell_of
from footpath.llm.claims.predicates import Computed, compute
from footpath.llm.claims.scopes import Ground
from footpath.page.text import plain


class Checker:
    """Checks claims on a log. The trail, and every value that was computed, is kept for the claims that come after."""

    def __init__(self, log: EventLog | Trail | Ground) -> None:
        self.ground = log if isinstance(log, Ground) else Ground.of(log)
        self._computed: dict[str, Computed] = {}
        self._fingerprint = _fingerprint(self.ground.trail)

    @property
    def trail(self) -> Trail:
        return self.ground.trail

    def resolve(self, claim: Claim) -> Claim:
        """The canonical claim, with items by their ids: claims that ask the same of this log are equal.

        Raises ConfigError for a claim that cannot be, DataError for names that the log has not, with what is close.
        """
        claim = canonical(claim)
        arguments = {name: self._argument(value) for name, value in claim.arguments.items()}
        return replace(claim, scope=self.ground.resolve(claim.scope), arguments=arguments)

    def check(self, claim: Claim) -> Verdict:
        """The value of a claim on the log, and whether what was stated is true. Raises ConfigError and DataError, as `resolve`."""
        claim = self.resolve(claim)
        cell = cell_of(claim, self._fingerprint)
        if cell not in self._computed:
            self._computed[cell] = compute(self.ground, claim)
        found = self._computed[cell]
        items = [*found.items, *_items(claim)]
        why, holds = found.why, None
        if found.value is not None and claim.states:
            holds, why = self._holds(claim, found)
        return Verdict(
            claim, found.value, holds, found.n, cell, found.unit, why, found.parts, self.ground.names(items) if items else {}, found.gather
        )

    def _argument(self, value: Any) -> Any:
        if isinstance(value, Scope):
            return self.ground.resolve(value)
        if isinstance(value, Claim):
            return replace(value, arguments={name: self._argument(part) for name, part in value.arguments.items()})
        return value

    def _holds(self, claim: Claim, found: Computed) -> tuple[bool | None, str]:
        value = found.value
        assert value is not None
        by = claim.arguments.get("by")
        if by == "item" and claim.predicate in ("top", "first", "last"):
            stated = claim.value if isinstance(claim.value, tuple) else (claim.value,)
            try:
                ids = tuple(self.ground.item(str(name)) for name in stated)
            except DataError as error:
                return self._unnamed(claim, str(error))
            claim = replace(claim, value=ids if isinstance(claim.value, tuple) else ids[0])

        def same(stated: Value) -> bool:
            if found.counts is not None and isinstance(stated, tuple):
                return len(stated) == len(cast("tuple[str, ...]", value)) and _as_good(stated, found.counts)
            return stated == value or stated in found.ties

        return agrees(claim, value, same if found.counts is not None or found.ties else None), ""

    def _unnamed(self, claim: Claim, why: str) -> tuple[bool | None, str]:
        """A statement names an item that cannot be told: with `is not` nothing can be said; else it is false, unless a title is shared."""
        if "items have the title" in why or claim.comparison == "is not":
            return None, why
        return False, why


def _as_good(stated: tuple[str, ...], counts: Mapping[str, int]) -> bool:
    """Whether names are, in this order, among those with most: equal counts may stand in any order."""
    best = sorted(counts.values(), reverse=True)[: len(stated)]
    return len(set(stated)) == len(stated) and [counts.get(name) for name in stated] == best


def _items(claim: Claim) -> list[str]:
    scopes = [claim.scope, *(value for value in claim.arguments.values() if isinstance(value, Scope))]
    found = [item for scope in scopes for item in (scope.item, scope.not_item) if item is not None]
    inner = [value for value in claim.arguments.values() if isinstance(value, Claim)]
    return found + [item for part in inner for item in _items(part)]


def _fingerprint(trail: Trail) -> str:
    """Of the data and of how its acts were chosen; what a step is called changes no claim."""
    settings = {name: value for name, value in trail.settings.items() if name != "by"}
    text = json.dumps([trail.log.fingerprint, plain(settings)], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
