"""Low-rank adapters: a few numbers beside each frozen projection learn, and are added to it in the end.

y = W x + b + alpha / rank · B A x, with A (rank, in) drawn at random and B (out, rank) zero, so that an adapted model
starts as the one it was. Source: Hu et al. 2021 (arXiv 2106.09685), section 4.1.

In memory an adapted projection keeps its name and its weight's; A and B are `lora_A` and `lora_B` below it. Files have
the layout of the PEFT library: adapter_config.json and adapter_model.safetensors, names behind `base_model.model.`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bartleby.backends.pytorch.loading.placement import stored
from bartleby.backends.pytorch.model import Model
from bartleby.checkpoints.containers import open_weights
from bartleby.checkpoints.folder import content_writer, write_folder
from bartleby.checkpoints.safetensors_file import write_safetensors
from bartleby.documents import document_bytes, read_document
from bartleby.errors import CheckpointError, OptionError, raise_all

TARGETS: dict[str, tuple[str, ...]] = {
    "qv": ("q_proj", "v_proj"),
    "attention": ("q_proj", "k_proj", "v_proj", "out_proj"),
    "all": ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"),
}
"""Which projections inside the layers get an adapter: the paper's choice (section 7.1), all of attention, or all."""

KEPT_HEADS = ("classification_head", "qa_outputs")
"""Heads that start from random numbers: they learn in full, for their frozen beginning is worth nothing."""

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
PREFIX = "base_model.model."
TASKS = {
    "conditional_generation": "SEQ_2_SEQ_LM",
    "causal_lm": "CAUSAL_LM",
    "sequence_classification": "SEQ_CLS",
    "question_answering": "QUESTION_ANS",
}
PLAIN = {"bias": "none", "fan_in_fan_out": False, "use_dora": False, "use_rslora": False}
PLAIN_OR_EMPTY = ("alpha_pattern", "rank_pattern", "layer_replication", "lora_bias")
"""What PEFT may say in a file beyond plain LoRA, which is not read here."""


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
    adapted = _adapted(model)
    for name, module in adapted.items():
        _put(model, name, module.merged())
    try:
        yield
    finally:
        for name, module in adapted.items():
            _put(model, name, module.train(model.get_submodule(name).training))


def merge(model: nn.Module) -> None:
    """Add the adapters to their projections for good; the model is plain again, and all of it can learn."""
    for name, module in _adapted(model).items():
        _put(model, name, module.merged())
    model.requires_grad_(True)


def adapter_state(model: nn.Module) -> dict[str, Tensor]:
    """The adapters and the heads beside them, by their names in the model; the tensors themselves, not copies."""
    shapes = _shapes(model, list(_adapted(model)), rank=1)  # for the names alone
    return {name: parameter.detach() for name, parameter in model.named_parameters() if name in shapes}


