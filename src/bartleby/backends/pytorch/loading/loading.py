"""From a name or a folder to a model with its weights."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Protocol, Self, overload, runtime_checkable

import torch
from torch import Tensor, nn

from bartleby.backends.pytorch.loading.building import Building, default_dtype, is_published, mark_drawn
from bartleby.backends.pytorch.loading.options import LoadingOptions, open_stored
from bartleby.backends.pytorch.loading.placement import Target, dtype_of, name_of, place_of, tensors_of
from bartleby.backends.reading import Name, decoding_options, open_checkpoint, settled_config
from bartleby.backends.report import loading_info, refuse_incomplete, tell
from bartleby.checkpoints.folder import CheckpointFolder
from bartleby.checkpoints.names import canonical_name, match, own_name
from bartleby.errors import OptionError
from bartleby.family.config import PreTrainedConfig
from bartleby.family.parameters import Parameter, parameter_table
from bartleby.generation.config import GenerationConfig


@runtime_checkable
class Generating(Protocol):
    """A model that can write, and so has options for it."""

    generation_config: GenerationConfig


class Loading(Building):
    """A model that can be read from a checkpoint."""

    @overload
    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: Name | None,
        *model_args: Any,
        output_loading_info: Literal[True],
        **kwargs: Any,
    ) -> tuple[Self, dict[str, list[Any]]]: ...
    @overload
    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Name | None, *model_args: Any, **kwargs: Any) -> Self: ...
    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: Name | None,
        *model_args: Any,
        config: PreTrainedConfig | Name | None = None,
        cache_dir: Name | None = None,
        ignore_mismatched_sizes: bool = False,
        force_download: bool = False,
        local_files_only: bool = False,
        token: str | bool | None = None,
        revision: str = "main",
        use_safetensors: bool | None = None,
        weights_only: bool = True,
        disable_mmap: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """The model of a folder, of the hub or of this package, ready to be used: dropout is off.

        `kwargs` are those of `LoadingOptions` (dtype, device, state_dict, …), the fields of the config and the decoding
        options that shall be replaced, and what a subclass's constructor has besides, as it gets `model_args`.
        Weights become float32 (torch's default) unless `dtype` or `torch_dtype` say otherwise; "auto" is the type the
        checkpoint names or has. A head that the checkpoint lacks is drawn at random, and told; so is all else that is
        missing where the caller gives a `state_dict` or asks for `output_loading_info`. No name is needed beside both
        `config` and `state_dict`. `weights_only` makes no difference: nothing else is ever read.
        Raises: HubError if it cannot be found, ConfigError or OptionError for arguments that cannot be, CheckpointError
            with all that the body of the model lacks and, as MismatchError, what is misshapen.
        """
        kwargs |= {
            "cache_dir": cache_dir,
            "ignore_mismatched_sizes": ignore_mismatched_sizes,
            "force_download": force_download,
            "local_files_only": local_files_only,
            "token": token,
            "revision": revision,
            "use_safetensors": use_safetensors,
            "disable_mmap": disable_mmap,
        }
        options = LoadingOptions.take(kwargs)
        named = {name: kwargs.pop(name) for name in _own_arguments(cls) & kwargs.keys()}
        name = pretrained_model_name_or_path
        with _checkpoint(name, config, options) as checkpoint:
            settled = settled_config(cls.config_class, checkpoint, config, kwargs, options)
            settled.name_or_path = "" if name is None else os.fspath(name)
            model, told = cls._load(checkpoint, settled, options, lambda: cls(settled, *model_args, **named))
        if isinstance(model, Generating):
            model.generation_config = options.generation_config or decoding_options(checkpoint, model.config, kwargs)
        return (model, told) if options.output_loading_info else model

    @classmethod
    def _load(
        cls, checkpoint: CheckpointFolder, config: PreTrainedConfig, options: LoadingOptions, build: Callable[[], Self]
    ) -> tuple[Self, dict[str, list[Any]]]:
        """The model that `build` makes of `config`, with its weights, and what did not fit."""
        place = place_of(options.device, options.device_map)
        with open_stored(checkpoint.path, options) as file:
            dtype = dtype_of(options.dtype, options.torch_dtype, config.dtype, file)
            config.dtype = name_of(dtype)
            # Shapes without numbers; but a caller's own class may compute some when it is built.
            with default_dtype(dtype), torch.device("meta" if is_published(cls) else place):
                model = build()
            own = {parameter.name: name for name, parameter in parameters_of(model).items()}
            table = list(parameters_of(model).values())
            found, report = match(file, table)
            published = {parameter.name for parameter in parameter_table(model.config, cls.table_head)}
            refuse_incomplete(report, options, own.keys() - published, options.state_dict is not None)
            copied = options.state_dict is not None or bool(options.disable_mmap)
            weights = tensors_of(file, table, found, Target(dtype, place, copied))
            fill(model, own, table, weights, place)
        tell(report, cls.__name__)
        if options.device_map is not None:
            model.hf_device_map = {"": place.type if place.index is None else place.index}
        return model.eval(), loading_info(report, own)


def parameters_of(model: Building) -> dict[str, Parameter]:
    """All that is saved of a model and loaded into it: its name there -> its line of the table.

    A caller's own class may stand on the bare model, on a part of it or on a published head, and have more besides.
    """
    table = parameter_table(model.config, model.table_head)
    lines = {own_name(line.name, model.table_head): line for line in table}
    if is_published(type(model)):
        return lines
    state = model.state_dict()
    spellings = ((name, line) for own, line in lines.items() for name in (own, line.name))
    lines = {name: line for name, line in spellings if name in state}
    there = {line.name for line in lines.values()}
    lines = {name: line if line.tied_to in there else replace(line, tied_to=None) for name, line in lines.items()}
    stack = model.table_head if model.table_head in ("encoder", "decoder") else ""
    for name, tensor in state.items():
        if name not in lines and tensor.is_floating_point():
            lines[name] = Parameter(canonical_name(name, stack), tuple(tensor.shape), "buffer")
    return lines


def fill(
    model: Building,
    own: Mapping[str, str],
    table: Sequence[Parameter],
    weights: Mapping[str, Tensor],
    device: torch.device,
) -> None:
    """Make `weights`, not copies of them, the model's own; modules that lack some are drawn at random first.

    `own` says what the model calls the parameters of the table.
    """
    missing = [parameter.name for parameter in table if parameter.tied_to is None and parameter.name not in weights]
    lacking = {own[name].rpartition(".")[0] for name in missing}
    for name, module in model.named_modules():  # in the order in which a new model is drawn
        if name in lacking and _has_no_numbers(module):
            module.to_empty(device=device, recurse=False)
            for buffer in module.buffers(recurse=False):
                buffer.zero_()
            model._init_weights(module)
    model.load_state_dict({own[name]: tensor for name, tensor in weights.items()}, strict=False, assign=True)
    model.tie_weights()
    mark_drawn(model)


def _has_no_numbers(module: nn.Module) -> bool:
    return any(each.is_meta for each in (*module.parameters(recurse=False), *module.buffers(recurse=False)))


def _checkpoint(name: Name | None, config: object, options: LoadingOptions) -> CheckpointFolder:
    """The folder that a name means; an empty one where the caller gives all that would be in it."""
    if name is not None:
        return open_checkpoint(name, options, options.fetched)
    if config is None or options.state_dict is None:
        raise OptionError("Without a name or a folder, both `config` and `state_dict` must be given.")
    return CheckpointFolder(Path(), {}, None)


def _own_arguments(model_class: type[Building]) -> set[str]:
    """What the constructor of a caller's own class takes besides a config."""
    if is_published(model_class):
        return set()
    return set(inspect.signature(model_class).parameters) - {"config", "args", "kwargs"}
