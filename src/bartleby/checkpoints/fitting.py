"""Which published checkpoint a converted one is: originals do not say how they were meant to decode."""

from __future__ import annotations

from typing import Any

from bartleby.checkpoints.conversion import Original
from bartleby.errors import OptionError
from bartleby.family.config import PreTrainedConfig
from bartleby.family.presets import PRESETS, Preset, preset_of

SHAPE = (
    "vocab_size",
    "max_position_embeddings",
    "d_model",
    "encoder_layers",
    "encoder_attention_heads",
    "encoder_ffn_dim",
    "decoder_layers",
    "decoder_attention_heads",
    "decoder_ffn_dim",
    "activation_function",
    "scale_embedding",
)
TOKENS = ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id")


def give_decoding(original: Original, name: str | None) -> None:
    """Give an original the decoding options and labels of the preset called `name`, or of the only one that fits.

    One that has options of its own keeps them. What was done is added to its notes.
    Raises: OptionError if there is no preset of that name, or it has another shape.
    """
    if name is None and original.generation_config is not None:
        return
    preset = _named(original, name) if name else _found(original)
    config = original.config
    tokens = {token: getattr(config, token) for token in TOKENS}
    original.generation_config = tokens if original.head in ("conditional_generation", "causal_lm") else None
    if preset is None:
        return
    original.notes.append(f"It has the shape of {preset.name}, and was given the decoding options of that.")
    if original.generation_config is not None:
        original.generation_config = {**tokens, **preset.generation}
    if original.head == "sequence_classification":
        config.id2label = dict(preset.fields["id2label"])
        config.label2id = {label: index for index, label in preset.fields["id2label"].items()}
        original.notes[-1] = f"It has the shape of {preset.name}, and was given the labels of that."


def _named(original: Original, name: str) -> Preset:
    preset = preset_of(name)
    if preset is None:
        raise OptionError(f"`preset` must be one of {', '.join(PRESETS)}, but is {name!r}.")
    differences = _differences(original, preset)
    if differences:
        raise OptionError(f"`preset` {preset.name} has another shape than the checkpoint: {'; '.join(differences)}.")
    return preset


def _found(original: Original) -> Preset | None:
    fitting = [preset for preset in PRESETS.values() if not _differences(original, preset)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = " and ".join(preset.name for preset in fitting)
        note = f"Its shape is that of {names}: name the one it is (`--preset`) for its decoding options."
    else:
        note = "Its shape is that of no published checkpoint: it has no decoding options but its special tokens."
    original.notes.append(note)
    return None


def _differences(original: Original, preset: Preset) -> list[str]:
    ours, theirs = original.config, preset.config
    found = [
        f"`{name}` is {_value(ours, name)}, not {_value(theirs, name)}"
        for name in ("model_type", *SHAPE)
        if _value(ours, name) != _value(theirs, name)
    ]
    if ("id2label" in preset.fields) != (original.head == "sequence_classification"):
        found.append("only one of them is a classifier")
    elif original.head == "sequence_classification" and ours.num_labels != theirs.num_labels:
        found.append(f"it has {ours.num_labels} labels, not {theirs.num_labels}")
    return found


def _value(config: PreTrainedConfig, name: str) -> Any:
    return getattr(config, name)
