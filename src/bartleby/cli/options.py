"""Flags made of `Options` classes, and options made of flags and a file: no flag of a training is written by hand.

A flag that is not given is None, so that what a file says counts unless a flag says otherwise; the defaults are the
classes' own.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer

from bartleby.cli.config_file import read_config
from bartleby.errors import OptionError, raise_all
from bartleby.training.options import REQUIRED, Facts, Options, described, facts_of, fits

METAVARS = {int: "N", float: "X", str: "NAME", Path: "PATH"}


@dataclass(frozen=True)
class Field:
    """One option, wherever among the classes it stands."""

    name: str
    kind: Any
    field: dataclasses.Field[Any]
    panel: str
    """The heading it stands under in the help."""

    @property
    def required(self) -> bool:
        return self.field.default is REQUIRED

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")


def fields_of(classes: Sequence[type[Options]]) -> dict[str, Field]:
    """Every option of `classes` by name; options inside options stand beside the others."""
    found: dict[str, Field] = {}
    for each in classes:
        for field in _leaves(each, each.subject):
            if field.name in found:
                raise ValueError(f"`{field.name}` must stand in one class of options, but stands in two.")
            found[field.name] = field
    return found


def _leaves(options: type[Options], panel: str) -> Iterator[Field]:
    kinds = get_type_hints(options)
    for field in dataclasses.fields(options):  # type: ignore[arg-type]  # what derives from Options is a dataclass
        kind = kinds[field.name]
        if isinstance(kind, type) and issubclass(kind, Options):
            yield from _leaves(kind, panel)
        else:
            yield Field(field.name, kind, field, panel)


# ---- flags -------------------------------------------------------------------------------------------------------


def flags_of(classes: Sequence[type[Options]]) -> list[inspect.Parameter]:
    """A parameter for each option, as typer reads them off a command."""
    return [_flag(field) for field in fields_of(classes).values()]


def _flag(field: Field) -> inspect.Parameter:
    facts = facts_of(field.field)
    kind: Any
    kind, several = _asked(field.kind)
    names = [f"{field.flag}/--no-{field.flag[2:]}"] if kind is bool else [field.flag]
    declared = typer.Option(
        *names,
        help=_help(facts, several, field.required) if facts is not None else None,
        metavar=None if kind is bool else (facts and facts.metavar) or METAVARS.get(kind),
        show_default=_shown(field),
        rich_help_panel=field.panel,
    )
    wanted: Any = list[kind] if several is list else field.kind if several is tuple else kind
    annotation = Annotated[wanted | None, declared]
    return inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _help(facts: Facts, several: type | None, required: bool) -> str:
    *others, last = facts.choices or ("",)
    told = f"{facts.help.removesuffix('.')}: {', '.join(others)} or {last}." if others else facts.help
    return f"{told}{' Repeatable.' if several is list else ''}{' Must be given.' if required else ''}"


def _asked(kind: Any) -> tuple[Any, type | None]:
    """What a flag takes: a type, and whether several of it, in any number (list) or in a fixed one (tuple)."""
    arguments = [each for each in get_args(kind) if each is not NoneType]
    if get_origin(kind) is tuple:
        return arguments[0], list if arguments[-1] is ... else tuple
    if get_origin(kind) is Literal:
        return str, None
    return _asked(arguments[0]) if arguments else (kind, None)


def _shown(field: Field) -> str | bool:
    """The default as the help shows it; typer itself sees None."""
    default = field.field.default
    if isinstance(default, bool):
        return "yes" if default else False
    if isinstance(default, tuple):
        return " ".join(map(str, default)) or False
    return False if default in (None, "", REQUIRED) else str(default)


# ---- options -----------------------------------------------------------------------------------------------------


def given_options(
    classes: Sequence[type[Options]], flags: Mapping[str, Any], file: Path | None = None
) -> dict[str, Any]:
    """The values that were given by name: the file's, and over them the flags'.

    Raises: OptionError naming every line of the file that is no option, or of another type.
    """
    fields = fields_of(classes)
    faults, values = [], {}
    for entry in read_config(file) if file is not None else ():
        field = fields.get(entry.name)
        if entry.fault is not None:
            faults.append(f"Line {entry.line}: {entry.fault}")
        elif field is None:
            faults.append(f"Line {entry.line}: `{entry.name}` is no option here.{_meant(entry.name, fields)}")
        else:
            values[entry.name] = value = _as(field.kind, entry.value)
            faults += [f"Line {entry.line}: {fault}" for fault in _misfit(field, entry.value, value)]
    raise_all(OptionError, faults, str(file))
    told = {name: value for name, value in flags.items() if name in fields and value is not None}
    return values | {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}


def _misfit(field: Field, given: Any, value: Any) -> Iterator[str]:
    """The fault of a value of another type; a single one in place of a list is shown as it should be written."""
    if not fits(value, field.kind):
        _, several = _asked(field.kind)
        remedy = f" Write [{given}]." if several is list and fits(_as(field.kind, [given]), field.kind) else ""
        yield f"`{field.name}` must be {described(field.kind)}, but is {given!r}.{remedy}"


def _meant(name: str, fields: Mapping[str, Field]) -> str:
    near = get_close_matches(name.replace("-", "_"), fields, n=1, cutoff=0.6)
    return f" Did you mean {near[0]}?" if near else ""


def _as(kind: Any, value: Any) -> Any:
    """A value of a file as the type wants it, if that loses nothing."""
    if isinstance(value, list):
        inner = get_args(kind)[:1] or (Any,)
        return tuple(_as(inner[0], each) for each in value)
    asked, _ = _asked(kind)
    if asked is Path and isinstance(value, str):
        return Path(value).expanduser()  # in a file no shell has done it
    return float(value) if asked is float and type(value) is int else value


def build_options(classes: Sequence[type[Options]], values: Mapping[str, Any]) -> list[Any]:
    """One object of each class.

    Raises: OptionError naming everything that is missing, and everything that is wrong.
    """
    missing = [field for field in fields_of(classes).values() if field.required and field.name not in values]
    faults = [f"`{field.flag}` must be given, as a flag or as `{field.name}` in a file." for field in missing]
    built: list[Options] = []
    for each in classes:
        lacking = {field.name for field in _leaves(each, "")} & {field.name for field in missing}
        try:
            built += [] if lacking else [_build(each, values)]
        except OptionError as fault:
            faults.append(str(fault))
    if len(faults) == 1 and not missing:
        raise OptionError(faults[0])  # which names its subject
    raise_all(OptionError, faults, "The command")
    return built


def _build(options: type[Options], values: Mapping[str, Any]) -> Options:
    kinds, arguments = get_type_hints(options), {}
    for field in dataclasses.fields(options):  # type: ignore[arg-type]
        kind = kinds[field.name]
        if isinstance(kind, type) and issubclass(kind, Options):
            arguments[field.name] = _build(kind, values)
        elif field.name in values:
            arguments[field.name] = values[field.name]
    return options(**arguments)
