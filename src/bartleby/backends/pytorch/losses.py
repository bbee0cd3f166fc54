"""What the heads are taught with: the mean over what counts, in nats or squares."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bartleby.errors import ShapeError
from bartleby.family.config import PreTrainedConfig


def token_loss(logits: Tensor, labels: Tensor, num_items_in_batch: Tensor | int | None = None) -> Tensor:
    """Mean cross-entropy over the labels that are not -100.

    `num_items_in_batch` is what the sum is divided by instead of their number: of all steps whose gradients add up.
    Shapes: (b, t, v), (b, t) -> scalar.
    Raises: ShapeError if there is not one label for each token that was scored.
    """
    if labels.shape != logits.shape[:2]:
        raise ShapeError(
            f"`labels` must have one label for each scored token, {tuple(logits.shape[:2])}, but have shape "
            f"{tuple(labels.shape)}."
        )
    scores, targets = logits.flatten(0, 1), labels.flatten().to(logits.device, torch.long)
    if num_items_in_batch is None:
        return F.cross_entropy(scores, targets)
    total = F.cross_entropy(scores, targets, reduction="sum")
    return total / (
        num_items_in_batch.to(total.device) if isinstance(num_items_in_batch, Tensor) else num_items_in_batch
    )


def classification_loss(logits: Tensor, labels: Tensor, config: PreTrainedConfig) -> Tensor:
    """The loss of `config.problem_type`, which is settled by the labels where the configuration leaves it open."""
    labels = labels.to(logits.device)
    if config.problem_type is None:
        if config.num_labels == 1:
            config.problem_type = "regression"
        elif not labels.is_floating_point():
            config.problem_type = "single_label_classification"
        else:
            config.problem_type = "multi_label_classification"
    if config.problem_type == "regression":
        return F.mse_loss(logits.squeeze(), labels.squeeze().to(logits.dtype))
    if config.problem_type == "single_label_classification":
        return F.cross_entropy(logits, labels.view(-1).long())
    return F.binary_cross_entropy_with_logits(logits, labels)


def span_loss(logits: Tensor, positions: Tensor) -> Tensor:
    """Cross-entropy of one end of an answer; a position past the text is an answer that was cut off, and ignored.

    Shapes: logits (b, s), positions (b) or (b, 1) -> scalar.
    """
    ignored = logits.shape[1]
    return F.cross_entropy(logits, positions.reshape(-1).clamp(0, ignored), ignore_index=ignored)
