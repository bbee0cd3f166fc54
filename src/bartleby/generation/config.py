"""GenerationConfig: every published decoding option, what it must be, and which implementation carries it out.

The annotation of an option says what its value must be, the value beside it is the default. Options that are published
but not carried out stand in `later.py`.
"""

from __future__ import annotations

import copy
import difflib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, get_args, get_type_hints, overload

from bartleby.errors import OptionError, raise_all
from bartleby.family.fields import Check, Count, Flag, TokenId, TokenIds, is_number, is_whole
from bartleby.family.record import made_folder, read_json, write_whole
from bartleby.generation.later import LATER, Implementation
from bartleby.hub import resolve

GENERATION_CONFIG_FILE = "generation_config.json"


def _is_ids(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and all(is_whole(item) and item >= 0 for item in value)


Positive = Annotated[int, Check("a whole number of at least 1", lambda value: is_whole(value) and value >= 1)]
# Wide enough for every use, narrow enough that no score overflows float32.
Power = Annotated[float, Check("a number from -10 to 10", lambda value: is_number(value) and -10 <= value <= 10)]
Factor = Annotated[float, Check("a number from 1e-9 to 1e9", lambda value: is_number(value) and 1e-9 <= value <= 1e9)]
Share = Annotated[float, Check("a number above 0 and at most 1", lambda value: is_number(value) and 0 < value <= 1)]
EarlyStopping = Annotated[
    bool | str, Check('True, False or "never"', lambda value: isinstance(value, bool) or value == "never")
]
TokenList = Annotated[list[int] | None, Check("a list of token ids", _is_ids)]
Words = Annotated[
    list[list[int]] | None,
    Check(
        "a list of lists of token ids, none of them empty",
        lambda value: isinstance(value, list | tuple) and len(value) > 0 and all(map(_is_ids, value)),
    ),
]


ARGUMENTS = (
    "logits_processor",
    "stopping_criteria",
    "prefix_allowed_tokens_fn",
    "synced_gpus",
    "assistant_model",
    "streamer",
)
TOKEN_OPTIONS = (
    "suppress_tokens",
    "begin_suppress_tokens",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "eos_token_id",
    "decoder_start_token_id",
)
METADATA = ("_from_model_config", "transformers_version")


class GenerationConfig:
    """How to decode. The defaults are those that take effect in the published 4.37; None stands for the default.

    Built by name from options it knows; from files (`from_dict`, `from_pretrained`) it keeps unknown ones too.
    Raises: OptionError, at once for all options that are unknown or cannot be.
    """

    # How long; lengths count the whole decoder side, start token included, "new" ones do not
    max_length: Positive = 20
    min_length: Count = 0
    max_new_tokens: Positive | None = None
    min_new_tokens: Count | None = None

    # How to choose
    num_beams: Positive = 1
    num_return_sequences: Positive = 1
    length_penalty: Power = 1.0
    early_stopping: EarlyStopping = False
    do_sample: Flag = False
    temperature: Factor = 1.0
    top_k: Count = 50
    top_p: Share = 1.0
    use_cache: Flag = True

    # What not to choose
    no_repeat_ngram_size: Count = 0
    encoder_no_repeat_ngram_size: Count = 0
    repetition_penalty: Factor = 1.0
    bad_words_ids: Words = None
    suppress_tokens: TokenList = None
    begin_suppress_tokens: TokenList = None
    forced_bos_token_id: TokenId = None
    forced_eos_token_id: TokenIds = None

    # Tokens with a meaning
    pad_token_id: TokenId = None
    bos_token_id: TokenId = None
    eos_token_id: TokenIds = None
    decoder_start_token_id: TokenId = None

    # Where it comes from
    _from_model_config: Flag = False
    transformers_version: str | None = None

    def __init__(self, **options: Any) -> None:
        raise_all(OptionError, [unknown_option(name) for name in options if name not in DEFAULTS], "GenerationConfig")
        self._assign(options)
        self.validate()

    def _assign(self, options: Mapping[str, Any]) -> None:
        taken = [name for name in sorted(options.keys() - DEFAULTS.keys()) if hasattr(type(self), name)]
        clashes = [f"`{name}` cannot be an option: the class uses that name itself." for name in taken]
        raise_all(OptionError, clashes, "GenerationConfig")
        for name, default in DEFAULTS.items():
            value = options.get(name)
            setattr(self, name, copy.deepcopy(default if value is None else value))
        for name in options.keys() - DEFAULTS.keys():
            setattr(self, name, copy.deepcopy(options[name]))

    def validate(self, implementation: Implementation | None = None, vocab_size: int | None = None) -> None:
        """Check every option and all of them together; with an `implementation` also whether it carries them out.

        Raises: OptionError that lists all faults at once.
        """
        faults = value_faults(self)
        if not faults:  # only values that can be can be compared
            faults += contradictions(self)
            faults += _vocabulary_faults(self, vocab_size) if vocab_size is not None else ()
        if implementation is not None:
            faults += _refusals(self, implementation)
        raise_all(OptionError, faults, "GenerationConfig")

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
        return cls.from_dict(options | {"_from_model_config": True})

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
    ) -> Self:
        """The options in the generation_config.json of a folder or of a checkpoint on the hub.

        Raises: CheckpointError if there is no such file or it is not JSON.
        """
        folder = resolve(
            pretrained_model_name,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            force_download=force_download,
            weights=False,
        )
        file = folder / (config_file_name or GENERATION_CONFIG_FILE)
        remedy = "Use GenerationConfig.from_model_config with the checkpoint's config."
        config: Self = cls.from_dict(read_json(file, remedy), **kwargs)
        return config

    def save_pretrained(
        self, save_directory: str | os.PathLike[str], config_file_name: str | None = None, push_to_hub: bool = False
    ) -> None:
        """Write what differs from the defaults to generation_config.json in `save_directory`, which is made if need be.

        Raises: OptionError if an option cannot be: a file like that would fail whoever loads it; CheckpointError if the
            folder is a file.
        """
        if push_to_hub:
            raise OptionError("`push_to_hub` must be False: save to a folder and upload it with `hf upload`.")
        self.validate()
        self.to_json_file(made_folder(save_directory) / (config_file_name or GENERATION_CONFIG_FILE))

    def to_json_file(self, json_file_path: str | os.PathLike[str], use_diff: bool = True) -> None:
        """Write `to_json_string` to a file, at once or not at all."""
        write_whole(json_file_path, self.to_json_string(use_diff))

    def to_dict(self) -> dict[str, Any]:
        """Every option with its value, and whatever else the file held."""
        return copy.deepcopy(vars(self))

    def to_diff_dict(self) -> dict[str, Any]:
        """Only what differs from the defaults."""
        return {
            name: value for name, value in self.to_dict().items() if name not in DEFAULTS or value != DEFAULTS[name]
        }

    def to_json_string(self, use_diff: bool = True, ignore_metadata: bool = False) -> str:
        """The options as JSON; metadata says where they come from, not how to decode."""
        options = self.to_diff_dict() if use_diff else self.to_dict()
        return json.dumps(_without(METADATA if ignore_metadata else (), options), indent=2, sort_keys=True) + "\n"

    # One config out of another

    def update(self, **kwargs: Any) -> dict[str, Any]:
        """Set the options in `kwargs` and give back those that are none.

        Raises: OptionError if the options do not go together any more.
        """
        unused = self._set(kwargs)
        self.validate()
        return unused

    def _set(self, options: Mapping[str, Any]) -> dict[str, Any]:
        for name, value in options.items():
            if name in vars(self):
                setattr(self, name, copy.deepcopy(DEFAULTS.get(name) if value is None else value))
        return {name: value for name, value in options.items() if name not in vars(self)}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GenerationConfig):
            return NotImplemented
        return _without(METADATA, self.to_dict()) == _without(METADATA, other.to_dict())

    def __hash__(self) -> int:
        return hash(self.to_json_string(ignore_metadata=True))

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.to_json_string(ignore_metadata=True)}"


