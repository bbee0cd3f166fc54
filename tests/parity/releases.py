"""Decoding by whichever published release of transformers is installed: the other side of the comparison."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import numpy as np
import torch
import transformers

from tests.parity.draws import Draw, Ids

MODELS = {
    "bart": (transformers.BartConfig, transformers.BartForConditionalGeneration),
    "blenderbot": (transformers.BlenderbotConfig, transformers.BlenderbotForConditionalGeneration),
    "blenderbot-small": (transformers.BlenderbotSmallConfig, transformers.BlenderbotSmallForConditionalGeneration),
}
IS_RELEASE_4 = transformers.__version__.startswith("4.")
CONFIG_FIELDS = (
    "vocab_size",
    "max_position_embeddings",
    "d_model",
    "encoder_layers",
    "decoder_layers",
    "encoder_attention_heads",
    "decoder_attention_heads",
    "encoder_ffn_dim",
    "decoder_ffn_dim",
    "activation_function",
    "scale_embedding",
    "tie_word_embeddings",
)


def model_of(draw: Draw) -> Any:
    """The release's model with the draw's weights, in float64 where its masks allow it."""
    config_class, model_class = MODELS[draw.model_type]
    fields, weights = as_published(draw)
    return _filled(model_class(config_class(**fields)), weights)


def decoder_of(draw: Draw) -> Any:
    """The release's decoder alone."""
    config_class, _ = MODELS[draw.model_type]
    fields, weights = as_published(draw)
    fields["encoder_layers"] = fields["decoder_layers"]  # 5.23 makes a cache of as many layers as the encoder has
    config = config_class(**fields, is_decoder=True, is_encoder_decoder=False)
    return _filled(transformers.AutoModelForCausalLM.from_config(config), weights)


def as_published(draw: Draw) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fields of a config and weights.

    From 4.57 on the decoder of Blenderbot-Small leaves its embeddings unscaled whatever the config says. Such a draw
    gets a table that is scaled already, and the table as it was for an output head of its own.
    """
    fields = {name: getattr(draw.config, name) for name in CONFIG_FIELDS}
    weights: dict[str, Any] = dict(draw.weights())
    if draw.model_type == "blenderbot-small" and draw.config.scale_embedding and not IS_RELEASE_4:
        fields |= {"scale_embedding": False, "tie_word_embeddings": False}
        scaled = weights["model.shared.weight"] * draw.config.d_model**0.5
        weights |= {name: scaled for name in weights if name.endswith(("embed_tokens.weight", "shared.weight"))}
    return fields, weights


def _filled(model: Any, weights: dict[str, Any]) -> Any:
    model = model.to(torch.float32 if IS_RELEASE_4 else torch.float64).eval()
    state = {name: torch.from_numpy(np.ascontiguousarray(weights[name])) for name in model.state_dict()}
    model.load_state_dict(state, strict=True)
    model.generation_config = transformers.GenerationConfig()  # what the draw says, and nothing from the config
    return model


def decode(draw: Draw) -> Ids:
    """What the release writes for every source, cut behind the first end token."""
    model = model_of(draw)
    longest = max(map(len, draw.sources))
    pad = draw.config.pad_token_id
    ids = torch.tensor([[*source, *[pad] * (longest - len(source))] for source in draw.sources])
    mask = torch.tensor([[1] * len(source) + [0] * (longest - len(source)) for source in draw.sources])
    prompt = {} if draw.prompts is None else {"decoder_input_ids": torch.tensor(draw.prompts)}
    logging.getLogger("transformers").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # advice about options, which a comparison has no use for
        rows = model.generate(ids, attention_mask=mask, **prompt, **draw.options).tolist()
    prompt_length = 1 if draw.prompts is None else len(draw.prompts[0])
    copies = draw.options["num_return_sequences"]
    outputs = [_cut(row[prompt_length:], draw.options["eos_token_id"]) for row in rows]
    return [outputs[first : first + copies] for first in range(0, len(outputs), copies)]


def _cut(row: list[int], eos: int | list[int]) -> list[int]:
    ends = [place for place, token in enumerate(row) if token in ([eos] if isinstance(eos, int) else eos)]
    return row[: ends[0] + 1] if ends else row
