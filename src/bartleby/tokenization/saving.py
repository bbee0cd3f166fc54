"""A tokenizer as a folder: reading what the hub and other releases hold, writing what they can read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, NoReturn, Self

from tokenizers import AddedToken

from bartleby import hub
from bartleby.errors import CheckpointError, TokenizerError
from bartleby.tokenization.files import (
    StrPath,
    backend_json,
    json_text,
    read_json,
    read_text,
    token_as_dict,
    token_from_dict,
    vocabulary_texts,
    write_files,
)
from bartleby.tokenization.lengths import Side
from bartleby.tokenization.special_tokens import NAMES, SpecialTokens

CONFIG, SPECIAL_TOKENS, ADDED_TOKENS = "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"
CHAT_TEMPLATE, MORE_TEMPLATES = "chat_template.jinja", "additional_chat_templates"

SPECIAL = {*NAMES, "additional_special_tokens", "extra_special_tokens"}

# Arguments of other releases that have nothing to say here: there is one backend.
WITHOUT_EFFECT = {"use_fast", "from_slow", "legacy", "tokenizer_type"}


class Saving(SpecialTokens):
    """The doors to disk of a tokenizer."""

    vocab_files_names: ClassVar[dict[str, str]]
    own_options: ClassVar[tuple[str, ...]]
    OPTIONS: ClassVar[dict[str, Any]]
    model_input_names: list[str]
    padding_side: Side
    truncation_side: Side
    chat_template: str | dict[str, str] | None
    init_inputs: tuple[Any, ...] = ()
    _sources: dict[str, Any]

    @property
    def init_kwargs(self) -> dict[str, Any]:
        """The options that make a tokenizer like this one, as they are now, and the files it was made of."""
        return {**self._sources, **self._options()}

    def _options(self) -> dict[str, Any]:
        names = (*self.OPTIONS, *self.own_options, "padding_side", "truncation_side", "model_input_names")
        return {**{name: getattr(self, name) for name in names}, **self.special_tokens_map_extended}

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: StrPath,
        *init_inputs: Any,
        cache_dir: StrPath | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        token: str | bool | None = None,
        revision: str = "main",
        trust_remote_code: bool = False,
        **kwargs: Any,
    ) -> Self:
        """The tokenizer of a folder, of a name on the hub, or of a checkpoint shipped with this package.

        `kwargs` are options of the class and win over what the files say, and `subfolder`. Code of a checkpoint is
        never run, whatever `trust_remote_code` says.
        Raises: HubError for a name that leads nowhere, CheckpointError for missing files, TokenizerError for bad ones.
        """
        where = {"cache_dir": cache_dir, "token": token, "revision": revision, **kwargs}
        options = hub.take_hub_options(where | {"force_download": force_download, "local_files_only": local_files_only})
        folder = hub.resolve(pretrained_model_name_or_path, weights=False, **options)
        hub.take_hub_options(kwargs)
        given = {key: value for key, value in kwargs.items() if key not in WITHOUT_EFFECT}
        saved = cls._saved_options(folder)
        saved["name_or_path"] = os.fspath(pretrained_model_name_or_path)
        return cls(*init_inputs, **{**saved, **given})

    @classmethod
    def _saved_options(cls, folder: Path) -> dict[str, Any]:
        """The constructor's arguments as the files of a folder have them."""
        files = {key: folder / name for key, name in cls.vocab_files_names.items() if name != CONFIG}
        there = {key: path for key, path in files.items() if path.is_file()}
        if "tokenizer_file" in there:
            there = {"tokenizer_file": there["tokenizer_file"]}
        elif not {"vocab_file", "merges_file"} <= there.keys():
            missing = ", ".join(path.name for key, path in files.items() if key not in there)
            raise CheckpointError(f"{folder} has no {missing}: it needs tokenizer.json, or vocab.json and merges.txt.")
        config = optional_json(folder / CONFIG)
        known = {*cls.OPTIONS, *cls.own_options, *SPECIAL, "padding_side", "truncation_side"}
        known |= {"model_input_names", "max_len", "added_tokens_decoder"}
        options = {key: value for key, value in config.items() if key in known and value is not None}
        if "added_tokens_decoder" not in config:
            options |= {key: value for key, value in optional_json(folder / SPECIAL_TOKENS).items() if key in SPECIAL}
            if "tokenizer_file" not in there:
                options["added_tokens_decoder"] = legacy_added_tokens(folder, options)
        if templates := templates_in(folder):
            options["chat_template"] = templates if templates.keys() - {"default"} else templates["default"]
        elif isinstance(config.get("chat_template"), list):
            options["chat_template"] = named_templates(config["chat_template"])
        return {**options, **there}

    def save_pretrained(
        self,
        save_directory: StrPath,
        legacy_format: bool | None = None,
        filename_prefix: str | None = None,
        push_to_hub: bool = False,
        save_format: str | None = None,
        **kwargs: Any,
    ) -> tuple[str, ...]:
        """Write the tokenizer into a folder, made if need be; returns the files' paths.

        Files of a tokenizer that was there and are not written again are removed: they would be read with the new ones.
        `legacy_format`: True leaves tokenizer.json out, False vocab.json and merges.txt; None writes all of them.
        `save_jinja_files=True` puts chat templates into files of their own, which releases before 4.43 do not read.
        """
        if push_to_hub:
            self.push_to_hub()
        jinja = kwargs.pop("save_jinja_files", False)
        if save_format not in (None, "hf") or kwargs:
            raise TokenizerError(f"save_pretrained has no option {', '.join(kwargs) or 'save_format but hf'}.")
        config, templates = placed_templates(self._config(), self.chat_template, jinja)
        texts = {CONFIG: json_text(config), SPECIAL_TOKENS: json_text(self._special_tokens_json()), **templates}
        if legacy_format is not False:
            texts["vocab.json"], texts["merges.txt"] = self._vocabulary_texts()
            added = {str(token): index for index, token in self._added_tokens().items() if index >= self._base_size()}
            if added:
                texts[ADDED_TOKENS] = json_text(added)
        if legacy_format is not True:
            texts["tokenizer.json"] = backend_json(self._tokenizer)
        readable = dict.fromkeys((*self.vocab_files_names.values(), ADDED_TOKENS, CHAT_TEMPLATE), "")
        readable |= {f"{MORE_TEMPLATES}/{name}.jinja": "" for name in templates_in(Path(save_directory))}
        return write_files(save_directory, prefixed(texts, filename_prefix), stale=prefixed(readable, filename_prefix))

    def save_chat_templates(
        self,
        save_directory: StrPath,
        tokenizer_config: dict[str, Any],
        filename_prefix: str | None = None,
        save_jinja_files: bool = True,
    ) -> tuple[dict[str, Any], list[str]]:
        """Write the chat templates as files; returns the config without them, and the paths.

        With `save_jinja_files=False` nothing is written: the config gets them.
        """
        config, texts = placed_templates(tokenizer_config, self.chat_template, save_jinja_files)
        return config, list(write_files(save_directory, prefixed(texts, filename_prefix)) if texts else ())

    def push_to_hub(self, *arguments: Any, **options: Any) -> NoReturn:
        """Refused: this package uploads nothing.

        Raises: TokenizerError with the command that does.
        """
        raise TokenizerError("Save into a folder, then upload it: hf upload NAME FOLDER. Nothing is pushed from here.")

    @classmethod
    def convert_added_tokens(cls, obj: Any, save: bool = False, add_type_field: bool = True) -> Any:
        """AddedTokens inside nested lists and mappings as the fields that files hold (`save=True`), or back again."""
        if isinstance(obj, AddedToken):
            fields = token_as_dict(obj)
            if not add_type_field:
                del fields["special"]  # files without the mark are of releases that did not know the field
            return (fields | {"__type": "AddedToken"} if add_type_field else fields) if save else obj
        if isinstance(obj, Mapping):
            if obj.get("__type") == "AddedToken":
                return token_from_dict(obj)
            return {key: cls.convert_added_tokens(value, save, add_type_field) for key, value in obj.items()}
        if isinstance(obj, list | tuple):
            return [cls.convert_added_tokens(value, save, add_type_field) for value in obj]
        return obj

    def save_vocabulary(self, save_directory: StrPath, filename_prefix: str | None = None) -> tuple[str, ...]:
        """Write vocab.json and merges.txt alone; returns their paths."""
        vocabulary, merges = self._vocabulary_texts()
        return write_files(save_directory, prefixed({"vocab.json": vocabulary, "merges.txt": merges}, filename_prefix))

    def _vocabulary_texts(self) -> tuple[str, str]:
        """The texts of vocab.json and merges.txt."""
        return vocabulary_texts(self._tokenizer)

    def _base_size(self) -> int:
        return int(self._tokenizer.get_vocab_size(with_added_tokens=False))

    def _added_tokens(self) -> dict[int, Any]:
        return dict(sorted(self._tokenizer.get_added_tokens_decoder().items()))

    def _special_tokens_json(self) -> dict[str, Any]:
        by_text = {str(token): token for token in self._added_tokens().values()}

        def fields(token: Any) -> dict[str, Any] | str:
            token = by_text.get(str(token), token)  # one that was never added is as it was given
            if isinstance(token, str):
                return token
            return {key: value for key, value in token_as_dict(token).items() if key != "special"}

        return {
            name: [fields(token) for token in value] if isinstance(value, list) else fields(value)
            for name, value in self.special_tokens_map_extended.items()
        }

    def _config(self) -> dict[str, Any]:
        config = {**self._options(), **self.special_tokens_map, "tokenizer_class": type(self).__name__}
        config["added_tokens_decoder"] = {
            str(index): token_as_dict(token) for index, token in self._added_tokens().items()
        }
        del config["name_or_path"], config["verbose"], config["chat_template"]
        if config["special_tokens_pattern"] == type(self).special_tokens_pattern:
            del config["special_tokens_pattern"]
        return dict(sorted(config.items()))


