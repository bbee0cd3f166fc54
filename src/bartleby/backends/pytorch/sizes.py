"""How large a model is, and how much work a batch is: in parameters, bytes and operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn


class Sizes(nn.Module):
    """The published counts. Tied parameters count once in all of them."""

    main_input_name = "input_ids"

    def num_parameters(self, only_trainable: bool = False, exclude_embeddings: bool = False) -> int:
        """Numbers in all parameters; the tables of tokens and positions can be left out, and what they are tied to.

        Buffers are none. An output projection of its own is no embedding.
        """
        tables = {id(module.weight) for module in self.modules() if isinstance(module, nn.Embedding)}
        return sum(
            parameter.numel()
            for parameter in self.parameters()
            if (parameter.requires_grad or not only_trainable) and not (exclude_embeddings and id(parameter) in tables)
        )

    def get_memory_footprint(self, return_buffers: bool = True) -> int:
        """Bytes of the weights; gradients, activations and caches come on top."""
        held = [*self.parameters(), *(self.buffers() if return_buffers else ())]
        return sum(tensor.numel() * tensor.element_size() for tensor in held)

    def estimate_tokens(self, input_dict: Mapping[str, Any]) -> int:
        """Source tokens of a batch, pads included; 0 where it holds no `input_ids`."""
        ids = input_dict.get(self.main_input_name)
        return 0 if ids is None else ids.numel()

    def floating_point_ops(self, input_dict: Mapping[str, Any], exclude_embeddings: bool = True) -> int:
        """Operations of one forward and backward pass: six for each parameter and source token.

        Attention's share, which grows with the square of the length, is left out.
        Source: Kaplan et al. 2020 (arXiv 2001.08361), section 2.1.
        """
        return 6 * self.estimate_tokens(input_dict) * self.num_parameters(exclude_embeddings=exclude_embeddings)
