"""What every PyTorch model of the family can do besides computing: be initialised, tied, loaded and saved."""

from __future__ import annotations

import logging
import os
from collections.abc import Hashable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, Self, overload, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from bartleby.checkpoints.containers import WEIGHT_FILES, StoredWeights, open_weights
from bartleby.checkpoints.folder import DEFAULT_SHARD_SIZE, CheckpointFolder, save_folder
from bartleby.checkpoints.names import HEADS, LoadingReport, file_names, match
from bartleby.checkpoints.replacement import current_file
from bartleby.checkpoints.tensors import Array, StoredTensor
from bartleby.errors import CheckpointError, ConfigError, OptionError, raise_all
from bartleby.family.config import PreTrainedConfig
from bartleby.family.parameters import Head, Parameter, parameter_table
from bartleby.generation.config import GenerationConfig
from bartleby.hub import resolve

logger = logging.getLogger(__name__)

DTYPES = {name: getattr(torch, name) for name in ("float32", "float64", "float16", "bfloat16")}


class Fixed(NamedTuple):
    """A published argument of `from_pretrained` that can have only one value here, and why."""

    value: Any
    reason: str


_ONE_DEVICE = "a model of this family lies on one device; pass `device`"
_CONVERTED = "weights of other frameworks are converted, not loaded"
FIXED_ARGUMENTS = {
    "low_cpu_mem_usage": Fixed(True, "weights are always taken straight from the file"),
    "weights_only": Fixed(True, "nothing but weights is ever read from a pickle"),
    "trust_remote_code": Fixed(False, "code from checkpoints is never run"),
    "disable_mmap": Fixed(False, "weights are always taken straight from the file"),
    "from_tf": Fixed(False, _CONVERTED),
    "from_flax": Fixed(False, _CONVERTED),
    "subfolder": Fixed("", "pass the folder itself"),
    "variant": Fixed(None, "copy the files of the variant to a folder under their usual names"),
    "state_dict": Fixed(None, "build the model from its config and call load_state_dict"),
    "device_map": Fixed(None, _ONE_DEVICE),
    "max_memory": Fixed(None, _ONE_DEVICE),
    "offload_folder": Fixed(None, _ONE_DEVICE),
    "quantization_config": Fixed(None, "quantized weights are not in this release"),
    "attn_implementation": Fixed(None, "attention is fused wherever that changes nothing"),
}


