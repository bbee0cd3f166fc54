import pickle

import numpy as np
import pytest

from bartleby.family import activations as definition

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.activations import ACTIVATIONS  # noqa: E402  after the skip


def test_the_wing_has_every_activation_a_configuration_may_name() -> None:
    assert ACTIVATIONS.keys() == definition.ACTIVATIONS.keys()


@pytest.mark.parametrize("name", sorted(definition.ACTIVATIONS))
def test_each_equals_its_definition(name: str) -> None:
    x = np.linspace(-8, 8, 401)
    np.testing.assert_allclose(
        ACTIVATIONS[name](torch.from_numpy(x)).numpy(), definition.ACTIVATIONS[name](x), atol=1e-12
    )


@pytest.mark.parametrize("name", sorted(definition.ACTIVATIONS))
def test_models_that_hold_one_can_be_pickled(name: str) -> None:
    again = pickle.loads(pickle.dumps(ACTIVATIONS[name]))
    assert torch.equal(again(torch.ones(2)), ACTIVATIONS[name](torch.ones(2)))
