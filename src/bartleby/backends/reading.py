"""From a name or a folder to a config, decoding options and named weights, for every wing and without a framework."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bartleby.backends.options import ReadingOptions
from bartleby.backends.report import refuse_incomplete
from bartleby.checkpoints.folder import CheckpointFolder
from bartleby.checkpoints.names import LoadingReport, match
from bartleby.checkpoints.tensors import StoredTensor
from bartleby.errors import OptionError
from bartleby.family.config import PreTrainedConfig
from bartleby.family.parameters import Head, parameter_table
from bartleby.generation.config import GenerationConfig
from bartleby.hub import Kind, Weights, resolve

Name = str | os.PathLike[str]
PASS_OUTPUTS = frozenset({"output_attentions", "output_hidden_states"})
"""Options of the forward pass that are options of decoding too."""


@dataclass(frozen=True)
class Reading:
    """A checkpoint while its files are open."""

    config: PreTrainedConfig
    generation_config: GenerationConfig
    tensors: dict[str, StoredTensor]
    """By canonical name, the usual way round, those that are tied once; what is missing or misshapen is not here."""

    drawn: tuple[str, ...]
    """Canonical names of what must be drawn at random: the rest of the table."""

    report: LoadingReport


@contextmanager
def reading(
    name: Name,
    model: tuple[type[PreTrainedConfig], Head],
    config: PreTrainedConfig | Name | None,
    options: ReadingOptions,
    order: tuple[Kind, ...],
    changes: dict[str, Any],
) -> Iterator[Reading]:
    """Read a checkpoint for a `model` of a config class and a head; `order` is that of the kinds of files it prefers.

    `changes` are the fields of the config and the decoding options that shall be replaced.
    Raises: HubError if it cannot be found, ConfigError or OptionError for arguments that cannot be, CheckpointError
        with all that the body of the model lacks and, as MismatchError, what is misshapen.
    """
    kinds = options.kinds(order)
    checkpoint = open_checkpoint(name, options, kinds)
    config_class, head = model
    settled = settled_config(config_class, checkpoint, config, changes, options)
    settled.name_or_path = os.fspath(name)
    table = parameter_table(settled, head)
    with options.open_weights(checkpoint.path, kinds) as file:
        found, report = match(file, table)
        refuse_incomplete(report, options)
        own = [parameter.name for parameter in table if parameter.tied_to is None]
        yield Reading(
            settled,
            options.generation_config or decoding_options(checkpoint, settled, changes),
            {name: found[name] for name in own if name in found},
            tuple(name for name in own if name not in found),
            report,
        )


def open_checkpoint(name: Name, options: ReadingOptions, weights: Weights) -> CheckpointFolder:
    """The folder that a name means.

    Raises: OptionError if it brings code along that the caller wants to be run.
    """
    folder = resolve(name, weights=weights, variant=options.variant, **options.hub)
    checkpoint = CheckpointFolder.open(folder)
    if options.trust_remote_code and checkpoint.config.get("auto_map"):
        raise OptionError(
            f"`trust_remote_code` must be False: {folder} brings code for its model along, and that is never run. "
            "Leave it out to load the weights into the model of this library."
        )
    return checkpoint


def settled_config(
    config_class: type[PreTrainedConfig],
    checkpoint: CheckpointFolder,
    given: PreTrainedConfig | Name | None,
    changes: dict[str, Any],
    options: ReadingOptions,
) -> PreTrainedConfig:
    """The checkpoint's config, or the caller's in its place, with `changes`."""
    settled: PreTrainedConfig
    if given is None:
        settled = config_class.from_dict(checkpoint.config, **changes)
    elif isinstance(given, PreTrainedConfig):
        settled = config_class.from_dict(given.to_dict(), **changes)
    else:
        settled = config_class.from_pretrained(given, **options.hub, **changes)
    return settled


def decoding_options(
    checkpoint: CheckpointFolder, config: PreTrainedConfig, changes: Mapping[str, Any]
) -> GenerationConfig:
    """The checkpoint's options with `changes`; those from before generation_config.json keep them in the config."""
    if checkpoint.generation_config is None:
        return GenerationConfig.from_model_config(config)
    options = GenerationConfig.from_dict(checkpoint.generation_config)
    named = {name: value for name, value in changes.items() if name in vars(options)}
    for name in PASS_OUTPUTS & named.keys():  # not checked with the rest: that `generate` may not care is no fault
        setattr(options, name, named.pop(name))
    options.update(**named)
    return options
