"""How a conversation becomes one source text, and what is left out when it is too long: strings and a token count only.

The speakers alternate and the newest turn is the user's, because that is what is answered. Here whole oldest turns go,
never the persona, and the caller is told. ParlAI instead cuts the finished tokens from the left, persona included
(`text_truncate`); whoever wants that renders with no limit and cuts the ids.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bartleby.errors import LengthError, OptionError


@dataclass(frozen=True)
class TurnLayout:
    """What stands between, before and above the turns of a conversation."""

    separator: str
    user_prefix: str = ""
    reply_prefix: str = ""
    persona_line: str = "your persona: {}\n"
    """One line of the persona, all of which come before the first turn."""
    turns_kept: int | None = None
    """How many of the newest turns a model was trained to see; None for as many as fit."""

    def render(self, turns: Sequence[str], personas: Sequence[str] = ()) -> str:
        """The source text of `turns`, the newest of them the user's, with no limit."""
        persona = "".join(self.persona_line.format(line) for line in personas)
        spoken = [
            (self.user_prefix if (len(turns) - place) % 2 else self.reply_prefix) + turn
            for place, turn in enumerate(turns)
        ]
        return persona + self.separator.join(spoken)


LAYOUTS: dict[str, TurnLayout] = {
    # The published chat template, whose token ids are known (transformers, test_tokenization_for_chat). A byte-level
    # tokenizer adds the very first space by itself.
    "two_spaces": TurnLayout("  ", user_prefix=" "),
    # ParlAI encodes every turn by itself, each with the space its tokenizer puts first: replies begin with one too.
    "two_spaces_each": TurnLayout("  ", user_prefix=" ", reply_prefix=" "),
    # Our chat checkpoints: `two_spaces`, learnt from three turns.
    "last_three": TurnLayout("  ", user_prefix=" ", turns_kept=3),
    # ParlAI's recipe for the 90M model; Small's tokenizer reads a newline as `__newln__`.
    "newline": TurnLayout("\n"),
    # The example in Small's documentation.
    "start_end": TurnLayout("__end__ __start__"),
}


@dataclass(frozen=True)
class Source:
    """A source text and what did not get into it."""

    text: str
    tokens: int
    turns: int
    """How many of the conversation's turns it holds."""
    older_turns: int
    """Turns the layout does not look back to."""
    dropped_turns: int
    """Turns left out, beyond those, because they did not fit."""
    dropped_tokens: int
    """How many tokens the dropped turns would have taken."""


def source_text(
    turns: Sequence[str],
    personas: Sequence[str],
    layout: TurnLayout,
    count_tokens: Callable[[str], int],
    limit: int,
) -> Source:
    """The newest turns that fit `limit` tokens, behind the persona; whole oldest turns are left out.

    `count_tokens` counts what the model will see, special tokens included.
    Raises: LengthError if even the newest turn with the persona does not fit; OptionError if there is no turn.
    """
    if not turns:
        raise OptionError("A conversation must have at least one turn, but has none.")
    seen = turns[-layout.turns_kept :] if layout.turns_kept else turns
    text = layout.render(seen[-1:], personas)
    tokens = count_tokens(text)
    if tokens > limit:
        raise _too_long(tokens, limit, bool(personas))
    kept = 1
    while kept < len(seen):  # from the newest back: the work grows with the limit, not with the conversation
        longer = layout.render(seen[-kept - 1 :], personas)
        longer_tokens = count_tokens(longer)
        if longer_tokens > limit:
            break
        text, tokens, kept = longer, longer_tokens, kept + 1
    dropped = len(seen) - kept
    return Source(
        text=text,
        tokens=tokens,
        turns=kept,
        older_turns=len(turns) - len(seen),
        dropped_turns=dropped,
        dropped_tokens=count_tokens(layout.render(seen, personas)) - tokens if dropped else 0,
    )


def _too_long(tokens: int, limit: int, with_persona: bool) -> LengthError:
    what = "The newest turn with the persona" if with_persona else "The newest turn"
    remedy = "Shorten the turn or the persona" if with_persona else "Shorten the turn"
    return LengthError(
        f"{what} must fit {limit} tokens, but takes {tokens}. {remedy}, or cut its tokens before asking."
    )
