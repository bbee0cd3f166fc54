"""Whose word each decoding option is: the caller's, the checkpoint's, or nobody's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bartleby.generation.config import GenerationConfig
from bartleby.generation.options import DEFAULTS

Source = Literal["caller", "caller_config", "generation_config", "config", "default"]

PHRASES: dict[Source, str] = {
    "caller": "the caller",
    "caller_config": "the caller's generation_config",
    "generation_config": "the model's generation config",
    "config": "the model's config.json",
    "default": "the default",
}


@dataclass(frozen=True)
class Origin:
    """What an option came to, and whose word that is."""

    value: Any
    source: Source
    said: Any
    """What that source said; another value than `value` where it gave way to a word about the same thing."""

    def __str__(self) -> str:
        gave_way = "" if self.said == self.value else f", which said {self.said!r} and gave way"
        return f"{PHRASES[self.source]}{gave_way}"


def provenance(
    resolved: GenerationConfig,
    overrides: Mapping[str, Any],
    checkpoint: GenerationConfig,
    given: GenerationConfig | None = None,
) -> dict[str, Origin]:
    """The origin of every option of `resolved`.

    `overrides` are a caller's single options, `given` a config of the caller's that stands in for the checkpoint's; its
    missing special tokens come from the checkpoint all the same. A value equal to the default is nobody's word, for a
    config does not keep who set it.
    """
    own: Source = "config" if checkpoint._from_model_config else "generation_config"
    words: list[tuple[Source, GenerationConfig]] = [] if given is None else [("caller_config", given)]
    origins = {}
    for name, default in DEFAULTS.items():
        value = getattr(resolved, name, default)
        said: tuple[Any, Source] = (default, "default")
        if overrides.get(name) is not None:
            said = (overrides[name], "caller")
        else:
            heard = [*words, (own, checkpoint)] if given is None or value != default else words
            for source, config in heard:
                if getattr(config, name, default) != default:
                    said = (getattr(config, name), source)
                    break
        origins[name] = Origin(value, said[1], said[0])
    return origins
