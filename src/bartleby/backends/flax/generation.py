"""`generate`: from what a caller gives to sequences, by a search that is compiled once for each shape and options.

It must equal the plain code in generation/search.py token by token, and is earned by benchmarks/wings.py: one program
encodes the sources, reads the prompts once for each and takes all steps on a cache of fixed length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from bartleby.backends.flax import inputs
from bartleby.backends.flax.decoding.generation_outputs import (
    FlaxBeamSearchOutput,
    FlaxGreedySearchOutput,
    FlaxSampleOutput,
)
from bartleby.backends.flax.decoding.inputs import (
    OF_DECODER,
    OF_ENCODER_DECODER,
    Prepared,
    prepare_decoder,
    prepare_pair,
)
from bartleby.backends.flax.decoding.programs import Programs
from bartleby.errors import OptionError
from bartleby.generation.compiled.rules import Processor
from bartleby.generation.compiled.task import Written
from bartleby.generation.config import GenerationConfig
from bartleby.generation.request import DecodingOptions, tell_of_default_length, within_positions

GenerateOutput = FlaxGreedySearchOutput | FlaxSampleOutput | FlaxBeamSearchOutput


class GenerationMixin(DecodingOptions):
    """A model that can write: one with a distribution over the next token."""

    params: Any
    encode: Callable[..., Any]
    _programs: Programs | None = None

    def generate(
        self,
        input_ids: Array,
        generation_config: GenerationConfig | None = None,
        prng_key: Array | None = None,
        trace: bool = True,
        params: Any = None,
        logits_processor: Iterable[Processor] | None = None,
        **kwargs: Any,
    ) -> GenerateOutput:
        """Write an answer to each source, as `generation_config` and then the options in `kwargs` say.

        Without `attention_mask`, pad tokens are taken for padding, unless they also end sequences. `prng_key` is that
        of sampling, PRNGKey(0) unless given. `trace=False` takes the steps one by one, uncompiled. A processor is
        called with all ids (r, max_length), the scores (r, v), and how many columns of the ids are written.
        Shapes: input_ids (b, s) -> sequences (b · num_return_sequences, max_length), prompt included, padded behind
        their end.
        Raises: OptionError, VocabularyError, LengthError or ShapeError before anything is computed.
        """
        processors = _checked(logits_processor)
        names = OF_ENCODER_DECODER if self.config.is_encoder_decoder else OF_DECODER
        given = {name: kwargs[name] for name in names if kwargs.get(name) is not None}
        overrides = {name: value for name, value in kwargs.items() if name not in (*names, "labels")}
        config = None if generation_config is None else GenerationConfig.of(generation_config)
        options = self._resolved("flax", config, overrides)
        tell_of_default_length(options, kwargs)
        params = self.params if params is None else params
        prepared = self._prepared(input_ids, given, options, params)
        key = _key(prng_key) if options.do_sample else None
        return as_published(self.write_prepared(prepared, options, params, processors, key, trace), options)

    def _prepared(self, input_ids: Any, given: Mapping[str, Any], options: GenerationConfig, params: Any) -> Prepared:
        if not self.config.is_encoder_decoder:
            return prepare_decoder(input_ids, given, options, self.config)
        encoded = given.get("encoder_outputs")
        if encoded is None and "position_ids" in given:  # the published way in takes them
            mask = given.get("attention_mask")
            encoded = self.encode(input_ids, mask, given["position_ids"], params=params, return_dict=True)
        states = None if encoded is None else inputs.encoder_states(encoded)
        return prepare_pair(input_ids, given, states, options, self.config)

    def write_prepared(
        self,
        prepared: Prepared,
        options: GenerationConfig,
        params: Any,
        processors: tuple[Processor, ...] = (),
        key: Array | None = None,
        trace: bool = True,
    ) -> Written:
        """The outputs of all sources, as the search leaves them."""
        # The last token written is never read.
        options = within_positions(options, prepared.prompts.shape[1], self.config.max_position_embeddings + 1)
        if not trace:
            return self.programs.run_step_by_step(options, processors, params, prepared, key)
        return self.programs.of(options, processors).run(params, prepared, key)

    def __getstate__(self) -> dict[str, Any]:
        """Programs are made anew where a copy needs them: they belong to this process and this model."""
        return {**self.__dict__, "_programs": None}

    @property
    def programs(self) -> Programs:
        """What was compiled for this model so far."""
        if self._programs is None:
            self._programs = Programs(self)  # type: ignore[arg-type]  # a model of writing.py
        return self._programs


def as_published(written: Written, options: GenerationConfig) -> GenerateOutput:
    """Outputs as the published `generate` returns them: (b · n, max_length), and the scores of beams."""
    sequences = written.ids.reshape(-1, written.ids.shape[2])
    if options.num_beams > 1:
        return FlaxBeamSearchOutput(sequences=sequences, scores=written.scores.reshape(-1))
    return (FlaxSampleOutput if options.do_sample else FlaxGreedySearchOutput)(sequences=sequences)


def _key(given: Any) -> Array:
    if given is None:
        return jax.random.PRNGKey(0)
    dtype: Any = getattr(given, "dtype", None)
    if dtype is None or not (jnp.issubdtype(dtype, jax.dtypes.prng_key) or (dtype == jnp.uint32 and given.ndim)):
        raise OptionError(f"`prng_key` must be a key, such as jax.random.PRNGKey(0), but is {given!r:.80}.")
    key: Array = given
    return key


def _checked(processors: Iterable[Processor] | None) -> tuple[Processor, ...]:
    every = () if processors is None else processors
    if not isinstance(every, Iterable) or not all(map(callable, every)):
        raise OptionError(
            f"`logits_processor` must be a list of functions or objects to be called, but is {every!r:.80}."
        )
    return tuple(every)


FlaxGenerationMixin = GenerationMixin  # its published name
