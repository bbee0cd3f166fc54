"""The TensorFlow models as a backend: ragged ids in, hypotheses and log-probabilities out."""

from __future__ import annotations

import os
from typing import Any, Self

import numpy as np
import tensorflow as tf

from bartleby.backends.grouping import by_number_of_ends, by_prompt_length
from bartleby.backends.keras.auto import (
    TFAutoModelForQuestionAnswering,
    TFAutoModelForSeq2SeqLM,
    TFAutoModelForSequenceClassification,
)
from bartleby.backends.keras.decoding.inputs import Prepared
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
    "conditional_generation": TFAutoModelForSeq2SeqLM,
    "sequence_classification": TFAutoModelForSequenceClassification,
    "question_answering": TFAutoModelForQuestionAnswering,
}


class TensorFlowBackend:
    """A model that writes, labels or finds answers, run where its variables lie."""

    name: Implementation = "tensorflow"

    def __init__(self, model: Any) -> None:
        """`model`: one of the published classes whose head is in `protocol.ABILITIES`."""
        self.model = model

    @classmethod
    def open(cls, name_or_path: str | os.PathLike[str], **where: Any) -> Self:
        """The checkpoint of that name or in that folder; `where` goes to `hub.resolve`.

        Raises: HubError if it cannot be found, CheckpointError if its weights are not those its config describes.
        """
        auto_class = AUTO_CLASSES[head_to_open(name_or_path, **where)]
        return cls(auto_class.from_pretrained(name_or_path, **where))

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
                written = self.model.write_prepared(prepared, options)
            on_host = Written(*(column.numpy() for column in written))
            for place, output in zip(members, hypotheses(on_host, len(prompts[0])), strict=True):
                results[place] = output
        return results

    def _sampled(self, prepared: Prepared, options: GenerationConfig, chance: HostNoise) -> Written:
        """Step by step, with noise from the host."""
        programs, width = self.model.programs, self.config.vocab_size
        rows = options.num_return_sequences if options.num_beams == 1 else 1
        noise = chance(np.ones((len(prepared.prompts), rows), dtype=bool), width)
        going = programs.begin(options, prepared, tf.constant(noise))
        while True:
            goes_on, draws, result = programs.look(options, prepared, going)
            if not goes_on:
                return result
            going = programs.step(options, prepared, tf.constant(chance(draws.numpy(), width)), going)

    def score(self, input_ids: Texts, targets: Texts) -> list[list[float]]:
        """As `Backend.score`."""
        check_head(self.head, "conditional_generation")
        check_targets(input_ids, targets, self.config)
        if not input_ids:
            return []
        ids, mask = padded(input_ids)
        labels, _ = padded(targets)  # pads come last, so nothing that counts sees them
        inputs = masks.shift_right(labels, self.config)
        logits = self.model(ids, mask, inputs, use_cache=False, return_dict=True).logits
        every = tf.nn.log_softmax(tf.cast(logits, tf.float32))
        likely = tf.gather(every, tf.constant(labels), batch_dims=2).numpy()
        return [row[: len(target)].tolist() for row, target in zip(likely, targets, strict=True)]

    def classify(self, input_ids: Texts) -> list[list[float]]:
        """As `Backend.classify`."""
        check_head(self.head, "sequence_classification")
        check_labelled(input_ids, self.config)
        results: list[list[float]] = [[] for _ in input_ids]
        for members in by_number_of_ends(input_ids, self.config):
            ids, mask = padded([input_ids[place] for place in members], self.config.pad_token_id)
            scores = np.asarray(self.model(ids, mask, use_cache=False, return_dict=True).logits, np.float32)
            for place, row in zip(members, scores.tolist(), strict=True):
                results[place] = row
        return results

    def spans(self, input_ids: Texts) -> Spans:
        """As `Backend.spans`."""
        check_head(self.head, "question_answering")
        check_texts(input_ids, self.config, "text")
        if not input_ids:
            return []
        found = self.model(*padded(input_ids), use_cache=False, return_dict=True)
        starts, ends = (np.asarray(scores, np.float32) for scores in (found.start_logits, found.end_logits))
        return [
            (start[: len(text)].tolist(), end[: len(text)].tolist())
            for text, start, end in zip(input_ids, starts, ends, strict=True)
        ]


def _prepared(sources: Texts, prompts: Texts) -> Prepared:
    ids, mask = padded(sources)
    return Prepared(tf.constant(prompts, tf.int32), None, tf.constant(ids, tf.int32), tf.constant(mask, tf.int32))
