"""What a caller of `from_pretrained` says about loading, and the weights that are meant by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from bartleby.backends.options import FIXED_EVERYWHERE, ORIGINS, Fixed, ReadingOptions
from bartleby.backends.pytorch.loading.placement import ONE_DEVICE, stored
from bartleby.checkpoints.containers import StoredWeights
from bartleby.hub import Kind, Weights

ORDER: tuple[Kind, ...] = ("safetensors", "bin", "h5", "msgpack")
"""Of several kinds of file, the first that is there is read."""

ON_THE_HUB: tuple[Kind, ...] = ("safetensors", "bin")
"""What is looked for there where nothing else is asked for."""

ATTENTION = (None, "sdpa", "eager")
"""What `attn_implementation` may be, all the same here: weights are computed openly where they are asked for, and never
formed by torch's fused kernel elsewhere; the numbers are equal up to rounding."""

_NO_KERNELS = "nothing is compiled or fetched from the hub"
FIXED_ARGUMENTS = {
    "max_memory": Fixed(None, ONE_DEVICE),
    "offload_folder": Fixed(None, ONE_DEVICE),
    "offload_state_dict": Fixed(False, ONE_DEVICE),
    "tp_plan": Fixed(None, ONE_DEVICE),
    "tp_size": Fixed(None, ONE_DEVICE),
    "device_mesh": Fixed(None, ONE_DEVICE),
    "distributed_config": Fixed(None, ONE_DEVICE),
    **FIXED_EVERYWHERE,
    "use_kernels": Fixed(False, _NO_KERNELS),
    "kernel_config": Fixed(None, _NO_KERNELS),
    "use_flash_attention_2": Fixed(False, "attention is fused by torch itself"),
    "fusion_config": Fixed(None, "this family has no towers to fuse"),
    "key_mapping": Fixed(None, "rename the tensors of a `state_dict` and pass that"),
    "adapter_kwargs": Fixed(None, "load the model, then put the adapter on it with peft"),
}
UNUSED_ARGUMENTS = ("low_cpu_mem_usage", "weights_only", "offload_buffers", "allow_all_kernels", "adapter_name",
                    "tqdm_class", "_fast_init")  # fmt: skip
"""Published arguments that change nothing: memory is always saved, and nothing but weights ever read from a pickle."""


@dataclass(frozen=True)
class LoadingOptions(ReadingOptions):
    """What a caller of `from_pretrained` says about loading; the config's fields are not among it."""

    dtype: torch.dtype | str | None = None
    torch_dtype: torch.dtype | str | None = None
    device: torch.device | str | int | None = None
    device_map: Any = None
    state_dict: Mapping[str, Tensor] | None = None
    attn_implementation: str | None = None
    disable_mmap: bool | None = None

    @classmethod
    def take(cls, keywords: dict[str, Any], fixed: Mapping[str, Fixed] = FIXED_ARGUMENTS) -> Self:
        """Remove from a caller's keywords what is about loading.

        Raises: OptionError with all arguments that cannot be, and why.
        """
        for name in UNUSED_ARGUMENTS:
            keywords.pop(name, None)
        return super().take(keywords, fixed)

    def faults(self) -> list[str]:
        """Everything wrong with the options, one beside another."""
        faults = super().faults()
        if self.attn_implementation not in ATTENTION:
            faults.append(f"{attention_fault(self.attn_implementation)}")
        if self.state_dict is not None and any(getattr(self, name) for name in ("use_safetensors", *ORIGINS)):
            faults.append("`state_dict` takes the place of a file, so no kind of file can be asked for beside it.")
        return faults

    @property
    def fetched(self) -> Weights:
        """What `hub.resolve` fetches."""
        return False if self.state_dict is not None else self.kinds(ON_THE_HUB)


def attention_fault(asked: Any) -> str:
    """The sentence that refuses an implementation of attention."""
    return (
        f"`attn_implementation` must be 'sdpa' or 'eager', but is {asked!r}: torch's own kernels are used, flash "
        "attention among them where the device has it."
    )


def open_stored(folder: Path | None, options: LoadingOptions) -> StoredWeights:
    """The weights asked for: the caller's, or those of a folder.

    Raises: CheckpointError if the kind of file asked for is not there.
    """
    if options.state_dict is not None:
        return StoredWeights(Path("the given state_dict"), {k: stored(v, k) for k, v in options.state_dict.items()})
    assert folder is not None
    return options.open_weights(folder, options.kinds(ORDER))
