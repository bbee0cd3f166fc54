"""Summarize a text: which words ask for which kind of summary, what the model sees of the text, and what it writes.

A checkpoint that knows several styles has them in its config.json, as what stands before the text in training:

    "task_prefixes": {"title": "title: ", "summary": "summary: "}

A text longer than the model's positions is cut at its end, and every `Summary` says how much was.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from bartleby.backends import open_backend
from bartleby.backends.protocol import Backend
from bartleby.errors import ConfigError, DataError, OptionError
from bartleby.family.config import PreTrainedConfig
from bartleby.generation.beams import FinishReason
from bartleby.generation.config import GenerationConfig
from bartleby.generation.resolution import resolve_options
from bartleby.tasks.batches import Writing, best_answers
from bartleby.tasks.chat import checked
from bartleby.tasks.texts import text_of
from bartleby.tokenization.auto import AutoTokenizer
from bartleby.tokenization.base import PreTrainedTokenizer

EMBEDDED = "bartleby-summary-mini"
"""The summary model shipped inside the package."""
USUAL_STYLE = "summary"


@dataclass(frozen=True)
class TextSource:
    """A text as the model sees it, and how much of it that is."""

    ids: tuple[int, ...]
    dropped_tokens: int
    """Tokens at the end of the text that did not fit the model's positions."""


@dataclass(frozen=True, repr=False)
class Summary:
    """What the model wrote, how sure it was, and what it did not get to see. As a string, the text alone."""

    text: str
    style: str | None
    """Which of the checkpoint's styles was asked for; None where it knows one manner only."""
    score: float
    """Log-probability of the summary, divided by length ** length_penalty when beams wrote it."""
    finish_reason: FinishReason
    """"eos": it ended; "length": cut off at the longest allowed; "blocked": the rules left nothing to say."""
    tokens: int
    source_tokens: int
    """How many tokens the model saw, prefix and special tokens included."""
    dropped_tokens: int
    """How many at the end of the text it did not see."""
    seconds: float
    """How long the call took that wrote it, all its texts together."""

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        notes = [f"score {self.score:.2f}", f"{self.tokens} tokens in {self.seconds:.2f} s"]
        if self.finish_reason != "eos":
            notes.append(f"stopped by {self.finish_reason}")
        if self.dropped_tokens:
            notes.append(f"the last {self.dropped_tokens} tokens of the text not seen")
        return f"Summary({self.text!r}, {', '.join(notes)})"


class Summarizer:
    """A model that writes a short text from a longer one."""

    def __init__(
        self, backend: Backend, tokenizer: PreTrainedTokenizer, options: GenerationConfig | None = None
    ) -> None:
        """Options are the checkpoint's own unless given."""
        self.backend = backend
        self.tokenizer = tokenizer
        self.options = options or backend.generation_config
        self.prefixes = task_prefixes(backend.config)

    @classmethod
    def load(cls, name_or_path: str | os.PathLike[str] = EMBEDDED, *, backend: str = "auto", **options: Any) -> Self:
        """The checkpoint of that name or in that folder; `options` are decoding options put over its own.

        Raises: HubError or CheckpointError if it cannot be loaded; ConfigError if it does not write; OptionError if an
            option cannot be.
        """
        model = open_backend(name_or_path, backend)
        tokenizer = AutoTokenizer.from_pretrained(name_or_path)
        return cls(model, tokenizer, resolve_options(model.generation_config, options))

    def summarize(self, text: str, style: str | None = None, seed: int | None = None) -> Summary:
        """The summary of one text; without a style of `prefixes` it is "summary", or else the first by name.

        Raises: DataError if there is no text; OptionError for a style the checkpoint does not have.
        """
        [summary] = self.summarize_all([text], style, seed)
        return summary

    def summarize_all(
        self,
        texts: Sequence[str],
        style: str | None = None,
        seed: int | None = None,
        watch: Callable[[int], None] | None = None,
    ) -> list[Summary]:
        """As `summarize`, of several texts; `watch` is told how many are done."""
        started = time.perf_counter()
        if isinstance(texts, str):
            raise DataError(f"`texts` must be a list of texts, but is one text. Pass [{texts!r:.80}].")
        style = self.style_of(style)
        sources = [self.source(text, style) for text in texts]
        answers = best_answers(self.backend, [source.ids for source in sources], Writing(self.options, seed), watch)
        seconds = time.perf_counter() - started
        return [
            Summary(
                text=text_of(self.tokenizer, answer.ids),
                style=style,
                score=answer.score,
                finish_reason=answer.finish_reason,
                tokens=len(answer.ids),
                source_tokens=len(source.ids),
                dropped_tokens=source.dropped_tokens,
                seconds=seconds,
            )
            for source, answer in zip(sources, answers, strict=True)
        ]

    def source(self, text: str, style: str | None = None) -> TextSource:
        """What the model would see of `text`.

        Raises: DataError if there is no text.
        """
        whole = (self.prefixes[style] if style is not None else "") + checked(text, "A text to summarize")
        positions = self.backend.config.max_position_embeddings
        ids = self.tokenizer(whole, verbose=False)["input_ids"]
        if len(ids) <= positions:
            return TextSource(tuple(ids), 0)
        kept = self.tokenizer(whole, truncation=True, max_length=positions)["input_ids"]  # the last one is still eos
        return TextSource(tuple(kept), len(ids) - len(kept))

    def style_of(self, style: str | None) -> str | None:
        """The style that is meant by what a caller says.

        Raises: OptionError if the checkpoint does not have it.
        """
        if style is None:
            return USUAL_STYLE if USUAL_STYLE in self.prefixes else min(self.prefixes, default=None)
        if style not in self.prefixes:
            known = f"one of {', '.join(self.prefixes)}" if self.prefixes else "left out, for this model knows none"
            raise OptionError(f"`style` must be {known}, but is {style!r}.")
        return style


def task_prefixes(config: PreTrainedConfig) -> dict[str, str]:
    """What stands before a text for each style, as config.json says in `task_prefixes`; {} if it says nothing.

    Raises: ConfigError if it says anything but texts.
    """
    prefixes = getattr(config, "task_prefixes", None) or {}
    if not isinstance(prefixes, Mapping) or not all(isinstance(each, str) for each in prefixes.values()):
        raise ConfigError(f"`task_prefixes` must be a text for each style, but is {prefixes!r}. Correct config.json.")
    return {style: prefixes[style] for style in sorted(prefixes)}
