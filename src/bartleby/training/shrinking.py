"""Shrink and fine-tune: a student is made of some layers of its teacher, and what they are to be compared with.

Source: Shleifer and Rush 2020, "Pre-trained Summarization Distillation" (arXiv 2010.13002), section 3, and the tables
of the code published with it.
"""

from __future__ import annotations

import copy
import re

import torch

from bartleby.backends.pytorch.model import Model
from bartleby.errors import OptionError, raise_all

COPIED: dict[tuple[int, int], tuple[int, ...]] = {
    (6, 1): (0,),
    (6, 2): (0, 5),
    (6, 3): (0, 2, 5),
    (6, 4): (0, 1, 3, 5),
    (12, 1): (0,),
    (12, 2): (0, 6),
    (12, 3): (0, 6, 11),
    (12, 4): (0, 4, 8, 11),
    (12, 6): (0, 2, 4, 7, 9, 11),
    (12, 9): (0, 1, 2, 4, 5, 7, 9, 10, 11),
}
"""(layers of the teacher, of the student) -> the layers that are copied. Published; others follow a rule."""

COMPARED: dict[tuple[int, int], tuple[int, ...]] = {
    (6, 1): (5,),
    (6, 2): (3, 5),
    (6, 3): (1, 4, 5),
    (6, 4): (1, 2, 4, 5),
    (12, 1): (11,),
    (12, 2): (5, 11),
    (12, 3): (3, 7, 11),
    (12, 6): (1, 3, 5, 8, 10, 11),
}
"""Likewise -> the teacher's layer whose output each layer of the student shall give. Not the copied one: a student with
half the layers must get as far in each as the teacher gets in two."""

_LAYER = re.compile(r"\b(encoder|decoder)\.layers\.(\d+)\.")


def copied_layers(teacher: int, student: int) -> tuple[int, ...]:
    """Which of `teacher` layers a student of `student` layers begins with.

    As published, else as far apart as can be, the first and the last among them: the paper's words, which also give its
    12 -> 6 and 12 -> 3.
    Raises: OptionError if the student would not have from one to as many layers as the teacher.
    """
    _check(teacher, student)
    if (teacher, student) in COPIED:
        return COPIED[teacher, student]
    if student == 1:
        return (0,)
    return tuple(_rounded(place * (teacher - 1) / (student - 1)) for place in range(student))


def compared_layers(teacher: int, student: int) -> tuple[int, ...]:
    """The teacher's layers whose outputs the student's layers are compared with; the last with the last.

    As published, else after equal shares of the teacher.
    Raises: as `copied_layers`.
    """
    _check(teacher, student)
    if (teacher, student) in COMPARED:
        return COMPARED[teacher, student]
    return tuple(_rounded((place + 1) * teacher / student) - 1 for place in range(student))


def shrink(teacher: Model, encoder_layers: int | None = None, decoder_layers: int | None = None) -> Model:
    """A new model with that many of the teacher's layers, and all else of it, in weights of its own.

    None keeps all layers of that stack. The student writes as the teacher does (`generation_config`).
    Raises: OptionError if a stack would have no layer, or more than the teacher has.
    """
    config = copy.deepcopy(teacher.config)
    wanted = {"encoder": encoder_layers, "decoder": decoder_layers}
    before = {"encoder": config.encoder_layers, "decoder": config.decoder_layers}
    faults = [
        f"`{side}_layers` must be from 1 to {before[side]}, the teacher's, but is {count}."
        for side, count in wanted.items()
        if count is not None and not 1 <= count <= before[side]
    ]
    raise_all(OptionError, faults, "The student")
    chosen = {side: copied_layers(before[side], count or before[side]) for side, count in wanted.items()}
    config.encoder_layers, config.decoder_layers = len(chosen["encoder"]), len(chosen["decoder"])
    pruned = config.pruned_heads  # heads went by layer, and layers have other numbers now
    config.pruned_heads = {new: pruned[old] for new, old in enumerate(chosen["encoder"]) if old in pruned}
    config.name_or_path = ""  # it is none of the published ones any more
    student = type(teacher)(config)
    weights = teacher.state_dict()
    with torch.no_grad():
        student.load_state_dict({name: weights[_in_teacher(name, chosen)] for name in student.state_dict()})
    student.to(device=teacher.device, dtype=teacher.dtype)
    if hasattr(teacher, "generation_config"):
        student.generation_config = copy.deepcopy(teacher.generation_config)
    return student.train(teacher.training)


def _in_teacher(name: str, chosen: dict[str, tuple[int, ...]]) -> str:
    """What the teacher calls a parameter of the student."""
    return _LAYER.sub(lambda found: f"{found[1]}.layers.{chosen[found[1]][int(found[2])]}.", name)


def _check(teacher: int, student: int) -> None:
    if not 1 <= student <= teacher:
        raise OptionError(f"A student must have from 1 to {teacher} layers, as many as its teacher, but has {student}.")


def _rounded(number: float) -> int:
    """To the nearest whole number, halves up: Python's `round` takes them to even ones."""
    return int(number + 0.5)
