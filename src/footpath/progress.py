"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called as (what is being done, steps done, steps in all) by anything that may take more than two seconds.

Steps in all are 0 where the end is unknown.
"""
