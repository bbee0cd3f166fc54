"""The names of published files <-> the canonical names of `family/parameters.py`; what is there, missing or too much.

Canonical names are those of a checkpoint with a head. Rules are ordered and reversible; the tensors that a
configuration ties are one tensor, which files may hold under any of its names, or all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from bartleby.checkpoints.containers import StoredWeights
from bartleby.checkpoints.tensors import StoredTensor, held
from bartleby.errors import CheckpointError, raise_all
from bartleby.family.parameters import LOGITS_BIAS, SHARED, Head, Parameter

TIED = (SHARED, "model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight", "lm_head.weight")

BARE = re.compile(r"(shared|encoder|decoder)\.")
"""How names begin in files of a bare model, which lack `model.`."""

ALONE = re.compile(r"(embed_tokens|embed_positions|layernorm_embedding|layers|layer_norm)\.")
"""How names begin in files of one stack alone, which say nowhere else whether it is an encoder or a decoder."""

OWN_PREFIX: dict[Head, str] = {"none": "model.", "encoder": "model.encoder.", "decoder": "model.decoder."}
"""What models without a head leave off the canonical names."""

REMNANTS = re.compile(r"(model\.)?(encoder|decoder)\.(version|embed_positions\._float_tensor)")
"""Buffers of fairseq that some published files still hold; they carry no weights."""

HEADS = re.compile(
    r"lm_head\.weight|final_logits_bias|(classification_head\.(dense|out_proj)|qa_outputs)\.(weight|bias)"
)
"""What belongs to a head, and is left alone by models with another."""

STORED_FLOATS = ("float64", "float32", "float16", "bfloat16")


def canonical_name(file_name: str, stack: str = "") -> str:
    """The canonical name of a tensor that a published file calls `file_name`; `stack` is which a file has alone."""
    if BARE.match(file_name):
        return f"model.{file_name}"
    return f"model.{stack}.{file_name}" if stack and ALONE.match(file_name) else file_name


def own_name(canonical: str, head: Head) -> str:
    """What a model with `head` calls a parameter, and the file it saves too."""
    return canonical.removeprefix(OWN_PREFIX.get(head, ""))


def file_names(table: Iterable[Parameter], head: Head) -> dict[str, str]:
    """Canonical name -> name in a file, for what a model with `head` saves; tied tensors once."""
    return {parameter.name: own_name(parameter.name, head) for parameter in table if parameter.tied_to is None}


@dataclass(frozen=True)
class Mismatch:
    """A tensor of another shape than the configuration says."""

    name: str
    stored: tuple[int, ...]
    expected: tuple[int, ...]

    def __str__(self) -> str:
        return f"`{self.name}` has shape {self.stored} in the file, but the configuration says {self.expected}"


@dataclass(frozen=True)
class LoadingReport:
    """How a file and a parameter table fit; names are canonical, except those of `unexpected` and `unused`."""

    subject: str
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    mismatched: tuple[Mismatch, ...] = ()
    unused: tuple[str, ...] = ()
    """What other heads need and this one does not, and remnants of fairseq: nothing to warn about."""

    filled: Mapping[str, str] = field(default_factory=dict)
    """Name -> the file's tensor it was filled from because of a tie, or "zeros"."""

    def raise_if_incomplete(self) -> None:
        """Raises: CheckpointError with all that is missing, misshapen or unexpected."""
        faults = [f"`{name}` is missing." for name in self.missing]
        faults += [f"{mismatch}." for mismatch in self.mismatched]
        faults += [f"`{name}` is in the file, but not in the model." for name in self.unexpected]
        raise_all(CheckpointError, faults, self.subject)


class Matched(NamedTuple):
    """Canonical name -> tensor for all that could be found, and the report of the rest."""

    tensors: dict[str, StoredTensor]
    report: LoadingReport


def match(stored: StoredWeights, table: Sequence[Parameter]) -> Matched:
    """Find every parameter of `table` in a file, whichever head and spelling it was saved with.

    Raises: CheckpointError if tensors that the configuration ties differ, two names of the file mean the same
        parameter, or a parameter is stored as integers.
    """
    subject = str(stored.path)
    present, remnants = _canonical_tensors(stored)
    in_file = {name: tensor.name for name, tensor in present.items()}
    wanted = {parameter.name: parameter.shape for parameter in table}
    if any(parameter.tied_to for parameter in table):
        filled = _fill_ties(present, wanted, subject)
    else:
        filled = _fill_shared_tables(present, wanted)
    filled |= _fill_bias(present, wanted)
    found = {name: replace(present[name], name=name) for name in wanted if name in present}
    _refuse_integers(found.values(), subject)
    misshapen = [name for name, tensor in found.items() if tensor.shape != wanted[name]]
    spare = [name for name in in_file if name not in wanted and in_file[name] not in filled.values()]
    foreign = [name for name in spare if _is_of_another_head(name, wanted)]
    report = LoadingReport(
        subject,
        missing=tuple(name for name in wanted if name not in found),
        unexpected=tuple(in_file[name] for name in spare if name not in foreign),
        mismatched=tuple(Mismatch(name, found[name].shape, wanted[name]) for name in misshapen),
        unused=(*remnants, *(in_file[name] for name in foreign)),
        filled=filled,
    )
    return Matched({name: tensor for name, tensor in found.items() if name not in misshapen}, report)


