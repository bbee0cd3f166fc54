"""What a model is taught by: each objective is a module that makes of a batch what it costs, term by term."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from bartleby.backends.pytorch.model import Model
from bartleby.training.batches import Batch


class Objective(nn.Module):
    """Holds the model it teaches, and anything else whose parameters learn with it."""

    model: Model
    generates: ClassVar[bool] = False
    """Whether it lets the model write: then no two parts call it equally often."""

    def forward(self, part: Batch, whole: Batch) -> dict[str, Tensor]:
        """What `part` adds to the loss of the batch `whole`, by term, float32 scalars already weighted.

        It divides by what it counts in `whole`, so that over all parts of a batch, wherever they are computed, the
        terms add up to the loss of the batch. A part holds at least one row, but perhaps nothing that counts: then
        the terms are 0, and still made by way of the model.
        """
        raise NotImplementedError


def tensors(batch: Batch, names: tuple[str, ...], like: Model) -> dict[str, Tensor]:
    """Those of the arrays `names` that the batch has, on the device of a model."""
    return {name: torch.from_numpy(batch.arrays[name]).to(like.device) for name in names if name in batch.arrays}
