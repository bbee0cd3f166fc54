from typing import Any

import pytest

from bartleby.errors import ShapeError

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch import models  # noqa: E402  after the skip
from tests.backends.pytorch.saved_models import small  # noqa: E402

MASK = torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0]])


@pytest.fixture(scope="module")
def bare() -> Any:
    return small(models.BartModel)


@pytest.fixture(scope="module")
def decoder() -> Any:
    return small(models.BartForCausalLM)


def test_what_is_hidden_gets_the_most_negative_number(bare: Any) -> None:
    least = torch.finfo(torch.float32).min
    inverted = bare.invert_attention_mask(MASK)
    assert inverted.shape == (2, 1, 1, 4)
    assert torch.equal(inverted[:, 0, 0] == least, MASK == 0)
    assert torch.equal(inverted == 0, (MASK == 1)[:, None, None])
    assert torch.equal(bare.get_extended_attention_mask(MASK, MASK.shape), inverted)
    assert (
        bare.get_extended_attention_mask(MASK, MASK.shape, dtype=torch.float16).min() == torch.finfo(torch.float16).min
    )
    assert bare.invert_attention_mask(MASK[:, None].expand(2, 3, 4)).shape == (2, 1, 3, 4)


def test_a_decoder_sees_neither_pads_nor_the_future(decoder: Any) -> None:
    extended = decoder.get_extended_attention_mask(MASK, (2, 4))
    assert extended.shape == (2, 1, 4, 4)
    seen = (extended == 0)[:, 0]
    assert torch.equal(seen, (torch.ones(4, 4).tril() * MASK[:, None]).bool())


def test_a_mask_of_a_past_and_new_tokens(decoder: Any) -> None:
    seen = decoder.create_extended_attention_mask_for_decoder((2, 2), torch.ones(2, 5))
    assert seen.shape == (2, 1, 2, 5)
    assert seen[0, 0].tolist() == [[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]


def test_head_masks_are_given_to_every_layer(bare: Any) -> None:
    assert bare.get_head_mask(None, 3) == [None, None, None]
    heads = torch.tensor([1, 0])
    assert torch.equal(bare.get_head_mask(heads, 3), heads.float().view(1, 1, 2, 1, 1).expand(3, 1, 2, 1, 1))
    assert bare.get_head_mask(torch.ones(3, 2), 3).shape == (3, 1, 2, 1, 1)
    assert bare.get_head_mask(heads, 3, is_attention_chunked=True).shape == (3, 1, 2, 1, 1, 1)


def test_masks_of_other_ranks_are_refused(bare: Any) -> None:
    with pytest.raises(ShapeError, match=r"must have 2 or 3 axes, but has shape \(4,\)"):
        bare.invert_attention_mask(MASK[0])
    with pytest.raises(ShapeError, match="must have 1 or 2 axes"):
        bare.get_head_mask(torch.ones(1, 2, 3), 1)
