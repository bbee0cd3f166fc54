"""What a caller of `from_pretrained` says about loading, and the weights that are meant by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor

from bartleby.backends.pytorch.loading.placement import ONE_DEVICE, stored
from bartleby.checkpoints.containers import FLAX_FILES, TENSORFLOW_FILES, WEIGHT_FILES, StoredWeights, open_weights
from bartleby.checkpoints.replacement import current_file
from bartleby.checkpoints.shards import with_variant
from bartleby.errors import CheckpointError, OptionError, raise_all
from bartleby.generation.config import GenerationConfig
from bartleby.hub import HubOptions, Weights, take_hub_options

ATTENTION = (None, "sdpa", "eager")
"""What `attn_implementation` may be, all the same here: weights are computed openly where they are asked for, and never
formed by torch's fused kernel elsewhere; the numbers are equal up to rounding."""

WEIGHT_KINDS: dict[Weights, tuple[str, ...]] = {
    True: WEIGHT_FILES,
    "safetensors": WEIGHT_FILES[:2],
    "bin": WEIGHT_FILES[2:],
    "h5": TENSORFLOW_FILES,
    "msgpack": FLAX_FILES,
}
"""What a folder is searched for, by what `hub.resolve` was asked to fetch."""


class Fixed(NamedTuple):
    """A published argument of `from_pretrained` that can have only one value here, and why."""

    value: Any
    reason: str


_NO_QUANTIZATION = "quantized weights are not in this release"
_NO_KERNELS = "nothing is compiled or fetched from the hub"
FIXED_ARGUMENTS = {
    "max_memory": Fixed(None, ONE_DEVICE),
    "offload_folder": Fixed(None, ONE_DEVICE),
    "offload_state_dict": Fixed(False, ONE_DEVICE),
    "tp_plan": Fixed(None, ONE_DEVICE),
    "tp_size": Fixed(None, ONE_DEVICE),
    "device_mesh": Fixed(None, ONE_DEVICE),
    "distributed_config": Fixed(None, ONE_DEVICE),
    "quantization_config": Fixed(None, _NO_QUANTIZATION),
    "load_in_8bit": Fixed(False, _NO_QUANTIZATION),
    "load_in_4bit": Fixed(False, _NO_QUANTIZATION),
    "gguf_file": Fixed(None, _NO_QUANTIZATION),
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
class LoadingOptions:
    """What a caller of `from_pretrained` says about loading; the config's fields are not among it."""

    dtype: torch.dtype | str | None = None
    torch_dtype: torch.dtype | str | None = None
    device: torch.device | str | int | None = None
    device_map: Any = None
    ignore_mismatched_sizes: bool = False
    output_loading_info: bool = False
    use_safetensors: bool | None = None
    from_tf: bool = False
    from_flax: bool = False
    state_dict: Mapping[str, Tensor] | None = None
    variant: str | None = None
    generation_config: GenerationConfig | None = None
    attn_implementation: str | None = None
    disable_mmap: bool | None = None
    trust_remote_code: bool | None = None
    hub: HubOptions = field(default_factory=HubOptions)

    @classmethod
    def take(cls, keywords: dict[str, Any]) -> Self:
        """Remove from a caller's keywords what is about loading.

        Raises: OptionError with all arguments that cannot be, and why.
        """
        faults = [
            f"`{name}` must be {fixed.value!r}, but is {keywords[name]!r}: {fixed.reason}."
            for name, fixed in FIXED_ARGUMENTS.items()
            if keywords.get(name) and keywords[name] != fixed.value
        ]
        for name in (*FIXED_ARGUMENTS, *UNUSED_ARGUMENTS):
            keywords.pop(name, None)
        own = {each.name: keywords.pop(each.name) for each in fields(cls) if each.name in keywords}
        options = cls(**own, hub=take_hub_options(keywords))
        raise_all(OptionError, [*faults, *options.faults()], "from_pretrained")
        return options

    def faults(self) -> list[str]:
        """Everything wrong with the options, one beside another."""
        faults = []
        if self.attn_implementation not in ATTENTION:
            faults.append(f"{attention_fault(self.attn_implementation)}")
        if self.from_tf and self.from_flax:
            faults.append("`from_tf` and `from_flax` cannot both be True: a model has one origin.")
        if self.state_dict is not None and (self.from_tf or self.from_flax or self.use_safetensors):
            faults.append("`state_dict` takes the place of a file, so no kind of file can be asked for beside it.")
        return faults

    @property
    def weights(self) -> Weights:
        """What `hub.resolve` fetches."""
        if self.state_dict is not None:
            return False
        if self.from_tf or self.from_flax:
            return "h5" if self.from_tf else "msgpack"
        return "bin" if self.use_safetensors is False else "safetensors" if self.use_safetensors else True


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
    if options.weights is True and options.variant is None:
        return open_weights(folder)
    names = [with_variant(name, options.variant) for name in WEIGHT_KINDS[options.weights]]
    found = next((path for name in names if (path := current_file(folder, name))), None)
    if found is None:
        said = ", ".join(
            f"`{name}`" for name in ("use_safetensors", "variant", "from_tf", "from_flax") if getattr(options, name)
        )
        raise CheckpointError(
            f"{folder} has none of {', '.join(names)}. Leave out {said or '`use_safetensors`'} to take what there is."
        )
    return open_weights(found)
