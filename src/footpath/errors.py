"""Every error a user can meet.

FootpathError
├── ConfigError        an option, a model name, a hyper-parameter, a metric
├── DataError          what is in a file, a frame or a log
│   ├── ColumnError    a column is missing, mapped twice or of the wrong kind
│   ├── TimeError      a clock that cannot be read: unit, zone, impossible dates
│   └── NotInLogError  an analysis needs a clock, items, types or columns that the log does not have
├── StoreError         a store directory: missing, newer, busy, damaged
├── RunError           a run directory: missing, newer, damaged weights
├── NotFittedError     a model was asked before it was fitted
├── FetchError         a public data set could not be had or failed its checksum
├── EncoderError       a text encoder or its server gave no vectors
└── MissingExtraError  an optional dependency is not installed

Each message names the value, the place and the next step. The command line prints it and exits with status 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class FootpathError(Exception):
    """What a user can mend; anything else that escapes is our bug."""


class ConfigError(FootpathError):
    """An option, name or hyper-parameter is not usable."""


class DataError(FootpathError):
    """What was read cannot be an event log, an item table or a user table."""


class ColumnError(DataError):
    """A column is missing, mapped twice or of the wrong kind."""


class TimeError(DataError):
    """The clock of a log cannot be read."""


class NotInLogError(DataError):
    """An analysis needs a clock, items, event types or columns that the log does not have."""


class StoreError(FootpathError):
    """A store directory is missing, newer than this version, busy or damaged."""


class RunError(FootpathError):
    """A run directory is missing, newer than this version or damaged."""


class NotFittedError(FootpathError):
    """A model was asked for scores before `fit`."""


class FetchError(FootpathError):
    """A public data set could not be fetched or failed its checksum."""


class UnreachableError(FetchError):
    """No source of a public data set could be reached."""


class EncoderError(FootpathError):
    """A text encoder, or the server behind one, gave no vectors."""


class MissingExtraError(FootpathError):
    """A feature needs an optional dependency that is not installed."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of an error message: the closest known name, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
