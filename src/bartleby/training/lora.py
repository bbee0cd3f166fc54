"""Low-rank adapters: a few numbers beside each frozen projection learn, and are added to it in the end.

y = W x + b + alpha / rank · B A x, with A (rank, in) drawn at random and B (out, rank) zero, so that an adapted model
starts as the one it was. Source: Hu et al. 2021 (arXiv 2106.09685), section 4.1.

An adapted projection keeps its name and its weight's; A and B are `lora_A` and `lora_B` below it. How they are written
to disk: `adapter_files.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bartleby.backends.pytorch.model import Model
from bartleby.errors import CheckpointError, OptionError, raise_all

TARGETS: dict[str, tuple[str, ...]] = {
    "qv": ("q_proj", "v_proj"),
    "attention": ("q_proj", "k_proj", "v_proj", "out_proj"),
    "all": ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"),
}
"""Which projections inside the layers get an adapter: the paper's choice (section 7.1), all of attention, or all."""

KEPT_HEADS = ("classification_head", "qa_outputs")
"""Heads that start from random numbers: they learn in full, for their frozen beginning is worth nothing."""


class AdaptedLinear(nn.Linear):
    """A frozen projection and its adapter; weight and bias are those of the projection, not copies."""

    def __init__(self, plain: nn.Linear, rank: int, alpha: float, dropout: float) -> None:
        super().__init__(plain.in_features, plain.out_features, bias=plain.bias is not None, device="meta")
        self.weight, self.bias = plain.weight, plain.bias
        place: dict[str, Any] = {"device": plain.weight.device, "dtype": plain.weight.dtype}
        self.lora_A = nn.Linear(plain.in_features, rank, bias=False, **place)
        self.lora_B = nn.Linear(rank, plain.out_features, bias=False, **place)
        nn.init.normal_(self.lora_A.weight, std=plain.in_features**-0.5)  # A x is as large as x
        nn.init.zeros_(self.lora_B.weight)
        self.lora_dropout = nn.Dropout(dropout)
        self.rank, self.alpha = rank, alpha
        self.plain = [plain]  # in a list, so that it is no module of the model: its tensors are there already

    def forward(self, input: Tensor) -> Tensor:
        adapted = self.lora_B(self.lora_A(self.lora_dropout(input)))
        return F.linear(input, self.weight, self.bias) + self.alpha / self.rank * adapted

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """One projection that does what both do."""
        exact = torch.promote_types(self.weight.dtype, torch.float32)  # the sum of two halves would lose the adapter
        change = self.lora_B.weight.to(exact) @ self.lora_A.weight.to(exact) * (self.alpha / self.rank)
        plain = nn.Linear(self.in_features, self.out_features, bias=self.bias is not None, device="meta")
        plain.weight = nn.Parameter((self.weight.to(exact) + change).to(self.weight.dtype))
        plain.bias = self.bias
        return plain.train(self.training)


def add_adapters(
    model: Model, rank: int = 8, targets: str | Sequence[str] = "qv", alpha: float = 16.0, dropout: float = 0.0
) -> int:
    """Freeze `model` and give the projections `targets` in its layers adapters; returns how many numbers will learn.

    `targets` is an entry of TARGETS, or names of projections. New heads (KEPT_HEADS) learn in full.
    Raises: OptionError with all that is wrong.
    """
    names = TARGETS.get(targets, (targets,)) if isinstance(targets, str) else tuple(targets)
    faults = list(_option_faults(rank, names, alpha, dropout))
    if has_adapters(model):
        faults.append("The model must have no adapters yet, but has some. Merge them first.")
    raise_all(OptionError, faults, "The adapters")
    found = [name for name in _projections(model) if name.rpartition(".")[2] in names]
    _adapt(model, found, rank, alpha, dropout)
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def has_adapters(model: nn.Module) -> bool:
    """Whether there is any."""
    return any(isinstance(module, AdaptedLinear) for module in model.modules())


@contextmanager
def merged(model: nn.Module) -> Iterator[None]:
    """A plain model inside, to be saved or measured; outside, everything is what it was, to the bit.

    Costs a copy of the adapted projections.
    """
    adapted = adapted_projections(model)
    for name, module in adapted.items():
        _put(model, name, module.merged())
    try:
        yield
    finally:
        for name, module in adapted.items():
            _put(model, name, module.train(model.get_submodule(name).training))


def merge(model: nn.Module) -> None:
    """Add the adapters to their projections for good; the model is plain again, and all of it can learn."""
    for name, module in adapted_projections(model).items():
        _put(model, name, module.merged())
    model.requires_grad_(True)


