import pytest

from bartleby.errors import ShapeError
from bartleby.family import masks as definition

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.masks import causal_bias, padding_bias  # noqa: E402  after the skip

HIDDEN = torch.zeros(2, 3, 4)
MASK = torch.tensor([[1, 1, 1], [1, 0, 1]])


def test_pads_are_hidden_as_the_specification_says() -> None:
    assert torch.equal(padding_bias(MASK, HIDDEN) < -1e30, torch.from_numpy(definition.padding(MASK.numpy())))


def test_the_future_and_pads_are_hidden_as_the_specification_says() -> None:
    bias = causal_bias(MASK, HIDDEN, past=0, explicit=False)
    assert torch.equal(bias < -1e30, torch.from_numpy(definition.causal(3, MASK.numpy())))


def test_no_mask_is_built_where_the_kernel_has_its_own() -> None:
    assert padding_bias(None, HIDDEN) is None
    assert causal_bias(None, HIDDEN, past=0, explicit=False) is None
    assert causal_bias(None, HIDDEN[:, :1], past=5, explicit=False) is None
    assert causal_bias(None, HIDDEN, past=5, explicit=False).shape == (1, 1, 3, 8)


def test_masks_with_four_axes_are_taken_as_they_are() -> None:
    own = torch.zeros(2, 1, 3, 3)
    assert padding_bias(own, HIDDEN) is own
    assert causal_bias(own, HIDDEN, past=0, explicit=False) is own


def test_a_mask_of_another_rank_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"2 or 4 axes, but has shape \(3,\)"):
        padding_bias(torch.ones(3), HIDDEN)


def test_masks_fit_what_autocast_computes_in() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        bias = padding_bias(MASK, HIDDEN)
    assert bias.dtype == torch.bfloat16
    assert torch.isfinite(bias).all()