def optional_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; an empty one where there is no such file."""
    value = read_json(path) if path.is_file() else {}
    if not isinstance(value, dict):
        raise TokenizerError(f"{path} must hold an object, but holds a {type(value).__name__}.")
    return value


def legacy_added_tokens(folder: Path, options: Mapping[str, Any]) -> dict[int, Any]:
    """The tokens of added_tokens.json, which says only their ids: special are those that have a name."""
    added = optional_json(folder / ADDED_TOKENS)
    wrong = [content for content, index in added.items() if not isinstance(index, int)]
    if wrong:
        raise TokenizerError(f"{folder / ADDED_TOKENS} must map tokens to ids, but {wrong[0]!r:.100} has none.")
    special: dict[str, Any] = {}
    for value in (options[key] for key in options if key in SPECIAL):
        for token in value if isinstance(value, list) else [value]:
            special[str(token.get("content") if isinstance(token, Mapping) else token)] = token
    return {index: added_token(content, special.get(content)) for content, index in added.items()}


def placed_templates(
    config: Mapping[str, Any], templates: str | Mapping[str, str] | None, as_files: bool
) -> tuple[dict[str, Any], dict[str, str]]:
    """tokenizer_config.json and the texts of further files, with the chat templates in one or the other.

    Raises: TokenizerError for a template whose name cannot be a file's.
    """
    rest = {key: value for key, value in config.items() if key != "chat_template"}
    if templates is None:
        return rest, {}
    if not as_files:
        if isinstance(templates, str):
            return dict(sorted({**rest, "chat_template": templates}.items())), {}
        listed = [{"name": name, "template": text} for name, text in templates.items()]
        return dict(sorted({**rest, "chat_template": listed}.items())), {}
    texts = dict(templates) if isinstance(templates, Mapping) else {"default": templates}
    odd = [name for name in texts if not name or set(name) & set("/\\:\0") or name.startswith(".")]
    if odd:
        raise TokenizerError(f"A chat template must have a name that can be a file's, but one is {odd[0]!r}.")
    places = {name: CHAT_TEMPLATE if name == "default" else f"{MORE_TEMPLATES}/{name}.jinja" for name in texts}
    return rest, {places[name]: text for name, text in texts.items()}


def templates_in(folder: Path) -> dict[str, str]:
    """Name -> chat template, of those a folder has as files of their own."""
    files = {"default": folder / CHAT_TEMPLATE}
    files |= {path.stem: path for path in sorted((folder / MORE_TEMPLATES).glob("*.jinja"))}
    return {name: read_text(path) for name, path in files.items() if path.is_file()}


def named_templates(parts: list[Any]) -> dict[str, str]:
    """Name -> chat template, as tokenizer_config.json lists several."""
    try:
        return {part["name"]: part["template"] for part in parts}
    except (TypeError, KeyError):
        raise TokenizerError(f"`chat_template` must list templates with names, but is {parts!r:.100}.") from None


def added_token(content: str, special: Any) -> Any:
    """An added token as special_tokens_map.json describes it, or a plain one."""
    if isinstance(special, Mapping):
        return token_from_dict({**special, "special": True})
    return token_from_dict({"content": content, "normalized": special is None, "special": special is not None})


def prefixed(texts: Mapping[str, str], prefix: str | None) -> dict[str, str]:
    """The files under names that begin with a prefix."""
    return {f"{prefix}-{name}" if prefix else name: text for name, text in texts.items()}
