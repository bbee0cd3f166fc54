"""The model, defined: what every wing must compute, in NumPy, without cache, dropout or speed.

Read top to bottom: embeddings, a layer's parts, the two stacks, the heads. `weights` maps the names of
`parameters.py` to arrays; the arithmetic follows their dtype, float32 or float64.

Axis letters, here and everywhere: b batch, s source, t target, d model, h heads, k head, v vocabulary, n beams.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from bartleby.errors import LengthError, VocabularyError
from bartleby.family import masks
from bartleby.family.activations import ACTIVATIONS
from bartleby.family.architecture import EmbeddingNorm, architecture_of
from bartleby.family.config import PreTrainedConfig
from bartleby.family.masks import Floats, Hidden, Ids

Weights = Mapping[str, npt.NDArray[Any]]

NORM_EPSILON = 1e-5


def encode(weights: Weights, config: PreTrainedConfig, input_ids: Ids, attention_mask: Ids | None = None) -> Floats:
    """Source tokens -> states that see each other in both directions. Shapes: (b, s), (b, s) -> (b, s, d)."""
    switches = architecture_of(config.model_type)
    hidden = embed(weights, config, "model.encoder", input_ids, switches.encoder_embedding_norm)
    hidden_from = masks.padding(attention_mask)
    for index in range(config.encoder_layers):
        layer = Layer(weights, config, f"model.encoder.layers.{index}", config.encoder_attention_heads)
        hidden = layer.attend("self_attn", hidden, None, hidden_from)
        hidden = layer.feed_forward(hidden)
    return final_norm(weights, "model.encoder", hidden) if switches.final_norm else hidden


def decode(
    weights: Weights,
    config: PreTrainedConfig,
    decoder_input_ids: Ids,
    encoder_states: Floats | None = None,
    attention_mask: Ids | None = None,
    decoder_attention_mask: Ids | None = None,
) -> Floats:
    """Target tokens -> states that see what came before them and the source.

    Shapes: decoder_input_ids (b, t), encoder_states (b, s, d), attention_mask (b, s) of the source,
    decoder_attention_mask (b, t) -> (b, t, d). Without encoder_states: a causal language model.
    """
    switches = architecture_of(config.model_type)
    hidden = embed(weights, config, "model.decoder", decoder_input_ids, switches.decoder_embedding_norm)
    before = masks.causal(decoder_input_ids.shape[1], decoder_attention_mask)
    source = masks.padding(attention_mask)
    for index in range(config.decoder_layers):
        layer = Layer(weights, config, f"model.decoder.layers.{index}", config.decoder_attention_heads)
        hidden = layer.attend("self_attn", hidden, None, before)
        if encoder_states is not None:
            hidden = layer.attend("encoder_attn", hidden, encoder_states, source)
        hidden = layer.feed_forward(hidden)
    return final_norm(weights, "model.decoder", hidden) if switches.final_norm else hidden


def lm_logits(weights: Weights, hidden: Floats) -> Floats:
    """Scores of every next token: (b, t, d) -> (b, t, v)."""
    logits = hidden @ weights["lm_head.weight"].T
    return logits + weights["final_logits_bias"][0] if "final_logits_bias" in weights else logits


def classify(weights: Weights, config: PreTrainedConfig, input_ids: Ids, attention_mask: Ids | None = None) -> Floats:
    """Scores of the labels, from the decoder's state at the last eos: (b, s) -> (b, num_labels)."""
    pooled = masks.last_eos(denoise(weights, config, input_ids, attention_mask), input_ids, config.eos_token_id)
    dense = np.tanh(linear(weights, "classification_head.dense", pooled))
    return linear(weights, "classification_head.out_proj", dense)


def spans(
    weights: Weights, config: PreTrainedConfig, input_ids: Ids, attention_mask: Ids | None = None
) -> tuple[Floats, Floats]:
    """Scores of where an answer starts and ends: (b, s) -> two of (b, s)."""
    scores = linear(weights, "qa_outputs", denoise(weights, config, input_ids, attention_mask))
    return scores[:, :, 0], scores[:, :, 1]


def denoise(weights: Weights, config: PreTrainedConfig, input_ids: Ids, attention_mask: Ids | None = None) -> Floats:
    """Decoder states over the source moved right, which classification and QA read: (b, s) -> (b, s, d)."""
    states = encode(weights, config, input_ids, attention_mask)
    return decode(weights, config, masks.shift_right(input_ids, config), states, attention_mask)


