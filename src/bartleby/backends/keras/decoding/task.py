"""A search over one model's tensors, made inside the graph that runs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from bartleby.backends.keras.decoding.arrays import TensorFlowArrays
from bartleby.backends.keras.decoding.inputs import Prepared
from bartleby.backends.keras.layers import LayerCache
from bartleby.errors import ShapeError
from bartleby.generation.compiled.arrays import Length
from bartleby.generation.compiled.rules import Processor, all_rules, packed, reads_sources
from bartleby.generation.compiled.search import Search
from bartleby.generation.compiled.task import Noise, Task
from bartleby.generation.config import GenerationConfig
from bartleby.generation.resolution import length_bounds

Tensor = Any
Memory = tuple[tuple[Tensor, ...], ...]
"""Of each layer its `LayerCache`, without the fields that are None: loops know tensors only."""
SMALLEST = 1e-20  # of a uniform number, whose logarithm is taken twice


class AsCalled(keras.layers.Layer):
    """Runs parts of a model as Keras runs a model that is called: with variables in the type that it computes in."""

    def __init__(self, model: keras.Model) -> None:
        super().__init__(dtype=model.dtype_policy)
        self.built = True

    def call(self, part: Callable[[], Any]) -> Any:
        return part()


class ModelReader:
    """A model and its sources, as a search reads with them."""

    def __init__(self, model: Any, prepared: Prepared, room: int) -> None:
        """`room`: how many tokens of a row are read at most."""
        self.model, self.prepared, self.room = model, prepared, room
        self.as_called = AsCalled(model)

    def memory(self) -> Memory:
        """An empty cache of one row a source; sources are encoded here, if they are not yet."""
        prepared = self.prepared

        def started() -> tuple[LayerCache, ...]:
            states = prepared.states
            if states is None and self.model.config.is_encoder_decoder:
                states = self.model.encode_sources(prepared.sources, prepared.source_mask)
            cache: tuple[LayerCache, ...] = self.model.start_cache(states, ops.shape(prepared.prompts)[0], self.room)
            return cache

        return as_memory(self.as_called(part=started))

    def read(self, ids: Tensor, start: Length, memory: Memory) -> tuple[Tensor, Memory]:
        """As `Reader.read`."""
        masks = self.masks(ids, memory)
        logits, cache = self.as_called(part=lambda: self.model.step(ids, start, as_cache(memory), *masks))
        return tf.ensure_shape(logits, (ids.shape[0], self.model.config.vocab_size)), as_memory(cache)

    def reorder(self, memory: Memory, rows: Tensor) -> Memory:
        """As `Reader.reorder`."""
        return as_memory(self.model.reorder_cache(as_cache(memory), rows))

    def masks(self, ids: Tensor, memory: Memory) -> tuple[Tensor | None, Tensor | None]:
        """Of the sources (b, s), and of all there is room for (r, room); what is written can be seen."""
        source_mask = self.prepared.source_mask if as_cache(memory)[0].source_keys is not None else None
        mask = self.prepared.prompt_mask
        if mask is None:
            return source_mask, None
        whole = tf.pad(mask, [[0, 0], [0, self.room - mask.shape[1]]], constant_values=1)
        return source_mask, tf.repeat(whole, ops.shape(ids)[0] // ops.shape(mask)[0], axis=0)


def as_memory(cache: Sequence[LayerCache]) -> Memory:
    """A cache as nests of tensors."""
    return tuple(tuple(part for part in layer if part is not None) for layer in cache)


def as_cache(memory: Memory) -> tuple[LayerCache, ...]:
    """The way back."""
    return tuple(LayerCache(*layer) for layer in memory)


def room_of(options: GenerationConfig, prepared: Prepared) -> int:
    """How many tokens of a row are read: the last one written never is.

    Raises: ShapeError if the length of the prompts is known to the running graph only.
    """
    first = prepared.prompts.shape[1]
    if first is None:
        raise ShapeError(
            "The length of the decoder's prompts must be known when a graph is made, but is not. "
            "Give `tf.function` an input signature that says it."
        )
    return length_bounds(options, first)[1] - 1


def search_of(
    xp: TensorFlowArrays,
    reader: ModelReader,
    options: GenerationConfig,
    processors: Sequence[Processor] = (),
    noise: Noise | None = None,
) -> Search:
    """The search that the options ask for."""
    prepared = reader.prepared
    sources = packed(xp, prepared.sources, prepared.source_mask) if reads_sources(options) else None
    task = Task(
        options,
        all_rules(xp, options, prepared.prompts.shape[1], sources, processors),
        prepared.prompts,
        reader.room + 1,
        noise,
        None if prepared.prompt_mask is None else prepared.prompt_mask == 0,
    )
    return Search(xp, task, reader)


def seeded_noise(seed: Tensor, prompts: Tensor, width: int) -> Noise:
    """Gumbel noise from a seed of two whole numbers, another in every step."""

    def noise(length: Length, rows: int) -> Tensor:
        step = tf.random.experimental.stateless_fold_in(seed, tf.cast(length, tf.int32))
        uniform = tf.random.stateless_uniform([ops.shape(prompts)[0], rows, width], step, SMALLEST)
        return -tf.math.log(-tf.math.log(uniform))

    return noise
