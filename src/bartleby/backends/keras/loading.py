"""From a name or a folder to a TensorFlow model with its weights."""

from __future__ import annotations

import copy
from functools import cached_property
from typing import Any, ClassVar, Literal, Self, overload

import keras

from bartleby.backends.options import FIXED_EVERYWHERE, Fixed, ReadingOptions
from bartleby.backends.reading import Name, reading
from bartleby.backends.report import loading_info, tell
from bartleby.checkpoints.layouts import is_turned, to_flax, turned
from bartleby.checkpoints.names import own_name
from bartleby.checkpoints.tensors import StoredTensor
from bartleby.family.config import PreTrainedConfig
from bartleby.family.parameters import Head, parameter_table
from bartleby.generation.config import GenerationConfig
from bartleby.hub import Kind

ORDER: tuple[Kind, ...] = ("h5", "safetensors", "bin", "msgpack")
"""Of several kinds of file, the first that is there is read: what this wing saved comes before what others did."""

_OF_PYTORCH = "it is PyTorch's alone"
_BY_POLICY = "variables have the type that `keras.config.set_dtype_policy` says"
FIXED_ARGUMENTS = {
    **FIXED_EVERYWHERE,
    "dtype": Fixed(None, _BY_POLICY),
    "torch_dtype": Fixed(None, _BY_POLICY),
    "state_dict": Fixed(None, f"{_OF_PYTORCH}; build the model from a config and assign its variables"),
    "device_map": Fixed(None, f"{_OF_PYTORCH}; load the model within `tf.device`"),
    "attn_implementation": Fixed(None, _OF_PYTORCH),
    "low_cpu_mem_usage": Fixed(False, _OF_PYTORCH),
    "adapter_kwargs": Fixed(None, _OF_PYTORCH),
    "tf_to_pt_weight_rename": Fixed(None, "weights are found by the names that were published"),
}
UNUSED_ARGUMENTS = ("load_weight_prefix",)
"""Published arguments that change nothing: what stands before a name in a file makes no difference here."""


class Loading:
    """A model that can be read from a checkpoint."""

    config_class: ClassVar[type[PreTrainedConfig]]
    table_head: ClassVar[Head] = "none"
    config: PreTrainedConfig

    def variables_by_name(self) -> dict[str, keras.Variable]:
        """Every variable by its canonical name, those that are tied once; kernels are canonical weights transposed."""
        raise NotImplementedError

    @classmethod
    def can_generate(cls) -> bool:
        """Whether it has `generate` and options for it."""
        return cls.table_head in ("conditional_generation", "causal_lm")

    @cached_property
    def generation_config(self) -> GenerationConfig | None:
        """How it writes, unless a call says otherwise; None for models that do not write."""
        return GenerationConfig.from_model_config(self.config) if self.can_generate() else None

    @overload
    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: Name,
        *model_args: Any,
        output_loading_info: Literal[True],
        **kwargs: Any,
    ) -> tuple[Self, dict[str, list[Any]]]: ...
    @overload
    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Name, *model_args: Any, **kwargs: Any) -> Self: ...
    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: Name,
        *model_args: Any,
        config: PreTrainedConfig | Name | None = None,
        cache_dir: Name | None = None,
        ignore_mismatched_sizes: bool = False,
        force_download: bool = False,
        local_files_only: bool = False,
        token: str | bool | None = None,
        revision: str = "main",
        use_safetensors: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """The model of a folder, of the hub or of this package, in the type of Keras's policy (float32 unless set).

        `kwargs` are those of `ReadingOptions` (from_pt, variant, subfolder, …), the fields of the config and the
        decoding options that shall be replaced, and `name`, which the constructor gets with `model_args`. A head that
        the checkpoint lacks is drawn at random, and told; so is all else that is missing where the caller asks for
        `output_loading_info`.
        Raises: HubError if it cannot be found, ConfigError or OptionError for arguments that cannot be, CheckpointError
            with all that the body of the model lacks and, as MismatchError, what is misshapen.
        """
        kwargs |= {
            "cache_dir": cache_dir,
            "ignore_mismatched_sizes": ignore_mismatched_sizes,
            "force_download": force_download,
            "local_files_only": local_files_only,
            "token": token,
            "revision": revision,
            "use_safetensors": use_safetensors,
        }
        for unused in UNUSED_ARGUMENTS:
            kwargs.pop(unused, None)
        options = ReadingOptions.take(kwargs, FIXED_ARGUMENTS)
        named = {name: kwargs.pop(name) for name in ("name",) if name in kwargs}
        kind = (cls.config_class, cls.table_head)
        with reading(pretrained_model_name_or_path, kind, config, options, ORDER, kwargs) as checkpoint:
            model = cls(checkpoint.config, *model_args, **named)  # type: ignore[call-arg]  # what it is mixed into has it
            variables = model.variables_by_name()
            for name, tensor in checkpoint.tensors.items():
                _assign(variables[name], name, tensor)
        model.config.dtype = next(keras.backend.standardize_dtype(each.dtype) for each in variables.values())
        if cls.can_generate():
            model.generation_config = checkpoint.generation_config
        tell(checkpoint.report, cls.__name__)
        if not options.output_loading_info:
            return model
        own = {each.name: own_name(each.name, cls.table_head) for each in parameter_table(model.config, cls.table_head)}
        return model, loading_info(checkpoint.report, own)

    @classmethod
    def _from_config(cls, config: PreTrainedConfig, **kwargs: Any) -> Self:
        """A model with weights drawn at random, on a copy of `config`; `kwargs` go to the constructor."""
        return cls(copy.deepcopy(config), **kwargs)  # type: ignore[call-arg]


def _assign(variable: keras.Variable, name: str, tensor: StoredTensor) -> None:
    """Give a variable the numbers of a canonical tensor, in its own type."""
    upright = turned(tensor) if is_turned(to_flax(name)) else tensor
    variable.assign(keras.ops.cast(upright.array(), variable.dtype))
