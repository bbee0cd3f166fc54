"""What a model is taught by: the negative log-likelihood of its targets, counted a token."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bartleby.backends.pytorch.heads import ConditionalGeneration
from bartleby.backends.pytorch.passing import IGNORED_LABEL
from bartleby.training.collation import Batch


class TargetLoss(nn.Module):
    """Mean negative log-likelihood of the labels that are not padding: `model(…, labels=…).loss`, computed sooner.

    The output projection is a quarter of a small model's work, and its scores are most of the memory: only the places
    that have a label get any.
    """

    def __init__(self, model: ConditionalGeneration) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> Tensor:
        """The loss of a batch, a float32 scalar."""
        logits, labels = labelled_logits(self.model, batch)
        return F.cross_entropy(logits.float(), labels)


def target_log_probs(model: ConditionalGeneration, batch: Batch) -> npt.NDArray[np.float32]:
    """Log-probability of every label that is not padding, row after row; (labels,)."""
    with torch.no_grad():
        logits, labels = labelled_logits(model, batch)
        losses = F.cross_entropy(logits.float(), labels, reduction="none")
    return -losses.cpu().numpy()


def labelled_logits(model: ConditionalGeneration, batch: Batch) -> tuple[Tensor, Tensor]:
    """Scores of the next token where there is a label, and that label; (labels, v) and (labels,)."""
    device = model.device
    labels = torch.from_numpy(batch.labels).to(device)
    hidden = model.model(
        input_ids=torch.from_numpy(batch.source_ids).to(device),
        attention_mask=torch.from_numpy(batch.source_mask).to(device),
        decoder_input_ids=torch.from_numpy(batch.target_ids).to(device),
        use_cache=False,
    ).last_hidden_state
    counted = labels != IGNORED_LABEL
    return model.lm_logits(hidden[counted]), labels[counted]
