"""What a caller of any `from_pretrained` says about reading a checkpoint, whichever wing runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple, Self

from bartleby.checkpoints.containers import (
    FLAX_FILES,
    TENSORFLOW_FILES,
    WEIGHT_FILES,
    StoredWeights,
    open_weights,
)
from bartleby.checkpoints.replacement import current_file
from bartleby.checkpoints.shards import with_variant
from bartleby.errors import CheckpointError, OptionError, raise_all
from bartleby.generation.config import GenerationConfig
from bartleby.hub import HubOptions, Kind, take_hub_options

FILES_OF: dict[Kind, tuple[str, ...]] = {
    "safetensors": WEIGHT_FILES[:2],
    "bin": WEIGHT_FILES[2:],
    "h5": TENSORFLOW_FILES,
    "msgpack": FLAX_FILES,
}
"""What a folder is searched for, by the kind of file."""

ORIGINS: dict[str, tuple[Kind, ...]] = {
    "from_pt": ("safetensors", "bin"),
    "from_tf": ("h5",),
    "from_flax": ("msgpack",),
}
"""The kinds of file that each flag stands for."""

NARROWING = ("use_safetensors", "variant", *ORIGINS)
"""Options that say which file is meant."""


class Fixed(NamedTuple):
    """A published argument of `from_pretrained` that can have only one value here, and why."""

    value: Any
    reason: str


_NO_QUANTIZATION = "quantized weights are not in this release"
FIXED_EVERYWHERE = {
    "quantization_config": Fixed(None, _NO_QUANTIZATION),
    "load_in_8bit": Fixed(False, _NO_QUANTIZATION),
    "load_in_4bit": Fixed(False, _NO_QUANTIZATION),
    "gguf_file": Fixed(None, _NO_QUANTIZATION),
}


def take_fixed(keywords: dict[str, Any], table: Mapping[str, Fixed]) -> list[str]:
    """Remove from a caller's keywords those of `table`; what has another value there is a fault."""
    faults = []
    for name, fixed in table.items():
        given = keywords.pop(name, fixed.value)
        if given and given != fixed.value:
            faults.append(f"`{name}` must be {fixed.value!r}, but is {given!r}: {fixed.reason}.")
    return faults


@dataclass(frozen=True)
class ReadingOptions:
    """What a caller of `from_pretrained` says about reading; the config's fields are not among it."""

    ignore_mismatched_sizes: bool = False
    output_loading_info: bool = False
    use_safetensors: bool | None = None
    from_pt: bool = False
    from_tf: bool = False
    from_flax: bool = False
    variant: str | None = None
    generation_config: GenerationConfig | None = None
    trust_remote_code: bool | None = None
    hub: HubOptions = field(default_factory=HubOptions)

    @classmethod
    def take(cls, keywords: dict[str, Any], fixed: Mapping[str, Fixed] = FIXED_EVERYWHERE) -> Self:
        """Remove from a caller's keywords what is about reading; those of `fixed` can have but one value.

        Raises: OptionError with all arguments that cannot be, and why.
        """
        faults = take_fixed(keywords, fixed)
        own = {each.name: keywords.pop(each.name) for each in fields(cls) if each.name in keywords}
        options = cls(**own, hub=take_hub_options(keywords))
        raise_all(OptionError, [*faults, *options.faults()], "from_pretrained")
        return options

    def faults(self) -> list[str]:
        """Everything wrong with the options, one beside another."""
        asked = [f"`{name}`" for name in ORIGINS if getattr(self, name)]
        faults = []
        if len(asked) > 1:
            together = " and ".join(asked) if len(asked) == 2 else ", ".join(asked)
            faults.append(f"{together} cannot both be True: a model has one origin.")
        if self.use_safetensors and (self.from_tf or self.from_flax):
            faults.append(f"`use_safetensors` and {asked[-1]} cannot both be True: a file is of one kind.")
        return faults

    def kinds(self, order: tuple[Kind, ...]) -> tuple[Kind, ...]:
        """Which kinds of file may be read, the first found first; `order` is the wing's."""
        flag = next((name for name in ORIGINS if getattr(self, name)), None)
        kinds = order if flag is None else ORIGINS[flag]
        if self.use_safetensors is None:
            return kinds
        return tuple(kind for kind in kinds if (kind == "safetensors") is self.use_safetensors)

    def open_weights(self, folder: Path, kinds: tuple[Kind, ...]) -> StoredWeights:
        """The weights of a folder, of the first of `kinds` that is there.

        Raises: CheckpointError if there is none of these, or if they are damaged.
        """
        names = [with_variant(name, self.variant) for kind in kinds for name in FILES_OF[kind]]
        found = next((path for name in names if (path := current_file(folder, name))), None)
        if found is None:
            asked = [name for name in NARROWING if getattr(self, name) != getattr(ReadingOptions, name)]
            listed = ", ".join(f"`{name}`" for name in asked)
            remedy = f"Leave out {listed} to take what there is." if asked else "Download or copy them into it."
            raise CheckpointError(f"{folder} has no weights: none of {', '.join(names)}. {remedy}")
        return open_weights(found)
