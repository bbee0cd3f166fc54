"""A model at work for searches that look further than one token: they see states, and make it forget what they drop."""

from __future__ import annotations

import torch
from torch import Tensor

from bartleby.backends.pytorch.decoding.inputs import Prepared, WritingModel
from bartleby.backends.pytorch.decoding.recording import Recorder
from bartleby.backends.pytorch.decoding.writer import ModelWriter
from bartleby.backends.pytorch.outputs import BaseModelOutputWithPastAndCrossAttentions
from bartleby.errors import OptionError

Decoded = BaseModelOutputWithPastAndCrossAttentions


class ModelReader(ModelWriter):
    """A writer that can be asked about several tokens at once, and can forget the last ones."""

    def __init__(self, model: WritingModel, prepared: Prepared, recorder: Recorder | None = None) -> None:
        super().__init__(model, prepared, recorder)
        self.prepared = prepared
        self.room: int | None = None
        self.has_read = False

    def take_memory(self, length: int) -> None:
        """As `ModelWriter.take_memory`."""
        super().take_memory(length)
        self.room = length

    def alone(self, place: int) -> ModelReader:
        """A reader of one of the sources, which has read no more than an earlier call.

        Raises: OptionError if that call's cache would be written on for more than one row.
        """
        if len(self.prepared.prompts) == 1 and not self.has_read:
            return self
        if self.prepared.past is not None:
            raise OptionError("`past_key_values` can be gone on with in one row only when rows are written in turn.")
        rows = torch.tensor([place], device=self.prepared.prompts.device)
        reader = ModelReader(self.model, self.prepared.of(rows, self.prepared.prompts.shape[1]), self.recorder)
        if self.room is not None:
            reader.take_memory(self.room)
        return reader

    @property
    def known(self) -> int:
        """How many tokens of every row were read, and vectors without one."""
        return 0 if self.cache is None else int(self.cache.get_seq_length())

    def look(self, ids: Tensor) -> Decoded:
        """Read what is new in ids (r, t), all of it where there is no cache."""
        self.has_read = True
        return self.read(ids, self.known)

    def score(self, states: Tensor) -> Tensor:
        """Float32 logits of what comes after each of `states`; (…, d) -> (…, v)."""
        return self.model.lm_logits(states).float()

    def saw(self, logits: Tensor, decoded: Decoded) -> None:
        """Show the recorder what led to a token: logits (r, v), and what the model made of the tokens before."""
        if self.recorder is not None:
            self.recorder.saw(logits, decoded)

    def crop(self, length: int) -> None:
        """Forget all but the first `length` tokens of every row, and what was read before them."""
        kept = length + self.unnamed
        if self.known > kept:
            self.cache.crop(kept)