def _without(names: Sequence[str], options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in names}


def _check_of(hint: Any) -> Check | None:
    """The check in an annotation, which may stand beside None."""
    notes = [note for part in (hint, *get_args(hint)) for note in get_args(part)[1:]]
    return next((note for note in notes if isinstance(note, Check)), None)


CHECKS: dict[str, Check | None] = {
    name: _check_of(hint) for name, hint in get_type_hints(GenerationConfig, include_extras=True).items()
}
"""What the value of each option this release carries out must be."""

DEFAULTS: dict[str, Any] = {name: getattr(GenerationConfig, name) for name in CHECKS} | {
    name: later.default for name, later in LATER.items()
}
"""Every option there is."""


def listed(tokens: int | Sequence[int] | None) -> tuple[int, ...]:
    """One token id, several or none, as a tuple."""
    if tokens is None:
        return ()
    return (tokens,) if isinstance(tokens, int) else tuple(tokens)


@dataclass(frozen=True)
class Refused:
    """Why an implementation does not carry out an option."""

    reason: str


def support(option: str, implementation: Implementation) -> Literal["yes", "callback"] | Refused:
    """Whether `implementation` carries out `option`: itself, through a callback into Python, or not and why.

    Raises: OptionError if there is no such option.
    """
    if option not in DEFAULTS:
        raise OptionError(unknown_option(option))
    later = LATER.get(option)
    return "yes" if later is None or implementation not in later.refused_by else Refused(later.reason)


