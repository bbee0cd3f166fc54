"""The chat recipe: which source text each reply of a dialogue is learnt from, as token ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bartleby.errors import OptionError, raise_all
from bartleby.family.turns import LAYOUTS, TurnLayout
from bartleby.tokenization.byte_level import BlenderbotTokenizer
from bartleby.training.records import Dialogue
from bartleby.training.store import Examples

ENCODED_AT_ONCE = 20_000
"""Texts given to the tokenizer together: enough to keep all its threads busy."""


@dataclass(frozen=True)
class ChatRecipe:
    """How examples are made. Lengths are in tokens, the closing `</s>` included."""

    layout: str = "last_three"
    """The turn layout, as in `bartleby.family.turns.LAYOUTS`: a chat with the model lays its turns out the same way."""
    source_tokens: int = 128
    target_tokens: int = 40
    persona_share: float = 0.5
    """Share of the replies by a speaker with a persona that see it; the others learn to do without."""
    seed: int = 0

    def __post_init__(self) -> None:
        faults = [
            f"`{name}` must be at least 2, but is {getattr(self, name)}."
            for name in ("source_tokens", "target_tokens")
            if getattr(self, name) < 2
        ]
        if not 0 <= self.persona_share <= 1:
            faults.append(f"`persona_share` must be between 0 and 1, but is {self.persona_share}.")
        if self.layout not in LAYOUTS:
            faults.append(f"`layout` must be one of {', '.join(LAYOUTS)}, but is {self.layout!r}.")
        raise_all(OptionError, faults, "The chat recipe")


@dataclass
class ExampleReport:
    """How many replies became examples, and what was left out or cut."""

    examples: int = 0
    long_replies: int = 0
    """Replies longer than `target_tokens`: left out."""
    long_last_turns: int = 0
    """Replies to a turn that, alone with the persona, is longer than `source_tokens`: left out."""
    shortened: int = 0
    """Examples that lost their oldest turns to `source_tokens`."""
    with_persona: int = 0

    def told(self) -> str:
        """All of it in one sentence."""
        return (
            f"{self.examples} examples, {self.with_persona} with a persona; {self.shortened} lost their oldest turns. "
            f"Left out: {self.long_replies} replies that are too long, {self.long_last_turns} to a turn that is"
        )


class ChatExamples:
    """Turns dialogues into pairs of (source, reply) ids for one tokenizer and recipe."""

    def __init__(self, tokenizer: BlenderbotTokenizer, recipe: ChatRecipe) -> None:
        self.tokenizer, self.recipe = tokenizer, recipe
        self.layout = LAYOUTS[recipe.layout]
        self.report = ExampleReport()
        self._random = np.random.default_rng(recipe.seed)

    def pairs(self, dialogues: Sequence[Dialogue]) -> Examples:
        """Every reply of `dialogues` that keeps to the recipe, with its source, in their order."""
        turns = sorted({turn for dialogue in dialogues for turn in dialogue.turns})
        ids_of = dict(zip(turns, self._encode(turns), strict=True))
        drafts = [draft for dialogue in dialogues for draft in self._drafts(dialogue, ids_of)]
        self._encode_sources(drafts)
        kept = [draft for draft in drafts if draft.ids]
        self.report.examples += len(kept)
        self.report.long_last_turns += len(drafts) - len(kept)
        self.report.shortened += sum(draft.shortened for draft in kept)
        self.report.with_persona += sum(bool(draft.persona) for draft in kept)
        return Examples.of({"source": [draft.ids for draft in kept], "target": [ids_of[draft.reply] for draft in kept]})

    def _drafts(self, dialogue: Dialogue, ids_of: Mapping[str, list[int]]) -> Iterator[_Draft]:
        for place in range(1, len(dialogue.turns)):
            shown = self._random.random() < self.recipe.persona_share  # drawn each time: limits shift no one's draw
            reply = dialogue.turns[place]
            if len(ids_of[reply]) > self.recipe.target_tokens:
                self.report.long_replies += 1
                continue
            oldest = 0 if self.layout.turns_kept is None else max(0, place - self.layout.turns_kept)
            draft = _Draft(list(dialogue.turns[oldest:place]), dialogue.persona_of(place) if shown else (), reply)
            # Turns that surely do not fit go before the text is encoded: each costs at least its own tokens.
            while len(draft.turns) > 1 and sum(len(ids_of[turn]) for turn in draft.turns) > self.recipe.source_tokens:
                draft.drop_oldest()
            yield draft

    def _encode_sources(self, drafts: Sequence[_Draft]) -> None:
        """Fill in the ids, dropping whole oldest turns until they fit; what cannot fit stays without."""
        waiting = list(drafts)
        while waiting:
            too_long = []
            for draft, ids in zip(waiting, self._encode([draft.text(self.layout) for draft in waiting]), strict=True):
                if len(ids) <= self.recipe.source_tokens:
                    draft.ids = ids
                elif len(draft.turns) > 1:
                    draft.drop_oldest()
                    too_long.append(draft)
            waiting = too_long

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        encoded: list[list[int]] = []
        for start in range(0, len(texts), ENCODED_AT_ONCE):
            encoded += self.tokenizer(list(texts[start : start + ENCODED_AT_ONCE]))["input_ids"]
        return encoded


@dataclass
class _Draft:
    """One example on its way; `ids` are the source's, empty until it fits."""

    turns: list[str]
    persona: tuple[str, ...]
    reply: str
    ids: list[int] = field(default_factory=list)
    shortened: bool = False

    def drop_oldest(self) -> None:
        del self.turns[0]
        self.shortened = True

    def text(self, layout: TurnLayout) -> str:
        return layout.render(self.turns, self.persona)
