"""What cannot be trained, or not in the way asked for, and what to do instead: said before the first step."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from bartleby.errors import OptionError, raise_all
from bartleby.training.objectives import Objective


def skips_layers(objective: Objective) -> bool:
    """Whether a step may leave layers of the model out (LayerDrop)."""
    config = getattr(objective.model, "config", None)
    return any(getattr(config, f"{stack}_layerdrop", 0) > 0 for stack in ("encoder", "decoder"))


def refuse(objective: Objective, optimizer: str, precision: str, processes: int, shards: bool) -> None:
    """Raises: OptionError naming all that stands against a training."""
    faults = [*_coarse_weights(objective), *(_undivided(objective, optimizer, precision, processes) if shards else ())]
    raise_all(OptionError, faults, "This training")


def _coarse_weights(objective: Objective) -> Iterator[str]:
    types = {value.dtype for value in objective.parameters() if value.requires_grad} - {torch.float32, torch.float64}
    if types:
        names = ", ".join(sorted(str(each).removeprefix("torch.") for each in types))
        yield (
            f"Weights that are trained must be float32, for small steps are lost in {names}. "
            "Load the model in float32; `precision` says what products are computed in."
        )


def _undivided(objective: Objective, optimizer: str, precision: str, processes: int) -> Iterator[str]:
    """What cannot be done with weights that are divided among processes."""
    instead = "or leave `sharding` at no."
    if processes == 1:
        yield f"`sharding` divides weights among processes, but there is one. Start several with torchrun, {instead}"
    if optimizer != "adamw":
        yield f"`optimizer` must be adamw with `sharding`: {optimizer} needs whole matrices. Choose adamw, {instead}"
    if precision == "fp16":
        yield f"`precision` must not be fp16 with `sharding`: each process would scale alone. Choose bf16, {instead}"
    waiting = "with `sharding` processes wait for each other at every layer"
    if skips_layers(objective):
        yield f"LayerDrop must be 0: {waiting}. Set it to 0, {instead}"
    if objective.generates:
        name = type(objective).__name__
        yield f"{name} writes texts of different lengths: {waiting}. Choose another objective, {instead}"
