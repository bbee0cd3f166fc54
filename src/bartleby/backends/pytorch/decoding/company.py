"""Who takes part in decoding besides the model and its options: what a caller hands to `generate` as objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor

Processor = Callable[..., Tensor]
"""Called with ids (r, t) and scores (r, v); returns scores (r, v)."""

Criterion = Callable[..., Any]
"""Called with ids (r, t) and the scores recorded so far or None; tells for all rows or for each (r,) if it ends."""

AllowedTokens = Callable[[int, Tensor], Sequence[int]]
"""Called with the place of a source and the ids (t,) of one of its rows; returns the tokens that may come next."""


class Streamer(Protocol):
    """Gets the prompt and then every token as soon as it is written."""

    def put(self, value: Tensor) -> None: ...

    def end(self) -> None: ...


@dataclass(frozen=True)
class Company:
    """A caller's own objects; all of them are optional."""

    logits_processor: Sequence[Processor] = ()
    """After the rules of the options, before those that shape sampling."""
    logits_warper: Sequence[Processor] = ()
    """After everything else."""
    stopping_criteria: Sequence[Criterion] = ()
    prefix_allowed_tokens_fn: AllowedTokens | None = None
    streamer: Streamer | None = None
    assistant_model: Any = None
    tokenizer: Any = None
    """For stop strings."""
    tracer: Any = None
    rules: bool = True
    """Whether the rules of the options apply; the entry points of older releases bring all theirs as processors."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """For the model's own `forward`, where that is the caller's and takes more than the published one."""

    @property
    def counts_rows(self) -> bool:
        """Whether someone expects every row in every step."""
        return bool(
            self.logits_processor
            or self.logits_warper
            or self.stopping_criteria
            or self.streamer
            or self.tracer
            or self.given
        )
