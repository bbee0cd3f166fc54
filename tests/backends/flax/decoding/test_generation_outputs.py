import numpy as np
import pytest

pytest.importorskip("flax", reason='the Flax wing is not installed: pip install "bartleby[flax]"')

import jax

from bartleby.backends.flax.decoding.generation_outputs import (
    FlaxBeamSearchOutput,
    FlaxGreedySearchOutput,
    FlaxSampleOutput,
)


@pytest.mark.parametrize("kind", [FlaxGreedySearchOutput, FlaxSampleOutput, FlaxBeamSearchOutput])
def test_jax_walks_into_outputs_and_they_read_as_tuples_and_by_name(kind: type) -> None:
    output = kind(sequences=np.array([[1, 2]]))
    assert jax.tree.map(lambda ids: ids + 1, output).sequences.tolist() == [[2, 3]]
    assert output[0] is output["sequences"]
    assert [*output] == ["sequences"]


def test_beams_have_scores() -> None:
    assert FlaxBeamSearchOutput(np.zeros((1, 2)), np.zeros(1)).to_tuple()[1].shape == (1,)
