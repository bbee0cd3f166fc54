"""The Flax models as a backend: ragged ids in, hypotheses and log-probabilities out."""

from __future__ import annotations

import os
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from bartleby.backends.flax.auto import (
    FlaxAutoModelForQuestionAnswering,
    FlaxAutoModelForSeq2SeqLM,
    FlaxAutoModelForSequenceClassification,
)
from bartleby.backends.flax.decoding.inputs import Prepared
from bartleby.backends.grouping import by_number_of_ends, by_prompt_length
from bartleby.backends.plain import padded
from bartleby.backends.protocol import (
    Spans,
    Texts,
    check_head,
    check_labelled,
    check_request,
    check_targets,
    check_texts,
    head_to_open,
)
from bartleby.family import masks
from bartleby.family.config import PreTrainedConfig
from bartleby.family.parameters import Head
from bartleby.generation.compiled.noise import HostNoise
from bartleby.generation.compiled.task import Written, hypotheses
from bartleby.generation.config import GenerationConfig
from bartleby.generation.later import Implementation
from bartleby.generation.task import Generated

AUTO_CLASSES: dict[Head, Any] = {
    "conditional_generation": FlaxAutoModelForSeq2SeqLM,
    "sequence_classification": FlaxAutoModelForSequenceClassification,
    "question_answering": FlaxAutoModelForQuestionAnswering,
}


class FlaxBackend:
    """A model that writes, labels or finds answers, run where its parameters lie."""

    name: Implementation = "flax"

    def __init__(self, model: Any) -> None:
        """`model`: one of the published classes whose head is in `protocol.ABILITIES`."""
        self.model = model
        self._score = jax.jit(self._likely)
        self._judge = jax.jit(self._judged)

    @classmethod
    def open(cls, name_or_path: str | os.PathLike[str], *, dtype: Any = jnp.float32, **where: Any) -> Self:
        """The checkpoint of that name or in that folder; `where` goes to `hub.resolve`.

        Raises: HubError if it cannot be found, CheckpointError if its weights are not those its config describes.
        """
        auto_class = AUTO_CLASSES[head_to_open(name_or_path, **where)]
        return cls(auto_class.from_pretrained(name_or_path, dtype=dtype, **where))

    @property
    def config(self) -> PreTrainedConfig:
        config: PreTrainedConfig = self.model.config
        return config

    @property
    def head(self) -> Head:
        head: Head = self.model.table_head
        return head

    @property
    def generation_config(self) -> GenerationConfig:
        check_head(self.head, "conditional_generation")
        options: GenerationConfig = self.model.generation_config
        return options

    def generate(
        self,
        input_ids: Texts,
        options: GenerationConfig,
        seed: int | None = None,
        *,
        decoder_input_ids: Texts | None = None,
    ) -> Generated:
        """As `Backend.generate`. With equal seeds it draws what the plain backend draws."""
        check_head(self.head, "conditional_generation")
        options.validate(self.name, self.config.vocab_size)
        check_request(input_ids, options, decoder_input_ids, self.config)
        results: Generated = [[] for _ in input_ids]
        for members, prompts in by_prompt_length(options, decoder_input_ids, len(input_ids)):
            prepared = _prepared([input_ids[place] for place in members], prompts)
            if options.do_sample:
                written = self._sampled(prepared, options, HostNoise(seed, members, len(input_ids)))
            else:
                written = self.model.write_prepared(prepared, options, self.model.params)
            outputs = hypotheses(jax.device_get(written), len(prompts[0]))
            for place, output in zip(members, outputs, strict=True):
                results[place] = output
        return results

    def _sampled(self, prepared: Prepared, options: GenerationConfig, chance: HostNoise) -> Written:
        """Step by step, with noise from the host."""
        parts, params = self.model.programs.of(options), self.model.params
        width = self.config.vocab_size
        rows = options.num_return_sequences if options.num_beams == 1 else 1
        going = parts.begin(params, prepared, chance(np.ones((len(prepared.prompts), rows), dtype=bool), width))
        while True:
            goes_on, draws, result = parts.look(prepared, going)
            if not goes_on:
                return result
            going = parts.step(params, prepared, chance(np.asarray(draws), width), going)

    def score(self, input_ids: Texts, targets: Texts) -> list[list[float]]:
        """As `Backend.score`."""
        check_head(self.head, "conditional_generation")
        check_targets(input_ids, targets, self.config)
        if not input_ids:
            return []
        ids, mask = padded(input_ids)
        labels, _ = padded(targets)  # pads come last, so nothing that counts sees them
        inputs = masks.shift_right(labels, self.config)
        likely = np.asarray(self._score(self.model.params, ids, mask, inputs, labels))
        return [row[: len(target)].tolist() for row, target in zip(likely, targets, strict=True)]

    def classify(self, input_ids: Texts) -> list[list[float]]:
        """As `Backend.classify`."""
        check_head(self.head, "sequence_classification")
        check_labelled(input_ids, self.config)
        results: list[list[float]] = [[] for _ in input_ids]
        for members in by_number_of_ends(input_ids, self.config):
            ids, mask = padded([input_ids[place] for place in members], self.config.pad_token_id)
            scores = np.asarray(self._judge(self.model.params, ids, mask).logits, np.float32)
            for place, row in zip(members, scores.tolist(), strict=True):
                results[place] = row
        return results

    def spans(self, input_ids: Texts) -> Spans:
        """As `Backend.spans`."""
        check_head(self.head, "question_answering")
        check_texts(input_ids, self.config, "text")
        if not input_ids:
            return []
        found = self._judge(self.model.params, *padded(input_ids))
        starts, ends = (np.asarray(scores, np.float32) for scores in (found.start_logits, found.end_logits))
        return [
            (start[: len(text)].tolist(), end[: len(text)].tolist())
            for text, start, end in zip(input_ids, starts, ends, strict=True)
        ]

    def _likely(self, params: Any, ids: Array, mask: Array, inputs: Array, labels: Array) -> Array:
        """Log-probabilities of the labels, (b, t)."""
        logits = self.model(ids, mask, inputs, params=params).logits.astype(jnp.float32)
        return jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, :, None], axis=2)[:, :, 0]

    def _judged(self, params: Any, ids: Array, mask: Array) -> Any:
        """What a head that reads says of the texts; its logits are (b, labels), or twice (b, s)."""
        return self.model(ids, mask, params=params, return_dict=True)


def _prepared(sources: Texts, prompts: Texts) -> Prepared:
    ids, mask = padded(sources)
    return Prepared(jnp.asarray(prompts, "int32"), None, jnp.asarray(ids, "int32"), jnp.asarray(mask, "int32"))
