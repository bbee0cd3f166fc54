"""What a cache keeps for one layer: its keys and values, (rows, h, t, k), and how they grow."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from bartleby.errors import LengthError

UNLIMITED = -1


class CacheLayer(ABC):
    """The keys and values of one layer; both are None until the first update."""

    is_compileable: ClassVar[bool] = False

    @property
    @abstractmethod
    def keys(self) -> Tensor | None: ...

    @property
    @abstractmethod
    def values(self) -> Tensor | None: ...

    @property
    def is_initialized(self) -> bool:
        return self.keys is not None

    @abstractmethod
    def update(self, keys: Tensor, values: Tensor, cache_position: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Add t new positions; what attention shall look at comes back."""

    @abstractmethod
    def get_seq_length(self) -> int:
        """Positions held."""

    @abstractmethod
    def get_max_length(self) -> int:
        """Room for how many positions; -1 if there is no limit."""

    @abstractmethod
    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Row i becomes what row `beam_idx[i]` was; fewer, more or repeated rows are fine."""

    @abstractmethod
    def crop(self, length: int) -> None:
        """Keep the first `length` positions."""

    @abstractmethod
    def reset(self) -> None:
        """Forget all positions."""


class DynamicLayer(CacheLayer):
    """Grows by concatenation: simple, and differentiable."""

    keys: Tensor | None = None
    values: Tensor | None = None

    def __init__(self, keys: Tensor | None = None, values: Tensor | None = None) -> None:
        self.keys, self.values = keys, values

    def update(self, keys: Tensor, values: Tensor, cache_position: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """`cache_position` can only be the end, and is not looked at: reading it would make the device wait."""
        if self.keys is not None and self.values is not None:
            keys = torch.cat([self.keys, keys], dim=2)
            values = torch.cat([self.values, values], dim=2)
        self.keys, self.values = keys, values
        return keys, values

    def get_seq_length(self) -> int:
        return 0 if self.keys is None else self.keys.shape[2]

    def get_max_length(self) -> int:
        return UNLIMITED

    def reorder_cache(self, beam_idx: Tensor) -> None:
        if self.keys is not None and self.values is not None:
            self.keys = self.keys.index_select(0, beam_idx.to(self.keys.device))
            self.values = self.values.index_select(0, beam_idx.to(self.values.device))

    def crop(self, length: int) -> None:
        if self.keys is not None and self.values is not None:
            self.keys, self.values = self.keys[:, :, :length], self.values[:, :, :length]

    def reset(self) -> None:
        self.keys = self.values = None


class StaticLayer(CacheLayer):
    """Room for `max_cache_len` positions, taken once; a step writes its own place and copies nothing.

    Without `cache_position` the next free places are written, and only what is held comes back. With it shapes never
    change and nothing is read on the host: the whole memory comes back, and a mask has to hide what is not written.
    That is what compiled code and CUDA graphs need. A captured graph runs no Python: stay with `cache_position` then.
    """

    is_compileable = True

    def __init__(self, max_cache_len: int) -> None:
        self.max_cache_len = max_cache_len
        self._length: int | None = 0
        """None when only the device knows, in `_end`."""
        self._keys: Tensor | None = None
        self._values: Tensor | None = None
        self._end: Tensor | None = None

    @property
    def keys(self) -> Tensor | None:
        return self._keys if self._keys is None or self._length is None else self._keys[:, :, : self._length]

    @property
    def values(self) -> Tensor | None:
        return self._values if self._values is None or self._length is None else self._values[:, :, : self._length]

    def take_memory(self, keys: Tensor, values: Tensor) -> None:
        """For rows, heads and widths like these; zeros, because attention weighs what it hides by 0, not by nothing."""
        self._keys = keys.new_zeros(*keys.shape[:2], self.max_cache_len, keys.shape[3])
        self._values = values.new_zeros(*values.shape[:2], self.max_cache_len, values.shape[3])
        self._end = torch.zeros(1, dtype=torch.long, device=keys.device)
        if keys.is_cuda and not torch.compiler.is_compiling():
            for memory in (self._keys, self._values, self._end):
                torch._dynamo.mark_static_address(memory)  # or graphs would copy it in and out

    def update(self, keys: Tensor, values: Tensor, cache_position: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if self._keys is None:
            self.take_memory(keys, values)
        assert self._keys is not None
        assert self._values is not None
        assert self._end is not None
        if cache_position is not None:
            self._keys.index_copy_(2, cache_position, keys)
            self._values.index_copy_(2, cache_position, values)
            self._end.copy_(cache_position[-1:] + 1)
            self._length = None
            return self._keys, self._values
        start = self.get_seq_length()
        end = start + keys.shape[2]
        if end > self.max_cache_len:
            raise LengthError(
                f"The cache has room for {self.max_cache_len} tokens, but {end} came. Take a longer StaticCache."
            )
        self._keys[:, :, start:end] = keys
        self._values[:, :, start:end] = values
        self._length = end
        return self._keys[:, :, :end], self._values[:, :, :end]

    def get_seq_length(self) -> int:
        if self._length is not None:
            return self._length
        assert self._end is not None
        return int(self._end)

    def get_max_length(self) -> int:
        return self.max_cache_len

    def reorder_cache(self, beam_idx: Tensor) -> None:
        if self._keys is None or self._values is None:
            return
        used = slice(self._length)  # all of it where only the device knows how much
        keys = self._keys[:, :, used].index_select(0, beam_idx.to(self._keys.device))  # a copy, so in place is safe
        values = self._values[:, :, used].index_select(0, beam_idx.to(self._values.device))
        if len(keys) != len(self._keys):
            self._keys = keys.new_zeros(len(keys), *self._keys.shape[1:])
            self._values = values.new_zeros(len(values), *self._values.shape[1:])
        self._keys[:, :, used] = keys
        self._values[:, :, used] = values

    def crop(self, length: int) -> None:
        self._length = min(length, self.get_seq_length())

    def reset(self) -> None:
        self._length = 0
        for memory in (self._keys, self._values, self._end):
            if memory is not None:
                memory.zero_()