class PreTrainedModel(nn.Module):
    """Base of all models: `config_class` and `head` say which one a subclass is."""

    config_class: ClassVar[type[PreTrainedConfig]]
    head: ClassVar[Head]
    base_model_prefix = "model"
    main_input_name = "input_ids"

    def __init__(self, config: PreTrainedConfig) -> None:
        super().__init__()
        if not isinstance(config, self.config_class):
            raise ConfigError(
                f"{type(self).__name__} needs a {self.config_class.__name__}, but was given a {type(config).__name__}."
            )
        self.config = config

    def post_init(self) -> None:
        """Draw the weights and tie what is shared; called at the end of every constructor."""
        self.apply(self._init_weights)
        self.tie_weights()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        std = self.config.init_std
        if isinstance(module, nn.Linear):
            module.weight.normal_(std=std)
            if module.bias is not None:
                module.bias.zero_()
        elif isinstance(module, nn.Embedding):
            module.weight.normal_(std=std)
            if module.padding_idx is not None:
                module.weight[module.padding_idx].zero_()
        elif isinstance(module, nn.LayerNorm):
            module.weight.fill_(1)
            module.bias.zero_()

    def tie_weights(self) -> None:
        """Make the tensors that the configuration ties one tensor; subclasses name them."""

    @classmethod
    def can_generate(cls) -> bool:
        """Whether it has `generate` and options for it."""
        return False

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype

    def num_parameters(self, only_trainable: bool = False, exclude_embeddings: bool = False) -> int:
        """Numbers in all parameters, tied ones counted once; buffers are none."""
        tables = {id(module.weight) for module in self.modules() if isinstance(module, nn.Embedding)}
        return sum(
            parameter.numel()
            for parameter in self.parameters()
            if (parameter.requires_grad or not only_trainable) and not (exclude_embeddings and id(parameter) in tables)
        )

    # Loading

    @overload
    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | os.PathLike[str], *, output_loading_info: Literal[True], **kwargs: Any
    ) -> tuple[Self, dict[str, list[Any]]]: ...
    @overload
    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | os.PathLike[str], **kwargs: Any) -> Self: ...
    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str],
        *,
        config: PreTrainedConfig | str | os.PathLike[str] | None = None,
        dtype: torch.dtype | str | None = None,
        torch_dtype: torch.dtype | str | None = None,
        device: torch.device | str | None = None,
        ignore_mismatched_sizes: bool = False,
        output_loading_info: bool = False,
        use_safetensors: bool | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        token: str | bool | None = None,
        revision: str = "main",
        **kwargs: Any,
    ) -> Any:
        """The model of a folder, of the hub or of this package, ready to be used: dropout is off.

        `kwargs` replace fields of its config. Weights become float32 unless `dtype` (or `torch_dtype`) says otherwise;
        "auto" is the type the checkpoint names or has. A head that the checkpoint lacks is drawn at random, and told.
        Raises: HubError if it cannot be found, ConfigError or OptionError for arguments that cannot be, CheckpointError
            with all that the body of the model lacks and, unless `ignore_mismatched_sizes`, all that is misshapen.
        """
        folder = resolve(
            pretrained_model_name_or_path,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
            token=token,
            revision=revision,
        )
        with CheckpointFolder.open(folder) as checkpoint, _open_weights(checkpoint, use_safetensors) as stored:
            settled = cls._settled_config(checkpoint.config, config, _without_fixed(kwargs))
            table = parameter_table(settled, cls.head)
            found, report = match(stored, table)
            _refuse_incomplete(report, ignore_mismatched_sizes)
            number = _dtype(dtype, torch_dtype, settled, stored)
            settled.dtype, settled.name_or_path = _name_of(number), os.fspath(pretrained_model_name_or_path)
            place = torch.device(device or "cpu")
            model = cls._empty(settled).to(number)
            model._fill(table, _tensors(table, found, number, place), place)
            if isinstance(model, Generating):
                model.generation_config = _generation_config(checkpoint.generation_config, settled)
        _tell(report, cls)
        return (model.eval(), _loading_info(report, cls.head)) if output_loading_info else model.eval()

    @classmethod
    def _settled_config(
        cls,
        in_file: Mapping[str, Any],
        given: PreTrainedConfig | str | os.PathLike[str] | None,
        changes: dict[str, Any],
    ) -> PreTrainedConfig:
        """The checkpoint's config, or the caller's in its place, with `changes`."""
        if given is None:
            return cls.config_class.from_dict(in_file, **changes)
        if isinstance(given, PreTrainedConfig):
            return cls.config_class.from_dict(given.to_dict(), **changes)
        return cls.config_class.from_pretrained(given, **changes)

    @classmethod
    def _empty(cls, config: PreTrainedConfig) -> Self:
        """A model of shapes without numbers."""
        with torch.device("meta"):
            return cls(config)

    def _fill(self, table: Iterable[Parameter], weights: Mapping[str, Tensor], device: torch.device) -> None:
        """Make `weights`, not copies of them, the model's own; modules that lack some are drawn at random first."""
        lacking = [parameter.name for parameter in table if parameter.tied_to is None and parameter.name not in weights]
        for owner in dict.fromkeys(_own_name(name, self.head).rpartition(".")[0] for name in lacking):
            module = self.get_submodule(owner).to_empty(device=device, recurse=False)
            for buffer in module.buffers(recurse=False):
                buffer.zero_()
            self._init_weights(module)
        own = {_own_name(name, self.head): tensor for name, tensor in weights.items()}
        self.load_state_dict(own, strict=False, assign=True)
        self.tie_weights()

    # Saving

    def save_pretrained(
        self,
        save_directory: str | os.PathLike[str],
        *,
        is_main_process: bool = True,
        state_dict: Mapping[str, Tensor] | None = None,
        push_to_hub: bool = False,
        max_shard_size: int | str = DEFAULT_SHARD_SIZE,
        safe_serialization: bool = True,
        variant: str | None = None,
    ) -> None:
        """Save config, decoding options and weights in the published layout, in the place of what was there.

        `state_dict` is saved instead of the model's own weights; of several processes only the main one saves.
        Raises: CheckpointError if the weights are not those its config describes, or the disk refuses.
        """
        _refuse_other_forms(push_to_hub, safe_serialization, variant)
        if not is_main_process:
            return
        table = parameter_table(self.config, self.head)
        state = self.state_dict() if state_dict is None else state_dict
        own = {parameter.name: _own_name(parameter.name, self.head) for parameter in table}
        raise_all(CheckpointError, list(_saving_faults(table, own, state)), type(self).__name__)
        config = type(self.config).from_dict(self.config.to_dict())
        config.architectures = [type(self).__name__]
        config.dtype = _name_of(state[own[table[0].name]].dtype)
        options = self.generation_config if isinstance(self, Generating) else None
        save_folder(
            os.fspath(save_directory),
            config=config.to_diff_dict(),
            generation_config=None if options is None else options.to_diff_dict(),
            weights={file: _stored(state[own[name]]) for name, file in file_names(table, self.head).items()},
            max_shard_size=max_shard_size,
        )


