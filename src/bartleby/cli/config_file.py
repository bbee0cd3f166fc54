"""A file of options: YAML with one `name: value` a line, read without building anything but text, numbers and lists."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bartleby.errors import OptionError, need_extra, raise_all

if TYPE_CHECKING:
    import yaml

PLAIN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "timestamp", "seq")}
NOTHING = ("", "~")


@dataclass(frozen=True)
class Entry:
    """One line of the file."""

    name: str
    value: Any
    line: int


def read_config(path: Path) -> list[Entry]:
    """The entries of a file, in its order.

    Plain values are read as JSON has them, so that `no` is a word and 2e-3 a number, unlike in YAML 1.1.
    Raises: OptionError naming every line that is no option.
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
    faults: list[str] = []
    entries = [_entry(key, value, faults) for key, value in root.value]
    names = [entry.name for entry in entries]
    faults += [
        f"Line {entry.line}: `{entry.name}` stands in the file already."
        for place, entry in enumerate(entries)
        if entry.name in names[:place]
    ]
    raise_all(OptionError, faults, str(path))
    return entries


def _entry(key: yaml.Node, value: yaml.Node, faults: list[str]) -> Entry:
    line = key.start_mark.line + 1
    if not _is_scalar(key):
        faults.append(f"Line {line}: a name must be a word, but is a list or a mapping.")
        return Entry(f"line {line}", None, line)
    name = str(key.value)
    several = value.value if value.id == "sequence" and value.tag in PLAIN_TAGS else None
    if all(map(_is_scalar, [value] if several is None else several)):
        return Entry(name, _read(value) if several is None else [_read(each) for each in several], line)
    faults.append(f"Line {line}: `{name}` must be one value or a list of them, but holds more, or has a tag.")
    return Entry(name, None, line)


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
