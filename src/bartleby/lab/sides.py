"""One way to run a checkpoint, each behind the same two questions: what it scores, and what it writes.

The definition runs every text alone, in NumPy. A PyTorch model runs them as a batch; the classes of this library and
of the reference library are called alike.
"""

from __future__ import annotations

import copy
import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from bartleby.backends.plain import PlainBackend
from bartleby.family import masks, reference
from bartleby.family.parameters import Head
from bartleby.generation.config import GenerationConfig
from bartleby.generation.options import listed
from bartleby.lab.subject import Subject

Array = npt.NDArray[np.floating[Any]]
Texts = Sequence[Sequence[int]]
MODEL_CLASSES: dict[Head, str] = {
    "conditional_generation": "AutoModelForSeq2SeqLM",
    "sequence_classification": "AutoModelForSequenceClassification",
    "question_answering": "AutoModelForQuestionAnswering",
    "causal_lm": "AutoModelForCausalLM",
}


class Side(Protocol):
    """An implementation in one precision."""

    name: str
    dtype: str

    def forward(self, sources: Texts, targets: Texts, room: int = 0) -> list[Array]:
        """What the model says of each source, without padding: `room` is how much is padded beyond the longest.

        Shapes: one array a source: logits (t, v) of its target or, of a decoder alone, of itself; (labels,); or
        (s, 2) scores of start and end.
        """

    def generate(self, sources: Texts, options: GenerationConfig, room: int = 0) -> list[list[int]]:
        """The best answer to each source: what comes after the prompt, up to the first end token."""


class PlainSide:
    """The NumPy definition."""

    def __init__(self, subject: Subject, dtype: str) -> None:
        self.name, self.dtype = f"plain {dtype}", dtype
        self.head, self.config = subject.head, subject.config
        self.options = subject.generation_config
        self.weights = subject.weights(dtype)

    def forward(self, sources: Texts, targets: Texts, room: int = 0) -> list[Array]:
        """As `Side.forward`; there is no padding, for every text is read alone."""
        return [
            self._alone(np.array([source]), np.array([target])) for source, target in zip(sources, targets, strict=True)
        ]

    def _alone(self, source: masks.Ids, target: masks.Ids) -> Array:
        weights, config = self.weights, self.config
        if self.head == "sequence_classification":
            outputs = reference.classify(weights, config, source)
        elif self.head == "question_answering":
            outputs = np.stack(reference.spans(weights, config, source), axis=-1)
        elif self.head == "causal_lm":
            outputs = reference.lm_logits(weights, reference.decode(weights, config, source))
        else:
            states = reference.encode(weights, config, source)
            hidden = reference.decode(weights, config, masks.shift_right(target, config), states)
            outputs = reference.lm_logits(weights, hidden)
        alone: Array = outputs[0]
        return alone

    def generate(self, sources: Texts, options: GenerationConfig, room: int = 0) -> list[list[int]]:
        """As `Side.generate`, by the readable search; of encoder-decoders only."""
        backend = PlainBackend(self.weights, self.config, self.options)
        return [list(found[0].ids) for found in backend.generate(sources, options)]


