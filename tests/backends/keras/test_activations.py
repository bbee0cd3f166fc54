import numpy as np
import pytest

from bartleby.errors import ConfigError
from bartleby.family.activations import ACTIVATIONS as DEFINED

pytest.importorskip("tensorflow", reason='the TensorFlow wing is not installed: pip install "bartleby[tensorflow]"')

from bartleby.backends.keras.activations import ACT2FN, ACTIVATIONS, get_tf_activation

INPUTS = np.linspace(-8, 8, 101, dtype=np.float32)


def test_every_activation_is_here() -> None:
    assert ACTIVATIONS.keys() == DEFINED.keys()


@pytest.mark.parametrize("name", DEFINED)
def test_an_activation_equals_the_definition(name: str) -> None:
    np.testing.assert_allclose(ACTIVATIONS[name](INPUTS), DEFINED[name](INPUTS), atol=2e-6)


def test_functions_are_found_by_their_published_name() -> None:
    assert get_tf_activation("gelu") is ACT2FN["gelu"]
    with pytest.raises(ConfigError, match=r"must be one of gelu, .* but is 'gelo'"):
        get_tf_activation("gelo")
