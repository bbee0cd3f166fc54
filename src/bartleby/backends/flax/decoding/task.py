"""A search over one model's arrays, made inside the program that runs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from bartleby.backends.flax.cache import Caches
from bartleby.backends.flax.decoding.arrays import JaxArrays
from bartleby.backends.flax.decoding.inputs import Prepared, WritingModel
from bartleby.generation.compiled.arrays import Length
from bartleby.generation.compiled.rules import Processor, all_rules, packed, reads_sources
from bartleby.generation.compiled.search import Search
from bartleby.generation.compiled.task import Noise, Task
from bartleby.generation.config import GenerationConfig
from bartleby.generation.resolution import length_bounds


class ModelReader:
    """A model and its sources, as a search reads with them."""

    def __init__(self, model: WritingModel, params: Any, prepared: Prepared, room: int) -> None:
        """`room`: how many tokens of a row are read at most."""
        self.model, self.params, self.prepared, self.room = model, params, prepared, room

    def memory(self) -> Caches:
        """An empty cache of one row a source; sources are encoded here, if they are not yet."""
        prepared, states = self.prepared, self.prepared.states
        if states is None and prepared.sources is not None:
            states = self.model.encode_sources(self.params, prepared.sources, prepared.source_mask)
        return self.model.start_cache(self.params, states, prepared.prompts.shape[0], self.room)

    def read(self, ids: Array, start: Length, memory: Caches) -> tuple[Array, Caches]:
        """As `Reader.read`."""
        source_mask = self.prepared.source_mask if memory[0].source_keys is not None else None
        return self.model.step(self.params, ids, start, memory, source_mask, self._mask(ids.shape[0]))

    def reorder(self, memory: Caches, rows: Array) -> Caches:
        """As `Reader.reorder`."""
        return self.model.reorder_cache(memory, rows)

    def _mask(self, rows: int) -> Array | None:
        """Of all there is room for; what is written can be seen."""
        mask = self.prepared.prompt_mask
        if mask is None:
            return None
        behind = jnp.ones((mask.shape[0], self.room - mask.shape[1]), mask.dtype)
        return jnp.repeat(jnp.concatenate([mask, behind], axis=1), rows // mask.shape[0], axis=0)


def search_of(
    xp: JaxArrays,
    reader: ModelReader,
    options: GenerationConfig,
    processors: Sequence[Processor] = (),
    noise: Noise | None = None,
) -> Search:
    """The search that the options ask for."""
    prepared = reader.prepared
    first = prepared.prompts.shape[1]
    sources = packed(xp, prepared.sources, prepared.source_mask) if reads_sources(options) else None
    task = Task(
        options,
        all_rules(xp, options, first, sources, [_published(each) for each in processors]),
        prepared.prompts,
        length_bounds(options, first)[1],
        noise,
        None if prepared.prompt_mask is None else prepared.prompt_mask == 0,
    )
    return Search(xp, task, reader)


def _published(processor: Processor) -> Processor:
    """Which is told the length as an array."""
    return lambda ids, scores, length: processor(ids, scores, jnp.asarray(length, "int32"))


def keyed_noise(key: Array, shape: tuple[int, int]) -> Noise:
    """Gumbel noise from a key, another in every step; `shape`: the number of sources, and of tokens."""
    count, width = shape
    return lambda length, rows: jax.random.gumbel(jax.random.fold_in(key, length), (count, rows, width))
