"""GenerationConfig: the decoding options of one checkpoint or one call, read from and written to files.

`options.py` declares them, `faults.py` says what is wrong with them, `resolution.py` makes one config out of two.
"""

from __future__ import annotations

import copy
import json
import os
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar, Literal, NoReturn, Self, overload

from bartleby.errors import OptionError, raise_all
from bartleby.family.fields import is_number, is_whole
from bartleby.family.record import made_folder, read_json, write_whole
from bartleby.generation.compiling import CompileConfig
from bartleby.generation.faults import (
    EXTRA_OUTPUTS,
    contradictions,
    idle,
    is_set,
    refusals,
    value_faults,
    vocabulary_faults,
)
from bartleby.generation.faults import Refused as Refused
from bartleby.generation.faults import support as support
from bartleby.generation.later import Implementation
from bartleby.generation.mode import GenerationMode, mode_of
from bartleby.generation.options import DEFAULTS as DEFAULTS
from bartleby.generation.options import METADATA, Options, is_misspelt, unknown_option
from bartleby.generation.options import listed as listed
from bartleby.hub import resolve, take_hub_options

GENERATION_CONFIG_FILE = "generation_config.json"
PLUMBING = ("_from_auto", "_from_pipeline", "_commit_hash")
"""Keywords by which older releases told each other who loads."""