@runtime_checkable
class Generating(Protocol):
    """A model that can write, and so has options for it."""

    generation_config: GenerationConfig


def _without_fixed(arguments: dict[str, Any]) -> dict[str, Any]:
    """What is left of the keywords for the config.

    Raises: OptionError if one of FIXED_ARGUMENTS has another value than it must have.
    """
    faults = [
        f"`{name}` must be {fixed.value!r}, but is {arguments[name]!r}: {fixed.reason}."
        for name, fixed in FIXED_ARGUMENTS.items()
        if arguments.get(name) is not None and arguments[name] != fixed.value
    ]
    raise_all(OptionError, faults, "from_pretrained")
    return {name: value for name, value in arguments.items() if name not in FIXED_ARGUMENTS}


def _open_weights(checkpoint: CheckpointFolder, use_safetensors: bool | None) -> StoredWeights:
    """Raises: CheckpointError if the kind of file asked for is not there."""
    if use_safetensors is None:
        return open_weights(checkpoint.path)
    files = WEIGHT_FILES[:2] if use_safetensors else WEIGHT_FILES[2:]
    found = next((path for name in files if (path := current_file(checkpoint.path, name))), None)
    if found is None:
        raise CheckpointError(
            f"{checkpoint.path} has none of {', '.join(files)}. Leave out `use_safetensors` to take what there is."
        )
    return open_weights(found)


def _refuse_incomplete(report: LoadingReport, ignore_mismatched_sizes: bool) -> None:
    """Raises: CheckpointError with all that cannot be drawn at random: what the body of the model lacks or misfits."""
    faults = [f"`{name}` is missing." for name in report.missing if not HEADS.fullmatch(name)]
    if not ignore_mismatched_sizes:
        faults += [f"{mismatch}." for mismatch in report.mismatched]
        if report.mismatched:
            faults.append("Correct the config, or pass `ignore_mismatched_sizes=True` to draw these anew.")
    raise_all(CheckpointError, faults, report.subject)


def _dtype(
    dtype: torch.dtype | str | None,
    torch_dtype: torch.dtype | str | None,
    config: PreTrainedConfig,
    file: StoredWeights,
) -> torch.dtype:
    """The type asked for; "auto" is the config's, or else that of the file's first weights."""
    if dtype is not None and torch_dtype is not None and str(dtype) != str(torch_dtype):
        raise OptionError(f"`dtype` and `torch_dtype` are two names of one thing, but are {dtype} and {torch_dtype}.")
    asked = str(dtype or torch_dtype or "float32").removeprefix("torch.")
    if asked == "auto":
        asked = config.dtype or next(
            (file.dtype(name) for name in file.names() if file.dtype(name) in DTYPES), "float32"
        )
    if asked not in DTYPES:
        raise OptionError(f"`dtype` must be one of auto, {', '.join(DTYPES)}, but is {asked!r}.")
    return DTYPES[asked]


def _tensors(
    table: Iterable[Parameter], found: Mapping[str, StoredTensor], dtype: torch.dtype, device: torch.device
) -> dict[str, Tensor]:
    """What was found, once for each tie; of two untied parameters that share bytes in the file, one is a copy."""
    tensors: dict[str, Tensor] = {}
    places: set[Hashable] = set()
    for parameter in table:
        stored = found.get(parameter.name)
        if stored is not None and parameter.tied_to is None:
            tensor = _tensor(stored, dtype, device)
            tensors[parameter.name] = tensor.clone() if stored.place in places else tensor
            places.add(stored.place)
    return tensors


