"""What a training starts from: a new model and a tokenizer learnt from the texts, or those of a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import torch

from bartleby.backends.auto_class import AutoClass
from bartleby.backends.pytorch.decoding.entry_points import EntryPoints
from bartleby.backends.pytorch.model import Model
from bartleby.errors import OptionError, raise_all
from bartleby.family.config import AutoConfig, PreTrainedConfig, config_from_dict
from bartleby.family.presets import PRESETS, Preset, preset_of
from bartleby.generation.config import GenerationConfig
from bartleby.tokenization.auto import BY_MODEL_TYPE, AutoTokenizer
from bartleby.tokenization.base import PreTrainedTokenizer
from bartleby.training.freezing import freeze
from bartleby.training.lengthening import lengthen
from bartleby.training.lora import add_adapters
from bartleby.training.recipes.recipe import ModelOptions, Recipe
from bartleby.training.runs import checkpoint_of
from bartleby.training.vocabulary import learn_tokenizer

Started = TypeVar("Started", bound=Model)

TOKENS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")


def starting_config(recipe: Recipe, own: Mapping[str, Any] | None = None) -> PreTrainedConfig:
    """The config to start with: the checkpoint's or the preset's, then the options' changes, then the recipe's `own`.

    Raises: OptionError naming all changes that are no field of it; ConfigError for values that make no model.
    """
    options = recipe.model
    if options.model is not None:
        known: PreTrainedConfig = AutoConfig.from_pretrained(checkpoint_of(options.model))
    else:
        known = starting_preset(recipe).config
    fields = known.to_dict()
    return config_from_dict({**fields, **_changes(options, fields), **(own or {})})


def starting_preset(recipe: Recipe) -> Preset:
    """The shape of a new model.

    Raises: OptionError if there is no preset of that name.
    """
    name = recipe.model.preset or recipe.preset
    preset = preset_of(name)
    if preset is None:
        raise OptionError(f"`preset` must be one of {', '.join(PRESETS)}, but is {name!r}.")
    return preset


def starting_tokenizer(recipe: Recipe, texts: Iterable[str]) -> PreTrainedTokenizer:
    """The checkpoint's tokenizer, the one that was asked for, or else one learnt from `texts`, which are read then."""
    given = recipe.model.tokenizer
    if recipe.model.model is not None:
        given = str(checkpoint_of(recipe.model.model))
    config = starting_config(recipe)
    if given is not None:
        tokenizer = AutoTokenizer.from_pretrained(given, use_fast=False)
    else:
        tokenizer = learn_tokenizer(BY_MODEL_TYPE[config.model_type], texts, config.vocab_size)
    tokenizer.model_max_length = recipe.model.positions or config.max_position_embeddings
    return tokenizer


def starting_model(
    recipe: Recipe,
    auto_class: type[AutoClass[Started]],
    tokenizer: PreTrainedTokenizer,
    own: Mapping[str, Any] | None = None,
    new_head: bool = False,
) -> Started:
    """The model to be taught, in float32, with what the options freeze frozen, or their adapters added.

    What is new in it is drawn from the recipe's seed, with `new_head` also what has another size in the checkpoint;
    `own` are fields of the config that the recipe decides.
    """
    torch.manual_seed(recipe.seed)
    config, options = starting_config(recipe, own), recipe.model
    if options.model is not None:
        how: dict[str, Any] = {"config": config, "dtype": torch.float32, "ignore_mismatched_sizes": new_head}
        model = auto_class.from_pretrained(checkpoint_of(options.model), **how)
    else:
        config.vocab_size = len(tokenizer)
        model = auto_class.from_config(config)
        if isinstance(model, EntryPoints):
            ids = {name: getattr(config, name) for name in TOKENS}
            model.generation_config = GenerationConfig(**starting_preset(recipe).generation, **ids)
    if options.positions is not None and options.positions != config.max_position_embeddings:
        lengthen(model, options.positions)
    if options.lora:
        add_adapters(model, options.lora_rank, options.lora_targets, options.lora_alpha, options.lora_dropout)
    if options.freeze:
        freeze(model, options.freeze)
    return model


def _changes(options: ModelOptions, known: Mapping[str, Any]) -> dict[str, Any]:
    """The fields to change; values are read as JSON: numbers, true and false, or else text."""
    fields: dict[str, Any] = {}
    faults = []
    for change in options.change:
        name, sign, text = change.partition("=")
        value: Any = text
        if not sign or name not in known:
            faults.append(f"`change` must be FIELD=VALUE with a field of the config, but is {change!r}.")
        with suppress(ValueError):
            value = json.loads(text)
        fields[name] = value
    raise_all(OptionError, faults, "The changes to the model")
    if options.vocab_size is not None:
        fields["vocab_size"] = options.vocab_size
    if options.dropout is not None:
        fields["dropout"] = options.dropout
    if options.layerdrop is not None:
        fields |= dict.fromkeys(("encoder_layerdrop", "decoder_layerdrop"), options.layerdrop)
    return fields
