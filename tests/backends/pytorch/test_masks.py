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
    bias = causal_bias(MASK, HIDDEN, start=0, keys=3, explicit=False)
    assert torch.equal(bias < -1e30, torch.from_numpy(definition.causal(3, MASK.numpy())))


def test_no_mask_is_built_where_the_kernel_has_its_own() -> None:
    assert padding_bias(None, HIDDEN) is None
    assert causal_bias(None, HIDDEN, start=0, keys=3, explicit=False) is None
    assert causal_bias(None, HIDDEN[:, :1], start=5, keys=6, explicit=False) is None
    assert causal_bias(None, HIDDEN, start=5, keys=8, explicit=False).shape == (1, 1, 3, 8)


def test_masks_with_four_axes_are_taken_as_they_are() -> None:
    own = torch.zeros(2, 1, 3, 3)
    assert padding_bias(own, HIDDEN) is own
    assert causal_bias(own, HIDDEN, start=0, keys=3, explicit=False) is own


def test_a_mask_of_truths_says_where_to_look() -> None:
    seen = torch.ones(3, 3, dtype=torch.bool).tril().expand(2, 1, 3, 3)
    assert torch.equal(causal_bias(seen, HIDDEN, start=0, keys=3, explicit=False) < -1e30, ~seen)


def test_positions_on_the_device_hide_what_a_memory_of_fixed_shape_does_not_hold_yet() -> None:
    bias = causal_bias(None, HIDDEN, start=torch.tensor([2, 3, 4]), keys=7, explicit=False)
    assert (bias[0, 0] < -1e30).sum(dim=1).tolist() == [4, 3, 2]
    padded = causal_bias(torch.tensor([[0, 1, 1, 1, 1]]), HIDDEN, start=torch.tensor([2, 3, 4]), keys=7, explicit=False)
    assert (padded[0, 0] < -1e30).sum(dim=1).tolist() == [5, 4, 3]


@pytest.mark.parametrize("covered", [2, 4])
def test_a_mask_of_another_length_is_refused(covered: int) -> None:
    with pytest.raises(ShapeError, match=f"cover the 3 tokens read before or now, but covers {covered}"):
        causal_bias(torch.ones(2, covered), HIDDEN, start=0, keys=3, explicit=False)


def test_a_mask_of_another_source_is_refused() -> None:
    with pytest.raises(ShapeError, match="cover the 3 source tokens, but covers 1"):
        padding_bias(torch.ones(2, 1), HIDDEN)
    assert padding_bias(torch.ones(2, 5), HIDDEN, keys=5).shape == (2, 1, 1, 5)


@pytest.mark.parametrize("dtype", [torch.bool, torch.int32, torch.float32])
def test_masks_may_be_of_any_type(dtype: torch.dtype) -> None:
    assert torch.equal(padding_bias(MASK.to(dtype), HIDDEN), padding_bias(MASK, HIDDEN))
    bias = causal_bias(MASK.to(dtype)[:, :2], HIDDEN, start=torch.tensor([0, 1, 2]), keys=4, explicit=False)
    assert torch.equal(bias, causal_bias(MASK[:, :2], HIDDEN, start=torch.tensor([0, 1, 2]), keys=4, explicit=False))


def test_a_half_can_take_a_score_on_top() -> None:
    bias = padding_bias(MASK, HIDDEN.half())
    assert torch.isfinite(bias - 1000).all()
    assert float((bias - 1000).softmax(-1)[1, 0, 0, 1]) == 0


def test_a_mask_of_another_rank_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"2 or 4 axes, but has shape \(3,\)"):
        padding_bias(torch.ones(3), HIDDEN)


def test_masks_fit_what_autocast_computes_in() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        bias = padding_bias(MASK, HIDDEN)
    assert bias.dtype == torch.bfloat16
    assert torch.isfinite(bias).all()
