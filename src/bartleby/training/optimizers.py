"""Which optimizer moves which parameter, and how fast at which step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import nn
from torch.optim import Adafactor, AdamW, Muon, Optimizer

from bartleby.errors import OptionError
from bartleby.training.settings import OptimizerOptions

FUSED = ("cpu", "cuda", "mps", "xpu")
"""Devices on which AdamW is one kernel."""


def build_optimizers(model: nn.Module, options: OptimizerOptions) -> list[Optimizer]:
    """The optimizers of what is trained of a model, at their full learning rates; norms and biases do not decay.

    Raises: OptionError where the optimizer asked for has nothing to move.
    """
    tables = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}  # lm_head, if tied
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trained:
        raise OptionError("Every parameter of the model is frozen, so there is nothing to train. Freeze less.")
    vectors = [parameter for parameter in trained if parameter.ndim < 2]
    embeddings = [parameter for parameter in trained if parameter.ndim >= 2 and id(parameter) in tables]
    matrices = [parameter for parameter in trained if parameter.ndim >= 2 and id(parameter) not in tables]
    if options.optimizer == "adafactor":
        return [_adafactor(_groups([*embeddings, *matrices], vectors, options), options)]
    if options.optimizer == "adamw":
        return [_adamw(_groups([*embeddings, *matrices], vectors, options), options)]
    if not matrices:
        raise OptionError("`optimizer` must not be muon where no matrix inside the layers is trained. Choose adamw.")
    rest = _groups(embeddings, vectors, options)
    return [*([_adamw(rest, options)] if rest else []), _muon(matrices, options)]


def _groups(
    decaying: list[nn.Parameter], others: list[nn.Parameter], options: OptimizerOptions
) -> list[dict[str, Any]]:
    groups = [
        {"params": decaying, "weight_decay": options.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def _adamw(groups: list[dict[str, Any]], options: OptimizerOptions) -> AdamW:
    fused = all(parameter.device.type in FUSED for parameter in _parameters(groups))
    return AdamW(groups, lr=options.learning_rate, betas=options.betas, fused=fused)


def _adafactor(groups: list[dict[str, Any]], options: OptimizerOptions) -> Adafactor:
    """Shazeer and Stern 2018 (arXiv 1804.04235): one number a row and one a column instead of two an entry."""
    return Adafactor(groups, lr=options.learning_rate)


def _muon(matrices: list[nn.Parameter], options: OptimizerOptions) -> Muon:
    # "match_rms_adamw" makes an update as large as AdamW's would be, so one schedule fits both.
    return Muon(matrices, lr=options.matrix_rate, weight_decay=options.weight_decay, adjust_lr_fn="match_rms_adamw")


def _parameters(groups: Iterable[dict[str, Any]]) -> Iterator[torch.Tensor]:
    for group in groups:
        yield from group["params"]
