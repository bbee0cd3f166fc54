"""Parts of a model that shall not learn, by name: `encoder`, `embeddings`, `decoder:3`, `*.embed_positions.*`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from torch import nn

from bartleby.errors import OptionError, raise_all

PARTS = ("encoder", "decoder", "embeddings", "positions")
"""`encoder` and `decoder` are their layers, positions and norms: the table of tokens is shared, so it has its own name,
`embeddings`, which is the output projection too where that is tied to it."""

TOKEN_TABLES = ("shared.weight", "embed_tokens.weight")


def freeze(model: nn.Module, parts: Sequence[str]) -> int:
    """Let `parts` of `model` learn no more; returns how many numbers that are.

    A part is one of PARTS; `encoder:N` or `decoder:N` for the first N layers; or the name of parameters, where `*`
    stands for anything.
    Raises: OptionError naming the parts that the model does not have, or if nothing would be left to learn.
    """
    chosen = {part: set(_parameters_of(model, part)) for part in parts}
    known = f"{', '.join(PARTS)}, encoder:N, decoder:N with as many layers as there are, or a parameter's name with *"
    faults = [
        f"`freeze` must name parts of the model ({known}), but {part!r} is none."
        for part, names in chosen.items()
        if not names
    ]
    frozen = set().union(*chosen.values())
    learning = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    if not faults and not learning.keys() - frozen:
        faults.append(f"`freeze` must leave something to learn, but {', '.join(parts)} is everything.")
    raise_all(OptionError, faults, "The parts to freeze")
    for name in frozen:
        model.get_parameter(name).requires_grad_(False)
    return sum(parameter.numel() for name, parameter in learning.items() if name in frozen)


def _parameters_of(model: nn.Module, part: str) -> Iterator[str]:
    """The parameters of a part; tied ones go by their first name."""
    stack, _, count = part.partition(":")
    layers = int(count) if stack in ("encoder", "decoder") and count.isdecimal() else 0
    first = [f"{stack}.layers.{index}." for index in range(layers)]
    names = [name for name, _ in model.named_parameters()]
    if first and not any(_below(first[-1], name) for name in names):
        return  # there are not that many layers
    for name in names:
        is_table = name.endswith(TOKEN_TABLES)
        if part == "embeddings":
            found = is_table
        elif part == "positions":
            found = "embed_positions." in name
        elif part in ("encoder", "decoder"):
            found = _below(f"{part}.", name) and not is_table
        else:
            found = any(_below(layer, name) for layer in first) or fnmatchcase(name, part)
        if found:
            yield name


def _below(module: str, name: str) -> bool:
    """Whether a parameter is in `module`, wherever that stands in the model."""
    return f".{module}" in f".{name}"
