"""Examples side by side become a batch: padding, and the arrays that each kind of training reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bartleby.family.config import PreTrainedConfig
from bartleby.family.fields import LabelKind
from bartleby.training.batches import IGNORED_LABEL, Batch, Batches
from bartleby.training.store import Examples, Ids


class Collation(Protocol):
    """What all of these are: a `Collate` over examples that knows how long they are. Frozen dataclasses."""

    @property
    def examples(self) -> Examples:
        """What it makes batches of."""

    def __call__(self, rows: Ids, generator: np.random.Generator) -> Batch:
        """The examples numbered `rows`, padded to the longest of them."""

    def lengths(self) -> Ids:
        """As `Batches` wants them; (n, k)."""


def measured_batches(collation: Collation, tokens: int) -> Batches:
    """To go through once: of at most `tokens` places, or of one example that is longer."""
    lengths = collation.lengths()
    longest = int(lengths.sum(axis=1).max(initial=1))
    return Batches(lengths, collation, max(tokens, longest), seed=0)


@dataclass(frozen=True)
class Padding:
    """The ids that collation adds."""

    pad_token_id: int
    decoder_start_token_id: int

    @classmethod
    def of(cls, config: PreTrainedConfig) -> Padding:
        """Those of a model."""
        return cls(config.pad_token_id or 0, config.decoder_start_token_id or 0)


@dataclass(frozen=True)
class PairCollation:
    """Batches of sources and what is to be written for them, from two columns of examples."""

    examples: Examples
    padding: Padding
    source: str = "source"
    target: str = "target"

    def __call__(self, rows: Ids, generator: np.random.Generator) -> Batch:
        return self.batch(rows)

    def batch(self, rows: Ids) -> Batch:
        """Pad the examples `rows` to the longest of them."""
        input_ids, mask = self.examples.padded(self.source, rows, self.padding.pad_token_id)
        labels, _ = self.examples.padded(self.target, rows, IGNORED_LABEL)
        decoder_input_ids = teacher_inputs(labels, self.padding)
        arrays = {"input_ids": input_ids, "attention_mask": mask, "decoder_input_ids": decoder_input_ids}
        return Batch({**arrays, "labels": labels})

    def lengths(self) -> Ids:
        """As `Batches` wants them; (n, 2)."""
        return np.stack([self.examples.lengths(self.source), self.examples.lengths(self.target)], axis=1)


@dataclass(frozen=True)
class RewardedCollation(PairCollation):
    """Batches of pairs that know how each target is rewarded."""

    def batch(self, rows: Ids) -> Batch:
        rewards, _ = self.examples.padded("rewards", rows, 0.0)
        return Batch({**super().batch(rows).arrays, "rewards": rewards[:, 0]})


@dataclass(frozen=True)
class BlockCollation:
    """Batches of blocks, each token to be foreseen from those before it; none of them sees padding, which is last."""

    examples: Examples
    padding: Padding

    def __call__(self, rows: Ids, generator: np.random.Generator) -> Batch:
        labels, _ = self.examples.padded("text", rows, IGNORED_LABEL)
        return Batch({"input_ids": teacher_inputs(labels, self.padding), "labels": labels})

    def lengths(self) -> Ids:
        """As `Batches` wants them; (n, 1)."""
        return self.examples.lengths("text")[:, None]


@dataclass(frozen=True)
class LabelCollation:
    """Batches of texts with their labels, as the published loss of each `problem_type` wants them."""

    examples: Examples
    pad_token_id: int
    problem_type: LabelKind
    count: int
    """How many labels there are."""

    def __call__(self, rows: Ids, generator: np.random.Generator) -> Batch:
        input_ids, mask = self.examples.padded("source", rows, self.pad_token_id)
        values, given = self.examples.padded("labels", rows, 0)
        if self.problem_type == "multi_label_classification":
            labels = np.zeros((len(rows), self.count), dtype=np.float32)
            places, numbers = np.nonzero(given)[0], values[given == 1]
            labels[places, numbers.astype(np.int64)] = 1
        else:
            labels = values[:, 0]
        return Batch({"input_ids": input_ids, "attention_mask": mask, "labels": labels})

    def lengths(self) -> Ids:
        """As `Batches` wants them; (n, 1)."""
        return self.examples.lengths("source")[:, None]


@dataclass(frozen=True)
class SpanCollation:
    """Batches of windows with the places of their answers, and which windows they are."""

    examples: Examples
    pad_token_id: int

    def __call__(self, rows: Ids, generator: np.random.Generator) -> Batch:
        input_ids, mask = self.examples.padded("source", rows, self.pad_token_id)
        spans, _ = self.examples.padded("span", rows, 0)
        arrays = {"input_ids": input_ids, "attention_mask": mask}
        return Batch({**arrays, "start_positions": spans[:, 0], "end_positions": spans[:, 1], "window": rows})

    def lengths(self) -> Ids:
        """As `Batches` wants them; (n, 1)."""
        return self.examples.lengths("source")[:, None]


def teacher_inputs(labels: Ids, padding: Padding) -> Ids:
    """The decoder's input that teaches `labels`: moved one place right, behind the start token; (b, t) -> (b, t).

    What does not count becomes padding, even where it would be the last label moved on.
    """
    ids = np.full_like(labels, padding.pad_token_id)
    ids[:, :1] = padding.decoder_start_token_id
    counted = (labels[:, 1:] != IGNORED_LABEL) & (labels[:, :-1] != IGNORED_LABEL)
    ids[:, 1:] = np.where(counted, labels[:, :-1], padding.pad_token_id)
    return ids
