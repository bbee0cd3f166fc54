"""Small originals in the layouts of fairseq and ParlAI: weights drawn at random, vocabularies of a few merges."""

from __future__ import annotations

import json
from argparse import Namespace
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
State = OrderedDict[str, Array]

D, HEADS, FFN, POSITIONS = 8, 2, 12, 16
ENCODER_LAYERS, DECODER_LAYERS = 1, 2


def random_state(shapes: Mapping[str, tuple[int, ...]], seed: int = 0) -> State:
    """Weights large enough to matter, norms around one."""
    random = np.random.default_rng(seed)
    state: State = OrderedDict()
    for name, shape in shapes.items():
        centre = 1.0 if "norm" in name and name.endswith("weight") else 0.0
        state[name] = (centre + 0.3 * random.standard_normal(shape)).astype(np.float32)
    return state


def linear(name: str, outputs: int, inputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def norm(name: str) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (D,), f"{name}.bias": (D,)}


# ---- fairseq -----------------------------------------------------------------------------------------------------

PIECES = ("a", "b", "c", "Ġ", "ab", "Ġa", "Ġab", "abc", "Ġc", "40")
GPT2_IDS = {piece: index for index, piece in enumerate(PIECES)}
GPT2_MERGES = ("Ġ a", "Ġa b", "a b", "ab c", "Ġ c")
BY_FREQUENCY = (5, 0, 3, 1, 9, 2, 4, 6, 8, 7)
"""Lines of dict.txt: most frequent first, and so in another order than GPT-2's."""

FAIRSEQ_ARGUMENTS = {
    "arch": "bart_large",
    "encoder_embed_dim": D,
    "decoder_embed_dim": D,
    "encoder_layers": ENCODER_LAYERS,
    "decoder_layers": DECODER_LAYERS,
    "encoder_attention_heads": HEADS,
    "decoder_attention_heads": HEADS,
    "encoder_ffn_embed_dim": FFN,
    "decoder_ffn_embed_dim": FFN,
    "encoder_normalize_before": False,
    "decoder_normalize_before": False,
    "encoder_learned_pos": True,
    "decoder_learned_pos": True,
    "layernorm_embedding": True,
    "share_all_embeddings": True,
    "no_scale_embedding": True,
    "activation_fn": "gelu",
    "dropout": 0.2,
    "attention_dropout": 0.1,
    "relu_dropout": 0.05,
    "max_source_positions": POSITIONS,
}


@dataclass(frozen=True)
class Fairseq:
    """How a small BART is made."""

    fillers: int = 2
    """Of dict.txt: 4 + 10 tokens and 2 fillers make 16."""
    mask: bool = True
    labels: int | None = None


def fairseq_shapes(how: Fairseq) -> dict[str, tuple[int, ...]]:
    rows = 4 + len(PIECES) + how.fillers + how.mask
    shapes: dict[str, tuple[int, ...]] = {}
    for side, layers in (("encoder", ENCODER_LAYERS), ("decoder", DECODER_LAYERS)):
        shapes |= {f"{side}.version": (1,), f"{side}.embed_tokens.weight": (rows, D)}
        shapes |= {f"{side}.embed_positions.weight": (POSITIONS + 2, D)}
        for index in range(layers):
            prefix = f"{side}.layers.{index}"
            for attention in ("self_attn", "encoder_attn") if side == "decoder" else ("self_attn",):
                for projection in ("k_proj", "v_proj", "q_proj", "out_proj"):
                    shapes |= linear(f"{prefix}.{attention}.{projection}", D, D)
                shapes |= norm(f"{prefix}.{attention}_layer_norm")
            shapes |= linear(f"{prefix}.fc1", FFN, D) | linear(f"{prefix}.fc2", D, FFN)
            shapes |= norm(f"{prefix}.final_layer_norm")
        shapes |= norm(f"{side}.layernorm_embedding")
    if how.labels:
        shapes |= linear("classification_heads.mnli.dense", D, D)
        shapes |= linear("classification_heads.mnli.out_proj", how.labels, D)
    return shapes


def fairseq_state(how: Fairseq) -> State:
    state = random_state(fairseq_shapes(how))
    state["encoder.embed_tokens.weight"] = state["decoder.embed_tokens.weight"]
    return state


def write_fairseq_vocabulary(folder: Path, how: Fairseq) -> None:
    lines = [f"{number} {1000 - place}" for place, number in enumerate(BY_FREQUENCY)]
    lines += [f"madeupword{number:04} 0" for number in range(how.fillers)]
    (folder / "dict.txt").write_text("\n".join([*lines, ""]), encoding="utf-8")
    (folder / "encoder.json").write_text(json.dumps(GPT2_IDS), encoding="utf-8")
    (folder / "vocab.bpe").write_text("\n".join(["#version: 0.2", *GPT2_MERGES, ""]), encoding="utf-8")


# ---- ParlAI ------------------------------------------------------------------------------------------------------

