import numpy as np
import pytest

from bartleby.generation.config import GenerationConfig
from tests.generation.markov import VOCABULARY

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.decoding.noise import SeededNoise  # noqa: E402
from tests.backends.pytorch.decoding.drifting import (  # noqa: E402
    CPU,
    DRIFT,
    TOKENS,
    written,
)


def test_samples_of_a_source_differ_and_are_as_likely_as_the_model_says() -> None:
    tables = np.zeros((1, VOCABULARY, VOCABULARY), dtype=np.float32)
    tables[:, :, 5] = np.log(9.0)
    tables -= DRIFT[0]
    options = GenerationConfig(**TOKENS, do_sample=True, top_k=0, max_length=2, num_return_sequences=4000)
    ((*found,),), _ = written(tables, options, SeededNoise(0, [0], CPU))
    share = sum(one.ids == (5,) for one in found) / len(found)
    assert share == pytest.approx(9 / (9 + VOCABULARY - 1), abs=0.03)
