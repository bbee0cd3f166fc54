"""`generate`: from what a caller gives to ids, by a search that is made into a graph once for each set of options.

It must equal the plain code in generation/search.py token by token, and is earned by benchmarks/wings.py: one graph
encodes the sources, reads the prompts once for each and takes all steps on a cache of fixed length. In a caller's own
`tf.function`, compiled by XLA or not, the same search becomes a part of his graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from bartleby.backends.keras.decoding.arrays import StepByStep, TensorFlowArrays
from bartleby.backends.keras.decoding.generation_outputs import CLASSES
from bartleby.backends.keras.decoding.inputs import (
    OF_DECODER,
    OF_ENCODER_DECODER,
    Prepared,
    from_nothing,
    given_states,
    prepare,
    refuse_not_taken,
)
from bartleby.backends.keras.decoding.programs import Programs, search_whole
from bartleby.backends.keras.decoding.recording import RecordingReader, wants_more
from bartleby.backends.keras.decoding.task import room_of, search_of, seeded_noise
from bartleby.backends.keras.outputs import ModelOutput
from bartleby.backends.keras.portable import require_tensorflow
from bartleby.errors import OptionError
from bartleby.generation.compiled.rules import Processor
from bartleby.generation.compiled.task import Written
from bartleby.generation.config import GenerationConfig
from bartleby.generation.request import DecodingOptions, tell_of_default_length, within_positions

Tensor = Any
LARGEST_SEED = 2**31 - 1


class GenerationMixin(DecodingOptions):
    """A model that can write: one with a distribution over the next token."""

    get_encoder: Callable[[], Any]
    _programs: Programs | None = None

    @tf.autograph.experimental.do_not_convert
    def generate(
        self,
        inputs: Tensor | None = None,
        generation_config: GenerationConfig | None = None,
        logits_processor: Iterable[Processor] | None = None,
        seed: Sequence[int] | None = None,
        **kwargs: Any,
    ) -> Tensor | ModelOutput:
        """Write an answer to each source, as `generation_config` and then the options in `kwargs` say.

        `inputs` is another name of `input_ids`; with neither, bos is the source. Without `attention_mask`, pad tokens
        are taken for padding, unless they also end sequences. `seed`, two whole numbers, is that of sampling; else
        TensorFlow's own chance draws it. A processor is called with all ids (r, max_length), the scores (r, v), and how
        many columns of the ids are written; outside of graphs, it is called step by step.
        Shapes: input_ids (b, s) -> (b · num_return_sequences, t), prompt included, padded behind their end, where t is
        the longest, or `max_length` inside a graph; all that is asked for with `return_dict_in_generate`.
        Raises: OptionError, VocabularyError, LengthError or ShapeError before anything is computed.
        """
        require_tensorflow("`generate`")
        processors = _checked(logits_processor)
        if inputs is not None and kwargs.get("input_ids") is not None:
            raise OptionError("`inputs` and `input_ids` are two names of one thing. Give only one of them.")
        given, overrides = self._divided(kwargs if inputs is None else kwargs | {"input_ids": inputs})
        config = None if generation_config is None else GenerationConfig.of(generation_config)
        options = self._resolved("tensorflow", config, overrides)
        tell_of_default_length(options, kwargs)
        if wants_more(options) and not tf.executing_eagerly():
            raise OptionError(
                "`output_scores`, `output_attentions` and `output_hidden_states` show every step, which a graph does "
                "not. Call `generate` outside of `tf.function`."
            )
        given = from_nothing(given, options)
        encoded = self._encoded(given, options)
        states = given_states(given | encoded)
        prepared = prepare(given, states, options, self.config)
        # The last token written is never read.
        options = within_positions(options, prompt_length(prepared), self.config.max_position_embeddings + 1)
        chance = _seed(seed) if options.do_sample else None
        recorder: RecordingReader | None = None
        if wants_more(options):
            written, recorder = self._recorded(prepared, options, chance, processors)
        else:
            written = self.write_prepared(prepared, options, chance, processors)
        return self._published(written, prepared, options, recorder, encoded.get("encoder_outputs"))

    def _divided(self, kwargs: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The inputs and the options among the keywords of `generate`; a batch to train on has labels as well."""
        refuse_not_taken(kwargs)
        names = OF_ENCODER_DECODER if self.config.is_encoder_decoder else OF_DECODER
        given = {name: kwargs[name] for name in names if kwargs.get(name) is not None}
        left_out = {*names, "labels", *(name for name in kwargs if kwargs[name] is None and name.endswith("mask"))}
        return given, {name: value for name, value in kwargs.items() if name not in left_out}

    def _encoded(self, given: Mapping[str, Any], options: GenerationConfig) -> dict[str, Any]:
        """The encoder's outputs, where they are given, or where more than its states is asked for or given to it."""
        if not self.config.is_encoder_decoder:
            return {}
        if "encoder_outputs" in given:
            return {"encoder_outputs": given["encoder_outputs"]}
        special = {"inputs_embeds", "head_mask"} & given.keys()
        if not special and not wants_more(options):
            return {}
        from_ids = prepare(given, given.get("inputs_embeds"), options, self.config)
        output = self.get_encoder()(
            None if "inputs_embeds" in given else from_ids.sources,
            inputs_embeds=given.get("inputs_embeds"),
            attention_mask=from_ids.source_mask,
            head_mask=given.get("head_mask"),
            output_attentions=options.output_attentions,
            output_hidden_states=options.output_hidden_states,
            return_dict=True,
        )
        return {"encoder_outputs": output}

    def write_prepared(
        self,
        prepared: Prepared,
        options: GenerationConfig,
        seed: Tensor | None = None,
        processors: Sequence[Processor] = (),
    ) -> Written:
        """The outputs of all sources, as the search leaves them."""
        if tf.executing_eagerly() and not processors:
            return self.programs.run(options, prepared, seed)
        xp = StepByStep() if tf.executing_eagerly() else TensorFlowArrays()
        return search_whole(xp, self, options, prepared, seed, processors)

    def _recorded(
        self, prepared: Prepared, options: GenerationConfig, seed: Tensor | None, processors: Sequence[Processor]
    ) -> tuple[Written, RecordingReader]:
        reader = RecordingReader(self, prepared, room_of(options, prepared), options)
        noise = None if seed is None else seeded_noise(seed, prepared.prompts, self.config.vocab_size)
        return reader.run(search_of(StepByStep(), reader, options, processors, noise)), reader

    def _published(
        self,
        written: Written,
        prepared: Prepared,
        options: GenerationConfig,
        recorder: RecordingReader | None,
        encoded: Any,
    ) -> Tensor | ModelOutput:
        """Outputs as the published `generate` returns them."""
        first, room = prompt_length(prepared), written.ids.shape[2]
        longest = first + int(tf.reduce_max(written.lengths)) if tf.executing_eagerly() else room
        sequences = tf.reshape(written.ids, (-1, room))[:, :longest]
        if not options.return_dict_in_generate:
            return sequences
        fields: dict[str, Any] = {} if recorder is None else recorder.fields()
        if options.num_beams > 1:
            fields["sequences_scores"] = tf.reshape(written.scores, (-1,))
            trail = tf.reshape(written.trail, (-1, room))[:, first:longest]
            # As published, a source has all its rows in the first step too.
            fields["beam_indices"] = tf.concat(
                [tf.where(trail[:, :1] < 0, -1, trail[:, :1] * options.num_beams), trail[:, 1:]], axis=1
            )
        if encoded is not None and recorder is not None:
            fields["encoder_attentions"] = encoded.get("attentions") if options.output_attentions else None
            fields["encoder_hidden_states"] = encoded.get("hidden_states") if options.output_hidden_states else None
        kind = (bool(self.config.is_encoder_decoder), options.num_beams > 1, options.do_sample)
        return CLASSES[kind](sequences=sequences, **fields)

    @property
    def programs(self) -> Programs:
        """The graphs made for this model so far."""
        if self._programs is None:
            self._programs = Programs(self)
        return self._programs

    def compute_transition_scores(
        self,
        sequences: Tensor,
        scores: Sequence[Tensor],
        beam_indices: Tensor | None = None,
        normalize_logits: bool = False,
    ) -> Tensor:
        """What each written token added to the score of its sequence, from the outputs of `generate`; 0 behind the end.

        Shapes: sequences (o, t); scores (r, v) a step; beam_indices (o, steps), without which row i of the scores is of
        sequence i -> (o, steps of the longest).
        """
        steps = tf.stack(tuple(scores), axis=1)  # (r, steps, v)
        if normalize_logits:
            steps = tf.nn.log_softmax(steps)
        if beam_indices is None:
            beam_indices = tf.repeat(tf.range(tf.shape(steps)[0])[:, None], len(scores), axis=1)
        longest = tf.reduce_max(tf.reduce_sum(tf.cast(beam_indices >= 0, tf.int32), axis=1))
        rows = beam_indices[:, :longest]
        tokens = sequences[:, tf.shape(sequences)[1] - longest :]
        places = tf.broadcast_to(tf.range(longest)[None], tf.shape(rows))
        found = tf.gather_nd(steps, tf.stack([tf.maximum(rows, 0), places, tf.cast(tokens, tf.int32)], axis=-1))
        return tf.where(rows < 0, 0.0, found)


def prompt_length(prepared: Prepared) -> int:
    """The length of the prompts; of one that only the running graph knows, the least: `room_of` refuses it."""
    return prepared.prompts.shape[1] or 1


def _seed(seed: Any) -> Tensor:
    """Two whole numbers, drawn by TensorFlow's own chance where none are given."""
    if seed is None:
        return tf.random.uniform((2,), maxval=LARGEST_SEED, dtype=tf.int32)
    if not tf.is_tensor(seed) and np.shape(seed) != (2,):
        raise OptionError(f"`seed` must be two whole numbers, but is {seed!r:.80}.")
    return tf.cast(seed, tf.int32)


def _checked(processors: Iterable[Processor] | None) -> tuple[Processor, ...]:
    every = () if processors is None else processors
    if not isinstance(every, Iterable) or not all(map(callable, every)):
        raise OptionError(
            f"`logits_processor` must be a list of functions or objects to be called, but is {every!r:.80}."
        )
    return tuple(every)


TFGenerationMixin = GenerationMixin  # its published name
