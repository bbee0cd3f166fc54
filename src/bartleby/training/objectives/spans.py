"""What a model that finds answers is taught by: where they start and end."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bartleby.backends.pytorch.readers import QuestionAnswering
from bartleby.training.batches import Batch
from bartleby.training.objectives import Objective, tensors

READ = ("input_ids", "attention_mask")
"""The arrays of a batch that the model is given; what the decoder reads is made from them."""
ENDS = ("start_positions", "end_positions")


class SpanLoss(Objective):
    """`model(…, start_positions=…, end_positions=…).loss`: half of the mean negative log-likelihood of each.

    A position is a token of the row, (b,). One past the row is an answer that was cut off, and does not count.
    """

    model: QuestionAnswering

    def __init__(self, model: QuestionAnswering) -> None:
        super().__init__()
        self.model = model

    def forward(self, part: Batch, whole: Batch) -> dict[str, Tensor]:
        width = part.arrays["input_ids"].shape[1]
        shares = []
        for logits, name in zip(span_logits(self.model, part), ENDS, strict=True):
            places = torch.from_numpy(part.arrays[name]).to(logits.device).clamp(0, width)
            total = F.cross_entropy(logits, places, ignore_index=width, reduction="sum")
            shares.append(total / (2 * max(1, int((whole.arrays[name] < width).sum()))))
        return {"likelihood": torch.stack(shares).sum()}


def span_logits(model: QuestionAnswering, batch: Batch) -> tuple[Tensor, Tensor]:
    """How likely each token is the first of an answer, and the last, in float32; (b, s) twice."""
    outputs = model(**tensors(batch, READ, model), use_cache=False, return_dict=True)
    return outputs.start_logits.float(), outputs.end_logits.float()
