"""From a name or a folder to a Flax model with its parameters."""

from __future__ import annotations

import copy
import inspect
import os
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import ml_dtypes
from flax.traverse_util import flatten_dict, unflatten_dict

from bartleby.backends.options import FIXED_EVERYWHERE, Fixed, ReadingOptions
from bartleby.backends.reading import Name, Reading, reading
from bartleby.backends.report import loading_info, tell
from bartleby.checkpoints.containers import StoredWeights, open_weights
from bartleby.checkpoints.layouts import is_turned, to_flax, turned
from bartleby.checkpoints.names import canonical_name, own_name
from bartleby.checkpoints.tensors import Array, StoredTensor
from bartleby.family.config import PreTrainedConfig
from bartleby.family.parameters import Head, parameter_table
from bartleby.generation.config import GenerationConfig
from bartleby.hub import Kind

ORDER: tuple[Kind, ...] = ("msgpack", "safetensors", "bin", "h5")
"""Of several kinds of file, the first that is there is read: what this wing saved comes before what others did."""

_OF_PYTORCH = "it is PyTorch's alone"
FIXED_ARGUMENTS = {
    **FIXED_EVERYWHERE,
    "torch_dtype": Fixed(None, "parameters keep the type of the file; see `to_bf16`, `to_fp16` and `to_fp32`"),
    "state_dict": Fixed(None, f"{_OF_PYTORCH}; set `params` of the model"),
    "device_map": Fixed(None, f"{_OF_PYTORCH}; place `params` with `jax.device_put`"),
    "attn_implementation": Fixed(None, _OF_PYTORCH),
    "low_cpu_mem_usage": Fixed(False, f"{_OF_PYTORCH}; weights are never held twice here"),
    "adapter_kwargs": Fixed(None, _OF_PYTORCH),
}

DRAWN, LEFT_OUT = "drawn at random instead", "left out of the parameters (`init_weights` draws them)"

Tree = dict[str, Any]


