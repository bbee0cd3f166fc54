"""The TensorFlow models as a backend: ragged ids in, hypotheses and log-probabilities out."""

from __future__ import annotations

import os
from typing import Any, Self

import numpy as np
import tensorflow as tf

from bartleby.backends.keras.auto import TFAutoModelForSeq2SeqLM
from bartleby.backends.keras.decoding.inputs import Prepared
from bartleby.backends.plain import padded
from bartleby.backends.protocol import Texts, by_prompt_length, check_request, check_targets
from bartleby.family import masks
from bartleby.family.config import PreTrainedConfig
from bartleby.generation.compiled.noise import HostNoise
from bartleby.generation.compiled.task import Written, hypotheses
from bartleby.generation.config import GenerationConfig
from bartleby.generation.later import Implementation
from bartleby.generation.task import Generated


class TensorFlowBackend:
    """A model with a language-modelling head, run where its variables lie."""

    name: Implementation = "tensorflow"

    def __init__(self, model: Any) -> None:
        """`model`: one of the published classes for conditional generation."""
        self.model = model

    @classmethod
    def open(cls, name_or_path: str | os.PathLike[str], **where: Any) -> Self:
        """The checkpoint of that name or in that folder; `where` goes to `hub.resolve`.

        Raises: HubError if it cannot be found, CheckpointError if its weights are not those its config describes.
        """
        return cls(TFAutoModelForSeq2SeqLM.from_pretrained(name_or_path, **where))

    @property
    def config(self) -> PreTrainedConfig:
        config: PreTrainedConfig = self.model.config
        return config

    @property
    def generation_config(self) -> GenerationConfig:
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


def _prepared(sources: Texts, prompts: Texts) -> Prepared:
    ids, mask = padded(sources)
    return Prepared(tf.constant(prompts, tf.int32), None, tf.constant(ids, tf.int32), tf.constant(mask, tf.int32))
