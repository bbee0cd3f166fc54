"""Weights divided among processes: each holds, and updates, a piece of every parameter (FSDP).

By torch's own `fully_shard`, because accelerate shards on accelerators only, and this does the same on a CPU, where the
tests run. Outside the steps whole values stand for the pieces: no checkpoint knows how many processes wrote it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from bartleby.backends.pytorch.layers import DecoderLayer, EncoderLayer

Module = TypeVar("Module", bound=nn.Module)


def sharded(module: Module, device: torch.device) -> Module:
    """A copy of `module` on a device, divided among all processes; layers come together one by one, when they run."""
    divided = copy.deepcopy(module).to(device)
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    for layer in divided.modules():
        if isinstance(layer, EncoderLayer | DecoderLayer):
            fully_shard(layer, mesh=mesh)
    fully_shard(divided, mesh=mesh)
    return divided


def whole(value: Any) -> Any:
    """A tensor put together from its pieces, which all processes do at once; anything else as it is."""
    return value.full_tensor() if isinstance(value, DTensor) else value


def whole_state(state: Mapping[str, Any]) -> dict[str, Any]:
    """An optimizer's `state_dict` with whole tensors."""
    moments = {index: {name: whole(value) for name, value in each.items()} for index, each in state["state"].items()}
    return {**state, "state": moments}


def divided_as(value: Any, parameter: Tensor) -> Any:
    """The piece of a whole value that goes with a parameter's; a value of another shape is everyone's."""
    if not isinstance(parameter, DTensor) or not isinstance(value, Tensor) or value.shape != parameter.shape:
        return value
    return distribute_tensor(value.to(parameter.device), parameter.device_mesh, parameter.placements)


def divided_state(state: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """What `whole_state` put together, divided as the parameters of an optimizer are."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    moments = {
        index: {name: divided_as(value, parameters[index]) for name, value in each.items()}
        for index, each in state["state"].items()
    }
    return {**state, "state": moments}


class Stand:
    """A model whose weights are elsewhere, in pieces; it takes no memory but while it is filled."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self._empty()

    @contextmanager
    def filled(self, values: Mapping[str, Tensor], device: torch.device) -> Iterator[None]:
        """Give the model whole weights, made of pieces by name; all processes enter together."""
        self.model.to(device)  # its buffers
        for name, parameter in self.model.named_parameters():
            parameter.data = whole(values[name]).detach().to(device)
        try:
            yield
        finally:
            self._empty()

    def _empty(self) -> None:
        for parameter in self.model.parameters():
            parameter.data = parameter.data.new_empty(0)
