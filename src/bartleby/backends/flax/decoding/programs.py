"""The compiled programs of one model: one for each set of options and, inside JAX, for each shape."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
from jax import Array

from bartleby.backends.flax.decoding.arrays import JaxArrays, StepByStep
from bartleby.backends.flax.decoding.inputs import Prepared, WritingModel
from bartleby.backends.flax.decoding.task import ModelReader, keyed_noise, search_of
from bartleby.generation.compiled.rules import Processor
from bartleby.generation.compiled.search import Going, Search
from bartleby.generation.compiled.task import Written
from bartleby.generation.config import GenerationConfig
from bartleby.generation.resolution import length_bounds

KEPT = 16
"""Programs of one model; of more sets of options, those used longest ago are compiled anew."""


class Parts(NamedTuple):
    """A search as programs: whole, and in steps for those who bring the noise themselves."""

    run: Callable[..., Written]
    """(params, prepared, key) -> Written."""
    begin: Callable[..., Going]
    """(params, prepared, noise) -> Going."""
    step: Callable[..., Going]
    """(params, prepared, noise, going) -> Going."""
    look: Callable[..., tuple[Array, Array, Written]]
    """(prepared, going) -> whether it goes on, which rows draw next, and the result so far."""


class Programs:
    """Those of one model."""

    def __init__(self, model: WritingModel) -> None:
        self.model = model
        self.kept: OrderedDict[Any, Parts] = OrderedDict()

    def __deepcopy__(self, memo: dict[int, Any]) -> Programs:
        return Programs(memo.get(id(self.model), self.model))

    def __reduce__(self) -> tuple[Any, ...]:
        return Programs, (self.model,)  # programs are compiled anew

    def of(self, options: GenerationConfig, processors: Sequence[Processor] = ()) -> Parts:
        """The programs for these options, compiled when they are first run."""
        key = (options, tuple(map(id, processors)))
        if key not in self.kept:
            options = copy.deepcopy(options)  # nobody else's: what the program is known by must not change
            # The processors are held by the program, so no other object can come by their ids.
            self.kept[options, key[1]] = self._made(options, tuple(processors))
        self.kept.move_to_end(key)
        if len(self.kept) > KEPT:
            self.kept.popitem(last=False)
        return self.kept[key]

    def _made(self, options: GenerationConfig, processors: tuple[Processor, ...]) -> Parts:
        each = partial(self._search, options, processors)

        def begin(params: Any, prepared: Prepared, noise: Array) -> Going:
            search, reader = each(params, prepared, lambda length, rows: noise)
            return search.begin(reader.memory())

        def step(params: Any, prepared: Prepared, noise: Array, going: Going) -> Going:
            return each(params, prepared, lambda length, rows: noise)[0].step(going)

        def look(prepared: Prepared, going: Going) -> tuple[Array, Array, Written]:
            search, _ = each(None, prepared, None)
            return search.goes_on(going), search.kind.draws(going.state), search.result(going)

        run = partial(self.run, JaxArrays(), options, processors)
        return Parts(jax.jit(run), jax.jit(begin), jax.jit(step), jax.jit(look))

    def run(
        self,
        xp: JaxArrays,
        options: GenerationConfig,
        processors: Sequence[Processor],
        params: Any,
        prepared: Prepared,
        key: Array | None,
    ) -> Written:
        """The whole search; `key` when sampling."""
        shape = prepared.prompts.shape[0], self.model.config.vocab_size
        noise = None if key is None else keyed_noise(key, shape)
        search, reader = self._search(options, processors, params, prepared, noise, xp)
        return search.run(reader.memory())

    def run_step_by_step(
        self, options: GenerationConfig, processors: Sequence[Processor], params: Any, prepared: Prepared, key: Any
    ) -> Written:
        """The same, uncompiled."""
        return self.run(StepByStep(), options, processors, params, prepared, key)

    def _search(
        self,
        options: GenerationConfig,
        processors: Sequence[Processor],
        params: Any,
        prepared: Prepared,
        noise: Any,
        xp: JaxArrays | None = None,
    ) -> tuple[Search, ModelReader]:
        _, longest = length_bounds(options, prepared.prompts.shape[1])
        reader = ModelReader(self.model, params, prepared, longest - 1)  # the last token written is never read
        return search_of(xp or JaxArrays(), reader, options, processors, noise), reader