def embed(weights: Weights, config: PreTrainedConfig, stack: str, ids: Ids, embedding_norm: EmbeddingNorm) -> Floats:
    """Token and position vectors, normalised where the model does that: (b, t) -> (b, t, d)."""
    table, positions = weights[f"{stack}.embed_tokens.weight"], weights[f"{stack}.embed_positions.weight"]
    check_ids(ids, len(table))
    check_length(ids.shape[1], config)
    tokens = table[ids] * (math.sqrt(config.d_model) if config.scale_embedding else 1.0)
    offset = architecture_of(config.model_type).position_offset
    places = positions[offset : offset + ids.shape[1]]
    norm = f"{stack}.layernorm_embedding"
    if embedding_norm == "before_positions":
        return layer_norm(weights, norm, tokens) + places
    if embedding_norm == "after_positions":
        return layer_norm(weights, norm, tokens + places)
    return np.asarray(tokens + places)


class Layer:
    """One layer under the name `prefix`: residual sub-layers, normalised on the way in or on the way out."""

    def __init__(self, weights: Weights, config: PreTrainedConfig, prefix: str, heads: int) -> None:
        self.weights, self.prefix = weights, prefix
        self.head_width = config.d_model // heads  # some of the heads may have been pruned: the width tells how many
        self.norm_first = architecture_of(config.model_type).norm_first
        self.activation = ACTIVATIONS[config.activation_function]

    def attend(self, name: str, hidden: Floats, source: Floats | None, hidden_from: Hidden | None) -> Floats:
        """Attention over `source`, or over the states themselves."""

        def attention(queries: Floats) -> Floats:
            return self._attention(f"{self.prefix}.{name}", queries, queries if source is None else source, hidden_from)

        return self._sublayer(hidden, f"{name}_layer_norm", attention)

    def feed_forward(self, hidden: Floats) -> Floats:
        def expand_and_contract(states: Floats) -> Floats:
            inner = self.activation(linear(self.weights, f"{self.prefix}.fc1", states))
            return linear(self.weights, f"{self.prefix}.fc2", inner)

        return self._sublayer(hidden, "final_layer_norm", expand_and_contract)

    def _sublayer(self, hidden: Floats, norm: str, function: Callable[[Floats], Floats]) -> Floats:
        norm = f"{self.prefix}.{norm}"
        if self.norm_first:
            return np.asarray(hidden + function(layer_norm(self.weights, norm, hidden)))
        return layer_norm(self.weights, norm, hidden + function(hidden))

    def _attention(self, name: str, queries: Floats, states: Floats, hidden_from: Hidden | None) -> Floats:
        query = self._split(linear(self.weights, f"{name}.q_proj", queries))
        keys = self._split(linear(self.weights, f"{name}.k_proj", states))
        values = self._split(linear(self.weights, f"{name}.v_proj", states))
        scores = query @ keys.swapaxes(2, 3) / math.sqrt(query.shape[-1])  # (b, h, t, s)
        if hidden_from is not None:
            scores = np.where(hidden_from, np.finfo(scores.dtype).min, scores)  # not -inf: pads alone must not make NaN
        mixed = softmax(scores) @ values  # (b, h, t, k)
        return linear(self.weights, f"{name}.out_proj", mixed.swapaxes(1, 2).reshape(*queries.shape[:2], -1))

    def _split(self, states: Floats) -> Floats:
        return states.reshape(*states.shape[:2], -1, self.head_width).swapaxes(1, 2)  # (b, t, h·k) -> (b, h, t, k)


def final_norm(weights: Weights, stack: str, hidden: Floats) -> Floats:
    """The norm after the last layer of a stack whose layers normalise on the way in."""
    return layer_norm(weights, f"{stack}.layer_norm", hidden)


def linear(weights: Weights, name: str, inputs: Floats) -> Floats:
    """Shapes: weight (out, in), bias (out); (…, in) -> (…, out)."""
    return np.asarray(inputs @ weights[f"{name}.weight"].T + weights[f"{name}.bias"])


def layer_norm(weights: Weights, name: str, inputs: Floats) -> Floats:
    """Zero mean and unit variance over the last axis, then scale and shift (arXiv 1607.06450)."""
    centred = inputs - inputs.mean(axis=-1, keepdims=True)
    spread = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + NORM_EPSILON)
    return np.asarray(centred / spread * weights[f"{name}.weight"] + weights[f"{name}.bias"])


def softmax(scores: Floats) -> Floats:
    """Over the last axis; the largest score is taken off first, so that nothing overflows."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def check_ids(ids: Ids, rows: int) -> None:
    """Raises: VocabularyError if an id has no row in the embedding table."""
    if ids.size and (int(ids.min()) < 0 or int(ids.max()) >= rows):
        raise VocabularyError(
            f"Token ids must lie between 0 and {rows - 1}, the rows of the embedding table, but are between "
            f"{ids.min()} and {ids.max()}. Use the tokenizer of this checkpoint."
        )


def check_length(length: int, config: PreTrainedConfig) -> None:
    """Raises: LengthError if there are more tokens than positions."""
    if length > config.max_position_embeddings:
        raise LengthError(
            f"The sequence has {length} tokens, but this model has {config.max_position_embeddings} positions. "
            "Truncate or split the input, or ask for fewer new tokens."
        )
