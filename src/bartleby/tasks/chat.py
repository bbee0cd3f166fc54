"""Hold a conversation: what was said, what the model sees of it, and its next reply."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from bartleby.backends import open_backend
from bartleby.backends.protocol import Backend
from bartleby.errors import DataError
from bartleby.family.presets import layout_of
from bartleby.family.turns import Source, TurnLayout, source_text
from bartleby.generation.beams import FinishReason
from bartleby.generation.config import GenerationConfig
from bartleby.generation.resolution import resolve_options
from bartleby.tokenization.auto import AutoTokenizer
from bartleby.tokenization.base import PreTrainedTokenizer

EMBEDDED = "bartleby-chat-mini"
"""The chat model shipped inside the package."""


@dataclass
class Conversation:
    """What was said so far, oldest turn first: the user's and the model's in turn."""

    turns: list[str] = field(default_factory=list)
    personas: Sequence[str] = ()
    """Lines that say who the model is: "i have two cats." They are never dropped."""

    def __post_init__(self) -> None:
        self.turns = [turn if place % 2 else checked(turn, "A turn") for place, turn in enumerate(self.turns)]
        if isinstance(self.personas, str):
            raise DataError(f"`personas` must be a list of lines, but is one text. Pass [{self.personas!r:.80}].")
        self.personas = tuple(checked(line, "A persona line") for line in self.personas)
        broken = [line for line in self.personas if len(line.splitlines()) > 1]
        if broken:
            raise DataError(f"A persona line must be one line, but is {broken[0]!r}. Give each line by itself.")
        if len(self.turns) % 2:
            raise DataError(
                f"A conversation must end with a reply, but has {len(self.turns)} turns. Drop the last one."
            )


@dataclass(frozen=True, repr=False)
class Reply:
    """What the model said, how sure it was, and what it did not get to see. As a string, the text alone."""

    text: str
    score: float
    """Log-probability of the reply, divided by length ** length_penalty when beams wrote it."""
    finish_reason: FinishReason
    """"eos": it ended; "length": cut off at the longest allowed; "blocked": the rules left nothing to say."""
    tokens: int
    source_tokens: int
    """How many tokens of the conversation the model saw."""
    older_turns: int
    """Turns that a model of this kind never looks back to."""
    dropped_turns: int
    """Turns, beyond those, that did not fit its positions."""
    dropped_tokens: int
    seconds: float

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        notes = [f"score {self.score:.2f}", f"{self.tokens} tokens in {self.seconds:.2f} s"]
        if self.finish_reason != "eos":
            notes.append(f"stopped by {self.finish_reason}")
        if self.dropped_turns:
            notes.append(f"{self.dropped_turns} turns ({self.dropped_tokens} tokens) dropped")
        return f"Reply({self.text!r}, {', '.join(notes)})"


class Chat:
    """A model and the conversation it is in."""

    def __init__(
        self,
        backend: Backend,
        tokenizer: PreTrainedTokenizer,
        layout: TurnLayout | None = None,
        options: GenerationConfig | None = None,
        conversation: Conversation | None = None,
    ) -> None:
        """Layout and options are the checkpoint's own unless given.

        Raises: OptionError if the layout is not given and the model is none for conversation.
        """
        self.backend = backend
        self.tokenizer = tokenizer
        self.layout = layout or layout_of(backend.config)
        self.options = options or backend.generation_config
        self.conversation = conversation or Conversation()

    @classmethod
    def load(
        cls,
        name_or_path: str | os.PathLike[str] = EMBEDDED,
        *,
        backend: str = "auto",
        personas: Sequence[str] = (),
        **options: Any,
    ) -> Self:
        """A chat with the checkpoint of that name or in that folder; `options` are decoding options put over its own.

        Raises: HubError or CheckpointError if it cannot be loaded; OptionError if it is none for conversation or an
            option cannot be.
        """
        conversation = Conversation(personas=personas)
        model = open_backend(name_or_path, backend)
        tokenizer = AutoTokenizer.from_pretrained(name_or_path)
        return cls(
            model, tokenizer, options=resolve_options(model.generation_config, options), conversation=conversation
        )

    def reply(self, text: str, seed: int | None = None) -> Reply:
        """Say `text` and get the answer; both become turns of the conversation, or neither if this fails.

        White space around the text does not count. When sampling, the same conversation and seed give the same reply.
        Raises: DataError if there is no text; LengthError if it alone, with the persona, is too long for the model.
        """
        started = time.perf_counter()
        turns = [*self.conversation.turns, checked(text, "A message")]
        source = self.source(turns)
        [[best, *_]] = self.backend.generate([self._ids(source.text)], self.options, seed)
        reply = Reply(
            text=self.tokenizer.decode(best.ids, skip_special_tokens=True).strip(),
            score=best.score,
            finish_reason=best.finish_reason,
            tokens=len(best.ids),
            source_tokens=source.tokens,
            older_turns=source.older_turns,
            dropped_turns=source.dropped_turns,
            dropped_tokens=source.dropped_tokens,
            seconds=time.perf_counter() - started,
        )
        self.conversation.turns = [*turns, reply.text]
        return reply

    def source(self, turns: Sequence[str]) -> Source:
        """What the model would see of `turns`, the newest of them the user's."""
        positions = self.backend.config.max_position_embeddings
        return source_text(turns, self.conversation.personas, self.layout, lambda text: len(self._ids(text)), positions)

    def reset(self) -> None:
        """Forget what was said; the persona stays."""
        self.conversation = Conversation(personas=self.conversation.personas)

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, verbose=False)["input_ids"]
        return ids


def checked(text: str, what: str) -> str:
    """`text` without the white space around it.

    Raises: DataError if it is no text, or no Unicode, or nothing is left.
    """
    if not isinstance(text, str):
        raise DataError(f"{what} must be a text, but is {text!r:.80} ({type(text).__name__}).")
    bare = text.strip()
    if not bare:
        raise DataError(
            f"{what} must have text, but is {'empty' if not text else 'only white space'}. Write something."
        )
    try:
        bare.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{what} must be Unicode text, but has a lone surrogate at {error.start}.") from None
    return bare
