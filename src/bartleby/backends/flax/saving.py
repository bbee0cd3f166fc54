"""A Flax model as a checkpoint folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import numpy as np
from flax.core import unfreeze
from flax.traverse_util import flatten_dict

from bartleby.backends.flax.loading import Loading
from bartleby.backends.writing import NotUploaded, Written, refuse_arguments, superseding
from bartleby.checkpoints.forms import SAFETENSORS, flax_form
from bartleby.checkpoints.layouts import is_turned, to_flax, turned
from bartleby.checkpoints.tensors import Array, StoredTensor
from bartleby.errors import CheckpointError, raise_all
from bartleby.family.parameters import parameter_table

UNUSED_ARGUMENTS = ("use_auth_token", "commit_message", "private", "create_pr", "repo_id")
"""Published arguments that are about uploading, which is not done."""


class Saving(Loading, NotUploaded):
    """A model that can be written to a folder, for all wings and for the reference library's release 4."""

    def save_pretrained(
        self,
        save_directory: str | os.PathLike[str],
        params: Any = None,
        push_to_hub: bool = False,
        max_shard_size: int | str = "10GB",
        token: str | bool | None = None,
        safe_serialization: bool = False,
        **kwargs: Any,
    ) -> None:
        """Save config, decoding options and parameters in the published layout, in the place of what was there.

        `params` are saved instead of the model's own, and may be a part of them, but not nothing. The file is
        flax_model.msgpack or, with `safe_serialization`, model.safetensors as PyTorch names and turns its tensors.
        Nothing is uploaded, so `token` has no use.
        Raises: OptionError for what cannot be, CheckpointError if the parameters are not those its config describes,
            or the disk refuses.
        """
        refuse_arguments(push_to_hub, kwargs.keys() - set(UNUSED_ARGUMENTS))
        written = Written(
            type(self).__name__.removeprefix("Flax"),
            self.config,
            self.generation_config if self.can_generate() else None,
            self.table_head,
            self._stored(self.params if params is None else params),
            is_part=params is not None,
        )
        own = flax_form(bare=self.table_head == "none")
        form = superseding(SAFETENSORS, own) if safe_serialization else own
        written.save(save_directory, form, max_shard_size)

    def _stored(self, params: Mapping[str, Any]) -> dict[str, StoredTensor]:
        """Canonical name -> tensor for a tree of parameters.

        Raises: CheckpointError if it has some that the model does not know, or of another shape.
        """
        bare = self.table_head == "none"
        table = parameter_table(self.config, self.table_head)
        known = {to_flax(parameter.name, bare): parameter for parameter in table if parameter.tied_to is None}
        flat = flatten_dict(unfreeze(params), sep="/")
        strays = [f"`{name}` is in the parameters, but not in the config." for name in flat if name not in known]
        strays += [] if flat else ["`params` must hold parameters, but is empty."]
        wanted = {name: _as_here(name, known[name].shape) for name in flat.keys() & known.keys()}
        strays += [
            f"`{name}` must have shape {wanted[name]}, but has {tuple(array.shape)}."
            for name, array in flat.items()
            if name in wanted and tuple(array.shape) != wanted[name]
        ]
        raise_all(CheckpointError, strays, type(self).__name__)
        return {known[name].name: stored(name, array) for name, array in flat.items()}


def stored(name: str, array: jax.Array) -> StoredTensor:
    """A parameter as the checkpoints room knows tensors, the usual way round; fetched when its turn comes."""
    dtype = np.dtype(array.dtype).name
    tensor = StoredTensor("", tuple(array.shape), dtype, partial(_raw, array), place=id(array))
    return turned(tensor) if is_turned(name) else tensor


def _as_here(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[::-1] if is_turned(name) else shape


def _raw(array: jax.Array) -> Array:
    numbers: Array = np.ascontiguousarray(jax.device_get(array))
    return numbers.view(np.uint16) if numbers.dtype.name == "bfloat16" else numbers
