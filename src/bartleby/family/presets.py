"""The published checkpoints by name: their shape, how they decode, how a conversation is laid out, and the source.

Each is written as what it changes in another. A preset describes a checkpoint that is not at hand; where a file of
the checkpoint says otherwise, the file is right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bartleby.errors import OptionError
from bartleby.family.config import PreTrainedConfig, config_from_dict
from bartleby.family.turns import LAYOUTS, TurnLayout


@dataclass(frozen=True)
class Preset:
    """One published checkpoint."""

    name: str
    source: str
    fields: Mapping[str, Any]
    """What its config does not take from the defaults of its class; `model_type` among them."""
    generation: Mapping[str, Any] = field(default_factory=dict)
    """The decoding options of its files, under the names of GenerationConfig."""
    parlai: Mapping[str, Any] | None = None
    """The decoding contract of the chat it was published for, under ParlAI's names and with ParlAI's meaning:
    lengths count new tokens, and a score is divided by ((1 + length) / 6) ** beam_length_penalty."""
    layout: str | None = None
    """Its entry in `bartleby.family.turns.LAYOUTS`, if it was made for conversation."""

    @property
    def config(self) -> PreTrainedConfig:
        """A new config of this shape."""
        return config_from_dict({**self.fields, "name_or_path": self.name})

    def changed(self, name: str, source: str, fields: Mapping[str, Any], **others: Any) -> Preset:
        """A checkpoint that differs from this one by `fields` and, as a whole, by `others`."""
        return replace(self, name=name, source=source, fields={**self.fields, **fields}, **others)


BART_LARGE = Preset(
    "facebook/bart-large",
    source="arXiv 1910.13461; its config.json",
    fields={"model_type": "bart", "attention_dropout": 0.1, "activation_dropout": 0.1},
    generation={
        "num_beams": 4,
        "no_repeat_ngram_size": 3,
        "early_stopping": True,
        "forced_bos_token_id": 0,
        "forced_eos_token_id": 2,
    },
)
BART_BASE = BART_LARGE.changed(
    "facebook/bart-base",
    source="its config.json",
    fields={
        "d_model": 768,
        "encoder_layers": 6,
        "encoder_attention_heads": 12,
        "encoder_ffn_dim": 3072,
        "decoder_layers": 6,
        "decoder_attention_heads": 12,
        "decoder_ffn_dim": 3072,
    },
)
BART_LARGE_CNN = BART_LARGE.changed(
    "facebook/bart-large-cnn",
    source="arXiv 1910.13461, section 5.3; its config.json",
    fields={"vocab_size": 50264, "attention_dropout": 0.0, "activation_dropout": 0.0},  # no row for `<mask>`
    generation={**BART_LARGE.generation, "min_length": 56, "max_length": 142, "length_penalty": 2.0},
)
BART_LARGE_XSUM = BART_LARGE_CNN.changed(
    "facebook/bart-large-xsum",
    source="arXiv 1910.13461, section 5.3; its config.json",
    fields={},
    generation={  # bos is not forced: that helps cnn and costs xsum 0.9 ROUGE-L
        "num_beams": 6,
        "min_length": 11,
        "max_length": 62,
        "length_penalty": 1.0,
        "no_repeat_ngram_size": 3,
        "early_stopping": True,
        "forced_eos_token_id": 2,
    },
)
BART_LARGE_MNLI = BART_LARGE.changed(
    "facebook/bart-large-mnli",
    source="arXiv 1910.13461, section 5.1; its config.json",
    fields={
        "attention_dropout": 0.0,
        "activation_dropout": 0.0,
        "id2label": {0: "contradiction", 1: "neutral", 2: "entailment"},
    },
    generation={},
)


def _distilled(teacher: Preset, task: str, encoder_layers: int, decoder_layers: int) -> Preset:
    return teacher.changed(
        f"sshleifer/distilbart-{task}-{encoder_layers}-{decoder_layers}",
        source="arXiv 2010.13002; its config.json",
        fields={"encoder_layers": encoder_layers, "decoder_layers": decoder_layers},
    )


BLENDER_CHAT = {
    "inference": "beam",
    "beam_size": 10,
    "beam_min_length": 20,
    "beam_block_ngram": 3,
    "beam_context_block_ngram": 3,
    "beam_block_full_context": False,
    "beam_length_penalty": 0.65,
    "text_truncate": 128,
}
BLENDERBOT_3B = Preset(
    "facebook/blenderbot-3B",
    source="arXiv 2004.13637; its config.json; ParlAI's gen/blenderbot.opt and model card",
    fields={"model_type": "blenderbot", "scale_embedding": True},
    generation={
        "num_beams": 10,
        "min_length": 20,
        "max_length": 60,
        "length_penalty": 0.65,
        "no_repeat_ngram_size": 3,
        "encoder_no_repeat_ngram_size": 3,
        "forced_eos_token_id": 2,
    },
    parlai=BLENDER_CHAT,
    layout="two_spaces",
)
BLENDERBOT_1B = BLENDERBOT_3B.changed(
    "facebook/blenderbot-1B-distill",
    source="ParlAI, projects/recipes: 2.7B distilled to 1.4B; its config.json",
    fields={"decoder_layers": 12},
)
BLENDERBOT_400M = BLENDERBOT_1B.changed(
    "facebook/blenderbot-400M-distill",
    source="ParlAI, projects/recipes: 2.7B distilled to 360M; its config.json",
    fields={"d_model": 1280, "encoder_ffn_dim": 5120, "decoder_ffn_dim": 5120},
)
BLENDERBOT_SMALL_90M = Preset(
    "facebook/blenderbot_small-90M",
    source="arXiv 2004.13637; its config.json; ParlAI, projects/recipes",
    fields={"model_type": "blenderbot-small", "vocab_size": 54944, "scale_embedding": True},
    generation={**BLENDERBOT_3B.generation, "max_length": 128},
    parlai={**BLENDER_CHAT, "text_truncate": 512},
    layout="newline",
)
CHAT_MINI = Preset(
    "bartleby-chat-mini",
    source="trained with this library, see its model card",
    fields={
        "model_type": "blenderbot",
        "vocab_size": 8000,
        "d_model": 256,
        "decoder_layers": 6,
        "encoder_attention_heads": 8,
        "decoder_attention_heads": 8,
        "encoder_ffn_dim": 1024,
        "decoder_ffn_dim": 1024,
        "scale_embedding": True,
        "dropout": 0.0,  # ten million parameters, twenty million tokens, few passes
    },
    generation={
        "num_beams": 10,
        "min_new_tokens": 8,
        "max_new_tokens": 40,
        "no_repeat_ngram_size": 3,
        "encoder_no_repeat_ngram_size": 3,
        "length_penalty": 0.65,
    },
    layout="last_three",
)
SUMMARY_MINI = Preset(
    "bartleby-summary-mini",
    source="trained with this library, see its model card",
    fields={
        "model_type": "bart",
        "vocab_size": 8000,
        "max_position_embeddings": 512,
        "d_model": 256,
        "encoder_layers": 4,
        "decoder_layers": 4,
        "encoder_attention_heads": 8,
        "decoder_attention_heads": 8,
        "encoder_ffn_dim": 1024,
        "decoder_ffn_dim": 1024,
    },
    generation={
        "num_beams": 4,
        "max_new_tokens": 64,
        "no_repeat_ngram_size": 3,
        "length_penalty": 1.0,
        "early_stopping": True,
        "forced_bos_token_id": 0,  # its targets begin with it, as in pretraining
        "forced_eos_token_id": 2,
    },
)

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        BART_BASE,
        BART_LARGE,
        BART_LARGE_CNN,
        BART_LARGE_XSUM,
        BART_LARGE_MNLI,
        *(_distilled(BART_LARGE_CNN, "cnn", *layers) for layers in ((12, 6), (12, 3), (6, 6))),
        *(
            _distilled(BART_LARGE_XSUM, "xsum", *layers)
            for layers in ((12, 6), (12, 3), (12, 1), (9, 6), (6, 6), (1, 1))
        ),
        BLENDERBOT_400M,
        BLENDERBOT_1B,
        BLENDERBOT_3B,
        BLENDERBOT_SMALL_90M,
        CHAT_MINI,
        SUMMARY_MINI,
    )
}
ALIASES = {"facebook/blenderbot-90M": "facebook/blenderbot_small-90M"}
"""The same weights under an older name."""

LAYOUT_OF_MODEL_TYPE = {"blenderbot": "two_spaces", "blenderbot-small": "newline"}
"""For checkpoints that are no preset: what their model's published ones use."""


def preset_of(name: str) -> Preset | None:
    """The preset called `name`, with or without its owner; None if there is none, or the short name fits several."""
    full = [known for known in (*PRESETS, *ALIASES) if name in (known, known.rpartition("/")[2])]
    found = {ALIASES.get(known, known) for known in full}
    return PRESETS[found.pop()] if len(found) == 1 else None


def layout_of(config: PreTrainedConfig) -> TurnLayout:
    """How conversations with the model of `config` are laid out.

    First what the config itself says in `turn_layout` (ours, written by chat training), then the preset it was loaded
    as, then the custom of its model type.
    Raises: OptionError if none of them knows.
    """
    preset = preset_of(config.name_or_path)
    name = getattr(config, "turn_layout", None) or (preset and preset.layout)
    name = name or LAYOUT_OF_MODEL_TYPE.get(config.model_type)
    if name not in LAYOUTS:
        raise OptionError(
            f"The turn layout must be one of {', '.join(LAYOUTS)}, but is {name!r} for this {config.model_type}. "
            "Pass a `TurnLayout`, or set `turn_layout` in its config.json."
        )
    return LAYOUTS[name]
