import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.generation.beams import BeamOptions
from bartleby.generation.compiled.beams import CHUNK, largest, length_divisors
from bartleby.generation.config import GenerationConfig
from tests.generation.compiled.numpy_arrays import NumpyArrays


@given(st.integers(0, 99), st.integers(1, 3), st.sampled_from([10, 4 * CHUNK, 9 * CHUNK, 20 * CHUNK + 7]))
def test_the_largest_are_found_by_way_of_their_chunks(seed: int, count: int, width: int) -> None:
    values = np.random.default_rng(seed).standard_normal((2, width)).astype(np.float32)
    values[:, -5:] += 3  # near the end, where a chunk is padded
    best, places = largest(NumpyArrays(), values, count)
    assert np.array_equal(places, np.argsort(-values, axis=1)[:, :count])
    assert np.array_equal(best, np.take_along_axis(values, places, axis=1))


def test_places_of_impossible_ones_are_places_all_the_same() -> None:
    values = np.full((1, 9 * CHUNK + 1), -np.inf, dtype=np.float32)
    values[0, -1] = 0
    best, places = largest(NumpyArrays(), values, 2)
    assert (best.tolist(), places[0, 0]) == ([[0, -np.inf]], 9 * CHUNK)
    assert 0 <= places[0, 1] < values.shape[1]


@pytest.mark.parametrize("penalty", [-2.0, 0.0, 0.65, 1.0, 2.0])
def test_scores_are_divided_in_the_definitions_precision(penalty: float) -> None:
    options = BeamOptions.of(GenerationConfig(num_beams=2, length_penalty=penalty), 1, 60)
    divisors = length_divisors(59, penalty)
    assert [np.float32(-7) / divisor for divisor in divisors] == [
        options.normalized(np.float32(-7), n) for n in range(60)
    ]


def test_a_penalty_beyond_all_numbers_does_not_fail_where_no_output_gets_that_long() -> None:
    assert length_divisors(1024, 200.0)[1] == 1