class TorchSide:
    """A model of PyTorch, of this library or of another that is called like it."""

    def __init__(self, model: Any, subject: Subject, name: str, dtype: str) -> None:
        self.name, self.dtype = f"{name} {dtype}", dtype
        self.model, self.head, self.pad = model, subject.head, subject.pad

    @classmethod
    def open(cls, subject: Subject, dtype: str, device: str) -> TorchSide:
        """Raises: RuntimeError if the device has no such type."""
        import torch

        import bartleby

        wanted = getattr(torch, dtype)
        opened = getattr(bartleby, MODEL_CLASSES[subject.head])
        with quiet():  # what is missing is a check of its own
            model = opened.from_pretrained(subject.path, dtype=wanted, device=device)
        return cls(model, subject, "pytorch", dtype)

    def forward(self, sources: Texts, targets: Texts, room: int = 0) -> list[Array]:
        """As `Side.forward`."""
        import torch

        ids, mask = self._padded(sources, room)
        given = {"input_ids": ids, "attention_mask": mask}
        if self.head == "conditional_generation":
            labels, _ = self._padded(targets, room)
            start = torch.full_like(labels[:, :1], self.model.config.decoder_start_token_id)
            given["decoder_input_ids"] = torch.cat([start, labels[:, :-1]], dim=1)
        with torch.no_grad(), quiet():
            output = self.model(**given, use_cache=False)
        if self.head == "question_answering":
            scores = torch.stack([output.start_logits, output.end_logits], dim=-1)
        else:
            scores = output.logits
        return unpadded(self.head, scores.double().cpu().numpy(), sources, targets)

    def generate(self, sources: Texts, options: GenerationConfig, room: int = 0) -> list[list[int]]:
        """As `Side.generate`; a decoder alone continues each source by itself, for its prompts have no padding."""
        if self.head != "causal_lm":
            return self._written(sources, options, room, start=1)
        return [self._written([source], options, 0, start=len(source))[0] for source in sources]

    def steps(self, sources: Texts, options: GenerationConfig) -> list[tuple[list[int], Array]]:
        """Each source's answer with the logits from which its tokens were chosen; this library's models only.

        Shapes: logits (t, v).
        """
        told = copy.deepcopy(options)
        told.return_dict_in_generate = told.output_logits = True
        parts = [[source] for source in sources] if self.head == "causal_lm" else [sources]
        found = []
        for part in parts:
            ids, mask = self._padded(part, 0)
            with quiet():
                output = self.model.generate(input_ids=ids, attention_mask=mask, generation_config=told)
            start = ids.shape[1] if self.head == "causal_lm" else 1
            for row, answer in enumerate(output.sequences.tolist()):
                written = until(answer[start:], listed(options.eos_token_id))
                logits = [step[row].double().cpu().numpy() for step in output.logits[: len(written)]]
                found.append((written, np.stack(logits)))
        return found

    def _written(self, sources: Texts, options: GenerationConfig, room: int, start: int) -> list[list[int]]:
        ids, mask = self._padded(sources, room)
        with quiet():
            self.model.generation_config = self._options(options)  # all of them: nothing comes from the checkpoint
            rows = self.model.generate(input_ids=ids, attention_mask=mask)
        eos = listed(options.eos_token_id)
        return [until(row[start:], eos) for row in rows.tolist()]

    def _options(self, options: GenerationConfig) -> Any:
        if type(self.model).__module__.startswith("bartleby."):
            return options
        import transformers

        library: Any = transformers  # untyped in part
        return library.GenerationConfig(**options.to_diff_dict())

    def _padded(self, texts: Texts, room: int) -> tuple[Any, Any]:
        """Ids and mask, padded on the right. Both (b, longest + room)."""
        import torch

        width = max(map(len, texts)) + room
        ids = torch.tensor([[*text, *[self.pad] * (width - len(text))] for text in texts], device=self.model.device)
        lengths = torch.tensor([len(text) for text in texts], device=self.model.device)
        return ids, (torch.arange(width, device=self.model.device) < lengths[:, None]).long()


def unpadded(head: Head, scores: Array, sources: Texts, targets: Texts) -> list[Array]:
    """What a batch says of each source: as many places as it has tokens, or its target has; or its labels."""
    if head == "sequence_classification":
        return list(scores)
    read = targets if head == "conditional_generation" else sources
    return [row[: len(text)] for row, text in zip(scores, read, strict=True)]


def device_fault(device: str) -> str | None:
    """Why PyTorch cannot compute there; None if it can, or is not asked to."""
    if device == "cpu":
        return None
    import torch

    if not re.fullmatch(r"cuda(:\d+)?", device):
        return f"`device` must be cpu, cuda or cuda:N, but is {device!r}."
    number, there = int(device.partition(":")[2] or 0), torch.cuda.device_count()
    return None if number < there else f"`device` must be one that is there, but of {there} there is no {device!r}."


def until(ids: Sequence[int], ends: Sequence[int]) -> list[int]:
    """The ids up to the first that ends an answer, which is kept."""
    place = next((place for place, token in enumerate(ids) if token in ends), len(ids))
    return list(ids[: place + 1])


@contextmanager
def quiet() -> Iterator[None]:
    """Without warnings, of this library or the other: what matters of them is a check."""
    loggers = [logging.getLogger(name) for name in ("bartleby", "transformers")]
    before = [(logger, logger.level) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in before:
            logger.setLevel(level)
