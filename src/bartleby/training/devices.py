"""What the steps run on: processes, device and precision."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from functools import cache

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs, PartialState  # type: ignore[import-untyped]

from bartleby.errors import OptionError, raise_all

PRECISIONS = {"no": None, "bf16": torch.bfloat16, "fp16": torch.float16}
PATIENCE = timedelta(hours=12)
"""How long processes wait for each other: while one reads large corpora, the others have nothing to do."""


def processes_together() -> PartialState:
    """This process among those that train together, as `torchrun` or `accelerate launch` started them."""
    # Processes that a launcher started on a CPU would each train alone, were accelerate not told that it is one.
    return PartialState(cpu=not torch.accelerator.is_available(), timeout=PATIENCE)


def accelerator_for(unused_parameters: bool) -> Accelerator:
    """The device of this process, and its ties to the others.

    `unused_parameters`: a step may leave some without a gradient, for which the other processes must not wait.
    """
    processes_together()  # the accelerator takes them as it finds them
    distributed = DistributedDataParallelKwargs(find_unused_parameters=unused_parameters)
    on_cpu = not torch.accelerator.is_available()
    return Accelerator(cpu=on_cpu, mixed_precision="no", kwargs_handlers=[distributed])


@cache
def shards_asked_of_accelerate() -> bool:
    """Whether `accelerate launch` was told to shard, which sharding.py does in its place for all of the process's life.

    The wish is taken out of the environment: accelerate shards nothing on a CPU, and elsewhere would do it as well.
    """
    return os.environ.pop("ACCELERATE_USE_FSDP", "false").lower() in ("true", "1")


class Precision:
    """The type that products are computed in; weights, their updates and sums over many numbers stay in float32.

    Raises: OptionError where the device cannot.
    """

    def __init__(self, name: str, device: torch.device) -> None:
        refuse_precision(name, device)
        self.device, self.dtype = device, PRECISIONS[name]
        # Small gradients vanish in float16: the loss is scaled up first, and a step that overflows is left out.
        self.scaler = torch.amp.GradScaler(device.type, enabled=name == "fp16")

    def autocast(self) -> AbstractContextManager[object]:
        """Compute in this precision meanwhile."""
        return nullcontext() if self.dtype is None else torch.autocast(self.device.type, self.dtype)


def refuse_precision(name: str, device: torch.device) -> None:
    """Raises: OptionError where `device` cannot train in the precision `name`, or a launcher asked for another."""
    faults = []
    if name == "fp16" and device.type != "cuda":
        faults.append(f"`precision` cannot be fp16 on {device.type}: only CUDA trains in it. Choose bf16 or no.")
    if name == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        faults.append("`precision` cannot be bf16 on this GPU, which has no bfloat16. Choose fp16 or no.")
    launched = os.environ.get("ACCELERATE_MIXED_PRECISION", "no").lower()
    if launched not in ("no", name):
        faults.append(f"`precision` is {name}, but `accelerate launch` was told {launched}. Tell both the same.")
    raise_all(OptionError, faults, "The precision")


@contextmanager
def denormals_flushed() -> Iterator[None]:
    """The averages of rare tokens fade into numbers that a CPU is slow with: zeros do, while a step is taken."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)  # it would last for the process, and others' numbers are none of our business


@contextmanager
def random_numbers_of(device: torch.device) -> Iterator[None]:
    """Whatever is seeded and drawn meanwhile, afterwards torch's generators are as they were."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield
