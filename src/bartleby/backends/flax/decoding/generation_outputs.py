"""What `generate` returns, under the published names. Shapes: sequences (b · num_return_sequences, max_length)."""

from __future__ import annotations

from jax import Array

from bartleby.backends.flax.outputs import ModelOutput, output


@output
class FlaxGreedySearchOutput(ModelOutput):
    """Of greedy search."""

    sequences: Array | None = None


@output
class FlaxSampleOutput(ModelOutput):
    """Of sampling."""

    sequences: Array | None = None


@output
class FlaxBeamSearchOutput(ModelOutput):
    """Of beams. Shapes: scores (b · num_return_sequences,), log-probabilities by length ** length_penalty."""

    sequences: Array | None = None
    scores: Array | None = None
