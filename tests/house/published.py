"""What both releases of the reference library publish for this family, read from the tables of their API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RELEASES = ("4.37.2", "5.23.0")
REQUIRED = "<required>"

Key = tuple[str, str, str]
"""Class, member, parameter; the last ones are empty for the class or the member itself."""


@dataclass
class Wanted:
    """A published name, and its value or default in each release that has it."""

    owner: str
    member: str = ""
    parameter: str = ""
    kind: str = "name"  # or: parameter, value, default, fields
    values: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        if self.parameter:
            return f"{self.owner}.{self.member}({self.parameter})"
        return f"{self.owner}.{self.member}" if self.member else self.owner

    @property
    def counting(self) -> list[Any]:
        """The values that are right; where the releases differ, the one that is followed."""
        followed = preferred(self)
        if followed in self.values:
            return [self.values[followed]]
        return list(self.values.values())


def preferred(wanted: Wanted) -> str:
    """The release that counts where the two differ: tokenizers and shard sizes as the newer one, decoding as the older.

    Everywhere else either is right.
    """
    if "Tokenizer" in wanted.owner or wanted.parameter == "max_shard_size":
        return "5.23.0"
    return "4.37.2" if wanted.owner == "GenerationConfig" else ""


def published(folder: Path) -> list[Wanted]:
    """Everything the tables of both releases name, once each."""
    found: dict[tuple[str, Key], Wanted] = {}
    for release in RELEASES:
        tables = json.loads((folder / f"transformers-{release}.json").read_text(encoding="utf-8"))
        for wanted in [*_classes(tables["classes"]), *_outputs(tables["outputs"])]:
            key = (wanted.kind, (wanted.owner, wanted.member, wanted.parameter))
            [value] = wanted.values.values() or [None]
            found.setdefault(key, wanted).values = {**found.get(key, wanted).values, release: value}
            found[key].values.pop("", None)
    return list(found.values())


def _classes(classes: dict[str, dict[str, Any]]) -> Iterator[Wanted]:
    for owner, members in classes.items():
        yield Wanted(owner, values={"": None})
        for member, what in members.items():
            if member == "public":
                yield from (Wanted(owner, name, values={"": None}) for name in what)
            elif member == "defaults":
                yield from (Wanted(owner, name, kind="default", values={"": value}) for name, value in what.items())
            elif member in ("model_input_names", "padding_side", "truncation_side", "vocab_files_names"):
                yield Wanted(owner, member, kind="value", values={"": what})
            else:
                method = "__init__" if member == "init" else member
                for name, default in what.items():
                    if default not in ("<var_keyword>", "<var_positional>"):  # no names: a place for others
                        yield Wanted(owner, method, name, "parameter", {"": default})


def _outputs(outputs: dict[str, list[str]]) -> Iterator[Wanted]:
    for owner, fields in outputs.items():
        yield Wanted(owner, values={"": None})
        yield Wanted(owner, "its fields in order", kind="fields", values={"": fields})