def unknown_option(name: str) -> str:
    """The message about an option that does not exist, with the one that was probably meant."""
    if name in ARGUMENTS:
        return f"`{name}` is an argument of `generate`, not a decoding option."
    nearest = difflib.get_close_matches(name, DEFAULTS, 1)
    return f"`{name}` is not a decoding option." + (f" Did you mean `{nearest[0]}`?" if nearest else "")


def value_faults(options: GenerationConfig) -> list[str]:
    """What is wrong with single options."""
    values = {name: (check, getattr(options, name)) for name, check in CHECKS.items() if check is not None}
    found = [
        check.fault(name, value)
        for name, (check, value) in values.items()
        if value is not None or DEFAULTS[name] is not None
    ]
    return [fault for fault in found if fault is not None]


def contradictions(options: GenerationConfig) -> list[str]:
    """What is wrong between options that are each right."""
    faults = []
    if options.max_new_tokens is None and options.min_new_tokens is None and options.min_length > options.max_length:
        faults.append(
            f"`min_length` must be at most `max_length` ({options.max_length}), but is {options.min_length}. "
            "Lower it or raise `max_length`."
        )
    if (options.min_new_tokens or 0) > (options.max_new_tokens or math.inf):
        faults.append(
            f"`min_new_tokens` must be at most `max_new_tokens` ({options.max_new_tokens}), "
            f"but is {options.min_new_tokens}. Lower it or raise `max_new_tokens`."
        )
    if not options.do_sample and options.num_return_sequences > options.num_beams:
        faults.append(
            f"`num_return_sequences` must be at most `num_beams` ({options.num_beams}) unless `do_sample` is True, "
            f"but is {options.num_return_sequences}. There are not that many different results."
        )
    if options.do_sample and options.num_return_sequences > options.num_beams > 1:
        faults.append(
            f"`num_return_sequences` must be at most `num_beams` ({options.num_beams}) or `num_beams` 1, "
            f"but is {options.num_return_sequences}."
        )
    for name in ("forced_bos_token_id", "forced_eos_token_id"):
        tokens = set(listed(getattr(options, name)))
        if tokens and tokens <= set(options.suppress_tokens or ()):
            faults.append(f"`{name}` must not be all in `suppress_tokens`, but is: nothing could be written there.")
    return faults


def _refusals(options: GenerationConfig, implementation: Implementation) -> list[str]:
    faults = []
    for name, default in DEFAULTS.items():
        value, answer = getattr(options, name), support(name, implementation)
        if isinstance(answer, Refused) and value != default:
            faults.append(f"`{name}` must be {default!r}, but is {value!r}: {answer.reason}.")
    return faults


def _vocabulary_faults(options: GenerationConfig, vocab_size: int) -> Iterator[str]:
    single = {name: listed(getattr(options, name)) for name in TOKEN_OPTIONS}
    words = {"bad_words_ids": [token for word in options.bad_words_ids or () for token in word]}
    for name, tokens in (single | words).items():
        outside = [token for token in tokens if not 0 <= token < vocab_size]
        if outside:
            yield f"`{name}` must hold token ids from 0 to {vocab_size - 1}, but has {outside}."
