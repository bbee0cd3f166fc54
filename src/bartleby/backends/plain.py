"""The NumPy definition as a backend: slow, exact and always there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from bartleby.backends.grouping import by_number_of_ends, each_once
from bartleby.backends.protocol import (
    Spans,
    Texts,
    backend_head,
    check_head,
    check_labelled,
    check_request,
    check_targets,
    check_texts,
)
from bartleby.checkpoints.folder import CheckpointFolder
from bartleby.checkpoints.names import match
from bartleby.family import masks, reference
from bartleby.family.config import PreTrainedConfig, config_from_dict
from bartleby.family.masks import Floats, Ids
from bartleby.family.parameters import Head, parameter_table
from bartleby.generation.config import GenerationConfig
from bartleby.generation.later import Implementation
from bartleby.generation.rules import Scores, log_softmax
from bartleby.generation.search import generate
from bartleby.generation.task import Generated
from bartleby.hub import resolve

Weights = Mapping[str, npt.NDArray[np.floating[Any]]]


class PlainBackend:
    """A model that writes, labels or finds answers, run by `family.reference`."""

    name: Implementation = "plain"

    def __init__(
        self,
        weights: Weights,
        config: PreTrainedConfig,
        generation_config: GenerationConfig,
        head: Head = "conditional_generation",
    ) -> None:
        self.weights = weights
        self.config = config
        self.generation_config = generation_config
        self.head = head

    @classmethod
    def open(cls, name_or_path: str | os.PathLike[str], **where: Any) -> Self:
        """The checkpoint of that name or in that folder, in float32; `where` goes to `hub.resolve`.

        Raises: HubError if it cannot be found, CheckpointError if its weights are not those its config describes.
        """
        with CheckpointFolder.open(resolve(name_or_path, **where)) as folder:
            config = config_from_dict(folder.config)
            head = backend_head(config)
            stored, report = match(folder.weights, parameter_table(config, head))
            report.raise_if_incomplete()
            weights = {name: tensor.array().astype(np.float32, copy=False) for name, tensor in stored.items()}
        if folder.generation_config is None:
            return cls(weights, config, GenerationConfig.from_model_config(config), head)
        return cls(weights, config, GenerationConfig.from_dict(folder.generation_config), head)

    def generate(
        self,
        input_ids: Texts,
        options: GenerationConfig,
        seed: int | None = None,
        *,
        decoder_input_ids: Texts | None = None,
    ) -> Generated:
        """As `Backend.generate`."""
        check_head(self.head, "conditional_generation")
        options.validate(self.name, self.config.vocab_size)
        check_request(input_ids, options, decoder_input_ids, self.config)
        if not input_ids:
            return []
        decoder = PlainDecoder(self.weights, self.config, input_ids)
        return generate(decoder, options, input_ids, prompts=decoder_input_ids, seed=seed)

    def score(self, input_ids: Texts, targets: Texts) -> list[list[float]]:
        """As `Backend.score`."""
        check_head(self.head, "conditional_generation")
        check_targets(input_ids, targets, self.config)
        if not input_ids:
            return []
        ids, _ = padded(targets)  # pads come last, so nothing that counts sees them
        sources, places = each_once(input_ids)
        decoder = PlainDecoder(self.weights, self.config, sources)
        logits = decoder.logits(np.array(places), masks.shift_right(ids, self.config))
        log_probabilities = log_softmax(logits.astype(np.float32, copy=False))
        return [
            row[np.arange(len(target)), list(target)].tolist()
            for row, target in zip(log_probabilities, targets, strict=True)
        ]

    def classify(self, input_ids: Texts) -> list[list[float]]:
        """As `Backend.classify`."""
        check_head(self.head, "sequence_classification")
        check_labelled(input_ids, self.config)
        results: list[list[float]] = [[] for _ in input_ids]
        for members in by_number_of_ends(input_ids, self.config):
            ids, mask = padded([input_ids[place] for place in members], self.config.pad_token_id)
            scores = reference.classify(self.weights, self.config, ids, mask)
            for place, row in zip(members, scores.tolist(), strict=True):
                results[place] = row
        return results

    def spans(self, input_ids: Texts) -> Spans:
        """As `Backend.spans`."""
        check_head(self.head, "question_answering")
        check_texts(input_ids, self.config, "text")
        if not input_ids:
            return []
        starts, ends = reference.spans(self.weights, self.config, *padded(input_ids))
        return [
            (start[: len(text)].tolist(), end[: len(text)].tolist())
            for text, start, end in zip(input_ids, starts, ends, strict=True)
        ]


class PlainDecoder:
    """The definition as a `generation.search.Decoder`: sources encoded once, everything written decoded anew."""

    def __init__(self, weights: Weights, config: PreTrainedConfig, sources: Texts) -> None:
        self._weights = weights
        self._config = config
        ids, self._mask = padded(sources)
        self._states = reference.encode(weights, config, ids, self._mask)
        self._sources: Ids = np.zeros(0, dtype=np.int64)
        self._written: Ids = np.zeros((0, 0), dtype=np.int64)

    def start(self, sources: Ids) -> None:
        self._sources = sources
        self._written = np.zeros((len(sources), 0), dtype=np.int64)

    def step(self, tokens: Ids) -> Scores:
        self._written = np.concatenate([self._written, tokens], axis=1)
        return self.logits(self._sources, self._written, last_only=True)[:, 0]

    def reorder(self, rows: Ids) -> None:
        self._sources = self._sources[rows]
        self._written = self._written[rows]

    def logits(self, sources: Ids, written: Ids, last_only: bool = False) -> Floats:
        """Scores of the next token after each one written. Shapes: sources (n,), written (n, t) -> (n, t or 1, v)."""
        hidden = reference.decode(self._weights, self._config, written, self._states[sources], self._mask[sources])
        return reference.lm_logits(self._weights, hidden[:, -1:] if last_only else hidden)


def padded(texts: Texts, filler: int | None = 0) -> tuple[Ids, Ids]:
    """Texts as one array and its mask, padded on the right; the mask hides what stands there. Both (b, longest)."""
    longest = max(map(len, texts))
    ids = np.array([[*text, *[filler or 0] * (longest - len(text))] for text in texts], dtype=np.int64)
    mask = np.arange(longest) < np.array([[len(text)] for text in texts])
    return ids, mask.astype(np.int64)
