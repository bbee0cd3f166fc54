import numpy as np
import pytest
import torch

from bartleby.backends.pytorch.models import BartForQuestionAnswering
from bartleby.family.config import BartConfig
from bartleby.training.batches import Batch
from bartleby.training.objectives.spans import SpanLoss

IDS = np.array([[0, 5, 2, 2, 6, 2, 1], [0, 7, 2, 2, 9, 10, 2], [0, 11, 2, 2, 4, 2, 1], [0, 6, 2, 2, 6, 2, 1]])
ARRAYS = {
    "input_ids": IDS,
    "attention_mask": (IDS != 1).astype(np.int64),
    "start_positions": np.array([4, 0, 9, 4]),  # none, and one that was cut off
    "end_positions": np.array([4, 0, 12, 7]),
}


@pytest.fixture(scope="module")
def objective() -> SpanLoss:
    torch.manual_seed(0)
    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    return SpanLoss(BartForQuestionAnswering(BartConfig(vocab_size=30, **sizes, **heads)).eval())


def test_the_loss_is_the_one_the_model_itself_computes(objective: SpanLoss) -> None:
    own = objective.model(**{name: torch.from_numpy(array) for name, array in ARRAYS.items()}).loss
    loss = objective(Batch(ARRAYS), Batch(ARRAYS))["likelihood"]
    assert abs(loss.item() - own.item()) < 1e-6
    wanted, found = (torch.autograd.grad(one, objective.model.model.shared.weight)[0] for one in (own, loss))
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("parts", [2, 3, 4])
def test_the_parts_of_a_batch_add_up_to_it(objective: SpanLoss, parts: int) -> None:
    whole = Batch(ARRAYS)
    loss = objective(whole, whole)["likelihood"].item()
    shares = [objective(whole.part(index, parts), whole)["likelihood"].item() for index in range(parts)]
    assert sum(shares) == pytest.approx(loss, rel=1e-6)


def test_a_part_whose_answers_were_cut_off_adds_nothing(objective: SpanLoss) -> None:
    gone = Batch({**ARRAYS, "start_positions": np.full(4, 7), "end_positions": np.full(4, 7)})
    share = objective(gone, Batch(ARRAYS))["likelihood"]
    share.backward()
    assert share.item() == 0
    assert objective(gone, gone)["likelihood"].item() == 0
