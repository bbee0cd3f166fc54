"""Which published checkpoints a tokenizer class belongs to: where their files are, and how long their texts may be."""

from __future__ import annotations

from collections.abc import Mapping

from bartleby.family.config import config_class
from bartleby.family.presets import PRESETS

HUB = "https://huggingface.co"


def published_files(model_type: str, files: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """For each kind of file, the name of every published checkpoint of a model and the address of its file."""
    return {
        kind: {name: f"{HUB}/{name}/resolve/main/{file}" for name in published_lengths(model_type)}
        for kind, file in files.items()
    }


def published_lengths(model_type: str) -> dict[str, int]:
    """The name of every published checkpoint of a model and how many positions it has."""
    usual = config_class(model_type).default_of("max_position_embeddings")
    return {
        name: int(preset.fields.get("max_position_embeddings", usual))
        for name, preset in PRESETS.items()
        if preset.fields["model_type"] == model_type and "/" in name  # others are shipped with the package
    }
