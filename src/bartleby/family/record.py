"""A class whose fields are declared once: how it is built, checked, compared, and read from and written to JSON.

A subclass declares annotated fields with their defaults (kinds from `bartleby.family.fields`). Fields it does not know
are kept as attributes and written back, so a foreign file loses nothing.
"""

from __future__ import annotations

import copy
import difflib
import inspect
import json
import os
import reprlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, NoReturn, Self, get_origin, get_type_hints, overload

from bartleby.documents import current_file, read_document
from bartleby.documents import made_folder as made_folder
from bartleby.documents import write_whole as write_whole
from bartleby.errors import CheckpointError, ConfigError, FieldError, OptionError, raise_all
from bartleby.family.fields import Alias, Check
from bartleby.hub import resolve, take_hub_options

CONFIG_FILE = "config.json"
StrPath = str | os.PathLike[str]
STAMPS = ("model_type", "bartleby_version")
"""Written for whoever reads the file; not fields."""
PASSING = ("_loaded_from", "_attn_implementation", "_commit_hash")
"""Of this process, not of the model: never written."""


class Record:
    """Declared fields with defaults, checks and JSON."""

    model_type: ClassVar[str] = ""
    arguments: ClassVar[tuple[str, ...]] = ()
    """The constructor's arguments in their published order; all other fields go by name."""
    defaults: ClassVar[Mapping[str, Any]] = {}
    """What a subclass does not take from the declarations it inherits."""
    attribute_map: ClassVar[dict[str, str]] = {"name_or_path": "_name_or_path"}
    """Second names of fields."""
    remarks: ClassVar[tuple[str, ...]] = ()
    """Second names that older files carry beside the first one, where they meant nothing."""
    checks: ClassVar[dict[str, Check | None]] = {}
    """Every field in the order of declaration, with the check of its annotation; made with the class."""
    __signature__: ClassVar[inspect.Signature]

    _name_or_path: str = ""
    _loaded_from: ClassVar[str] = ""
    _attn_implementation: ClassVar[str | None] = None
    _commit_hash: ClassVar[str | None] = None

    def __init_subclass__(cls) -> None:
        cls.checks = _declared_checks(cls)
        cls.attribute_map = cls.attribute_map | {
            name: value.field for name, value in vars(cls).items() if isinstance(value, Alias)
        }
        others = [name for name in cls.checks if name not in cls.arguments and name.isidentifier()]
        by_place, by_name = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
        kinds = [*((name, by_place) for name in cls.arguments), *((name, by_name) for name in others)]
        named = [inspect.Parameter(name, kind, default=cls.default_of(name)) for name, kind in kinds]
        cls.__signature__ = inspect.Signature([*named, inspect.Parameter("fields", inspect.Parameter.VAR_KEYWORD)])

    def __init__(self, *arguments: Any, **fields: Any) -> None:
        """Raises: ConfigError listing everything wrong; TypeError for too many or repeated arguments."""
        given, faults = self._by_field(self._bind(arguments, fields))
        for name in self.checks:
            setattr(self, name, given.pop(name) if name in given else copy.deepcopy(self.default_of(name)))
        faults += self._settle(given)
        for name, value in given.items():
            if hasattr(type(self), name) and name not in PASSING:
                faults.append(f"`{name}` cannot be a field: the class uses that name itself.")
            else:
                setattr(self, name, value)
        raise_all(ConfigError, [*faults, *self.faults()], type(self).__name__)

    @classmethod
    def default_of(cls, name: str) -> Any:
        """The value of a field that was not given."""
        return cls.defaults[name] if name in cls.defaults else getattr(cls, name)

    @classmethod
    def class_for(cls, model_type: Any) -> type[Record]:
        """The class that reads files of `model_type`."""
        raise NotImplementedError

    def _settle(self, given: dict[str, Any]) -> list[str]:
        """Take from `given` what is no plain field and set it; what cannot be set is told."""
        return []

    def faults(self) -> list[str]:
        """Everything wrong with the fields as they are now."""
        wrong = {
            name: fault
            for name, check in self.checks.items()
            if check is not None and (fault := check.fault(name, getattr(self, name)))
        }
        return [*wrong.values(), *self._contradictions(set(wrong))]

    def _contradictions(self, wrong: set[str]) -> Iterable[str]:
        """What is amiss between fields that are each right; those in `wrong` are not."""
        return ()

    def validate(self) -> None:
        """Check everything as the constructor did; attributes may have been set since.

        Raises: ConfigError listing everything wrong.
        """
        raise_all(ConfigError, self.faults(), type(self).__name__)

    # From and to dictionaries

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
        """The config `config_dict` describes, with fields replaced by `kwargs`.

        Asked of a class without a `model_type`, the one the dictionary names is made. Keywords that are no field are
        handed back with `return_unused_kwargs`, and refused without.
        Raises: ConfigError if the dictionary is another model's or a value is wrong; FieldError, which is one of those,
            if a keyword is no field.
        """
        chosen = cls._class_reading(config_dict)
        known = {*chosen.checks, *chosen.arguments, *chosen.attribute_map, *config_dict}
        unused = {name: kwargs.pop(name) for name in sorted(set(kwargs) - known)}
        if not return_unused_kwargs:
            raise_all(FieldError, [_unknown(name, known) for name in unused], chosen.__name__)
        file, faults = chosen._by_field(config_dict)
        changes, more = chosen._by_field(kwargs)
        raise_all(ConfigError, [*faults, *more], chosen.__name__)
        config = chosen(**copy.deepcopy(chosen._replaced(file, changes)))
        return (config, unused) if return_unused_kwargs else config

    def to_dict(self) -> dict[str, Any]:
        """Every field, unknown ones included, and what wrote them."""
        from bartleby import __version__

        fields = {name: value for name, value in vars(self).items() if name not in PASSING}
        return {"model_type": self.model_type, "bartleby_version": __version__} | copy.deepcopy(fields)

    def to_diff_dict(self) -> dict[str, Any]:
        """The constructor's published arguments, and every other field that is not at its default.

        The arguments are always there, so that a file means the same to whoever has other defaults.
        """
        untouched, missing = vars(type(self)()), object()
        always = {*STAMPS, *self.arguments}
        return {
            name: value
            for name, value in self.to_dict().items()
            if name in always or (name != "_name_or_path" and untouched.get(name, missing) != value)
        }

    def update(self, config_dict: Mapping[str, Any]) -> None:
        """Set several fields at once; all of them or, when the result would be wrong, none.

        Raises: ConfigError listing everything wrong.
        """
        changed = copy.copy(self)
        for name, value in config_dict.items():
            setattr(changed, name, value)
        changed.validate()
        vars(self).update(vars(changed))

    def update_from_string(self, update_str: str) -> None:
        """Set fields from text like "dropout=0.2,scale_embedding=true"; values are read as JSON, or as plain text.

        Raises: ConfigError for a field that does not exist, or a value that is wrong.
        """
        pairs = [pair.partition("=")[::2] for pair in update_str.split(",")]
        faults = [_unknown(name, vars(self)) for name, _ in pairs if not hasattr(self, name)]
        raise_all(ConfigError, faults, type(self).__name__)
        self.update({name: _from_text(value) for name, value in pairs})

    # From and to files

    @classmethod
    def get_config_dict(
        cls, pretrained_model_name_or_path: StrPath, **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the checkpoint's `config.json` holds, and the keywords that did not concern finding it.

        Raises: HubError if there is no such checkpoint; CheckpointError if its file is missing or unreadable.
        """
        options = take_hub_options(kwargs)
        path = Path(os.path.expanduser(pretrained_model_name_or_path))
        if not os.path.isfile(path):
            path = resolve(pretrained_model_name_or_path, weights=False, **options) / CONFIG_FILE
        return read_json(path, "Pass the folder of a checkpoint."), kwargs

    @overload
    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: StrPath,
        cache_dir: StrPath | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        token: str | bool | None = None,
        revision: str = "main",
        *,
        return_unused_kwargs: Literal[False] = False,
        **kwargs: Any,
    ) -> Self: ...
    @overload
    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: StrPath, *, return_unused_kwargs: Literal[True], **kwargs: Any
    ) -> tuple[Self, dict[str, Any]]: ...
    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: StrPath,
        cache_dir: StrPath | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        token: str | bool | None = None,
        revision: str = "main",
        **kwargs: Any,
    ) -> Self | tuple[Self, dict[str, Any]]:
        """The config of a checkpoint: an embedded name, a folder, a JSON file, or a name of the hub.

        `kwargs` are `subfolder` and those of `from_dict`.
        """
        where = {"cache_dir": cache_dir, "token": token, "revision": revision}
        where |= {"force_download": force_download, "local_files_only": local_files_only}
        config_dict, kwargs = cls.get_config_dict(pretrained_model_name_or_path, **where, **kwargs)
        found: Self | tuple[Self, dict[str, Any]] = cls.from_dict(config_dict, **kwargs)
        config = found[0] if isinstance(found, tuple) else found
        vars(config)["_loaded_from"] = os.fspath(pretrained_model_name_or_path)
        return found

    @classmethod
    def from_json_file(cls, json_file: StrPath) -> Self:
        """The config in a JSON file, whatever the file is called."""
        return cls.from_dict(read_json(Path(json_file), "Pass a file that is there."))

    def save_pretrained(self, save_directory: StrPath, push_to_hub: bool = False) -> None:
        """Write `config.json` into a folder, made if needed.

        Raises: ConfigError if a field has become wrong; CheckpointError if the folder is a file.
        """
        if push_to_hub:
            self.push_to_hub()
        self.validate()
        self.to_json_file(made_folder(save_directory) / CONFIG_FILE)

    def push_to_hub(self, *arguments: Any, **options: Any) -> NoReturn:
        """Refused: this package uploads nothing.

        Raises: OptionError with the command that does.
        """
        raise OptionError("`push_to_hub` must be False: save into a folder, then upload it: hf upload NAME FOLDER.")

    @classmethod
    def dict_dtype_to_str(cls, d: dict[str, Any]) -> None:
        """Write the dtypes in a dictionary, and in those inside it, as text: "float32"."""
        for name, value in d.items():
            if isinstance(value, dict):
                cls.dict_dtype_to_str(value)
            elif name in ("dtype", "torch_dtype"):
                d[name] = value if value is None else str(value).removeprefix("torch.")

    dict_torch_dtype_to_str = dict_dtype_to_str

    def to_json_string(self, use_diff: bool = True) -> str:
        """The config as JSON: what `to_diff_dict` keeps, or with `use_diff=False` every field.

        Raises: ConfigError naming the fields that JSON cannot hold.
        """
        fields = self.to_diff_dict() if use_diff else self.to_dict()
        faults = [
            f"`{name}` must be something JSON can hold, but is {reprlib.repr(value)}."
            for name, value in fields.items()
            if not _is_json(value)
        ]
        raise_all(ConfigError, faults, type(self).__name__)
        return json.dumps(fields, indent=2, sort_keys=True) + "\n"

    def to_json_file(self, json_file_path: StrPath, use_diff: bool = True) -> None:
        """Write `to_json_string` to a file, whole or not at all."""
        write_whole(json_file_path, self.to_json_string(use_diff))

    def __eq__(self, other: object) -> bool:
        """The same fields, whatever place they were loaded from."""
        if type(other) is not type(self):
            return NotImplemented
        mine, theirs = (
            {name: value for name, value in vars(each).items() if name not in (*PASSING, "_name_or_path")}
            for each in (self, other)
        )
        return mine == theirs

    @property
    def name_or_path(self) -> str:
        """Where it was loaded from, or the name it was given since; files keep what they say as `_name_or_path`."""
        return vars(self).get("_loaded_from") or self._name_or_path

    @name_or_path.setter
    def name_or_path(self, name: str) -> None:
        vars(self).pop("_loaded_from", None)
        self._name_or_path = name

    def __repr__(self) -> str:
        return f"{type(self).__name__} {json.dumps(self.to_diff_dict(), indent=2, default=repr)}"

    # Reading what was given

    @classmethod
    def _bind(cls, arguments: tuple[Any, ...], fields: dict[str, Any]) -> dict[str, Any]:
        bound = cls.__signature__.bind(*arguments, **fields).arguments
        extra: dict[str, Any] = bound.pop("fields", {})
        return {**bound, **extra}

    @classmethod
    def _by_field(cls, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """`given` under each field's first name and without stamps, and how it contradicts itself."""
        fields = {name: value for name, value in given.items() if name not in (*cls.attribute_map, *STAMPS)}
        faults = []
        if given.get("model_type", cls.model_type) != cls.model_type:
            faults.append(f"`model_type` must be {cls.model_type!r}, but is {given['model_type']!r}.")
        for alias in [name for name in given if name in cls.attribute_map]:
            field, value = cls.attribute_map[alias], given[alias]
            if fields.get(field) is None:  # null under one of two names says nothing against the other
                fields[field] = value
            elif value is None:
                continue
            if fields.setdefault(field, value) != value and alias not in cls.remarks:
                faults.append(f"`{field}` must be given once, but is {fields[field]!r} and, as `{alias}`, {value!r}.")
        return fields, faults

    @classmethod
    def _replaced(cls, file: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
        """What a file says, with `changes` in its place."""
        return {**file, **changes}

    @classmethod
    def _class_reading(cls, config_dict: Mapping[str, Any]) -> type[Self]:
        model_type = config_dict.get("model_type", cls.model_type)
        if cls.model_type and model_type == cls.model_type:
            return cls
        right = cls.class_for(model_type)
        if not issubclass(right, cls):
            raise ConfigError(
                f"`model_type` must be {cls.model_type!r} for {cls.__name__}, but is {model_type!r}. "
                f"Use {right.__name__}."
            )
        return right


def _declared_checks(owner: type[Record]) -> dict[str, Check | None]:
    """Every field of a class in the order of its declaration, with the check of its annotation."""
    hints = get_type_hints(owner, include_extras=True)
    notes = {
        name: getattr(hint, "__metadata__", ()) for name, hint in hints.items() if get_origin(hint) is not ClassVar
    }
    return {name: next((note for note in found if isinstance(note, Check)), None) for name, found in notes.items()}


def _unknown(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"`{name}` is not a field." + (f" Did you mean `{near[0]}`?" if near else "")


def _from_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, sort_keys=True)
    except (TypeError, ValueError):
        return False
    return True


def read_json(path: Path, remedy: str) -> dict[str, Any]:
    """The object in a JSON file of a checkpoint, also when a save was stopped half-way; `remedy` is for where none is.

    Raises: CheckpointError if there is no such file, or it holds anything else.
    """
    current = current_file(path.parent, path.name)
    if current is None or not current.is_file():
        raise CheckpointError(f"There is no {path.name} in {str(path.parent)!r}. {remedy}")
    return read_document(current)
