"""A file of options: YAML with one `name: value` a line, read without building anything but text, numbers and lists."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bartleby.errors import OptionError, need_extra

if TYPE_CHECKING:
    import yaml

PLAIN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "timestamp", "seq")}
NOTHING = ("", "~")


@dataclass(frozen=True)
class Entry:
    """One line of the file, or why it says nothing."""

    name: str
    value: Any
    line: int
    fault: str | None = None


def read_config(path: Path) -> list[Entry]:
    """The entries of a file, in its order.

    Plain values are read as JSON has them, so that `no` is a word and 2e-3 a number, unlike in YAML 1.1.
    Raises: OptionError for a file that has no such lines at all.
    """
    need_extra("train", "Reading a file of options")
    import yaml

    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as fault:
        raise OptionError(f"`--config` must be a file that can be read, but {path} cannot: {fault.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as fault:
        raise OptionError(f"{path} must be YAML, but is not: {' '.join(str(fault).split())}.") from None
    if root is None:
        return []
    if not isinstance(root, yaml.MappingNode):
        raise OptionError(f"{path} must hold lines `name: value`, but holds something else.")
    entries: dict[str, Entry] = {}
    doubled = []
    for entry in (_entry(key, value) for key, value in root.value):
        if entries.setdefault(entry.name, entry) is not entry:
            first = entries[entry.name].line
            doubled.append(replace(entry, fault=f"`{entry.name}` stands in the file already, in line {first}."))
    return sorted([*entries.values(), *doubled], key=lambda entry: entry.line)


def _entry(key: yaml.Node, value: yaml.Node) -> Entry:
    line = key.start_mark.line + 1
    if not _is_scalar(key):
        return Entry(f"line {line}", None, line, "a name must be a word, but is a list or a mapping.")
    name = str(key.value)
    several = value.value if value.id == "sequence" and value.tag in PLAIN_TAGS else None
    if all(map(_is_scalar, [value] if several is None else several)):
        return Entry(name, _read(value) if several is None else [_read(each) for each in several], line)
    return Entry(name, None, line, f"`{name}` must be one value or a list of them, but holds more, or has a tag.")


def _is_scalar(node: yaml.Node) -> bool:
    return node.id == "scalar" and node.tag in PLAIN_TAGS


def _read(node: yaml.Node) -> Any:
    """What a scalar says: text if it is quoted or no JSON."""
    if node.style is not None:
        return str(node.value)
    if node.value in NOTHING:
        return None
    try:
        return json.loads(node.value)
    except ValueError:
        return str(node.value)
