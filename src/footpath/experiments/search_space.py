"""The ranges that a model's file names for its fields, as optuna's distributions, and settings drawn from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from footpath.errors import ConfigError, MissingExtraError, did_you_mean
from footpath.models import catalog
from footpath.recommender import hyperparameters

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

_DIGITS = 4


def searched(model: str, fixed: Mapping[str, object]) -> dict[str, list[Any] | tuple[Any, ...]]:
    """The ranges of a model's `SEARCH_SPACE`, those of fields that are fixed left out.

    Raises ConfigError where nothing is left, or where the file names a field that the model lacks.
    """
    fields = hyperparameters(catalog.create(model, **fixed))
    space = catalog.search_space(model)
    for name in space:
        if name not in fields:
            raise ConfigError(f"SEARCH_SPACE of {model} names {name!r}, which is no field of it{did_you_mean(name, fields)}")
    left = {name: choice for name, choice in space.items() if name not in fixed}
    if not left:
        why = f"all of its ranges are fixed by --set: {', '.join(space)}" if space else "its file names no SEARCH_SPACE"
        has = f"its fields are {', '.join(fields)}; give values with `footpath train --set`" if fields else "it has no fields"
        raise ConfigError(f"{model} has nothing to tune: {why}; {has}")
    return left


def distributions(space: Mapping[str, list[Any] | tuple[Any, ...]]) -> dict[str, BaseDistribution]:
    """A list is a choice, (low, high) a range, (low, high, "log") one on a logarithmic scale; whole numbers stay whole.

    Raises ConfigError for anything else, MissingExtraError.
    """
    optuna = the_optuna()
    found: dict[str, BaseDistribution] = {}
    for name, given in space.items():
        match given:
            case list() if given:
                found[name] = optuna.distributions.CategoricalDistribution(given)
            case (int() as low, int() as high, *scale) if low <= high and scale in ([], ["log"]):
                found[name] = optuna.distributions.IntDistribution(low, high, log=bool(scale))
            case (int() | float() as low, int() | float() as high, *scale) if low <= high and scale in ([], ["log"]):
                found[name] = optuna.distributions.FloatDistribution(low, high, log=bool(scale))
            case _:
                raise ConfigError(f"the range of {name} must be a list of choices, (low, high) or (low, high, 'log'), got {given!r}")
    return found


def settings(drawn: Mapping[str, Any], space: Mapping[str, list[Any] | tuple[Any, ...]]) -> dict[str, Any]:
    """What was drawn, floats to four digits, so that the command that repeats it can be read and typed; never outside of the range."""
    found = dict(drawn)
    for name, value in drawn.items():
        if isinstance(value, float) and isinstance(space[name], tuple):
            low, high = space[name][:2]
            found[name] = min(float(high), max(float(low), float(f"{value:.{_DIGITS}g}")))
    return found


def defaults(model: str, space: Mapping[str, list[Any] | tuple[Any, ...]]) -> dict[str, Any]:
    """The model's own values of the fields that are searched, moved to the end of their range where they lie outside; no other choices."""
    fields = hyperparameters(catalog.create(model))
    found = {}
    for name, given in space.items():
        value = fields[name]
        if isinstance(given, list) and value in given:
            found[name] = value
        elif isinstance(given, tuple) and isinstance(value, int | float):
            found[name] = min(given[1], max(given[0], value))
    return found


def the_optuna() -> Any:
    """The optuna package, told to speak of nothing but trouble; raises MissingExtraError."""
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise MissingExtraError("tuning needs optuna, which is not installed; run: pip install 'footpath[models]'") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
