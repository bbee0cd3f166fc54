"""The package held against the published API: what it has, what is missing, and what is left out for a reason."""

from __future__ import annotations

import inspect
import typing
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, is_dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import bartleby
from tests.house.left_out import LEFT_OUT
from tests.house.published import REQUIRED, Wanted, published

ABSENT = object()
WIDTH = 118
NEWER_FIELDS = {"logits"}  # which outputs got in releases after 4.37, those that went with it too


@dataclass
class Coverage:
    """Every published name in one of three heaps."""

    there: list[Wanted] = field(default_factory=list)
    missing: list[tuple[Wanted, str]] = field(default_factory=list)
    left_out: dict[str, list[Wanted]] = field(default_factory=lambda: {pattern: [] for pattern in LEFT_OUT})


def measure(api: Path) -> Coverage:
    """Sort every name of the tables in `api`."""
    found = Coverage()
    for wanted in published(api):
        if (fault := fault_of(wanted)) is None:
            found.there.append(wanted)
        elif (pattern := reason_for(wanted)) is not None:
            found.left_out[pattern].append(wanted)
        else:
            found.missing.append((wanted, fault))
    return found


def reason_for(wanted: Wanted) -> str | None:
    """The first pattern of LEFT_OUT that covers a name."""
    return next((pattern for pattern in LEFT_OUT if fnmatchcase(str(wanted), pattern)), None)


def fault_of(wanted: Wanted) -> str | None:
    """What is wrong with a published name here, or None."""
    owner = getattr(bartleby, wanted.owner, None)
    if owner is None:
        return "no such class"
    if not wanted.member:
        return None
    if wanted.kind == "fields":
        return fault_of_fields(owner, wanted)
    if wanted.kind == "name":
        return None if has(owner, wanted.member) else "no such name"
    if wanted.kind == "default":
        here = getattr(instance(owner), wanted.member, ABSENT)
    elif wanted.kind == "value":
        here = getattr(owner, wanted.member, ABSENT)
    else:
        here = parameters_of(owner, wanted.member).get(wanted.parameter, ABSENT)
    if here is ABSENT:
        return "no such method" if not has(owner, wanted.member) else f"no such {wanted.kind}"
    if any(agrees(here, value) for value in wanted.counting):
        return None
    return f"is {here!r:.40}, not {' or '.join(f'{value!r:.40}' for value in wanted.counting)}"


def fault_of_fields(owner: Any, wanted: Wanted) -> str | None:
    """An output may have the other release's fields in between, and our own behind them; the order is the published."""
    if not is_dataclass(owner):
        return "no fields"
    here = [each.name for each in fields(owner)]
    known = {name for names in wanted.values.values() for name in names} | NEWER_FIELDS
    right = all([name for name in here if name in names] == names for names in wanted.values.values())
    own = [name for name in here if name not in known]
    return None if right and here[len(here) - len(own) :] == own else f"has {', '.join(here)}"


def has(owner: Any, name: str) -> bool:
    """Whether the class, or an object of it, has a name; declared attributes count."""
    declared = any(name in vars(each).get("__annotations__", {}) for each in owner.__mro__)
    return hasattr(owner, name) or declared or (is_keras_model(owner) and hasattr(instance(owner), name))


def is_keras_model(owner: Any) -> bool:
    """Whether it is a model whose names Keras sets in its constructor."""
    return any(each.__module__.startswith("keras.") for each in owner.__mro__) and hasattr(owner, "config_class")


@cache
def instance(owner: Any) -> Any:
    """A config at its defaults, or a small model."""
    if not is_keras_model(owner):
        return owner()
    sizes = {f"{side}_{size}": 1 for side in ("encoder", "decoder") for size in ("layers", "attention_heads")}
    return owner(owner.config_class(vocab_size=8, d_model=4, encoder_ffn_dim=4, decoder_ffn_dim=4, **sizes))


@cache
def parameters_of(owner: Any, member: str) -> dict[str, Any]:
    """Parameter -> default; keywords that a TypedDict declares are handed on to a call, and have its defaults."""
    method = getattr(owner, member, None)
    if not callable(method):
        return {}
    declared = inspect.signature(owner if member == "__init__" else method).parameters
    known = {name: REQUIRED if each.default is each.empty else each.default for name, each in declared.items()}
    for each in declared.values():
        annotation = typing.get_type_hints(method).get(each.name) if each.kind is each.VAR_KEYWORD else None
        if typing.get_origin(annotation) is typing.Unpack:
            call = parameters_of(owner, "__call__")
            names = typing.get_type_hints(typing.get_args(annotation)[0])
            known = {**{name: call.get(name, REQUIRED) for name in names}, **known}
    if member == "__init__" and "kwargs" in known and owner.__mro__[1] is not object:
        known = {**parameters_of(owner.__mro__[1], "__init__"), **known}
    return known


def agrees(here: Any, value: Any) -> bool:
    """Whether a default is the published one; JSON has text keys, and what was required may be optional here."""
    if value == REQUIRED or (isinstance(value, str) and value.startswith("<") and " at 0x" in value):
        return True
    if isinstance(value, str) and value.startswith("<class "):
        return repr(here) == value
    if isinstance(here, dict) and isinstance(value, dict):
        return {str(key): item for key, item in here.items()}.items() >= value.items()
    if isinstance(here, list | tuple) and isinstance(value, list):
        return list(here) == value
    return bool(here == value) and (isinstance(here, bool) == isinstance(value, bool))


# ---- the page ----------------------------------------------------------------------------------------------------


