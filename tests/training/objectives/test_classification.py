import numpy as np
import pytest
import torch

from bartleby.backends.pytorch.models import BartForSequenceClassification
from bartleby.errors import ConfigError
from bartleby.family.config import BartConfig
from bartleby.training.batches import Batch
from bartleby.training.objectives.classification import LabelLoss

IDS = np.array([[0, 5, 6, 2, 1, 1], [0, 7, 8, 9, 10, 2], [0, 11, 2, 1, 1, 1], [0, 6, 6, 6, 2, 1], [0, 9, 9, 2, 1, 1]])
LABELS = {
    "single_label_classification": np.array([2, 0, 1, 2, 2]),
    "multi_label_classification": np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0], [0, 0, 1]], dtype=np.float32),
    "regression": np.array([0.5, -1.5, 3.0, 0.0, 2.0], dtype=np.float32),
}


def model_of(problem_type: str | None) -> BartForSequenceClassification:
    torch.manual_seed(0)
    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    labels = 1 if problem_type == "regression" else 3
    config = BartConfig(vocab_size=30, **sizes, **heads, num_labels=labels, problem_type=problem_type)
    return BartForSequenceClassification(config).eval()


def batch_of(problem_type: str, rows: slice = slice(None)) -> Batch:
    arrays = {"input_ids": IDS, "attention_mask": (IDS != 1).astype(np.int64), "labels": LABELS[problem_type]}
    return Batch({name: array[rows] for name, array in arrays.items()})


@pytest.mark.parametrize("rows", [slice(None), slice(1)])
@pytest.mark.parametrize("problem_type", LABELS)
def test_the_loss_is_the_one_the_model_itself_computes(problem_type: str, rows: slice) -> None:
    model, batch = model_of(problem_type), batch_of(problem_type, rows)
    own = model(**{name: torch.from_numpy(array) for name, array in batch.arrays.items()}).loss
    loss = LabelLoss(model)(batch, batch)["likelihood"]
    assert abs(loss.item() - own.item()) < 1e-6
    wanted, found = (torch.autograd.grad(one, model.model.shared.weight)[0] for one in (own, loss))
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("parts", [2, 3, 5])
@pytest.mark.parametrize("problem_type", LABELS)
def test_the_parts_of_a_batch_add_up_to_it(problem_type: str, parts: int) -> None:
    model, whole = model_of(problem_type), batch_of(problem_type)
    objective = LabelLoss(model)
    loss = objective(whole, whole)["likelihood"].item()
    shares = [objective(whole.part(index, parts), whole)["likelihood"].item() for index in range(parts)]
    assert sum(shares) == pytest.approx(loss, rel=1e-6)


def test_a_problem_that_is_not_said_is_refused() -> None:
    with pytest.raises(ConfigError, match="`problem_type` must be said"):
        LabelLoss(model_of(None))
