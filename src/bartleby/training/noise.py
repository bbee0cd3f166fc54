"""The noises BART learns to undo: token masking, token deletion, text infilling, sentence permutation, rotation.

`Noise` says how much of each under the names of the published training command, and spoils one row of token ids at a
time, in the published order: sentences are permuted, then units masked, masks inserted, the document rotated. Special
tokens at the ends of a row stay where they are.

Source: BART (arXiv 1910.13461), section 2.2 and table 1; the flags of its released training command.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bartleby.training.lexicon import Flags, Ids, Lexicon
from bartleby.training.options import Options, option

Random = np.random.Generator


@dataclass(frozen=True)
class Noise(Options):
    """How a text is spoilt; the defaults are those of bart-large."""

    subject: ClassVar[str] = "The noise"

    mask: float = option(0.3, "Share of the words (or tokens) that are masked.", metavar="SHARE", least=0, most=1)
    mask_random: float = option(
        0.1, "Share of the masks that are a random token instead.", metavar="SHARE", least=0, most=1
    )
    mask_length: str = option("span-poisson", "What is masked together.", choices=("one", "span-poisson"))
    poisson_lambda: float = option(3.5, "Mean length of the spans.", metavar="X", least=0.1, most=100)
    replace_length: int = option(
        1, "What stands for a span: 1 one mask, 0 nothing, -1 a mask a token.", choices=("-1", "0", "1")
    )
    unit: str = option("word", "What is masked, and what spans are counted in.", choices=("word", "token"))
    insert: float = option(0.0, "Masks inserted anywhere, as a share of the tokens.", metavar="SHARE", least=0, most=1)
    permute_sentences: float = option(
        1.0, "Share of the sentences that change places.", metavar="SHARE", least=0, most=1
    )
    rotate: float = option(
        0.0, "Share of the texts that begin at a token drawn at random.", metavar="SHARE", least=0, most=1
    )

    def contradictions(self) -> Iterator[str]:
        """A noise that leaves everything as it is teaches to copy."""
        if not any((self.mask, self.insert, self.permute_sentences, self.rotate)):
            yield "One of `mask`, `insert`, `permute_sentences` and `rotate` must be above 0, but none is."

    def __call__(self, row: Ids, lexicon: Lexicon, generator: Random, longest: int | None = None) -> Ids:
        """A spoilt copy of `row`, of at most `longest` tokens.

        Only inserted masks make a row longer: those for which there is no room are left out, text never is.
        """
        row = row.astype(np.int64)
        inner = lexicon.content(row)
        content = row[inner]
        if not content.size:
            return row
        room = math.inf if longest is None else max(0, longest - len(row) + content.size)
        starts = lexicon.word_starts(content) if self.unit == "word" else np.ones(content.size, dtype=bool)
        if self.permute_sentences:
            order = permutation(lexicon.sentence_starts(content), content.size, self.permute_sentences, generator)
            content, starts = content[order], starts[order]
        if self.mask:
            content, empty_spans = self._masked(content, starts, lexicon, generator)
            content = self._with_masks(content, empty_spans, room, lexicon, generator)
        if self.insert:
            count = share_of(content.size, self.insert)
            content = self._with_masks(content, count, room, lexicon, generator)
        if generator.random() < self.rotate:
            content = rotated(content, generator)
        return np.concatenate([row[: inner.start], content, row[inner.stop :]])

    def _masked(self, content: Ids, starts: Flags, lexicon: Lexicon, generator: Random) -> tuple[Ids, int]:
        """The text with its spans replaced, and how many spans held nothing and are still to be inserted."""
        units = int(starts.sum())
        budget = share_of(units, self.mask)
        if self.replace_length == 0:
            budget = min(budget, units - 1)  # of a text something must be left
        lengths = np.ones(budget, dtype=np.int64)
        if self.mask_length == "span-poisson":
            lengths = span_lengths(budget, self.poisson_lambda, generator)
        spans = lengths[lengths > 0]
        slot, in_span = placed(spans, units, generator)
        slot_of_token = slot[np.cumsum(starts) - 1]
        hidden = in_span[slot_of_token]
        if self.replace_length == 0:
            return content[~hidden], 0
        random_slot = generator.random(in_span.size) < self.mask_random
        spoilt = np.where(hidden, self._fillers(random_slot[slot_of_token], lexicon, generator), content)
        if self.replace_length == -1:
            return spoilt, 0
        first = np.diff(slot_of_token, prepend=-1) != 0
        return spoilt[~hidden | first], lengths.size - spans.size

    def _with_masks(self, content: Ids, count: int, room: float, lexicon: Lexicon, generator: Random) -> Ids:
        """The text with masks inserted anywhere, as many as there is room for."""
        count = int(min(count, max(0, room - content.size)))
        if not count:
            return content
        places = generator.choice(content.size + count, count, replace=False)
        old = np.ones(content.size + count, dtype=bool)
        old[places] = False
        longer = self._fillers(generator.random(old.size) < self.mask_random, lexicon, generator)
        longer[old] = content
        return longer

    def _fillers(self, random: Flags, lexicon: Lexicon, generator: Random) -> Ids:
        """Masks, and tokens drawn at random where `random` says so."""
        drawn = lexicon.ordinary[generator.integers(lexicon.ordinary.size, size=random.size)]
        return np.where(random, drawn, lexicon.mask_token_id)


def share_of(count: int, share: float) -> int:
    """A share of `count` things, rounded up; 0.07 of 100 are 7, whatever binary fractions make of it."""
    return math.ceil(share * count - 1e-9)


def span_lengths(total: int, mean: float, generator: Random) -> Ids:
    """Poisson lengths, drawn until they make `total`; the last is cut to fit, and some are 0."""
    lengths = generator.poisson(mean, max(8, 2 * math.ceil(total / mean)))
    while lengths.sum() < total:
        lengths = np.concatenate([lengths, generator.poisson(mean, lengths.size)])
    ends = np.cumsum(lengths)
    lengths = lengths[: int(np.searchsorted(ends, total)) + 1] if total else lengths[:0]
    lengths[-1:] -= lengths.sum() - total
    return lengths


def placed(spans: Ids, units: int, generator: Random) -> tuple[Ids, Flags]:
    """Spans of units, spread over a text of `units` so that none overlaps another; every arrangement is as likely.

    A slot is one span, or one unit outside of any.
    Shapes: spans (n,) -> slot of each unit (units,), and which slots are spans (slots,).
    """
    slots = units - int(spans.sum()) + spans.size
    widths = np.ones(slots, dtype=np.int64)
    chosen = generator.choice(slots, spans.size, replace=False)
    widths[chosen] = spans
    in_span = np.zeros(slots, dtype=bool)
    in_span[chosen] = True
    return np.repeat(np.arange(slots), widths), in_span


def permutation(starts: Ids, size: int, share: float, generator: Random) -> Ids:
    """Which token comes where, when a share of the sentences that begin at `starts` change places among themselves.

    Shapes: starts (sentences,) -> (size,), every place once.
    """
    moving = generator.permutation(starts.size)[: share_of(starts.size, share)]
    order = np.arange(starts.size)
    order[moving] = generator.permutation(moving)
    lengths = np.diff(starts, append=size)[order]
    shifts = starts[order] - (np.cumsum(lengths) - lengths)  # from a sentence's new place to its old one
    return np.repeat(shifts, lengths) + np.arange(size)


def rotated(row: Ids, generator: Random) -> Ids:
    """The row, begun at a token drawn uniformly, with what stood before it behind the end."""
    return np.roll(row, -int(generator.integers(row.size)))


def _ablation(**changes: Any) -> Noise:
    """One noise of the paper's table 1, as its section 2.2 describes it: counted in tokens, no random tokens."""
    none = {"mask": 0.0, "mask_random": 0.0, "permute_sentences": 0.0, "poisson_lambda": 3.0, "unit": "token"}
    return Noise(**{**none, **changes})


NOISES: Mapping[str, Noise] = {
    "bart-large": Noise(),
    "token-masking": _ablation(mask=0.3, mask_length="one", replace_length=-1),
    "token-deletion": _ablation(mask=0.3, mask_length="one", replace_length=0),
    "text-infilling": _ablation(mask=0.3),
    "sentence-permutation": _ablation(permute_sentences=1.0),
    "document-rotation": _ablation(rotate=1.0),
    "infilling-and-permutation": _ablation(mask=0.3, permute_sentences=1.0),
}
"""Noises by name. bart-large is the released command (the paper's text has `poisson_lambda` 3); the others are the rows
of table 1, for which the paper gives no share of masking and deletion: here it is the 30 % of infilling."""
