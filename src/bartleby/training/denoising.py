"""Batches of spoilt texts beside the texts as they were: what BART is pretrained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bartleby.training.batches import IGNORED_LABEL, Batch
from bartleby.training.collation import Padding, teacher_inputs
from bartleby.training.lexicon import Lexicon
from bartleby.training.noise import Noise
from bartleby.training.store import Examples, Ids

TEXT = "text"
"""The column of texts."""


@dataclass(frozen=True)
class DenoisingCollation:
    """Spoils the texts of a batch by the batch's own generator: in every epoch in another way."""

    examples: Examples
    noise: Noise
    lexicon: Lexicon
    padding: Padding
    longest: int
    """Tokens that the encoder has positions for."""
    seed: int | None = None
    """With one, each text is always spoilt in the same way, whatever batch it is in: for figures to compare."""

    def __call__(self, rows: Ids, generator: np.random.Generator) -> Batch:
        """Pad the spoilt texts to the longest of them, and the texts to the longest of those."""
        spoilt = Examples.of({TEXT: [self._spoilt(int(row), generator) for row in rows]})
        input_ids, mask = spoilt.padded(TEXT, np.arange(len(rows)), self.padding.pad_token_id)
        labels, _ = self.examples.padded(TEXT, rows, IGNORED_LABEL)
        decoder_input_ids = teacher_inputs(labels, self.padding)
        arrays = {"input_ids": input_ids, "attention_mask": mask, "decoder_input_ids": decoder_input_ids}
        return Batch({**arrays, "labels": labels})

    def lengths(self) -> Ids:
        """As `Batches` wants them: a spoilt text is mostly shorter than the text, so this is enough room; (n, 2)."""
        lengths = self.examples.lengths(TEXT)
        return np.stack([lengths, lengths], axis=1)

    def _spoilt(self, row: int, generator: np.random.Generator) -> Ids:
        own = generator if self.seed is None else np.random.default_rng([self.seed, row])
        return self.noise(self.examples.row(TEXT, row), self.lexicon, own, self.longest)
