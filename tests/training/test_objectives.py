import numpy as np
import pytest
import torch

from bartleby.backends.pytorch.models import BlenderbotForConditionalGeneration
from bartleby.family.config import BlenderbotConfig
from bartleby.training.collation import Batches, Padding, TokenPairs
from bartleby.training.objectives import TargetLoss, target_log_probs

PAIRS = TokenPairs.of([([5, 6, 7, 2], [8, 9, 2]), ([5, 2], [7, 2]), ([9, 9, 2], [6, 5, 4, 3, 2])], vocab_size=30)


@pytest.fixture
def model() -> BlenderbotForConditionalGeneration:
    torch.manual_seed(0)
    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 2, "encoder_attention_heads": 2}
    return BlenderbotForConditionalGeneration(
        BlenderbotConfig(vocab_size=30, **sizes, decoder_attention_heads=2, encoder_ffn_dim=24, decoder_ffn_dim=24)
    ).eval()


def test_the_loss_is_the_one_the_model_itself_computes(model: BlenderbotForConditionalGeneration) -> None:
    batch = Batches(PAIRS, Padding(0, 1), 100, 0).collate(np.arange(3))
    own = model(
        torch.from_numpy(batch.source_ids),
        attention_mask=torch.from_numpy(batch.source_mask),
        labels=torch.from_numpy(batch.labels),
    ).loss
    loss = TargetLoss(model)(batch)
    assert loss.item() == pytest.approx(own.item(), rel=1e-6)
    assert -target_log_probs(model, batch).mean() == pytest.approx(own.item(), rel=1e-6)


def test_padding_changes_no_log_probability(model: BlenderbotForConditionalGeneration) -> None:
    batches = Batches(PAIRS, Padding(0, 1), 100, 0)
    together = target_log_probs(model, batches.collate(np.arange(3)))
    alone = [target_log_probs(model, batches.collate(np.array([row]))) for row in range(3)]
    assert len(together) == 10
    np.testing.assert_allclose(together, np.concatenate(alone), rtol=1e-4)


def test_the_loss_teaches_every_parameter_that_the_examples_reach(model: BlenderbotForConditionalGeneration) -> None:
    TargetLoss(model)(Batches(PAIRS, Padding(0, 1), 100, 0).collate(np.arange(3))).backward()
    # Keys' biases add the same to every score of a query, so they learn nothing, in any model of this kind.
    untaught = [
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().max() > 1e-9
    ]
    assert all("k_proj.bias" in name for name in untaught)
