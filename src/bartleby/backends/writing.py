"""What every wing writes into a checkpoint folder beside the weights, and what none of them does."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from bartleby.backends.options import FILES_OF
from bartleby.checkpoints.folder import save_folder
from bartleby.checkpoints.forms import Form
from bartleby.checkpoints.names import file_names
from bartleby.checkpoints.replacement import current_file
from bartleby.checkpoints.tensors import StoredTensor
from bartleby.errors import CheckpointError, OptionError, raise_all
from bartleby.family.config import PreTrainedConfig
from bartleby.family.parameters import Head, parameter_table
from bartleby.generation.config import GenerationConfig

logger = logging.getLogger(__name__)

UPLOAD = "save to a folder and upload it with `hf upload`"


class NotUploaded:
    """A model that is saved to folders only."""

    def push_to_hub(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raises: OptionError, with what to do instead."""
        raise OptionError(f"`push_to_hub` is not offered: {UPLOAD}.")


def refuse_arguments(push_to_hub: bool, others: Collection[str], faults: Collection[str] = ()) -> None:
    """Raises: OptionError for uploads, for `others`, which no release knows, and for `faults`."""
    said = [f"`push_to_hub` must be False: {UPLOAD}."] if push_to_hub else []
    said += [*faults, *(f"`{name}` is not an argument of save_pretrained." for name in others)]
    raise_all(OptionError, said, "save_pretrained")


def config_document(config: PreTrainedConfig, model_name: str, dtype: str | None) -> dict[str, Any]:
    """What config.json says: the class, and the type of the weights under the names of both releases."""
    saved = type(config).from_dict(config.to_dict())
    saved.architectures = [model_name]
    saved.dtype = dtype
    document: dict[str, Any] = saved.to_diff_dict()
    if dtype is not None:
        document["torch_dtype"] = dtype  # release 4 reads this, release 5 `dtype`; each leaves the other alone
    return document


@dataclass(frozen=True)
class Written:
    """A model as it is saved."""

    name: str
    """Its class, without the prefix of a framework."""

    config: PreTrainedConfig
    generation_config: GenerationConfig | None
    head: Head
    weights: Mapping[str, StoredTensor]
    """By canonical name, the usual way round, those that are tied once."""

    is_part: bool = False
    """Whether some may be missing, as the caller gave them."""

    def faults(self) -> Iterator[str]:
        """How the weights differ from the model that the config describes: saved, they could not be loaded again."""
        wanted = {each.name: each for each in parameter_table(self.config, self.head) if each.tied_to is None}
        if not self.is_part:
            yield from (f"`{name}` is missing." for name in wanted if name not in self.weights)
        for name, tensor in self.weights.items():
            if name not in wanted:
                yield f"`{name}` is in the model, but not in its config."
            elif tensor.shape != wanted[name].shape:
                shapes = f"has shape {tensor.shape}, but the config says {wanted[name].shape}"
                yield f"`{name}` {shapes}. Set the config right."

    def save(self, folder: str | os.PathLike[str], form: Form, max_shard_size: int | str) -> None:
        """Save it in the place of what was there; what the folder holds in other forms stays, and is told.

        Raises: CheckpointError if the weights are not those its config describes, or the disk refuses.
        """
        raise_all(CheckpointError, list(self.faults()), self.name)
        options = self.generation_config
        files = file_names(parameter_table(self.config, self.head), self.head)
        names = files if form.kind == "safetensors" else dict.fromkeys(self.weights)
        save_folder(
            os.fspath(folder),
            config=config_document(self.config, self.name, next((each.dtype for each in self.weights.values()), None)),
            generation_config=None if options is None else options.to_diff_dict(),
            weights={names[name] or name: tensor for name, tensor in self.weights.items()},
            max_shard_size=max_shard_size,
            form=form,
        )
        _tell_of_others(Path(folder), form)


def superseding(form: Form, own: Form) -> Form:
    """`form`, taking the place of what a wing saved in its `own` form too, as it would read that first."""
    return form if form.single == own.single else replace(form, superseded=(own.single,))


def _tell_of_others(folder: Path, form: Form) -> None:
    """Log which weights in other forms than the one just saved still lie in a folder."""
    others = (name for kind, files in FILES_OF.items() if kind != form.kind for name in files)
    left = [name for name in others if current_file(folder, name)]
    if left:
        logger.warning(
            "%s also holds %s, saved earlier: other programs may read that first. Remove it if it is out of date.",
            folder,
            ", ".join(left),
        )
