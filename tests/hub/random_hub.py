"""A cache of the hub that holds small checkpoints of random weights under the published names.

With it, what is written for the published checkpoints runs without the network: whatever does not hang on the weights
(names, arguments, shapes, ids) can be seen to work.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bartleby.checkpoints.folder import save_folder
from bartleby.checkpoints.names import own_name
from bartleby.family.parameters import Head, Parameter, parameter_table
from bartleby.family.presets import Preset, preset_of
from tests.parity.random_models import seeded

WIDTH = 16
SMALL = {
    "d_model": WIDTH,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 8,
    "decoder_ffn_dim": 8,
}
VOCABULARIES = {"bart": "bart", "blenderbot": "blenderbot", "blenderbot-small": "blenderbot_small"}
ARCHITECTURES: dict[str, tuple[str, Head]] = {  # as the published config.json has it
    "facebook/bart-base": ("BartModel", "none"),
    "facebook/bart-large": ("BartModel", "none"),
    "facebook/bart-large-cnn": ("BartForConditionalGeneration", "conditional_generation"),
    "facebook/bart-large-xsum": ("BartForConditionalGeneration", "conditional_generation"),
    "facebook/bart-large-mnli": ("BartForSequenceClassification", "sequence_classification"),
    "sshleifer/distilbart-xsum-1-1": ("BartForConditionalGeneration", "conditional_generation"),
    "facebook/blenderbot-400M-distill": ("BlenderbotForConditionalGeneration", "conditional_generation"),
    "facebook/blenderbot-3B": ("BlenderbotForConditionalGeneration", "conditional_generation"),
    "facebook/blenderbot_small-90M": ("BlenderbotSmallForConditionalGeneration", "conditional_generation"),
    "facebook/blenderbot-90M": ("BlenderbotSmallForConditionalGeneration", "conditional_generation"),
}
ROBERTA = "FacebookAI/roberta-base"
"""Its tokenizer alone, which BART shares."""

REVISION = "0" * 40


def fill_cache(cache: Path, vocabularies: Path) -> None:
    """Put all of them into a folder laid out as huggingface_hub's cache; `vocabularies` are the published ones."""
    for name, (architecture, head) in ARCHITECTURES.items():
        preset = preset_of(name)
        assert preset is not None
        folder = snapshot(cache, name)
        save_checkpoint(folder, replace(preset, name=name), architecture, head)
        copy_vocabulary(vocabularies / VOCABULARIES[preset.fields["model_type"]], folder)
    folder = snapshot(cache, ROBERTA)
    copy_vocabulary(vocabularies / "bart", folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "roberta"}))


def snapshot(cache: Path, name: str) -> Path:
    """The folder for the files of a repository."""
    repository = cache / f"models--{name.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(REVISION)
    folder = repository / "snapshots" / REVISION
    folder.mkdir(parents=True)
    return folder


def save_checkpoint(folder: Path, preset: Preset, architecture: str, head: Head) -> None:
    """The preset with SMALL sizes; decoding options lie in config.json too, as in the older repositories."""
    config = replace(preset, fields={**preset.fields, **SMALL}).config
    described = {**config.to_dict(), **preset.generation, "architectures": [architecture]}
    random = seeded(preset.name)
    weights = {
        own_name(parameter.name, head): drawn(random, parameter)
        for parameter in parameter_table(config, head)
        if parameter.tied_to is None
    }
    tokens = ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id")
    generation = {**preset.generation, **{name: getattr(config, name) for name in tokens}}
    save_folder(folder, config=described, generation_config=generation, weights=weights)


def drawn(random: np.random.Generator, parameter: Parameter) -> Any:
    centre = 1.0 if parameter.kind == "norm" and parameter.name.endswith("weight") else 0.0
    return (centre + 0.25 * random.standard_normal(parameter.shape, dtype=np.float32)).astype(np.float32)


def copy_vocabulary(source: Path, folder: Path) -> None:
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(source / name, folder / name)
