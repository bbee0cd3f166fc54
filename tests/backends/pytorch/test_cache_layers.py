from typing import Any

import pytest

from bartleby.errors import LengthError

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.cache_layers import UNLIMITED, DynamicLayer, StaticLayer  # noqa: E402  after the skip


def states(rows: int, length: int, seed: int = 0) -> Any:
    return torch.randn(rows, 2, length, 3, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("layer", [DynamicLayer(), StaticLayer(8)], ids=["dynamic", "static"])
def test_a_layer_is_filled_cropped_and_emptied(layer) -> None:
    assert not layer.is_initialized
    layer.update(states(1, 3), -states(1, 3))
    layer.update(states(1, 2, 1), -states(1, 2, 1))
    assert layer.get_seq_length() == 5
    layer.crop(4)
    assert torch.equal(layer.keys, torch.cat([states(1, 3), states(1, 2, 1)[:, :, :1]], 2))
    layer.reset()
    assert layer.get_seq_length() == 0
    keys, _ = layer.update(states(1, 1, 2), states(1, 1, 2))
    assert torch.equal(keys, states(1, 1, 2))


def test_room_is_told_and_kept_to() -> None:
    assert DynamicLayer().get_max_length() == UNLIMITED
    layer = StaticLayer(2)
    assert layer.get_max_length() == 2
    with pytest.raises(LengthError, match="room for 2 tokens, but 3 came"):
        layer.update(states(1, 3), states(1, 3))


def test_places_on_the_device_are_written_into_a_memory_of_fixed_shape() -> None:
    layer = StaticLayer(6)
    keys, values = layer.update(states(2, 3), -states(2, 3), torch.tensor([0, 1, 2]))
    assert keys.shape == values.shape == (2, 2, 6, 3)
    again, _ = layer.update(states(2, 1, 1), -states(2, 1, 1), torch.tensor([3]))
    assert again.data_ptr() == keys.data_ptr()
    assert torch.equal(again[:, :, :4], torch.cat([states(2, 3), states(2, 1, 1)], 2))
    assert not again[:, :, 4:].any()
    assert layer.get_seq_length() == 4
    layer.reorder_cache(torch.tensor([1, 1]))
    assert torch.equal(layer.keys[0, :, :3], states(2, 3)[1])
    counted, _ = layer.update(states(2, 1, 2), states(2, 1, 2))  # back to counting on the host
    assert counted.shape == (2, 2, 5, 3)


def test_places_count_as_what_they_are_not_as_they_come() -> None:
    layer = StaticLayer(6)
    layer.update(states(1, 3), states(1, 3), torch.tensor([0, 1, 2]))
    layer.update(states(1, 1, 1), states(1, 1, 1), torch.tensor([1]))  # written again, as after a step taken back
    assert layer.get_seq_length() == 2
    assert torch.equal(layer.keys[:, :, 1:2], states(1, 1, 1))
