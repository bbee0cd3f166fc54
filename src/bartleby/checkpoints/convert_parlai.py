"""ParlAI's Blender: `model`, `model.opt`, `model.dict` and its BPE files -> what is written of it.

Two of its transformer's variants are models of the family: "xlm" is Blenderbot-Small, "prelayernorm" is Blenderbot,
where `norm_embeddings` is not applied to embeddings at all, but to what leaves the last layer.
Source: ParlAI, `agents/transformer/modules` and `core/torch_generator_agent.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bartleby.checkpoints.conversion import (
    Move,
    Original,
    built_config,
    left_out,
    renamed,
    rows_of,
    table_faults,
    tied_copy,
    zero_bias,
)
from bartleby.checkpoints.originals import read_state
from bartleby.checkpoints.parlai_vocabulary import ParlaiVocabulary
from bartleby.checkpoints.tensors import StoredTensor
from bartleby.documents import read_document
from bartleby.errors import CheckpointError, raise_all
from bartleby.family.parameters import SHARED

MODEL_TYPES = {"xlm": "blenderbot-small", "prelayernorm": "blenderbot"}

FIELDS = {
    "d_model": "embedding_size",
    "encoder_attention_heads": "n_heads",
    "decoder_attention_heads": "n_heads",
    "encoder_ffn_dim": "ffn_size",
    "decoder_ffn_dim": "ffn_size",
}
DEFAULTS = {
    "activation": "relu",
    "variant": "aiayn",
    "embeddings_scale": True,
    "learn_positional_embeddings": False,
    "n_segments": 0,
    "output_scaling": 1.0,
    "dropout": 0.0,
    "attention_dropout": 0.0,
    "relu_dropout": 0.0,
    "n_encoder_layers": -1,
    "n_decoder_layers": -1,
    "n_layers": 2,
    "n_positions": None,
}
"""ParlAI's own, for options that model.opt leaves out."""

UNUSED = {"START": "left out: the start token, which the config names"}
TABLE = "embeddings.weight"
COPIES = ("encoder.embeddings.weight", "decoder.embeddings.weight")
POSITIONS = "encoder.position_embeddings.weight"

PROJECTIONS = {f"{letter}_lin": f"{letter}_proj" for letter in ("q", "k", "v")} | {"out_lin": "out_proj"}
FEED_FORWARD = {"ffn.lin1": "fc1", "ffn.lin2": "fc2"}
LAYER_PARTS: dict[str, dict[str, str]] = {
    "encoder": {
        **{f"attention.{theirs}": f"self_attn.{ours}" for theirs, ours in PROJECTIONS.items()},
        **FEED_FORWARD,
        "norm1": "self_attn_layer_norm",
        "norm2": "final_layer_norm",
    },
    "decoder": {
        **{f"self_attention.{theirs}": f"self_attn.{ours}" for theirs, ours in PROJECTIONS.items()},
        **{f"encoder_attention.{theirs}": f"encoder_attn.{ours}" for theirs, ours in PROJECTIONS.items()},
        **FEED_FORWARD,
        "norm1": "self_attn_layer_norm",
        "norm2": "encoder_attn_layer_norm",
        "norm3": "final_layer_norm",
    },
}
"""What a layer's parts are called: theirs -> ours."""


def read_parlai(model: Path) -> Original:
    """The checkpoint whose weights are the file `model`, its other files beside it under the same name.

    Raises: CheckpointError with everything that is missing, unknown or unlike the two models.
    """
    said = read_document(model.with_name(f"{model.name}.opt"))
    options = {**DEFAULTS, **{name: value for name, value in said.items() if value is not None}}
    faults = list(_option_faults(options))
    _, state = read_state(model, "Give ParlAI's file of the model, which lies beside its .opt.")
    faults += _position_faults(options, state)
    vocabulary = ParlaiVocabulary(model, options, faults)
    table = state.get(TABLE)
    if table is None:
        faults.append(f"`{TABLE}` is missing.")
    else:
        vocabulary.fill_to(rows_of(table), faults)
    variant = str(options["variant"])
    moves = list(_moves(state, variant, faults))
    config = built_config(_fields(options, state), faults) if variant in MODEL_TYPES else None
    if config is not None:
        moves.append(zero_bias(config))
        faults += table_faults(moves, config, "conditional_generation")
    raise_all(CheckpointError, faults, str(model))
    assert config is not None, "no config without a fault"
    files = vocabulary.files(config.model_type, config.max_position_embeddings)
    return Original(f"ParlAI {variant}", config, "conditional_generation", moves, files, notes=list(_notes(options)))


