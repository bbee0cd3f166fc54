"""The negative log-likelihood of the targets, counted a token: what every model that writes is taught by first."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from bartleby.errors import OptionError
from bartleby.training.batches import IGNORED_LABEL, Batch
from bartleby.training.objectives import Objective, tensors

READ = ("input_ids", "attention_mask", "decoder_input_ids", "decoder_attention_mask")
"""The arrays of a batch that the model is given."""


class TargetLoss(Objective):
    """Mean negative log-likelihood of the labels that count: `model(…, labels=…).loss`, computed sooner.

    The output projection is a quarter of a small model's work, and its scores are most of the memory: only the places
    that have a label get any. With `label_smoothing` e, a target is 1 - e on the label and e spread over the whole
    vocabulary, the label included (Szegedy et al. 2015, arXiv 1512.00567, section 7).
    """

    def __init__(self, model: Any, label_smoothing: float = 0.0) -> None:
        """`model` scores tokens: conditional generation or a causal language model."""
        super().__init__()
        if not 0 <= label_smoothing < 1:
            raise OptionError(f"`label_smoothing` must be at least 0 and below 1, but is {label_smoothing}.")
        self.model, self.label_smoothing = model, label_smoothing

    def forward(self, part: Batch, whole: Batch) -> dict[str, Tensor]:
        logits, labels = labelled_logits(self.model, part)
        total = F.cross_entropy(logits.float(), labels, reduction="sum", label_smoothing=self.label_smoothing)
        return {"likelihood": total / max(1, labels_in(whole))}


def labels_in(batch: Batch) -> int:
    """How many labels count."""
    return int((batch.arrays["labels"] != IGNORED_LABEL).sum())


def target_log_probs(model: Any, batch: Batch) -> npt.NDArray[np.float32]:
    """Log-probability of every label that counts, row after row; (labels,)."""
    with torch.no_grad():
        logits, labels = labelled_logits(model, batch)
        losses = F.cross_entropy(logits.float(), labels, reduction="none")
    return -losses.cpu().numpy()


def labelled_logits(model: Any, batch: Batch) -> tuple[Tensor, Tensor]:
    """Scores of the next token where there is a label, and that label; (labels, v) and (labels,)."""
    hidden = model.model(**tensors(batch, READ, model), use_cache=False).last_hidden_state
    labels = batch.arrays["labels"].reshape(-1)
    places = np.flatnonzero(labels != IGNORED_LABEL)  # found here: asking a device would wait for it
    chosen = hidden.flatten(0, 1).index_select(0, torch.from_numpy(places).to(hidden.device))  # (labels, d)
    return model.lm_logits(chosen), torch.from_numpy(labels[places]).to(hidden.device)
