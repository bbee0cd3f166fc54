"""A model as a checkpoint folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from bartleby.backends.pytorch.loading.building import Building
from bartleby.backends.pytorch.loading.loading import Generating, parameters_of
from bartleby.backends.pytorch.loading.placement import name_of, stored
from bartleby.backends.writing import NotUploaded, config_document, refuse_arguments
from bartleby.checkpoints.folder import DEFAULT_SHARD_SIZE, save_folder
from bartleby.checkpoints.forms import SAFETENSORS
from bartleby.errors import CheckpointError, raise_all
from bartleby.family.parameters import Parameter

UNUSED_ARGUMENTS = ("token", "save_peft_format", "save_original_format")
"""Published arguments that change nothing: there are no adapters inside a model, and one layout of files."""

KNOWN_ARGUMENTS = {*UNUSED_ARGUMENTS, "distributed_checkpoint"}


class Saving(Building, NotUploaded):
    """A model that can be written to a folder, for this library and for the reference library's releases 4 and 5."""

    def save_pretrained(
        self,
        save_directory: str | os.PathLike[str],
        is_main_process: bool = True,
        state_dict: Mapping[str, Tensor] | None = None,
        save_function: Callable[..., Any] | None = None,
        push_to_hub: bool = False,
        max_shard_size: int | str = DEFAULT_SHARD_SIZE,
        safe_serialization: bool = True,
        variant: str | None = None,
        token: str | bool | None = None,
        save_peft_format: bool = True,
        **kwargs: Any,
    ) -> None:
        """Save config, decoding options and weights in the published layout, in the place of what was there.

        `state_dict` is saved instead of the model's own weights, and may hold parts of them; of several processes only
        the main one saves. `save_function` writes pickles in the reference library, and is never called here; nothing
        is uploaded, so `token` has no use.
        Raises: OptionError for what cannot be, CheckpointError if the weights are not those its config describes, or
            the disk refuses.
        """
        refuse_other_forms(push_to_hub, safe_serialization, kwargs)
        if not is_main_process:
            return
        lines = parameters_of(self)
        state = self.state_dict() if state_dict is None else state_dict
        faults = list(faults_of(lines, state, parts_allowed=state_dict is not None))
        raise_all(CheckpointError, faults, type(self).__name__)
        names = [name for name, parameter in lines.items() if parameter.tied_to is None]
        dtype = next((name_of(tensor.dtype) for tensor in state.values() if tensor.is_floating_point()), None)
        options = self.generation_config if isinstance(self, Generating) else None
        save_folder(
            os.fspath(save_directory),
            config=config_document(self.config, type(self).__name__, dtype),
            generation_config=None if options is None else options.to_diff_dict(),
            weights={name: stored(state[name]) for name in names if name in state},
            max_shard_size=max_shard_size,
            form=replace(SAFETENSORS, variant=variant),
        )


def refuse_other_forms(push_to_hub: bool, safe_serialization: bool, others: Mapping[str, Any]) -> None:
    """Raises: OptionError for ways of saving that are not offered, and for arguments that no release knows."""
    faults = []
    if not safe_serialization:
        faults.append("`safe_serialization` must be True: pickles are read, but never written.")
    if others.get("distributed_checkpoint"):
        faults.append("`distributed_checkpoint` must be False: a model of this family lies on one device.")
    refuse_arguments(push_to_hub, [name for name in others if name not in KNOWN_ARGUMENTS], faults)


def faults_of(lines: Mapping[str, Parameter], state: Mapping[str, Tensor], parts_allowed: bool) -> Iterator[str]:
    """How a state dict differs from the model its config describes: saved, it could not be loaded again.

    A caller's own may hold only some of the parameters, with `parts_allowed`.
    """
    own = {parameter.name: name for name, parameter in lines.items()}
    for name, parameter in lines.items():
        tensor, source = state.get(name), parameter.tied_to
        if tensor is None:
            if source is None and not parts_allowed:
                yield f"`{parameter.name}` is missing."
        elif tuple(tensor.shape) != parameter.shape:
            shape = tuple(tensor.shape)
            yield f"`{parameter.name}` has shape {shape}, but the config says {parameter.shape}. Set the config right."
        elif source in own and not _is_same(tensor, state.get(own[source])):
            yield (
                f"`{parameter.name}` and `{source}` differ, but the config ties them. "
                "Call tie_weights, or set `tie_word_embeddings` to False."
            )
    for name in state.keys() - own.values():
        yield f"`{name}` is in the model, but not in its config."


def _is_same(tensor: Tensor, source: Tensor | None) -> bool:
    return source is not None and (tensor.data_ptr() == source.data_ptr() or tensor.equal(source))
