"""What both models that write have: the layer that scores tokens, the loss of labels, and the steps of decoding."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from bartleby.backends.keras.generation import GenerationMixin
from bartleby.backends.keras.layers import Linear, put_layer, tied_scores
from bartleby.backends.keras.losses import token_loss
from bartleby.backends.keras.masks import Size
from bartleby.backends.keras.model import Model
from bartleby.backends.keras.modeling import Cache, Decoder
from bartleby.backends.keras.passing import reordered
from bartleby.family.config import PreTrainedConfig

Tensor = Any


class Writing(GenerationMixin, Model):
    """A decoder, alone or behind an encoder, and a distribution over the next token."""

    lm_head: Linear | None
    """None where the input table scores."""

    def get_decoder(self) -> Decoder:
        raise NotImplementedError

    def get_output_embeddings(self) -> keras.layers.Layer:
        return self.get_input_embeddings() if self.lm_head is None else self.lm_head

    def set_output_embeddings(self, value: keras.layers.Layer) -> None:
        """Put another layer in its place, or another table where they are tied."""
        if self.lm_head is None:
            self.set_input_embeddings(value)
        else:
            put_layer(self, "lm_head", value)

    def token_scores(self, hidden: Tensor) -> Tensor:
        """Scores of every token, before any bias; (b, t, d) -> (b, t, v)."""
        if self.lm_head is None:
            return tied_scores(hidden, ops.convert_to_tensor(self.get_input_embeddings().embeddings))
        return self.lm_head.call(hidden)

    def lm_logits(self, hidden: Tensor) -> Tensor:
        raise NotImplementedError

    def hf_compute_loss(self, labels: Tensor, logits: Tensor) -> Tensor:
        """The loss of each label that is not -100; (b, t), (b, t, v) -> (n)."""
        return token_loss(labels, logits)

    # What decoding asks for

    def start_cache(self, states: Tensor | None, rows: Size, length: Size) -> Cache:
        """Room for `length` tokens of `rows` texts, and the keys and values of encoder states where there are any."""
        return self.get_decoder().empty_cache(states, rows, length)

    def step(
        self, ids: Tensor, start: Size, cache: Cache, source_mask: Tensor | None, prompt_mask: Tensor | None
    ) -> tuple[Tensor, Cache]:
        """Scores after the last of these tokens, which stand at `start` and on, and the next cache.

        Shapes: ids (r, t), source_mask (b, s), prompt_mask (r, T) -> (r, v) in float32.
        """
        hidden, cache = self.get_decoder().step(ids, start, cache, source_mask, prompt_mask)
        return ops.cast(self.lm_logits(hidden)[:, 0], "float32"), cache

    def reorder_cache(self, cache: Cache, rows: Tensor) -> Cache:
        """The cache of other rows; (r)."""
        return reordered(cache, rows)


def own_projection(config: PreTrainedConfig) -> Linear | None:
    """The projection to tokens of a model that does not use its input table for it."""
    if config.tie_word_embeddings:
        return None
    return Linear(config.d_model, config.vocab_size, config.init_std, "lm_head", use_bias=False)
