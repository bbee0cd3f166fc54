"""Masks as release 4 offered them on every model, for scripts that prepare their own. The models use masks.py."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bartleby.backends.pytorch.loading.building import Building
from bartleby.errors import ShapeError


class PublishedMasks(Building):
    """1 where a token counts becomes 0 to be added to a score; 0 becomes the most negative number."""

    def invert_attention_mask(self, encoder_attention_mask: Tensor) -> Tensor:
        """Shapes: (b, s) -> (b, 1, 1, s); (b, t, s) -> (b, 1, t, s)."""
        return _added(_with_head_axis(encoder_attention_mask), self.dtype)

    def get_extended_attention_mask(
        self,
        attention_mask: Tensor,
        input_shape: Sequence[int],
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> Tensor:
        """The same for self-attention; where the config says `is_decoder`, the future is hidden too.

        Shapes: (b, s) -> (b, 1, 1, s), of a decoder (b, 1, t, s); (b, t, s) -> (b, 1, t, s). `input_shape` is (b, t).
        """
        if attention_mask.dim() == 2 and self.config.is_decoder:
            extended = self.create_extended_attention_mask_for_decoder(input_shape, attention_mask, device)
        else:
            extended = _with_head_axis(attention_mask)
        return _added(extended, dtype or self.dtype)

    @staticmethod
    def create_extended_attention_mask_for_decoder(
        input_shape: Sequence[int], attention_mask: Tensor, device: torch.device | None = None
    ) -> Tensor:
        """1 where a token counts and is no later than the one that looks; (b, past + t) -> (b, 1, t, past + t)."""
        length, total = input_shape[1], attention_mask.shape[1]
        places = torch.arange(total, device=device or attention_mask.device)
        seen = places[None, :] <= places[total - length :, None]  # (t, past + t)
        return seen.to(attention_mask.dtype)[None, None] * attention_mask[:, None, None, :]

    def get_head_mask(
        self, head_mask: Tensor | None, num_hidden_layers: int, is_attention_chunked: bool = False
    ) -> Tensor | list[None]:
        """Which heads count, for each layer; (h) or (layers, h) -> (layers, 1, h, 1, 1), without one a None a layer."""
        if head_mask is None:
            return [None] * num_hidden_layers
        if head_mask.dim() not in (1, 2):
            raise ShapeError(f"`head_mask` must have 1 or 2 axes, but has shape {tuple(head_mask.shape)}.")
        mask = head_mask.expand(num_hidden_layers, -1) if head_mask.dim() == 1 else head_mask
        mask = mask[:, None, :, None, None].to(self.dtype)
        return mask.unsqueeze(-1) if is_attention_chunked else mask


def _with_head_axis(mask: Tensor) -> Tensor:
    if mask.dim() not in (2, 3):
        raise ShapeError(f"`attention_mask` must have 2 or 3 axes, but has shape {tuple(mask.shape)}.")
    return mask[:, None] if mask.dim() == 3 else mask[:, None, None]


def _added(mask: Tensor, dtype: torch.dtype) -> Tensor:
    return (1.0 - mask.to(dtype)) * torch.finfo(dtype).min
