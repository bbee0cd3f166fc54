"""The graphs that one model generates with: one for each set of options, whatever the sizes of batches and sources."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from bartleby.backends.keras.decoding.arrays import TensorFlowArrays
from bartleby.backends.keras.decoding.inputs import Prepared
from bartleby.backends.keras.decoding.task import ModelReader, room_of, search_of, seeded_noise
from bartleby.generation.compiled.rules import Processor
from bartleby.generation.compiled.search import Going
from bartleby.generation.compiled.task import Written
from bartleby.generation.config import GenerationConfig

Tensor = Any
Program = Callable[..., Any]

KEPT = 16
"""Graphs of one model; of more sets of options, those used longest ago are made anew."""

PROMPTS, SEED = 2, len(Prepared._fields)
"""The first inputs are of the prompts, whose length is fixed; the seed has its place behind all of `Prepared`."""


class Programs:
    """Those of one model."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.kept: OrderedDict[Any, Program] = OrderedDict()

    def __deepcopy__(self, memo: dict[int, Any]) -> Programs:
        return Programs(memo.get(id(self.model), self.model))

    def __reduce__(self) -> tuple[Any, ...]:
        return Programs, (self.model,)  # graphs are made anew

    def run(self, options: GenerationConfig, prepared: Prepared, seed: Tensor | None) -> Written:
        """The whole search; `seed` when sampling."""

        def make(options: GenerationConfig) -> Program:
            return lambda prepared, seed: search_whole(TensorFlowArrays(), self.model, options, prepared, seed)

        return self._called("run", options, make, prepared, seed)

    def begin(self, options: GenerationConfig, prepared: Prepared, noise: Tensor) -> Going:
        """The first step, for those who bring the noise themselves."""

        def make(options: GenerationConfig) -> Program:
            def begin(prepared: Prepared, noise: Tensor) -> Going:
                reader = ModelReader(self.model, prepared, room_of(options, prepared))
                return search_of(TensorFlowArrays(), reader, options, (), lambda *_: noise).begin(reader.memory())

            return begin

        return self._called("begin", options, make, prepared, noise)

    def step(self, options: GenerationConfig, prepared: Prepared, noise: Tensor, going: Going) -> Going:
        """Any other step."""

        def make(options: GenerationConfig) -> Program:
            def step(prepared: Prepared, noise: Tensor, going: Going) -> Going:
                reader = ModelReader(self.model, prepared, room_of(options, prepared))
                return search_of(TensorFlowArrays(), reader, options, (), lambda *_: noise).step(going)

            return step

        return self._called("step", options, make, prepared, noise, going)

    def look(self, options: GenerationConfig, prepared: Prepared, going: Going) -> tuple[Tensor, Tensor, Written]:
        """Whether it goes on from there, which rows draw next, and the result so far."""

        def make(options: GenerationConfig) -> Program:
            def look(prepared: Prepared, going: Going) -> tuple[Tensor, Tensor, Written]:
                reader = ModelReader(self.model, prepared, room_of(options, prepared))
                search = search_of(TensorFlowArrays(), reader, options)
                return search.goes_on(going), search.kind.draws(going.state), search.result(going)

            return look

        return self._called("look", options, make, prepared, going)

    def _called(
        self, kind: str, options: GenerationConfig, make: Callable[[GenerationConfig], Program], *arguments: Any
    ) -> Any:
        """The graph of this kind, for these options and inputs, run."""
        specs = [_spec(part, place, kind) for place, part in enumerate(tf.nest.flatten(arguments))]
        variables = tuple(map(id, self.model.variables))  # new ones, as after resizing, are not in a graph made before
        rest = (kind, tuple(specs), variables)
        if (options, rest) not in self.kept:
            options = copy.deepcopy(options)  # nobody else's: what the graph is known by must not change
            self.kept[options, rest] = _graph(make(options), arguments, specs)
        self.kept.move_to_end((options, rest))
        if len(self.kept) > KEPT:
            self.kept.popitem(last=False)
        return self.kept[options, rest](*arguments)


def search_whole(
    xp: TensorFlowArrays,
    model: Any,
    options: GenerationConfig,
    prepared: Prepared,
    seed: Tensor | None,
    processors: Sequence[Processor] = (),
) -> Written:
    """Every source's outputs; also inside a caller's own graph."""
    reader = ModelReader(model, prepared, room_of(options, prepared))
    noise = None if seed is None else seeded_noise(seed, prepared.prompts, model.config.vocab_size)
    return search_of(xp, reader, options, processors, noise).run(reader.memory())


def _graph(function: Program, arguments: tuple[Any, ...], specs: Sequence[tf.TensorSpec | None]) -> Program:
    """`function` as a graph, for inputs like these."""

    def flat(*tensors: Tensor) -> Any:
        given = iter(tensors)
        parts = [None if spec is None else next(given) for spec in specs]
        return function(*tf.nest.pack_sequence_as(arguments, parts))

    there = [spec for spec in specs if spec is not None]
    graph = tf.function(flat, input_signature=there, autograph=False).get_concrete_function()
    return lambda *given: graph(*(part for part in tf.nest.flatten(given) if part is not None))


def _spec(tensor: Tensor | None, place: int, kind: str) -> tf.TensorSpec | None:
    """What a graph is told of an input. A whole search is one for batches and sources of any size."""
    if tensor is None:
        return None
    if kind != "run":
        return tf.TensorSpec(tensor.shape, tensor.dtype)
    fixed = tensor.shape[1:] if place < PROMPTS else (None, *tensor.shape[2:])
    return tf.TensorSpec(tensor.shape if place == SEED else (None, *fixed), tensor.dtype)