class Loading:
    """A model that can be read from a checkpoint."""

    config_class: ClassVar[type[PreTrainedConfig]]
    table_head: ClassVar[Head] = "none"
    params: Any
    key: Any
    input_shape: tuple[int, ...]
    _is_initialized = False
    """Whether the model holds its parameters; with `_do_init=False` the caller does."""

    @property
    def config(self) -> PreTrainedConfig:
        """What the model was built from."""
        raise NotImplementedError

    def init_weights(self, rng: Any, input_shape: tuple[int, ...] = (1, 1), params: Any = None) -> Tree:
        """Random parameters."""
        raise NotImplementedError

    @cached_property
    def generation_config(self) -> GenerationConfig | None:
        """How it writes, unless a call says otherwise; None for models that do not write."""
        return GenerationConfig.from_model_config(self.config) if self.can_generate() else None

    @classmethod
    def can_generate(cls) -> bool:
        """Whether it has `generate` and options for it."""
        return cls.table_head in ("conditional_generation", "causal_lm")

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: Name,
        dtype: Any = jnp.float32,
        *model_args: Any,
        config: PreTrainedConfig | Name | None = None,
        cache_dir: Name | None = None,
        ignore_mismatched_sizes: bool = False,
        force_download: bool = False,
        local_files_only: bool = False,
        token: str | bool | None = None,
        revision: str = "main",
        **kwargs: Any,
    ) -> Any:
        """The model of a folder, of the hub or of this package; with `_do_init=False`, the model and its parameters.

        `dtype` is the type it computes in; parameters keep that of the file. `kwargs` are those of `ReadingOptions`
        (from_pt, variant, subfolder, …), the fields of the config and the decoding options that shall be replaced, and
        what the constructor has besides (seed, input_shape), as it gets `model_args`. A head that the checkpoint lacks
        is drawn at random, and told; so is all else that is missing where the caller asks for `output_loading_info`,
        and gets a dictionary of it beside the rest. With `_do_init=False`, what is missing is left out.
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
        }
        keeps_params = kwargs.pop("_do_init", True)
        options = ReadingOptions.take(kwargs, FIXED_ARGUMENTS)
        named = {name: kwargs.pop(name) for name in _own_arguments(cls) & kwargs.keys()}
        kind = (cls.config_class, cls.table_head)
        asked = options if keeps_params else replace(options, output_loading_info=True)  # nothing will be drawn
        with reading(pretrained_model_name_or_path, kind, config, asked, ORDER, kwargs) as checkpoint:
            model = cls(checkpoint.config, *model_args, dtype=dtype, _do_init=False, **named)  # type: ignore[call-arg]
            params = model._params_of(checkpoint, draws=keeps_params)
        if cls.can_generate():
            model.generation_config = checkpoint.generation_config
        if keeps_params:
            model._is_initialized = True
            model.params = params
        tell(checkpoint.report, cls.__name__, DRAWN if keeps_params else LEFT_OUT)
        result = model if keeps_params else (model, params)
        if not options.output_loading_info:
            return result
        own = {each.name: own_name(each.name, cls.table_head) for each in parameter_table(model.config, cls.table_head)}
        return result, loading_info(checkpoint.report, own)

    def _params_of(self, checkpoint: Reading, draws: bool) -> Tree:
        """The tree of a checkpoint's parameters; with `draws`, what it lacks is drawn at random."""
        bare = self.table_head == "none"
        zeros = [name for name, source in checkpoint.report.filled.items() if source == "zeros"]
        kept = {name: tensor for name, tensor in checkpoint.tensors.items() if name not in zeros}
        flat = {to_flax(name, bare): array_of(name, tensor) for name, tensor in kept.items()}
        dtype = next((each.dtype for each in flat.values()), jnp.float32)
        device = None if draws else jax.local_devices(backend="cpu")[0]
        flat = {name: jax.device_put(jnp.array(array), device) for name, array in flat.items()}
        for name in zeros:
            flat[to_flax(name, bare)] = jnp.zeros(checkpoint.tensors[name].shape, dtype)
        if draws and checkpoint.drawn:
            random = flatten_dict(self.init_weights(self.key, self.input_shape), sep="/")
            lacking = [to_flax(name, bare) for name in checkpoint.drawn]
            flat |= {name: random[name].astype(dtype) for name in lacking}
        checkpoint.config.dtype = dtype.name
        return unflatten_dict(flat, sep="/")

    @classmethod
    def _from_config(cls, config: PreTrainedConfig, **kwargs: Any) -> Self:
        """A model with weights drawn at random, on a copy of `config`; `kwargs` go to the constructor."""
        return cls(copy.deepcopy(config), **kwargs)  # type: ignore[call-arg]

    @classmethod
    def load_flax_weights(cls, resolved_archive_file: Name) -> Tree:
        """The parameters in a file of weights, of whatever kind, as a tree like `params`.

        Raises: CheckpointError if it cannot be read.
        """
        return cls.load_flax_sharded_weights([resolved_archive_file])

    @classmethod
    def load_flax_sharded_weights(cls, shard_files: Iterable[Name]) -> Tree:
        """The parameters in several files that are parts of one checkpoint, as one tree.

        Raises: CheckpointError if one cannot be read.
        """
        flat: dict[str, jax.Array] = {}
        for file in shard_files:
            with open_weights(os.fspath(file)) as stored:
                flat |= _flat(stored, cls.table_head == "none")
        tree: Tree = unflatten_dict(flat, sep="/")
        return tree


def _flat(stored: StoredWeights, bare: bool) -> dict[str, jax.Array]:
    names = {canonical_name(name): name for name in stored.names()}
    return {to_flax(name, bare): jnp.array(array_of(name, stored.tensor(file))) for name, file in names.items()}


def array_of(name: str, tensor: StoredTensor) -> Array:
    """The numbers of a canonical tensor, in their type and turned as Flax has them."""
    upright = turned(tensor) if is_turned(to_flax(name)) else tensor
    raw = upright.raw()
    return raw.view(ml_dtypes.bfloat16) if tensor.dtype == "bfloat16" else raw


def _own_arguments(model_class: type) -> set[str]:
    """What the constructor, and the module behind it, take besides a config and what `from_pretrained` gives them."""
    module_class = getattr(model_class, "module_class", None)
    known = {*inspect.signature(model_class).parameters, *getattr(module_class, "__dataclass_fields__", ())}
    return known - {"config", "dtype", "_do_init", "args", "kwargs", "parent", "name"}