class GenerationConfig(Options):
    """How to decode. The defaults are those that take effect in the published 4.37; None stands for the default.

    Built by name from options; other names are kept, unless they can only be misspelt ones. Warns of options that have
    no effect beside the others.
    Raises: OptionError, at once for all options that cannot be.
    """

    extra_output_flags: ClassVar[tuple[str, ...]] = EXTRA_OUTPUTS

    def __init__(self, **options: Any) -> None:
        unknown = [name for name in options if name not in DEFAULTS]
        faults = [unknown_option(name) for name in unknown if is_misspelt(name)]
        raise_all(OptionError, faults, "GenerationConfig")
        self._assign(options)
        for name in unknown:
            warnings.warn(f"{unknown_option(name)} It is kept, but nothing reads it.", UserWarning, stacklevel=2)
        self.validate(user_set_attributes=options)

    def _assign(self, options: Mapping[str, Any]) -> None:
        taken = [name for name in sorted(options.keys() - DEFAULTS.keys()) if hasattr(type(self), name)]
        clashes = [f"`{name}` cannot be an option: the class uses that name itself." for name in taken]
        raise_all(OptionError, clashes, "GenerationConfig")
        for name in (*DEFAULTS, *(options.keys() - DEFAULTS.keys())):
            setattr(self, name, options.get(name))

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, _owned(name, value))

    def validate(
        self,
        implementation: Implementation | None = None,
        vocab_size: int | None = None,
        *,
        strict: bool = False,
        is_init: bool = False,
        user_set_attributes: Collection[str] | None = None,
    ) -> None:
        """Check every option and all of them together; with an `implementation` also whether it carries them out.

        Without one, options that have no effect are warned of, of `user_set_attributes` where those are given; `strict`
        refuses them. `is_init` is published and changes nothing.
        Raises: OptionError that lists all faults at once.
        """
        faults = value_faults(self)
        if not faults:  # only values that can be can be compared
            faults += contradictions(self)
            faults += vocabulary_faults(self, vocab_size) if vocab_size is not None else ()
        if implementation is not None:
            faults += refusals(self, implementation)
        without_effect = idle(self, user_set_attributes).values() if implementation is None and not faults else ()
        raise_all(OptionError, [*faults, *without_effect] if strict else faults, "GenerationConfig")
        for warning in without_effect:
            warnings.warn(warning, UserWarning, stacklevel=3)

    def get_generation_mode(self, assistant_model: Any = None) -> GenerationMode:
        """The search these options ask for."""
        return mode_of(self, is_assisted=assistant_model is not None)

    # Dictionaries and files

    @overload
    @classmethod
    def from_dict(
        cls, config_dict: Mapping[str, Any], return_unused_kwargs: Literal[False] = False, **kwargs: Any
    ) -> Self: ...

    @overload
    @classmethod
    def from_dict(
        cls, config_dict: Mapping[str, Any], return_unused_kwargs: Literal[True], **kwargs: Any
    ) -> tuple[Self, dict[str, Any]]: ...

    @classmethod
    def from_dict(
        cls, config_dict: Mapping[str, Any], return_unused_kwargs: bool = False, **kwargs: Any
    ) -> Self | tuple[Self, dict[str, Any]]:
        """The options of a file, with `kwargs` in place of what it says.

        All of the file is kept, unknown or wrong: it is checked when it is decoded with, not when it is loaded.
        Raises: OptionError for a name that the class uses itself, and for `kwargs` that are no options.
        """
        kwargs = _without(PLUMBING, kwargs)
        config = cls.__new__(cls)
        config._assign(dict(config_dict))
        unused = config._set(kwargs)
        if return_unused_kwargs:
            return config, unused
        raise_all(OptionError, [unknown_option(name) for name in unused], "GenerationConfig")
        return config

    @classmethod
    def from_model_config(cls, model_config: Any) -> Self:
        """The options that releases before generation_config.json kept in config.json: a config or its dictionary."""
        fields = dict(model_config if isinstance(model_config, Mapping) else model_config.to_dict())
        options = {name: value for name, value in _without(METADATA, fields).items() if name in DEFAULTS}
        if fields.get("force_bos_token_to_be_generated"):  # how fairseq's converter said it
            options["forced_bos_token_id"] = fields.get("bos_token_id")
        return cls.from_dict(options | {"_from_model_config": True})._as_loaded()

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name: str | os.PathLike[str],
        config_file_name: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        token: str | bool | None = None,
        revision: str = "main",
        **kwargs: Any,
    ) -> Self | tuple[Self, dict[str, Any]]:
        """The options in the generation_config.json of a folder or of a checkpoint on the hub.

        Raises: CheckpointError if there is no such file or it is not JSON.
        """
        kwargs |= {"cache_dir": cache_dir, "token": token, "revision": revision}
        kwargs |= {"force_download": force_download, "local_files_only": local_files_only}
        folder = resolve(pretrained_model_name, weights=False, **take_hub_options(kwargs))
        file = folder / (config_file_name or GENERATION_CONFIG_FILE)
        remedy = "Use GenerationConfig.from_model_config with the checkpoint's config."
        options = read_json(file, remedy)
        if kwargs.pop("return_unused_kwargs", False):
            config, unused = cls.from_dict(options, return_unused_kwargs=True, **kwargs)
            return config._as_loaded(), unused
        loaded: Self = cls.from_dict(options, **kwargs)
        return loaded._as_loaded()

    def _as_loaded(self) -> Self:
        self._original_object_hash = hash(self)
        return self

    def save_pretrained(
        self,
        save_directory: str | os.PathLike[str],
        config_file_name: str | None = None,
        push_to_hub: bool = False,
        **kwargs: Any,
    ) -> None:
        """Write what differs from the defaults to generation_config.json in `save_directory`, which is made if need be.

        Raises: OptionError if an option cannot be, or was changed and has no effect: a file like that would puzzle
            whoever loads it; CheckpointError if the folder is a file.
        """
        if push_to_hub or kwargs:  # the others say where and how to push
            self.push_to_hub()
        is_changed = getattr(self, "_original_object_hash", None) != hash(self)
        self.validate(strict=is_changed, user_set_attributes=None if is_changed else ())
        self.to_json_file(made_folder(save_directory) / (config_file_name or GENERATION_CONFIG_FILE))

    def push_to_hub(self, *arguments: Any, **options: Any) -> NoReturn:
        """Refused: this package uploads nothing.

        Raises: OptionError.
        """
        raise OptionError("`push_to_hub` must be False: save to a folder and upload it with `hf upload`.")

    def to_json_file(
        self, json_file_path: str | os.PathLike[str], use_diff: bool = True, keys_to_pop: Sequence[str] | None = None
    ) -> None:
        """Write `to_json_string` to a file, at once or not at all."""
        write_whole(json_file_path, self.to_json_string(use_diff, keys_to_pop=keys_to_pop))

    def to_dict(self) -> dict[str, Any]:
        """Every option with its value, and whatever else the file held."""
        options = copy.deepcopy(_without(("_original_object_hash",), vars(self)))
        self.dict_dtype_to_str(options)
        return options

    def to_diff_dict(self) -> dict[str, Any]:
        """Only what differs from the defaults."""
        return {name: value for name, value in self.to_dict().items() if name not in DEFAULTS or is_set(name, value)}

    def to_json_string(
        self, use_diff: bool = True, ignore_metadata: bool = False, keys_to_pop: Sequence[str] | None = None
    ) -> str:
        """The options as JSON; metadata says where they come from, not how to decode.

        Raises: OptionError naming the first thing that JSON cannot hold.
        """
        return self._to_text(use_diff, (*(METADATA if ignore_metadata else ()), *(keys_to_pop or ())), _write_object)

    def _to_text(self, use_diff: bool, left_out: Sequence[str], write_object: Callable[[Any], Any]) -> str:
        options = _without(left_out, self.to_diff_dict() if use_diff else self.to_dict())
        if isinstance(options.get("sequence_bias"), Mapping):  # JSON has no tuples for keys
            options["sequence_bias"] = [[ids, bias] for ids, bias in options["sequence_bias"].items()]
        return json.dumps(options, indent=2, sort_keys=True, default=write_object) + "\n"

    def dict_dtype_to_str(self, d: dict[str, Any]) -> None:
        """Write the dtypes in a dictionary, and in those inside it, as text: "float32"."""
        for name, value in d.items():
            if isinstance(value, dict):
                self.dict_dtype_to_str(value)
            elif name in ("dtype", "torch_dtype") and value is not None and not isinstance(value, str):
                d[name] = str(value).rpartition(".")[2]

    dict_torch_dtype_to_str = dict_dtype_to_str

    # One config out of another

    @classmethod
    def of(cls, options: Any) -> GenerationConfig:
        """A config as it is; a config of another library, or a dictionary, by what it says."""
        if isinstance(options, GenerationConfig):
            return options
        if not isinstance(options, Mapping) and not hasattr(options, "to_dict"):
            raise OptionError(f"`generation_config` must be a GenerationConfig, but is {options!r:.80}.")
        return cls.from_dict(options if isinstance(options, Mapping) else options.to_dict())

    @staticmethod
    def _get_default_generation_params() -> dict[str, Any]:
        """What holds where nobody says anything; trainers of the reference library ask for it under this name."""
        return {name: copy.copy(value) for name, value in _without(METADATA, DEFAULTS).items() if value is not None}

    def update(self, defaults_only: bool = False, allow_custom_entries: bool = False, **kwargs: Any) -> dict[str, Any]:
        """Set the options in `kwargs`, all or none of them, and give back those that are none.

        `defaults_only` leaves alone what is not at its default; `allow_custom_entries` keeps what is no option.
        Raises: OptionError if the options do not go together any more.
        """
        changed = copy.copy(self)
        taken = {
            name: value
            for name, value in kwargs.items()
            if not (defaults_only and name in DEFAULTS and is_set(name, getattr(self, name)))
        }
        unused = changed._set(taken)
        if allow_custom_entries:
            changed._assign(vars(changed) | unused)
            unused = {}
        changed.validate(user_set_attributes=taken)
        vars(self).update(vars(changed))
        return unused | _without(tuple(taken), kwargs)

    def _set(self, options: Mapping[str, Any]) -> dict[str, Any]:
        for name, value in options.items():
            if name in vars(self):
                setattr(self, name, value)
        return {name: value for name, value in options.items() if name not in vars(self)}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GenerationConfig):
            return NotImplemented
        return self._to_text(False, METADATA, repr) == other._to_text(False, METADATA, repr)

    def __hash__(self) -> int:
        return hash(self._to_text(False, METADATA, repr))

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self._to_text(True, METADATA, repr)}"


def _owned(name: str, value: Any) -> Any:
    """A value as a config keeps it: nobody else's list, Python numbers, and for None the default."""
    default = DEFAULTS.get(name)
    if callable(getattr(value, "tolist", None)):  # arrays and tensors of any library, and their single numbers
        value = value.tolist()
    if isinstance(default, float) and is_whole(value) and is_number(value):
        value = float(value)  # so that 1 and 1.0 are written alike, and equal configs have equal hashes
    return copy.deepcopy(default if value is None else value)


def _without(names: Sequence[str], options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in names}


def _write_object(value: Any) -> dict[str, Any]:
    if isinstance(value, CompileConfig):
        return value.to_dict()
    raise OptionError(f"Options must be something JSON can hold to be written, but one holds {value!r}.")