def adapter_state(model: nn.Module) -> dict[str, Tensor]:
    """The adapters and the heads beside them, by their names in the model; the tensors themselves, not copies."""
    shapes = _shapes(model, list(adapted_projections(model)), rank=1)  # for the names alone
    return {name: parameter.detach() for name, parameter in model.named_parameters() if name in shapes}


def give_adapters(
    model: nn.Module, state: Mapping[str, Tensor], rank: int, alpha: float, dropout: float, subject: str
) -> None:
    """Give a plain `model` the adapters that `state`, as by `adapter_state`, is of; the rest is frozen.

    Raises: CheckpointError with all of `subject` that does not fit; then the model stays as it was.
    """
    found = sorted({name.rpartition(".lora_")[0] for name in state if ".lora_" in name})
    projections = _projections(model)
    faults = [f"`{name}` is no projection of the model." for name in found if name not in projections]
    known = [name for name in found if name in projections]
    faults += _state_faults(
        _shapes(model, known, rank),
        {name: tensor for name, tensor in state.items() if name.rpartition(".lora_")[0] in ("", *known)},
    )
    raise_all(CheckpointError, faults, subject)
    _adapt(model, found, rank, alpha, dropout)
    load_adapter_state(model, state)


def load_adapter_state(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put back what `adapter_state` gave.

    Raises: CheckpointError naming all that is missing, unknown or of another shape.
    """
    own = adapter_state(model)
    faults = list(_state_faults({name: tensor.shape for name, tensor in own.items()}, state))
    raise_all(CheckpointError, faults, "The adapters")
    for name, tensor in state.items():
        own[name].copy_(tensor)


def _option_faults(rank: int, names: Sequence[str], alpha: float, dropout: float) -> Iterator[str]:
    if rank < 1:
        yield f"`rank` must be at least 1, but is {rank}."
    if not alpha > 0:
        yield f"`alpha` must be above 0, but is {alpha}."
    if not 0 <= dropout < 1:
        yield f"`dropout` must be at least 0 and below 1, but is {dropout}."
    if not names or not set(names) <= set(TARGETS["all"]):
        known = f"{', '.join(TARGETS)}, or names among {', '.join(TARGETS['all'])}"
        yield f"`targets` must be one of {known}, but is {', '.join(names) or 'empty'}."


def _projections(model: nn.Module) -> dict[str, nn.Linear]:
    """The projections inside the layers; a head's are not among them."""
    inside = re.compile(r"(?:^|\.)layers\.\d+\.")
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and inside.search(name) and ".lora_" not in name
    }


def adapted_projections(model: nn.Module) -> dict[str, AdaptedLinear]:
    """Those with an adapter, by name."""
    return {name: module for name, module in model.named_modules() if isinstance(module, AdaptedLinear)}


def _adapt(model: nn.Module, names: Sequence[str], rank: int, alpha: float, dropout: float) -> None:
    model.requires_grad_(False)
    projections = _projections(model)
    for name in names:
        _put(model, name, AdaptedLinear(projections[name], rank, alpha, dropout).train(model.training))
    for head in heads_beside(model):
        model.get_submodule(head).requires_grad_(True)


def _shapes(model: nn.Module, names: Sequence[str], rank: int) -> dict[str, torch.Size]:
    """Of what learns, if the projections `names` get adapters."""
    projections, shapes = _projections(model), {}
    for name in names:
        projection = projections[name]
        shapes[f"{name}.lora_A.weight"] = torch.Size((rank, projection.in_features))
        shapes[f"{name}.lora_B.weight"] = torch.Size((projection.out_features, rank))
    for head in heads_beside(model):
        shapes |= {f"{head}.{name}": each.shape for name, each in model.get_submodule(head).named_parameters()}
    return shapes


def _state_faults(shapes: Mapping[str, torch.Size], state: Mapping[str, Tensor]) -> Iterator[str]:
    """How `state` differs from tensors of these shapes."""
    for name in sorted(shapes.keys() - state.keys()):
        yield f"`{name}` is missing."
    for name, tensor in state.items():
        if name not in shapes:
            yield f"`{name}` is not in the model's adapters."
        elif shapes[name] != tensor.shape:
            yield f"`{name}` must have shape {tuple(shapes[name])}, but has {tuple(tensor.shape)}."


def heads_beside(model: nn.Module) -> list[str]:
    """The heads that learn in full beside adapters."""
    return [name for name, _ in model.named_children() if name in KEPT_HEADS]


def _put(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, own = name.rpartition(".")
    setattr(model.get_submodule(parent), own, module)
