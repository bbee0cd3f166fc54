import pickle

import numpy as np
import pytest

from bartleby.family import activations as definition

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.activations import ACT2FN, ACTIVATIONS, get_activation  # noqa: E402  after the skip
from bartleby.errors import ConfigError  # noqa: E402


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


def test_the_published_table_has_layers() -> None:
    x = torch.linspace(-8, 8, 401)
    assert ACT2FN.keys() == ACTIVATIONS.keys()
    for name, layer in ACT2FN.items():
        assert torch.equal(torch.nn.Sequential(layer)(x), ACTIVATIONS[name](x))
        assert get_activation(name) is layer
    assert repr(ACT2FN["gelu"]) == "Activation('gelu')"
    with pytest.raises(ConfigError, match=r"must be one of gelu, .* but is 'gloo'"):
        get_activation("gloo")
