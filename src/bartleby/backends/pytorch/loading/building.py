"""How a model comes into being: its config, its first weights, and which of them are one tensor."""

from __future__ import annotations

import copy
import inspect
from abc import ABCMeta
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, ClassVar, Self

import torch
from torch import nn

from bartleby.backends.pytorch.loading.options import LoadingOptions
from bartleby.backends.pytorch.loading.placement import dtype_of, name_of, place_of
from bartleby.errors import ConfigError, OptionError, raise_all
from bartleby.family.config import PreTrainedConfig
from bartleby.family.parameters import Head


class DrawnOnce(ABCMeta):
    """Builds models as shapes without numbers first, so that every weight is drawn once, by the model it is of.

    torch would draw what is then drawn again, and so would each part of a model. With `torch.device("meta")` or
    accelerate's `init_empty_weights` around it, a model stays without numbers.
    """

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        place = nn.LayerNorm(1).weight.device  # where parameters come to lie here
        if place.type == "meta" or not is_published(cls):
            return super().__call__(*args, **kwargs)
        with torch.device("meta"):
            model = super().__call__(*args, **kwargs)
        for module in model.modules():
            module.to_empty(device=place, recurse=False)
            for buffer in module.buffers(recurse=False):
                buffer.zero_()
        model.init_weights()
        return model

    @property
    def __signature__(cls) -> inspect.Signature:
        """That of the constructor, which `__call__` would hide from editors."""
        whole = inspect.signature(cls.__init__)  # type: ignore[misc]  # of this very class
        return whole.replace(parameters=list(whole.parameters.values())[1:], return_annotation=inspect.Signature.empty)


def is_published(model_class: type) -> bool:
    """Whether a class is this library's: its parameters are those of the table, and nothing else is made in it.

    A caller's own class may have more, and compute with what it makes while it is built.
    """
    return model_class.__module__.startswith("bartleby.")


class Building(nn.Module, metaclass=DrawnOnce):
    """A config made into modules: `config_class` and `table_head` say which model a subclass is."""

    config_class: ClassVar[type[PreTrainedConfig]]
    table_head: ClassVar[Head] = "none"
    hf_device_map: dict[str, str | int]
    """Where the weights are, for accelerate; only of models that were loaded with a `device_map`."""

    def __init__(self, config: PreTrainedConfig) -> None:
        super().__init__()
        if not isinstance(config, self.config_class):
            raise ConfigError(
                f"{type(self).__name__} needs a {self.config_class.__name__}, but was given a {type(config).__name__}."
            )
        config.check_buildable()
        self.config = config
        self.name_or_path = config.name_or_path

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype

    @classmethod
    def _from_config(cls, config: PreTrainedConfig, **kwargs: Any) -> Self:
        """A model with weights drawn at random, on a copy of `config`; `dtype` or `torch_dtype` say of which type.

        Raises: OptionError for other keywords, and for values that cannot be.
        """
        options = LoadingOptions.take(kwargs)
        faults = [f"`{name}` is no argument for building from a config: set it in the config." for name in kwargs]
        raise_all(OptionError, faults, cls.__name__)
        config = copy.deepcopy(config)
        dtype = dtype_of(options.dtype, options.torch_dtype, config.dtype)
        config.dtype = name_of(dtype)
        says_where = options.device is not None or options.device_map is not None
        with default_dtype(dtype), place_of(options.device, options.device_map) if says_where else nullcontext():
            return cls(config)

    def post_init(self) -> None:
        """Called at the end of every constructor."""
        self.init_weights()

    def init_weights(self) -> None:
        """Draw what was neither drawn nor loaded yet, and tie what is shared.

        A model is made of models: what those have drawn is not drawn again. To draw everything anew, `apply` the
        method `_init_weights`.
        """
        parts = [module for module in self.modules() if _is_drawn(module)]
        drawn = {id(parameter) for module in parts for parameter in module.parameters(recurse=False)}
        self.tie_weights()  # so that what is shared is drawn once; a part may get another tensor by it
        if any(parameter.is_meta for parameter in self.parameters()):
            return  # there are no numbers to draw yet
        for module in self.modules():
            own = {id(parameter) for parameter in module.parameters(recurse=False)}
            if not own <= drawn or not (own or _is_drawn(module)):
                self._init_weights(module)
            drawn |= own
        mark_drawn(self)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Numbers as those of a new published model: normal with `init_std`, biases and the row of pads zero."""
        std = self.config.init_std
        if isinstance(module, nn.Linear):
            module.weight.normal_(std=std)
            if module.bias is not None:
                module.bias.zero_()
        elif isinstance(module, nn.Embedding):
            module.weight.normal_(std=std)
            if module.padding_idx is not None:
                module.weight[module.padding_idx].zero_()
        elif isinstance(module, nn.LayerNorm):
            module.weight.fill_(1)
            module.bias.zero_()

    def tie_weights(self) -> None:
        """Make the tensors that the configuration ties one tensor; subclasses name theirs, others tie their parts'."""
        for part in self.children():
            if isinstance(part, Building):
                part.tie_weights()


def mark_drawn(model: nn.Module) -> None:
    """All modules have their weights: `init_weights` leaves them alone."""
    for module in model.modules():
        module.__dict__["_is_drawn"] = True


def _is_drawn(module: nn.Module) -> bool:
    return bool(module.__dict__.get("_is_drawn"))


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """New tensors of floats have this type inside."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
