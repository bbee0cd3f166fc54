"""What a model that labels texts is taught by: the published loss of its `problem_type`."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bartleby.backends.pytorch.readers import SequenceClassification
from bartleby.errors import ConfigError
from bartleby.training.batches import Batch
from bartleby.training.objectives import Objective, tensors

READ = ("input_ids", "attention_mask")
"""The arrays of a batch that the model is given; what the decoder reads is made from them."""


class LabelLoss(Objective):
    """`model(…, labels=…).loss`: a mean over the examples, of several labels or numbers also over these.

    Labels of a batch: (b,) ints for one of several, (b, num_labels) of 0 and 1 for any of several, (b,) or
    (b, num_labels) numbers for regression.
    """

    model: SequenceClassification

    def __init__(self, model: SequenceClassification) -> None:
        """Raises: ConfigError if the configuration leaves `problem_type` open: some batches would settle it wrongly."""
        super().__init__()
        if model.config.problem_type is None:
            raise ConfigError("`problem_type` must be said to teach labels, but is None. Set it in the config.")
        self.model = model

    def forward(self, part: Batch, whole: Batch) -> dict[str, Tensor]:
        logits = label_logits(self.model, part)
        labels = torch.from_numpy(part.arrays["labels"]).to(logits.device)
        kind = self.model.config.problem_type
        if kind == "single_label_classification":
            total, each = F.cross_entropy(logits, labels, reduction="sum"), 1
        elif kind == "regression":
            total, each = F.mse_loss(logits, labels.view_as(logits), reduction="sum"), logits.shape[1]
        else:
            total, each = F.binary_cross_entropy_with_logits(logits, labels, reduction="sum"), logits.shape[1]
        return {"likelihood": total / (whole.examples * each)}


def label_logits(model: SequenceClassification, batch: Batch) -> Tensor:
    """Scores of all labels for each text, in float32; (b, num_labels)."""
    return model(**tensors(batch, READ, model), use_cache=False, return_dict=True).logits.float()