def _canonical_tensors(stored: StoredWeights) -> tuple[dict[str, StoredTensor], list[str]]:
    """The file's tensors by canonical name, and the names of those that are no parameters."""
    present: dict[str, StoredTensor] = {}
    unused: list[str] = []
    faults: list[str] = []
    stack = _lone_stack(stored.names())
    for file_name in stored.names():
        name = canonical_name(file_name, stack)
        if REMNANTS.fullmatch(file_name):
            unused.append(file_name)
        elif name in present:
            faults.append(f"`{present[name].name}` and `{file_name}` are both names of the parameter `{name}`.")
        else:
            present[name] = stored.tensor(file_name)
    raise_all(CheckpointError, faults, str(stored.path))
    return present, unused


def _lone_stack(file_names: Iterable[str]) -> str:
    """Which stack a file holds that names none: only decoders look at another stack."""
    alone = [name for name in file_names if ALONE.match(name)]
    if not alone:
        return ""
    return "decoder" if any(".encoder_attn" in name for name in alone) else "encoder"


def _fill_ties(present: dict[str, StoredTensor], wanted: Mapping[str, object], subject: str) -> dict[str, str]:
    """Give every tied name the tensor that the file holds under one of them; returns what was filled from what."""
    members = [name for name in TIED if name in present]
    if not members:
        return {}
    first = present[members[0]]
    unequal = [present[name].name for name in members[1:] if not _equal(first, present[name])]
    faults = [
        f"`{first.name}` and `{name}` differ, but the configuration ties them. "
        "Set `tie_word_embeddings` to false to keep both, or remove the wrong one."
        for name in unequal
    ]
    raise_all(CheckpointError, faults, subject)
    return _fill(present, [name for name in TIED if name in wanted and name not in present], first)


def _fill_shared_tables(present: dict[str, StoredTensor], wanted: Mapping[str, object]) -> dict[str, str]:
    """Untied files of 4.x releases hold no `embed_tokens`: there only lm_head was a tensor of its own."""
    tables = [name for name in TIED[1:3] if name in wanted]
    if SHARED not in present or any(name in present for name in TIED[1:3]):
        return {}
    return _fill(present, tables, present[SHARED])


def _fill_bias(present: dict[str, StoredTensor], wanted: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
    """A file may lack `final_logits_bias`: then it is zeros."""
    if LOGITS_BIAS not in wanted or LOGITS_BIAS in present:
        return {}
    present[LOGITS_BIAS] = held(np.zeros(wanted[LOGITS_BIAS], np.float32))
    return {LOGITS_BIAS: "zeros"}


def _fill(present: dict[str, StoredTensor], names: Iterable[str], source: StoredTensor) -> dict[str, str]:
    filled = dict.fromkeys(names, source.name)
    present.update(dict.fromkeys(filled, source))
    return filled


def _equal(one: StoredTensor, other: StoredTensor) -> bool:
    if one.place == other.place:
        return True
    left, right = one.array(), other.array()
    return np.array_equal(left, right) or np.array_equal(left, right, equal_nan=True)


def _is_of_another_head(name: str, wanted: Mapping[str, object]) -> bool:
    stacks = [stack for stack in ("model.encoder.", "model.decoder.") if any(each.startswith(stack) for each in wanted)]
    if SHARED not in wanted and name.startswith(("model.shared.", "model.encoder.", "model.decoder.")):
        return not name.startswith(tuple(stacks))  # of the stack that a stack alone is not
    return HEADS.fullmatch(name) is not None


def _refuse_integers(found: Iterable[StoredTensor], subject: str) -> None:
    faults = [
        f"`{tensor.name}` is stored as {tensor.dtype}, but weights are one of {', '.join(STORED_FLOATS)}."
        for tensor in found
        if tensor.dtype not in STORED_FLOATS
    ]
    raise_all(CheckpointError, faults, subject)
