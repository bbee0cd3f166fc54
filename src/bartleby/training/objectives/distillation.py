"""Distillation: a student learns to give a teacher's probabilities and to pass through its states, beside the targets.

Source: Shleifer and Rush 2020, "Pre-trained Summarization Distillation" (arXiv 2010.13002), section 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bartleby.backends.pytorch.model import Model
from bartleby.errors import OptionError, raise_all
from bartleby.training.batches import IGNORED_LABEL, Batch
from bartleby.training.objectives import Objective, tensors
from bartleby.training.objectives.likelihood import READ, labels_in
from bartleby.training.shrinking import compared_layers


@dataclass(frozen=True)
class Shares:
    """How much each term weighs; one that weighs nothing is not computed. The defaults are the source's."""

    likelihood: float = 1.0
    logits: float = 0.8
    hidden: float = 3.0
    temperature: float = 2.0


class DistillationLoss(Objective):
    """L = likelihood · L_data + logits · L_logits + hidden · L_hidden, over the targets y of a batch.

    L_data = mean over t of -log p_student(y_t)
    L_logits = T² · mean over t of KL( softmax(z_teacher / T) || softmax(z_student / T) ),  z the scores at place t
    L_hidden = sum over layers of mean over tokens and d of (h_student - h_teacher)², of the encoder and of the decoder,
        layer l of the student beside layer `compared_layers(…)[l]` of the teacher, both as they leave the layer
    T² keeps the slopes as large as without T (Hinton et al. 2015, arXiv 1503.02531). The last layer's states are taken
    behind the norm that ends a stack of pre-norm layers.
    """

    def __init__(self, model: Any, teacher: Any, shares: Shares | None = None) -> None:
        """The teacher is frozen and put at rest, in place; it is no part of this module, so nobody trains or saves it.

        Raises: OptionError if the two cannot be compared.
        """
        super().__init__()
        self.model, self.shares = model, shares or Shares()
        raise_all(OptionError, list(_faults(model, teacher, self.shares)), "The student and its teacher")
        self._teacher = (teacher.requires_grad_(False).eval(),)

    @property
    def teacher(self) -> Model:
        return self._teacher[0]

    def forward(self, part: Batch, whole: Batch) -> dict[str, Tensor]:
        if self.teacher.device != self.model.device:
            self.teacher.to(self.model.device)
        labels = part.arrays["labels"].reshape(-1)
        places = np.flatnonzero(labels != IGNORED_LABEL)
        chosen = torch.from_numpy(places).to(self.model.device)
        states = self._states(self.model, part)
        logits = self._logits(self.model, states, chosen)
        targets, count = torch.from_numpy(labels[places]).to(logits.device), max(1, labels_in(whole))
        likely = F.cross_entropy(logits, targets, reduction="sum") / count
        terms = {"likelihood": self.shares.likelihood * likely}
        if self.shares.logits or self.shares.hidden:
            with torch.no_grad():
                wanted = self._states(self.teacher, part)
        if self.shares.logits:
            with torch.no_grad():
                teachers = self._logits(self.teacher, wanted, chosen)
            terms["logits"] = self.shares.logits * self._divergence(logits, teachers) / count
        if self.shares.hidden:
            terms["hidden"] = self.shares.hidden * self._distances(states, wanted, part, whole)
        return terms

    def _states(self, model: Any, part: Batch) -> Any:
        return model.model(**tensors(part, READ, model), use_cache=False, output_hidden_states=bool(self.shares.hidden))

    def _logits(self, model: Any, states: Any, chosen: Tensor) -> Tensor:
        """Scores where there is a label, in float32; (labels, v)."""
        hidden = states.last_hidden_state.flatten(0, 1).index_select(0, chosen)
        scores: Tensor = model.lm_logits(hidden)
        return scores.float()

    def _divergence(self, student: Tensor, teacher: Tensor) -> Tensor:
        """T² times the sum of the divergences; (labels, v) twice -> scalar."""
        heat = self.shares.temperature
        wanted, given = (teacher / heat).log_softmax(dim=-1), (student / heat).log_softmax(dim=-1)
        return F.kl_div(given, wanted, reduction="sum", log_target=True) * heat**2

    def _distances(self, states: Any, wanted: Any, part: Batch, whole: Batch) -> Tensor:
        total = torch.zeros((), device=self.model.device)
        for name in ("encoder_hidden_states", "decoder_hidden_states"):
            own, teachers = getattr(states, name)[1:], getattr(wanted, name)[1:]  # the first is the embeddings
            counted = torch.from_numpy(_counted(part, name)).to(total.device)[:, :, None]
            squares = sum(
                ((one.float() - teachers[layer].float()).square() * counted).sum()
                for one, layer in zip(own, compared_layers(len(teachers), len(own)), strict=True)
            )
            total = total + squares / max(1, int(_counted(whole, name).sum()) * own[0].shape[-1])
        return total


def _counted(batch: Batch, name: str) -> Any:
    """Which places of a stack are no padding; (b, s) or (b, t)."""
    if name.startswith("encoder"):
        return batch.arrays["attention_mask"] != 0
    return batch.arrays["labels"] != IGNORED_LABEL


def _faults(model: Any, teacher: Any, shares: Shares) -> Iterator[str]:
    own, its = model.config, teacher.config
    if own.vocab_size != its.vocab_size:
        yield f"The student must have the teacher's {its.vocab_size} tokens, but has {own.vocab_size}."
    if shares.hidden and own.d_model != its.d_model:
        yield f"States of {own.d_model} and {its.d_model} numbers cannot be compared. Set the share of `hidden` to 0."
    for side in ("encoder_layers", "decoder_layers"):
        if shares.hidden and getattr(own, side) > getattr(its, side):
            yield f"`{side}` must be at most {getattr(its, side)}, the teacher's, but is {getattr(own, side)}."
    for name in _negative(shares):
        yield f"The share of `{name}` must be at least 0, but is {getattr(shares, name)}."
    if not shares.temperature > 0:
        yield f"`temperature` must be above 0, but is {shares.temperature}."


def _negative(shares: Shares) -> Sequence[str]:
    return [name for name in ("likelihood", "logits", "hidden") if not getattr(shares, name) >= 0]
