"""Adapters on disk, in the layout of the PEFT library, which reads them and whose own are read.

adapter_config.json says what they are; adapter_model.safetensors holds them, names behind `base_model.model.`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import nn

from bartleby.backends.pytorch.loading.placement import stored
from bartleby.backends.pytorch.model import Model
from bartleby.checkpoints.containers import open_weights
from bartleby.checkpoints.folder import content_writer, write_folder
from bartleby.checkpoints.safetensors_file import write_safetensors
from bartleby.documents import document_bytes, read_document
from bartleby.errors import CheckpointError, OptionError, raise_all
from bartleby.training.lora import adapted_projections, adapter_state, give_adapters, has_adapters, heads_beside

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

    Raises: CheckpointError with all that does not fit; then the model stays as it was.
    """
    document = read_document(Path(folder) / CONFIG)
    faults = list(_document_faults(document))
    if has_adapters(model):
        faults.append("The model must have no adapters yet, but has some. Merge them first.")
    raise_all(CheckpointError, faults, str(Path(folder) / CONFIG))
    with open_weights(Path(folder) / WEIGHTS) as file:
        state = {name.removeprefix(PREFIX): torch.from_numpy(file.array(name).copy()) for name in file.names()}
    dropout = document.get("lora_dropout") or 0.0
    give_adapters(model, state, document["r"], document["lora_alpha"], dropout, str(Path(folder) / WEIGHTS))


def _document(model: Model) -> dict[str, Any]:
    """What PEFT wants to know; it adapts every module whose name ends as one of `target_modules`."""
    adapted = adapted_projections(model)
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
        "modules_to_save": heads_beside(model) or None,
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
