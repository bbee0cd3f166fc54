"""Checks of a checkpoint's files: the config, the decoding options, and the weights that belong to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from bartleby.errors import BartlebyError
from bartleby.family.config import config_from_dict
from bartleby.family.presets import preset_of
from bartleby.generation.faults import idle
from bartleby.generation.options import listed
from bartleby.generation.resolution import length_bounds
from bartleby.lab.checks import Check
from bartleby.lab.subject import WRITERS, Subject

AREA = "files"
MOST_NAMES = 3
SIZES = ("vocab_size", "d_model", "encoder_layers", "decoder_layers", "max_position_embeddings")
TOKENS = ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id")


def file_checks(subject: Subject) -> Iterator[Check]:
    """All of them; each goes on where another differs."""
    yield config_check(subject)
    yield from preset_checks(subject)
    yield from generation_checks(subject)
    yield from weight_checks(subject)


def config_check(subject: Subject) -> Check:
    """A model can be built of it, and it is the same when it is written and read again."""
    config = subject.config
    config.check_buildable()
    again = config_from_dict(config.to_dict())
    changed = [name for name, value in config.to_dict().items() if again.to_dict().get(name) != value]
    described = f"{config.model_type}, {subject.head.replace('_', ' ')}, {subject.parameters:,} parameters"
    if changed:
        return Check(AREA, "config.json", "differs", remark=f"read again, {', '.join(changed)} changed")
    return Check(AREA, "config.json", "agrees", "written and read again", remark=described)


def preset_checks(subject: Subject) -> Iterator[Check]:
    """A published name beside the published sizes; a folder of one's own has none."""
    preset = preset_of(subject.name)
    if preset is None:
        return
    expected = preset.config
    wrong = [
        f"{name} {getattr(subject.config, name)} is {getattr(expected, name)} in the table"
        for name in SIZES
        if getattr(subject.config, name) != getattr(expected, name)
    ]
    yield Check(AREA, "config.json", "noted" if wrong else "agrees", "table of presets", remark="; ".join(wrong))


def generation_checks(subject: Subject) -> Iterator[Check]:
    """The options can be, they stay within the positions, and none of them is without effect."""
    if subject.head not in WRITERS:
        return
    name = "generation_config.json" if subject.folder.generation_config is not None else "options in config.json"
    options, config = subject.generation_config, subject.config
    try:
        options.validate("pytorch", config.vocab_size)
    except BartlebyError as error:
        yield Check(AREA, name, "differs", remark=str(error))
        return
    faults = []
    if subject.head == "conditional_generation":
        longest = length_bounds(options, 1)[1]
        if longest > config.max_position_embeddings + 1:
            faults.append(
                f"outputs may have {longest} tokens, but there are {config.max_position_embeddings} positions"
            )
    for token in TOKENS:
        said = getattr(options, token)
        if said is not None and listed(said) != listed(getattr(config, token)):
            faults.append(f"{token} is {said}, in config.json {getattr(config, token)}")
    yield Check(AREA, name, "differs" if faults else "agrees", "config.json", remark="; ".join(faults))
    without_effect = idle(options)
    if without_effect:
        yield Check(AREA, name, "noted", remark=" ".join(without_effect.values()))


def weight_checks(subject: Subject) -> Iterator[Check]:
    """All tensors are there and none too many, of the right shapes, and numbers."""
    report = subject.loading
    kinds = {
        "missing": report.missing,
        "unexpected": report.unexpected,
        "of another shape": tuple(str(each) for each in report.mismatched),
    }
    for kind, names in kinds.items():
        remark = few(names) if names else ""
        yield Check(AREA, f"tensors {kind}", "differs" if names else "agrees", "the parameter table", remark=remark)
    if report.unused:
        yield Check(AREA, "tensors unused", "noted", remark=few(report.unused))
    if report.filled:
        sources = Counter(report.filled.values())
        remark = ", ".join(f"{count} from {source}" for source, count in sources.items())
        yield Check(AREA, "tensors filled", "noted", remark=remark)
    tensors = subject.matched.tensors
    broken = [name for name, tensor in tensors.items() if not np.isfinite(tensor.array()).all()]
    types = sorted({tensor.dtype for tensor in tensors.values()})
    remark = f"infinite or nan: {few(broken)}" if broken else f"{len(tensors)} tensors, {', '.join(types)}"
    yield Check(AREA, "weights", "differs" if broken else "agrees", "finite numbers", remark=remark)


def few(names: Sequence[str]) -> str:
    """The first of them, and how many there are."""
    shown = ", ".join(names[:MOST_NAMES])
    return shown if len(names) <= MOST_NAMES else f"{shown} and {len(names) - MOST_NAMES} more"