SMALL_TOKENS = ("__newln__", ".", "a", "lo@@", "w", "ing", "hello", "wor@@", "ld")
SMALL_MERGES = ("l o", "i n", "in g</w>", "l d</w>", "h e", "he l", "hel lo</w>", "w o", "wo r", "l o</w>")
LARGE_TOKENS = ("<s>", "<pad>", "</s>", "<unk>", "a", "b", "c", "Ġ", "ab", "Ġa", "Ġab")
LARGE_MERGES = ("Ġ a", "Ġa b", "a b")

PARLAI_OPTIONS: dict[str, Any] = {
    "model": "transformer/generator",
    "embedding_size": D,
    "n_heads": HEADS,
    "ffn_size": FFN,
    "n_layers": 2,
    "n_encoder_layers": ENCODER_LAYERS,
    "n_decoder_layers": DECODER_LAYERS,
    "n_positions": POSITIONS,
    "activation": "gelu",
    "embeddings_scale": True,
    "learn_positional_embeddings": True,
    "n_segments": 0,
    "dropout": 0.1,
    "beam_size": 10,
}


def parlai_rows(variant: str) -> int:
    tokens = 4 + len(SMALL_TOKENS if variant == "xlm" else LARGE_TOKENS)
    return -(-tokens // 8) * 8


def parlai_state(variant: str, seed: int = 0) -> State:
    rows = parlai_rows(variant)
    shapes: dict[str, tuple[int, ...]] = {"START": (1,), "embeddings.weight": (rows, D)}
    for side, layers in (("encoder", ENCODER_LAYERS), ("decoder", DECODER_LAYERS)):
        shapes |= {f"{side}.embeddings.weight": (rows, D), f"{side}.position_embeddings.weight": (POSITIONS, D)}
        shapes |= norm(f"{side}.norm_embeddings")
        attentions = ("self_attention", "encoder_attention") if side == "decoder" else ("attention",)
        for index in range(layers):
            prefix = f"{side}.layers.{index}"
            for number, attention in enumerate(attentions, start=1):
                for projection in ("q_lin", "k_lin", "v_lin", "out_lin"):
                    shapes |= linear(f"{prefix}.{attention}.{projection}", D, D)
                shapes |= norm(f"{prefix}.norm{number}")
            shapes |= linear(f"{prefix}.ffn.lin1", FFN, D) | linear(f"{prefix}.ffn.lin2", D, FFN)
            shapes |= norm(f"{prefix}.norm{len(attentions) + 1}")
    state = random_state(shapes, seed)
    for side in ("encoder", "decoder"):
        state[f"{side}.embeddings.weight"] = state["embeddings.weight"]
    return state


def write_parlai_vocabulary(model: Path, variant: str) -> None:
    tokens = SMALL_TOKENS if variant == "xlm" else LARGE_TOKENS
    merges = SMALL_MERGES if variant == "xlm" else LARGE_MERGES
    ending = ".codecs" if variant == "xlm" else "-merges.txt"
    words = ("__start__", "__null__", "__end__", "__unk__", *tokens)
    lines = [f"{word}\t{1000 - place}" for place, word in enumerate(words)]
    model.with_name(f"{model.name}.dict").write_text("\n".join([*lines, ""]), encoding="utf-8")
    content = "\n".join(["#version: 0.2", *merges, ""])
    model.with_name(f"{model.name}.dict{ending}").write_text(content, encoding="utf-8")
    if ending == "-merges.txt":
        ids = {word: place for place, word in enumerate(tokens)}
        model.with_name(f"{model.name}.dict-vocab.json").write_text(json.dumps(ids), encoding="utf-8")


# ---- their files -------------------------------------------------------------------------------------------------


def save_torch(path: Path, content: Any, zipped: bool = True) -> None:
    """A file as `torch.save` writes it, its arrays as tensors; arrays that are one object share their storage."""
    import torch

    made: dict[int, Any] = {}

    def tensors(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return made.setdefault(id(value), torch.from_numpy(value))
        if isinstance(value, dict):
            return type(value)((name, tensors(each)) for name, each in value.items())
        return value

    torch.save(tensors(content), path, _use_new_zipfile_serialization=zipped)


def save_fairseq(folder: Path, how: Fairseq | None = None, state: State | None = None, **arguments: Any) -> State:
    """A folder as fairseq's archives unpack to."""
    how = how or Fairseq()
    folder.mkdir(parents=True, exist_ok=True)
    state = fairseq_state(how) if state is None else state
    args = Namespace(**{**FAIRSEQ_ARGUMENTS, **arguments})
    save_torch(folder / "model.pt", {"args": args, "model": state, "extra_state": {"epoch": 3}}, zipped=False)
    write_fairseq_vocabulary(folder, how)
    return state


def save_parlai(
    folder: Path, variant: str, state: State | None = None, options: Mapping[str, Any] | None = None
) -> State:
    """A folder as ParlAI's archives unpack to."""
    folder.mkdir(parents=True, exist_ok=True)
    state = parlai_state(variant) if state is None else state
    save_torch(folder / "model", {"model": state, "number_training_updates": 7})
    (folder / "model.opt").write_text(json.dumps({**PARLAI_OPTIONS, "variant": variant, **(options or {})}))
    write_parlai_vocabulary(folder / "model", variant)
    return state
