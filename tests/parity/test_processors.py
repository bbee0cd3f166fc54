"""Logits processors against those of 4.37.2, the last release that has all of them."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.decoding import processors, warpers  # noqa: E402  after the skip
from tests.parity.processor_cases import CASES, LENGTHS, call  # noqa: E402

GOLDENS = np.load(Path(__file__).parent / "goldens" / "processors.npz")
OURS = SimpleNamespace(**vars(processors) | vars(warpers))


WHOLE_HISTORY = {("sequence_bias", 1), ("bad_words_ids", 1)}
"""Where all that is written begins a sequence, 4.37 does not see it; 5.x does, and so do we."""


@pytest.mark.parametrize(
    ("name", "length"), [(name, length) for name in CASES for length in LENGTHS if (name, length) not in WHOLE_HISTORY]
)
def test_scores_are_those_of_release_4(name: str, length: int) -> None:
    np.testing.assert_allclose(call(name, OURS, length).numpy(), GOLDENS[f"{name}_{length}"], rtol=2e-6, atol=1e-6)


def test_each_processor_names_the_option_that_does_the_same() -> None:
    made = {name: CASES[name](OURS) for name in CASES if name != "diversity_penalty"}
    assert {name: processor.setting for name, processor in made.items()} == {name: name for name in made}
