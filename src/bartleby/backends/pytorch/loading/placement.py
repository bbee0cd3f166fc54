"""Where weights go: the device and the type asked for, and how they get there.

No more memory is taken than the weights need in the type asked for: stored numbers of that type are used where they
lie, mapped from the file; others are converted piece by piece, and the pages read are given back. Measured by
benchmarks/loading.py.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bartleby.checkpoints.containers import StoredWeights
from bartleby.checkpoints.tensors import Array, StoredTensor
from bartleby.errors import OptionError
from bartleby.family.parameters import Parameter

DTYPES = {name: getattr(torch, name) for name in ("float32", "float64", "float16", "bfloat16")}
ONE_DEVICE = "a model of this family lies on one device; pass `device`"
MAPS_TO_ONE = ("auto", "balanced", "balanced_low_0", "sequential")
PIECE = 1 << 22
"""Numbers converted at a time."""


def place_of(device: torch.device | str | int | None, device_map: Any) -> torch.device:
    """The one device that the weights go to; torch's default device where nothing is said.

    A `device_map` may name one device in any published way; "auto" is the accelerator, if there is one.
    Raises: OptionError if it names several, none that torch knows, or two different ones.
    """
    try:
        places = {torch.device(each) for each in _devices_named(device_map)}
        place = torch.device(device) if device is not None else None
    except (RuntimeError, TypeError) as error:
        raise OptionError(f"`device` must be one that torch knows, like 'cpu' or 'cuda:0': {error}.") from None
    if place is not None:
        places.add(place)
    if len(places) > 1:
        listed = ", ".join(sorted(map(str, places)))
        raise OptionError(f"`device_map` must name one device, but with `device` names {listed}: {ONE_DEVICE}.")
    found = places.pop() if places else torch.get_default_device()
    if found.type == "meta":
        raise OptionError("`device` must have memory, but is 'meta'. For shapes alone, build the class from a config.")
    return found


def _devices_named(device_map: Any) -> list[Any]:
    if device_map is None:
        return []
    if isinstance(device_map, Mapping):
        return list(device_map.values())
    if device_map in MAPS_TO_ONE:
        accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        return ["cpu" if accelerator is None else torch.device(accelerator.type, 0)]
    return [device_map]


def dtype_of(
    dtype: torch.dtype | str | None,
    torch_dtype: torch.dtype | str | None,
    of_checkpoint: str | None,
    file: StoredWeights | None = None,
) -> torch.dtype:
    """The type asked for; "auto" is what the config says, or else the type of the file's first weights."""
    if dtype is not None and torch_dtype is not None and str(dtype) != str(torch_dtype):
        raise OptionError(f"`dtype` and `torch_dtype` are two names of one thing, but are {dtype} and {torch_dtype}.")
    asked = str(dtype or torch_dtype or torch.get_default_dtype()).removeprefix("torch.")
    if asked == "auto":
        types = [] if file is None else [file.dtype(name) for name in file.names()]
        asked = of_checkpoint or next((each for each in types if each in DTYPES), "float32")
    if asked not in DTYPES:
        raise OptionError(f"`dtype` must be one of auto, {', '.join(DTYPES)}, but is {asked!r}.")
    return DTYPES[asked]


def tensors_of(
    file: StoredWeights, table: Iterable[Parameter], found: Mapping[str, StoredTensor], target: Target
) -> dict[str, Tensor]:
    """What was found, once for each tie; of two untied parameters that share bytes in the file, one is a copy."""
    tensors: dict[str, Tensor] = {}
    places: set[Hashable] = set()
    file.forget()  # ties may have been compared
    for parameter in table:
        kept = found.get(parameter.name)
        if kept is not None and parameter.tied_to is None:
            tensors[parameter.name] = _tensor(file, kept, target, kept.place in places)
            places.add(kept.place)
    return tensors


@dataclass(frozen=True)
class Target:
    """Where tensors go, as what, and whether the file's (or the caller's) own memory may serve."""

    dtype: torch.dtype
    device: torch.device
    copied: bool


def _tensor(file: StoredWeights, kept: StoredTensor, target: Target, taken: bool) -> Tensor:
    source = _as_stored(kept)
    if source.dtype == target.dtype and target.device.type == "cpu" and not target.copied and not taken:
        return source
    tensor = torch.empty(kept.shape, dtype=target.dtype, device=target.device)
    flat, numbers = tensor.view(-1), source.reshape(-1)
    for start in range(0, flat.numel(), PIECE):
        flat[start : start + PIECE] = numbers[start : start + PIECE]
        file.forget()  # nobody has changed the file's pages yet: those used as they are can be read again
    return tensor


def _as_stored(kept: StoredTensor) -> Tensor:
    """The file's own memory, in the type it has there."""
    raw = kept.raw()
    return (
        torch.from_numpy(raw.view(np.int16)).view(torch.bfloat16) if kept.dtype == "bfloat16" else torch.from_numpy(raw)
    )


def stored(tensor: Tensor, name: str = "") -> StoredTensor:
    """A tensor as the checkpoints room knows them; one on an accelerator is fetched when its turn comes."""
    place = (str(tensor.device), tensor.data_ptr(), tuple(tensor.shape))
    return StoredTensor(name, tuple(tensor.shape), name_of(tensor.dtype), partial(_raw, tensor.detach()), place)


def _raw(tensor: Tensor) -> Array:
    tensor = tensor.cpu().contiguous()
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(np.uint16)
    array: Array = tensor.numpy()
    return array


def name_of(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