def _option_faults(options: Mapping[str, Any]) -> Iterator[str]:
    if options["variant"] not in [*MODEL_TYPES]:
        known = " or ".join(f"{variant} ({model_type})" for variant, model_type in MODEL_TYPES.items())
        yield f"option `variant` must be {known}, but is {options['variant']!r:.40}: no model here computes that."
    if options["n_segments"] not in (0, "0"):
        yield f"option `n_segments` must be 0, but is {options['n_segments']!r:.40}: no model here has segments."
    if options["output_scaling"] != 1.0:
        yield f"option `output_scaling` must be 1.0, but is {options['output_scaling']!r:.40}."
    for name in ("embedding_size", "n_heads", "ffn_size"):
        if type(options.get(name)) is not int:
            yield f"option `{name}` must be a whole number, but is {options.get(name)!r:.40}."


def _position_faults(options: Mapping[str, Any], state: Mapping[str, StoredTensor]) -> Iterator[str]:
    said, table = options["n_positions"], state.get(POSITIONS)
    if type(said) is int and said > 0 and table is not None and rows_of(table) != said:
        yield f"option `n_positions` is {said}, but `{POSITIONS}` has {rows_of(table)} rows."


def _fields(options: Mapping[str, Any], state: Mapping[str, StoredTensor]) -> dict[str, Any]:
    """The fields of a config; vocabulary and positions are as many as there are rows."""
    layers = {side: options[f"n_{side}_layers"] for side in ("encoder", "decoder")}
    positions, table = state.get(POSITIONS), state.get(TABLE)
    return {
        **{field: options.get(name) for field, name in FIELDS.items()},
        **{f"{side}_layers": options["n_layers"] if count == -1 else count for side, count in layers.items()},
        "model_type": MODEL_TYPES[str(options["variant"])],
        "vocab_size": rows_of(table) if table else None,
        "max_position_embeddings": rows_of(positions) if positions else options["n_positions"],
        "activation_function": options["activation"],
        "scale_embedding": options["embeddings_scale"],
        "dropout": options["dropout"],
        "attention_dropout": options["attention_dropout"],
        "activation_dropout": options["relu_dropout"],
    }


def _moves(state: Mapping[str, StoredTensor], variant: str, faults: list[str]) -> Iterator[Move]:
    for name, tensor in state.items():
        if name in UNUSED:
            yield left_out(name, UNUSED[name], tensor)
        elif name == TABLE:
            yield renamed(name, SHARED, tensor)
        elif name in COPIES:
            yield tied_copy(name, tensor, state.get(TABLE, tensor), faults)
        else:
            yield renamed(name, our_name(name, variant), tensor)


def our_name(name: str, variant: str) -> str:
    """The canonical name of a tensor of a stack; one that is unknown keeps its name, which no table has."""
    in_layer = re.fullmatch(r"(encoder|decoder)\.(layers\.\d+)\.(.+)\.(weight|bias)", name)
    if in_layer:
        side, layer, piece, leaf = in_layer.groups()
        return f"model.{side}.{layer}.{LAYER_PARTS[side].get(piece, piece)}.{leaf}"
    # A norm before each layer leaves their sum without one: this is it. After each layer, it is the embedding's.
    norm = "layer_norm" if variant == "prelayernorm" else "layernorm_embedding"
    outside = re.fullmatch(r"(encoder|decoder)\.(position_embeddings|norm_embeddings)\.(weight|bias)", name)
    if outside:
        side, piece, leaf = outside.groups()
        return f"model.{side}.{'embed_positions' if piece == 'position_embeddings' else norm}.{leaf}"
    return name


def _notes(options: Mapping[str, Any]) -> Iterator[str]:
    if not options["learn_positional_embeddings"]:
        yield "The positions are sinusoidal: a table like a learned one, but never trained."
    wishes = [f"{name} {value}" for name, value in options.items() if name.startswith("beam_")]
    if wishes:
        yield f"ParlAI decodes with {', '.join(wishes)}; its lengths count new tokens, without the start token."
