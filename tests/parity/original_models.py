"""fairseq's BART and ParlAI's generator as they compute on their own tensors, in NumPy: what conversion must keep.

Written from what each program does, not from the family's definition: other names, other order, positions counted
over the mask. Padding is right; fairseq's positions begin at 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
State = Mapping[str, Array]


def gelu(x: Array) -> Array:
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def linear(state: State, name: str, x: Array) -> Array:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def norm(state: State, name: str, x: Array) -> Array:
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-5) * state[f"{name}.weight"] + state[f"{name}.bias"]


def attend(queries: Array, keys: Array, values: Array, seen: Array, heads: int) -> Array:
    """Shapes: (t, d), (s, d), (s, d), seen (t, s) -> (t, d); one sequence at a time."""
    width = queries.shape[-1] // heads
    mixed = []
    for head in range(heads):
        columns = slice(head * width, (head + 1) * width)
        scores = (queries[:, columns] / math.sqrt(width)) @ keys[:, columns].T
        powers = np.where(seen, np.exp(scores - scores.max()), 0.0)
        mixed.append(powers / powers.sum(-1, keepdims=True) @ values[:, columns])
    return np.concatenate(mixed, -1)


class ParlaiModel:
    """transformer/generator, variants "xlm" and "prelayernorm"; ids are one sequence without padding."""

    def __init__(self, state: State, options: Mapping[str, Any]) -> None:
        self.state = {name: array.astype(np.float64) for name, array in state.items()}
        self.variant, self.heads = options["variant"], options["n_heads"]
        self.scaled = options["embeddings_scale"]
        self.activation: Callable[[Array], Array] = {"gelu": gelu, "relu": relu}[options["activation"]]
        self.layers = {"encoder": options["n_encoder_layers"], "decoder": options["n_decoder_layers"]}

    def embed(self, side: str, ids: list[int]) -> Array:
        tokens = self.state["embeddings.weight"][ids]
        if self.scaled:
            tokens = tokens * math.sqrt(tokens.shape[-1])
        positions = self.state[f"{side}.position_embeddings.weight"][: len(ids)]
        if self.variant == "prelayernorm":
            return tokens + positions
        if side == "decoder":
            return norm(self.state, "decoder.norm_embeddings", tokens) + positions
        return norm(self.state, "encoder.norm_embeddings", tokens + positions)

    def sublayer(self, name: str, x: Array, function: Callable[[Array], Array]) -> Array:
        if self.variant == "prelayernorm":
            return x + function(norm(self.state, name, x))
        return norm(self.state, name, x + function(x))

    def attention(self, name: str, x: Array, source: Array | None, seen: Array) -> Array:
        source = x if source is None else source
        queries, keys, values = (
            linear(self.state, f"{name}.{letter}_lin", of) for letter, of in (("q", x), ("k", source), ("v", source))
        )
        return linear(self.state, f"{name}.out_lin", attend(queries, keys, values, seen, self.heads))

    def feed_forward(self, name: str, x: Array) -> Array:
        inner = self.activation(linear(self.state, f"{name}.lin1", x))
        return linear(self.state, f"{name}.lin2", inner)

    def stack_end(self, side: str, x: Array) -> Array:
        return norm(self.state, f"{side}.norm_embeddings", x) if self.variant == "prelayernorm" else x

    def encode(self, ids: list[int]) -> Array:
        x = self.embed("encoder", ids)
        seen = np.ones((len(ids), len(ids)), bool)
        for index in range(self.layers["encoder"]):
            name = f"encoder.layers.{index}"
            x = self.sublayer(f"{name}.norm1", x, lambda h, n=name: self.attention(f"{n}.attention", h, None, seen))
            x = self.sublayer(f"{name}.norm2", x, lambda h, n=name: self.feed_forward(f"{n}.ffn", h))
        return self.stack_end("encoder", x)

    def logits(self, ids: list[int], target: list[int]) -> Array:
        """Scores before the start token is forbidden."""
        states, x = self.encode(ids), self.embed("decoder", target)
        before = np.tril(np.ones((len(target), len(target)), bool))
        source = np.ones((len(target), len(ids)), bool)
        for index in range(self.layers["decoder"]):
            name = f"decoder.layers.{index}"
            x = self.sublayer(
                f"{name}.norm1", x, lambda h, n=name: self.attention(f"{n}.self_attention", h, None, before)
            )
            x = self.sublayer(
                f"{name}.norm2", x, lambda h, n=name: self.attention(f"{n}.encoder_attention", h, states, source)
            )
            x = self.sublayer(f"{name}.norm3", x, lambda h, n=name: self.feed_forward(f"{n}.ffn", h))
        return self.stack_end("decoder", x) @ self.state["embeddings.weight"].T


class FairseqModel:
    """BART; ids are one sequence without padding."""

    def __init__(self, state: State, heads: int) -> None:
        self.state = {name: array.astype(np.float64) for name, array in state.items()}
        self.heads = heads

    def embed(self, side: str, ids: list[int]) -> Array:
        positions = self.state[f"{side}.embed_positions.weight"][2 : 2 + len(ids)]
        tokens = self.state[f"{side}.embed_tokens.weight"][ids]
        return norm(self.state, f"{side}.layernorm_embedding", tokens + positions)

    def attention(self, name: str, x: Array, source: Array | None, seen: Array) -> Array:
        source = x if source is None else source
        queries, keys, values = (
            linear(self.state, f"{name}.{letter}_proj", of) for letter, of in (("q", x), ("k", source), ("v", source))
        )
        mixed = linear(self.state, f"{name}.out_proj", attend(queries, keys, values, seen, self.heads))
        return norm(self.state, f"{name}_layer_norm", x + mixed)

    def feed_forward(self, name: str, x: Array) -> Array:
        inner = gelu(linear(self.state, f"{name}.fc1", x))
        return norm(self.state, f"{name}.final_layer_norm", x + linear(self.state, f"{name}.fc2", inner))

    def states(self, ids: list[int], target: list[int]) -> Array:
        x, layers = self.embed("encoder", ids), {name.split(".")[2] for name in self.state if "encoder.layers" in name}
        for index in sorted(layers):
            x = self.attention(f"encoder.layers.{index}.self_attn", x, None, np.ones((len(ids), len(ids)), bool))
            x = self.feed_forward(f"encoder.layers.{index}", x)
        source, x = x, self.embed("decoder", target)
        for index in sorted({name.split(".")[2] for name in self.state if "decoder.layers" in name}):
            name = f"decoder.layers.{index}"
            x = self.attention(f"{name}.self_attn", x, None, np.tril(np.ones((len(target), len(target)), bool)))
            x = self.attention(f"{name}.encoder_attn", x, source, np.ones((len(target), len(ids)), bool))
            x = self.feed_forward(name, x)
        return x

    def logits(self, ids: list[int], target: list[int]) -> Array:
        return self.states(ids, target) @ self.state["decoder.embed_tokens.weight"].T

    def classify(self, ids: list[int], head: str) -> Array:
        """Over the sequence moved one place right behind its eos; the state at the last eos counts."""
        state = self.states(ids, [2, *ids[:-1]])[len(ids) - 1]
        inner = np.tanh(linear(self.state, f"classification_heads.{head}.dense", state))
        return linear(self.state, f"classification_heads.{head}.out_proj", inner)