def load_adapter_state(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put back what `adapter_state` gave.

    Raises: CheckpointError naming all that is missing, unknown or of another shape.
    """
    own = adapter_state(model)
    faults = list(_state_faults({name: tensor.shape for name, tensor in own.items()}, state))
    raise_all(CheckpointError, faults, "The adapters")
    for name, tensor in state.items():
        own[name].copy_(tensor)


def save_adapter(model: Model, folder: str | Path) -> None:
    """Write the adapters into `folder` as PEFT reads them; without the model they were made for they are nothing.

    Raises: OptionError if the model has none, CheckpointError if the disk refuses.
    """
    if not has_adapters(model):
        raise OptionError("The model must have adapters to be saved, but has none. Use `save_pretrained`.")
    tensors = {PREFIX + name: stored(tensor) for name, tensor in adapter_state(model).items()}
    writers = {
        CONFIG: content_writer(document_bytes(_document(model))),
        WEIGHTS: lambda file: write_safetensors(file, tensors),
    }
    write_folder(folder, writers, lambda name: False)


def load_adapter(model: Model, folder: str | Path) -> None:
    """Give a plain `model` the adapters of a folder that `save_adapter` or PEFT wrote; the rest is frozen.

    Raises: CheckpointError with all that does not fit.
    """
    document = read_document(Path(folder) / CONFIG)
    faults = list(_document_faults(document))
    if has_adapters(model):
        faults.append("The model must have no adapters yet, but has some. Merge them first.")
    raise_all(CheckpointError, faults, str(Path(folder) / CONFIG))
    with open_weights(Path(folder) / WEIGHTS) as file:
        state = {name.removeprefix(PREFIX): torch.from_numpy(file.array(name).copy()) for name in file.names()}
    found = sorted({name.rpartition(".lora_")[0] for name in state if ".lora_" in name})
    projections = _projections(model)
    faults = [f"`{name}` is no projection of the model." for name in found if name not in projections]
    known = [name for name in found if name in projections]
    # Before anything is changed: a model that refuses adapters stays as it was.
    faults += _state_faults(
        _shapes(model, known, document["r"]),
        {name: tensor for name, tensor in state.items() if name.rpartition(".lora_")[0] in ("", *known)},
    )
    raise_all(CheckpointError, faults, str(Path(folder) / WEIGHTS))
    _adapt(model, found, document["r"], document["lora_alpha"], document.get("lora_dropout") or 0.0)
    load_adapter_state(model, state)


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


def _adapted(model: nn.Module) -> dict[str, AdaptedLinear]:
    return {name: module for name, module in model.named_modules() if isinstance(module, AdaptedLinear)}


def _adapt(model: nn.Module, names: Sequence[str], rank: int, alpha: float, dropout: float) -> None:
    model.requires_grad_(False)
    projections = _projections(model)
    for name in names:
        _put(model, name, AdaptedLinear(projections[name], rank, alpha, dropout).train(model.training))
    for head in _kept(model):
        model.get_submodule(head).requires_grad_(True)


def _shapes(model: nn.Module, names: Sequence[str], rank: int) -> dict[str, torch.Size]:
    """Of what learns, if the projections `names` get adapters."""
    projections, shapes = _projections(model), {}
    for name in names:
        projection = projections[name]
        shapes[f"{name}.lora_A.weight"] = torch.Size((rank, projection.in_features))
        shapes[f"{name}.lora_B.weight"] = torch.Size((projection.out_features, rank))
    for head in _kept(model):
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


def _kept(model: nn.Module) -> list[str]:
    return [name for name, _ in model.named_children() if name in KEPT_HEADS]


def _put(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, own = name.rpartition(".")
    setattr(model.get_submodule(parent), own, module)


def _document(model: Model) -> dict[str, Any]:
    """What PEFT wants to know; it adapts every module whose name ends as one of `target_modules`."""
    adapted = _adapted(model)
    some = next(iter(adapted.values()))
    return {
        "peft_type": "LORA",
        "task_type": TASKS.get(model.table_head, "FEATURE_EXTRACTION"),
        "base_model_name_or_path": model.config.name_or_path or None,
        "inference_mode": True,
        "init_lora_weights": True,
        "r": some.rank,
        "lora_alpha": some.alpha,
        "lora_dropout": some.lora_dropout.p,
        "target_modules": sorted(_endings(adapted, model)),
        "modules_to_save": _kept(model) or None,
        **PLAIN,
    }


def _endings(adapted: Mapping[str, nn.Module], model: nn.Module) -> set[str]:
    """The shortest ends of names that fit the adapted modules alone: `fc1`, `self_attn.out_proj`, or all of a name."""
    others = [name for name, module in model.named_modules() if name not in adapted and isinstance(module, nn.Linear)]
    endings = set()
    for name in adapted:
        parts = name.split(".")
        ends = (".".join(parts[-count:]) for count in range(1, len(parts) + 1))
        endings.add(next(end for end in ends if not any(f".{other}".endswith(f".{end}") for other in others)))
    return endings


def _document_faults(document: Mapping[str, Any]) -> Iterator[str]:
    if document.get("peft_type") != "LORA":
        yield f"`peft_type` must be LORA, but is {document.get('peft_type')!r}."
    for name, wanted in PLAIN.items():
        if document.get(name, wanted) != wanted:
            yield f"`{name}` must be {wanted!r}, but is {document[name]!r}. Merge such adapters with PEFT itself."
    for name in PLAIN_OR_EMPTY:
        if document.get(name):
            yield f"`{name}` must be empty, but is {document[name]!r}. Merge such adapters with PEFT itself."
    rank, alpha = document.get("r"), document.get("lora_alpha")
    dropout = document.get("lora_dropout") or 0.0
    if not _is_number(rank) or not isinstance(rank, int) or rank < 1:
        yield f"`r` must be a whole number of at least 1, but is {rank!r}."
    if not _is_number(alpha) or not alpha > 0:
        yield f"`lora_alpha` must be a number above 0, but is {alpha!r}."
    if not _is_number(dropout) or not 0 <= dropout < 1:
        yield f"`lora_dropout` must be at least 0 and below 1, but is {dropout!r}."


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
