"""The Flax and TensorFlow wings as ways to run a checkpoint, and how they are held to the definition and to PyTorch."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from bartleby.errors import EXTRA_MODULES, BartlebyError
from bartleby.generation.config import GenerationConfig
from bartleby.generation.options import listed
from bartleby.lab.checks import Check
from bartleby.lab.decodings import AREA as DECODING
from bartleby.lab.decodings import Mode, compared, judged
from bartleby.lab.outputs import AREA as FORWARD
from bartleby.lab.outputs import Table, beside
from bartleby.lab.sides import MODEL_CLASSES, Array, Side, Texts, quiet, unpadded, until
from bartleby.lab.subject import Subject

WINGS = {"flax": "Flax", "tensorflow": "TF"}
"""By the extra that installs each: what its classes begin with."""


class WingSide:
    """A model of Flax or TensorFlow; both are called alike, and take and give what NumPy reads."""

    dtype = "float32"

    def __init__(self, model: Any, subject: Subject, wing: str) -> None:
        self.name = f"{wing} {self.dtype}"
        self.model, self.head, self.pad = model, subject.head, subject.pad

    @classmethod
    def open(cls, subject: Subject, wing: str) -> WingSide:
        """Raises: MissingExtraError if its framework is not installed."""
        import bartleby

        opened = getattr(bartleby, f"{WINGS[wing]}{MODEL_CLASSES[subject.head]}")
        with quiet():  # what is missing is a check of its own
            return cls(opened.from_pretrained(subject.path), subject, wing)

    def forward(self, sources: Texts, targets: Texts, room: int = 0) -> list[Array]:
        """As `Side.forward`."""
        ids, mask = self._padded(sources, room)
        given = {"input_ids": ids, "attention_mask": mask}
        if self.head == "conditional_generation":
            labels, _ = self._padded(targets, room)
            start = np.full_like(labels[:, :1], self.model.config.decoder_start_token_id)
            given["decoder_input_ids"] = np.concatenate([start, labels[:, :-1]], axis=1)
        with quiet():
            output = self.model(**given)
        if self.head == "question_answering":
            scores = np.stack([np.asarray(output.start_logits), np.asarray(output.end_logits)], axis=-1)
        else:
            scores = np.asarray(output.logits)
        return unpadded(self.head, scores.astype(np.float64), sources, targets)

    def generate(self, sources: Texts, options: GenerationConfig, room: int = 0) -> list[list[int]]:
        """As `Side.generate`; a decoder alone continues each source by itself, for its prompts have no padding."""
        if self.head != "causal_lm":
            return self._written(sources, options, room, start=1)
        return [self._written([source], options, 0, start=len(source))[0] for source in sources]

    def _written(self, sources: Texts, options: GenerationConfig, room: int, start: int) -> list[list[int]]:
        ids, mask = self._padded(sources, room)
        with quiet():
            self.model.generation_config = options  # all of them: nothing comes from the checkpoint
            found = self.model.generate(ids, attention_mask=mask)
        rows = np.asarray(getattr(found, "sequences", found)).tolist()
        return [until(row[start:], listed(options.eos_token_id)) for row in rows]

    def _padded(self, texts: Texts, room: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Ids and mask, padded on the right. Both (b, longest + room)."""
        width = max(map(len, texts)) + room
        ids = [[*text, *[self.pad] * (width - len(text))] for text in texts]
        mask = [[int(place < len(text)) for place in range(width)] for text in texts]
        return np.array(ids, dtype=np.int32), np.array(mask, dtype=np.int32)


def wing_checks(table: Table, single: Side | None, modes: list[Mode]) -> Iterator[Check]:
    """Every wing that is installed: outputs beside the definition, greedy answers too, all answers beside PyTorch's."""
    for wing in WINGS:
        if any(find_spec(module) is None for module in EXTRA_MODULES[wing]):
            yield Check(FORWARD, wing, "skipped", remark=f'not installed: pip install "bartleby[{wing}]"')
            continue
        side = WingSide.open(table.subject, wing)
        outputs = side.forward(table.subject.sources, table.subject.targets)
        yield beside(outputs, table.outputs, side, table.definition.name)
        for mode in modes:
            yield _decoding(table, side, single, mode)
        del side
        gc.collect()  # one model at a time


def _decoding(table: Table, side: WingSide, single: Side | None, mode: Mode) -> Check:
    def write(each: Side) -> list[list[int]]:
        return each.generate(table.subject.sources, mode.options)

    name = f"{side.name}, {mode.name}"
    try:
        if single is not None:
            return compared(table, mode, (single, write), (side, write), name)
        if mode.options.num_beams == 1:
            return judged(table, side, mode, write(side))
    except BartlebyError as error:  # an option that compiled search does not carry out
        return Check(DECODING, name, "skipped", remark=str(error).splitlines()[0])
    return Check(DECODING, name, "skipped", remark="there is no PyTorch to write the same beams")