def page(found: Coverage) -> str:
    """docs/coverage.md."""
    lines = [
        "# Coverage",
        "",
        "<!-- written by scripts/coverage -->",
        "",
        "What transformers 4.37.2 and 5.23.0 publish for this family, and what of it is here: classes, public names,",
        "parameters with their defaults, config defaults, class attributes of tokenizers, fields of outputs in order.",
        "Where the releases differ, tokenizers and shard sizes follow 5.23.0 and GenerationConfig's defaults 4.37.2;",
        "elsewhere either counts. What is required there may be optional here.",
        "",
        *summary(found),
        "",
        "## Missing",
        "",
        *missing_lines(found),
        "",
        "## Left out, for a reason",
        "",
        "| what | names | why |",
        "|---|---|---|",
        *(f"| `{pattern}` | {len(names)} | {LEFT_OUT[pattern]} |" for pattern, names in found.left_out.items()),
        "",
        "## What is here",
        "",
        *claims(found),
    ]
    return "\n".join(lines) + "\n"


def summary(found: Coverage) -> Iterable[str]:
    """The number of names of each kind in each heap."""
    here = Counter(wanted.kind for wanted in found.there)
    lost = Counter(wanted.kind for wanted, _ in found.missing)
    out = Counter(wanted.kind for names in found.left_out.values() for wanted in names)
    titles = {
        "name": "classes and public names",
        "parameter": "parameters and defaults",
        "default": "config defaults",
        "value": "class attributes",
        "fields": "outputs' fields",
    }
    yield "| | here | missing | left out |"
    yield "|---|---|---|---|"
    yield from (f"| {title} | {here[kind]} | {lost[kind]} | {out[kind]} |" for kind, title in titles.items())


def missing_lines(found: Coverage) -> list[str]:
    """One line for each missing name, with the classes that miss it."""
    owners = defaultdict(list)
    for wanted, fault in found.missing:
        owners[str(wanted).removeprefix(wanted.owner).removeprefix("."), fault].append(wanted.owner)
    if not owners:
        return ["Nothing."]
    everyone = {wanted.owner for wanted in [*found.there, *(wanted for wanted, _ in found.missing)]}
    rows = [
        f"| {f'`{name}`' if name else 'the class'} | {fault} | {together(names, everyone)} |"
        for (name, fault), names in sorted(owners.items())
    ]
    return ["| name | | of |", "|---|---|---|", *rows]


def together(owners: list[str], everyone: set[str]) -> str:
    """A list of classes; a few words where it is all of a kind."""
    kinds = {kind_of(owner) for owner in owners}
    if len(kinds) == 1 and len(owners) > 1 and {each for each in everyone if kind_of(each) in kinds} == set(owners):
        return f"every {kinds.pop()}"
    return ", ".join(owners)


def kind_of(owner: str) -> str:
    """What kind of class a published name is."""
    endings = {"Tokenizer": "tokenizer", "TokenizerFast": "tokenizer", "Config": "config", "Output": "output"}
    beginnings = {"Flax": "Flax model", "TF": "TensorFlow model"}
    ended = [kind for ending, kind in endings.items() if owner.endswith(ending)]
    begun = [kind for beginning, kind in beginnings.items() if owner.startswith(beginning)]
    return [*ended, *begun, "model"][0]


def claims(found: Coverage) -> Iterable[str]:
    """Every name that is here, with its parameters: names that the same classes have stand together."""
    members: dict[str, dict[str, list[Wanted]]] = defaultdict(lambda: defaultdict(list))
    for wanted in found.there:
        if wanted.member and wanted.kind != "fields":
            members[wanted.owner][wanted.member].append(wanted)
    shown = defaultdict(list)
    for owner, by_name in members.items():
        for name, wanteds in by_name.items():
            shown[claim(owner, name, wanteds)].append(owner)
    groups = defaultdict(list)
    for text, owners in shown.items():
        groups[tuple(owners)].append(text)
    for owners, texts in sorted(groups.items(), key=lambda item: (-len(item[0]), item[0])):
        yield f"### {', '.join(owners)}"
        yield from ["", *wrapped(f"`{text}`" for text in sorted(texts)), ""]
    yield "### Outputs"
    yield ""
    for wanted in found.there:
        if wanted.kind == "fields":
            here = ", ".join(each.name for each in fields(getattr(bartleby, wanted.owner)))
            yield f"- `{wanted.owner}({here})`"


def claim(owner: str, name: str, wanteds: list[Wanted]) -> str:
    """A member as the page shows it: a name, a method with its published parameters, or a value."""
    cls = getattr(bartleby, owner)
    if wanteds[-1].kind == "default":
        return f"{name} = {getattr(instance(cls), name)!r}"
    if wanteds[-1].kind == "value":
        return f"{name} = {getattr(cls, name)!r}"
    known = parameters_of(cls, name)
    shown = [each.parameter for each in wanteds if each.kind == "parameter"]
    if not shown:
        return name
    required = [parameter for parameter in shown if known[parameter] == REQUIRED]
    optional = [f"{parameter}={literal(known[parameter])}" for parameter in sorted({*shown} - {*required})]
    return f"{name}({', '.join([*sorted(required), *optional])})"


def literal(value: Any) -> str:
    """A default as Python writes it; three dots for an object."""
    return repr(value) if value is None or isinstance(value, bool | int | float | str | tuple) else "..."


def wrapped(words: Iterable[str]) -> list[str]:
    """Words with commas between them, in lines."""
    lines = [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + len(word) + 2 > WIDTH:
            lines[-1] += ","
            lines.append(word)
        else:
            lines[-1] += f", {word}" if lines[-1] else word
    return lines
