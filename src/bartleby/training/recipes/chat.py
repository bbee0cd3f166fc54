"""Training for conversation: which source text each reply of a dialogue is learnt from, laid out as in a chat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import ClassVar

import numpy as np

from bartleby.errors import DataError
from bartleby.family.turns import LAYOUTS, TurnLayout
from bartleby.tasks.texts import encode, ended
from bartleby.tokenization.auto import AutoTokenizer
from bartleby.tokenization.base import PreTrainedTokenizer
from bartleby.training.batches import Batches
from bartleby.training.collation import Padding, PairCollation, RewardedCollation
from bartleby.training.corpora import Reading
from bartleby.training.options import option
from bartleby.training.recipes.examples import Making, chunks, refuse_beyond_positions, share_told, write_splits
from bartleby.training.recipes.recipe import Figures, Read, Recipe, Setup, Tell
from bartleby.training.recipes.unlikelihood import UnlikelihoodOptions, unlikelihood_objective
from bartleby.training.records import Dialogue, as_dialogue
from bartleby.training.store import Examples, Row


@dataclass(frozen=True)
class ChatOptions(UnlikelihoodOptions):
    """How examples are made. Lengths are in tokens, the closing `</s>` included."""

    subject: ClassVar[str] = "The chat's options"

    layout: str = option(
        "last_three", "How turns are laid out, in training and in chats with the model.", choices=tuple(LAYOUTS)
    )
    source_tokens: int = option(128, "Room for turns and persona; whole oldest turns go.", metavar="N", least=2)
    target_tokens: int = option(40, "Longer replies are left out.", metavar="N", least=2)
    persona_share: float = option(
        0.5, "Share of the replies by someone with a persona that see it.", metavar="X", least=0, most=1
    )


@dataclass(frozen=True)
class ChatRecipe(Recipe):
    """Replies from the turns before them."""

    kind, own, preset = "chat", ChatOptions, "bartleby-chat-mini"

    def prepare(self, folder: Path, tell: Tell) -> Figures:
        from bartleby.training.recipes.start import starting_tokenizer

        refuse_beyond_positions(self, "source_tokens", "target_tokens")
        turns = chain.from_iterable(dialogue.turns for dialogue in self.training_records(as_dialogue))
        tokenizer = starting_tokenizer(self, turns)
        tokenizer.save_pretrained(folder / "tokenizer")
        training, validation = (
            self._making(tokenizer, read) for read in (self.training_records, self.validation_records)
        )
        figures = write_splits(folder, training, validation, self.data.validation_examples, tell)
        self._refuse_all_right(training.report)
        return figures

    def _refuse_all_right(self, report: ExampleReport) -> None:
        """Unlikelihood of wrong replies teaches nothing where none is marked as wrong."""
        if self.options.unlikelihood == "rewards" and not report.unrewarded:
            raise DataError(
                "One record at least must have `rewards` with a number below 0 for a reply that is learnt, but none "
                "has. Mark replies in the records, or choose another `unlikelihood`."
            )

    def _making(self, tokenizer: PreTrainedTokenizer, read: Read) -> Making:
        reading, maker = Reading(), ChatExamples(tokenizer, self.options, self.seed)
        return Making(maker.rows(read(as_dialogue, reading)), reading, maker.report, "dialogues")

    def setup(self, folder: Path) -> Setup:
        from bartleby.backends.pytorch.auto import AutoModelForSeq2SeqLM
        from bartleby.training.recipes.start import starting_model
        from bartleby.training.validation.perplexity import pair_perplexity

        tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer", use_fast=False)
        own = {"turn_layout": self.options.layout}  # a chat lays its turns out as they were learnt
        model = starting_model(self, AutoModelForSeq2SeqLM, tokenizer, own)
        examples = Examples.open(folder / "train")
        collates = RewardedCollation if self.options.unlikelihood == "rewards" else PairCollation
        collation = collates(examples, Padding.of(model.config))
        return Setup(
            model=model,
            tokenizer=tokenizer,
            objective=unlikelihood_objective(model, self.options, examples, self.options.target_tokens, self.seed),
            batches=Batches(collation.lengths(), collation, self.data.batch_tokens, self.seed),
            measure=pair_perplexity(model, Examples.open(folder / "valid")),
        )


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
    unrewarded: int = 0
    """Replies that shall not be said."""

    def told(self) -> str:
        """All of it in one sentence."""
        return (
            f"{self.examples} examples, {self.with_persona} with a persona; "
            f"{share_told(self.shortened, self.examples)} lost their oldest turns. "
            f"Left out: {self.long_replies} replies that are too long, {self.long_last_turns} to a turn that is"
        )


class ChatExamples:
    """Turns dialogues into pairs of (source, reply) ids for one tokenizer."""

    def __init__(self, tokenizer: PreTrainedTokenizer, options: ChatOptions, seed: int = 0) -> None:
        self.tokenizer, self.options = tokenizer, options
        self.layout = LAYOUTS[options.layout]
        self.report = ExampleReport()
        self._random = np.random.default_rng(seed)

    def rows(self, dialogues: Iterable[Dialogue]) -> Iterator[Mapping[str, Row]]:
        """Every reply that keeps to the limits as `target`, what it answers as `source`; in order."""
        for several in chunks(dialogues):
            turns = sorted({turn for dialogue in several for turn in dialogue.turns})
            targets = [ended(self.tokenizer, ids) for ids in encode(self.tokenizer, turns)]
            ids_of = dict(zip(turns, targets, strict=True))
            drafts = [draft for dialogue in several for draft in self._drafts(dialogue, ids_of)]
            self._encode_sources(drafts)
            kept = [draft for draft in drafts if draft.ids]
            self.report.examples += len(kept)
            self.report.long_last_turns += len(drafts) - len(kept)
            self.report.shortened += sum(draft.shortened for draft in kept)
            self.report.with_persona += sum(bool(draft.persona) for draft in kept)
            self.report.unrewarded += sum(draft.reward < 0 for draft in kept)
            for draft in kept:
                pair: dict[str, Row] = {"source": draft.ids, "target": ids_of[draft.reply]}
                yield {**pair, "rewards": [draft.reward]} if self.options.unlikelihood == "rewards" else pair

    def _drafts(self, dialogue: Dialogue, ids_of: Mapping[str, list[int]]) -> Iterator[_Draft]:
        room = self.options.source_tokens
        for place in range(1, len(dialogue.turns)):
            shown = self._random.random() < self.options.persona_share  # drawn each time: limits shift no one's draw
            reply = dialogue.turns[place]
            if len(ids_of[reply]) > self.options.target_tokens:
                self.report.long_replies += 1
                continue
            oldest = 0 if self.layout.turns_kept is None else max(0, place - self.layout.turns_kept)
            persona = dialogue.persona_of(place) if shown else ()
            reward = dialogue.rewards[place] if dialogue.rewards else 1.0
            draft = _Draft(list(dialogue.turns[oldest:place]), persona, reply, reward)
            # Turns that surely do not fit go before the text is encoded: each costs at least its own tokens.
            while len(draft.turns) > 1 and sum(len(ids_of[turn]) for turn in draft.turns) > room:
                draft.drop_oldest()
            yield draft

    def _encode_sources(self, drafts: Sequence[_Draft]) -> None:
        """Fill in the ids, dropping whole oldest turns until they fit; what cannot fit stays without."""
        waiting = list(drafts)
        while waiting:
            too_long = []
            texts = [draft.text(self.layout) for draft in waiting]
            for draft, ids in zip(waiting, encode(self.tokenizer, texts), strict=True):
                if len(ids) <= self.options.source_tokens:
                    draft.ids = ids
                elif len(draft.turns) > 1:
                    draft.drop_oldest()
                    too_long.append(draft)
            waiting = too_long


@dataclass
class _Draft:
    """One example on its way; `ids` are the source's, empty until it fits."""

    turns: list[str]
    persona: tuple[str, ...]
    reply: str
    reward: float = 1.0
    ids: list[int] = field(default_factory=list)
    shortened: bool = False

    def drop_oldest(self) -> None:
        del self.turns[0]
        self.shortened = True

    def text(self, layout: TurnLayout) -> str:
        return layout.render(self.turns, self.persona)