def _tensor(stored: StoredTensor, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The file's own memory where type and device allow it, else one copy."""
    raw = stored.raw()
    if stored.dtype == "bfloat16":
        return torch.from_numpy(raw.view(np.int16)).view(torch.bfloat16).to(device, dtype)
    return torch.from_numpy(raw).to(device, dtype)


def _stored(tensor: Tensor) -> StoredTensor:
    """A tensor to be saved; one on an accelerator is fetched when its turn comes."""
    place = (str(tensor.device), tensor.data_ptr(), tuple(tensor.shape))
    return StoredTensor("", tuple(tensor.shape), _name_of(tensor.dtype), partial(_raw, tensor.detach()), place)


def _raw(tensor: Tensor) -> Array:
    tensor = tensor.cpu().contiguous()
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(np.uint16)
    array: Array = tensor.numpy()
    return array


def _name_of(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _own_name(canonical: str, head: Head) -> str:
    """What a model with `head` calls a parameter: bare models have no `model.` before their names."""
    return canonical.removeprefix("model.") if head == "none" else canonical


def _generation_config(in_file: Mapping[str, Any] | None, config: PreTrainedConfig) -> GenerationConfig:
    """Checkpoints from before generation_config.json keep their options in the config."""
    return GenerationConfig.from_model_config(config) if in_file is None else GenerationConfig.from_dict(in_file)


def _tell(report: LoadingReport, model_class: type[PreTrainedModel]) -> None:
    """Log what a caller should know: weights drawn at random, and weights left in the file."""
    drawn = [*report.missing, *(mismatch.name for mismatch in report.mismatched)]
    if drawn:
        logger.warning(
            "%s: %s does not fit or lacks %s, drawn at random instead. Train before relying on the outputs.",
            model_class.__name__,
            report.subject,
            ", ".join(drawn),
        )
    if report.unexpected:
        unused = ", ".join(report.unexpected)
        logger.warning("%s has no use for these weights of %s: %s.", model_class.__name__, report.subject, unused)


def _loading_info(report: LoadingReport, head: Head) -> dict[str, list[Any]]:
    """The report in the published form."""
    return {
        "missing_keys": [_own_name(name, head) for name in report.missing],
        "unexpected_keys": list(report.unexpected),
        "mismatched_keys": [(_own_name(each.name, head), each.stored, each.expected) for each in report.mismatched],
        "error_msgs": [],
    }


def _refuse_other_forms(push_to_hub: bool, safe_serialization: bool, variant: str | None) -> None:
    faults = []
    if push_to_hub:
        faults.append("`push_to_hub` must be False: save to a folder and upload it with `hf upload`.")
    if not safe_serialization:
        faults.append("`safe_serialization` must be True: pickles are read, but never written.")
    if variant is not None:
        faults.append(f"`variant` must be None, but is {variant!r}: save the variant to a folder of its own.")
    raise_all(OptionError, faults, "save_pretrained")


def _saving_faults(table: Iterable[Parameter], own: Mapping[str, str], state: Mapping[str, Tensor]) -> Iterator[str]:
    """How a state dict differs from the model its config describes: saved, it could not be loaded again."""
    for parameter in table:
        tensor, source = state.get(own[parameter.name]), parameter.tied_to
        if tensor is None:
            if source is None:
                yield f"`{parameter.name}` is missing."
        elif tuple(tensor.shape) != parameter.shape:
            shape = tuple(tensor.shape)
            yield f"`{parameter.name}` has shape {shape}, but the config says {parameter.shape}. Set the config right."
        elif source is not None and not _is_same(tensor, state.get(own[source])):
            yield (
                f"`{parameter.name}` and `{source}` differ, but the config ties them. "
                "Call tie_weights, or set `tie_word_embeddings` to False."
            )
    for name in state.keys() - own.values():
        yield f"`{name}` is in the model, but not in its config."


def _is_same(tensor: Tensor, source: Tensor | None) -> bool:
    return source is not None and (tensor.data_ptr() == source.data_ptr() or torch.equal(tensor, source))
