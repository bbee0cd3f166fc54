import numpy as np
import pytest

from bartleby.family import activations as definition

pytest.importorskip("flax", reason='the Flax wing is not installed: pip install "bartleby[flax]"')

from bartleby.backends.flax.activations import ACT2FN, ACTIVATIONS


def test_the_wing_has_every_activation_a_configuration_may_name() -> None:
    assert ACTIVATIONS.keys() == definition.ACTIVATIONS.keys()
    assert ACT2FN is ACTIVATIONS


@pytest.mark.parametrize("name", sorted(definition.ACTIVATIONS))
def test_each_equals_its_definition(name: str) -> None:
    x = np.linspace(-8, 8, 401, dtype=np.float32)
    np.testing.assert_allclose(ACTIVATIONS[name](x), definition.ACTIVATIONS[name](x), atol=2e-6)
