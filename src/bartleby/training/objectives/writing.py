"""What a model writes while it learns, so that its own mistakes can be taught against."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from bartleby.generation.config import GenerationConfig
from bartleby.training.batches import IGNORED_LABEL, Batch
from bartleby.training.collation import Padding, teacher_inputs
from bartleby.training.modes import at_rest

Ids = npt.NDArray[np.int64]

SOURCE = ("input_ids", "attention_mask")
TOKENS = ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id")


class Writer:
    """Answers to the sources of a batch, written by the model as it is at the moment.

    What is written hangs on the source alone: nothing is drawn, dropout is off, and n-grams are not blocked, for what
    never comes cannot be taught against. So each part of a batch, in whichever process, knows what the others write,
    and the training around it draws what it would have drawn.
    """

    def __init__(self, model: Any, tokens: int = 40, beams: int = 1) -> None:
        most = min(tokens, model.config.max_position_embeddings - 1)  # behind the start token
        ids = {name: getattr(model.config, name) for name in TOKENS}
        self.options = GenerationConfig(max_new_tokens=most, num_beams=beams, **ids)
        self.padding, self.ends = Padding.of(model.config), np.atleast_1d(model.config.eos_token_id)
        self._written: dict[bytes, Ids] = {}

    def write(self, model: Any, whole: Batch, at_once: int) -> None:
        """Answer every row of `whole`, `at_once` side by side, and forget what was written before."""
        self._written = {}
        for start in range(0, whole.examples, max(1, at_once)):
            rows = slice(start, start + max(1, at_once))
            self._write(model, Batch({name: whole.arrays[name][rows] for name in SOURCE}))

    def answers(self, batch: Batch) -> list[Ids]:
        """What was written for each row, the end token included if the model got there."""
        return [self._written[source.tobytes()] for source in sources(batch)]

    def taught(self, batch: Batch) -> Batch:
        """`batch` with its answers as labels."""
        answers = self.answers(batch)
        longest = max((len(ids) for ids in answers), default=0)
        labels = np.full((len(answers), max(1, longest)), IGNORED_LABEL, dtype=np.int64)
        for row, ids in zip(labels, answers, strict=True):
            row[: len(ids)] = ids
        inputs = {name: batch.arrays[name] for name in SOURCE}
        return Batch({**inputs, "decoder_input_ids": teacher_inputs(labels, self.padding), "labels": labels})

    def _write(self, model: Any, batch: Batch) -> None:
        inputs = {name: torch.from_numpy(array).to(model.device) for name, array in batch.arrays.items()}
        with at_rest(model):
            written = model.generate(**inputs, generation_config=self.options).cpu().numpy()[:, 1:]
        for source, ids in zip(sources(batch), written, strict=True):
            ends = np.flatnonzero(np.isin(ids, self.ends))
            self._written[source.tobytes()] = ids[: ends[0] + 1] if len(ends) else ids


class StepCounter(nn.Module):
    """Numbers the batches an objective has been taught with; a checkpoint keeps the number, for it is a buffer."""

    steps: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self._whole: Batch | None = None

    def begins(self, whole: Batch) -> bool:
        """Whether no part of this batch was here before; then it is counted, if this is training.

        Every step has a batch of its own, an object that no other step has.
        """
        is_first = whole is not self._whole
        self._whole = whole
        if is_first and self.training:
            self.steps += 1
        return is_first


def sources(batch: Batch) -> list[Ids]:
    """The ids of each row without padding."""
    ids, mask = (np.asarray(batch.arrays[name], dtype=np.int64) for name in SOURCE)
    return [row[kept != 0] for row, kept in zip(ids, mask, strict=True)]
