import numpy as np
import pytest
import torch

from bartleby.backends.pytorch.models import BlenderbotForConditionalGeneration
from bartleby.errors import OptionError
from bartleby.family.config import BlenderbotConfig
from bartleby.training.batches import Batch
from bartleby.training.collation import Padding, PairCollation
from bartleby.training.objectives.likelihood import TargetLoss, labelled_logits, target_log_probs
from bartleby.training.store import Examples

PAIRS = Examples.of({"source": [[5, 6, 7, 2], [5, 2], [9, 9, 2]], "target": [[8, 9, 2], [7, 2], [6, 5, 4, 3, 2]]})
COLLATION = PairCollation(PAIRS, Padding(0, 1))


@pytest.fixture
def model() -> BlenderbotForConditionalGeneration:
    torch.manual_seed(0)
    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 2, "encoder_attention_heads": 2}
    return BlenderbotForConditionalGeneration(
        BlenderbotConfig(vocab_size=30, **sizes, decoder_attention_heads=2, encoder_ffn_dim=24, decoder_ffn_dim=24)
    ).eval()


def test_the_loss_is_the_one_the_model_itself_computes(model: BlenderbotForConditionalGeneration) -> None:
    batch = COLLATION.batch(np.arange(3))
    own = model(
        torch.from_numpy(batch.arrays["input_ids"]),
        attention_mask=torch.from_numpy(batch.arrays["attention_mask"]),
        labels=torch.from_numpy(batch.arrays["labels"]),
    ).loss
    loss = TargetLoss(model)(batch, batch)["likelihood"]
    assert loss.item() == pytest.approx(own.item(), rel=1e-6)
    assert -target_log_probs(model, batch).mean() == pytest.approx(own.item(), rel=1e-6)


def test_padding_changes_no_log_probability(model: BlenderbotForConditionalGeneration) -> None:
    together = target_log_probs(model, COLLATION.batch(np.arange(3)))
    alone = [target_log_probs(model, COLLATION.batch(np.array([row]))) for row in range(3)]
    assert len(together) == 10
    np.testing.assert_allclose(together, np.concatenate(alone), rtol=1e-4)


def test_the_loss_teaches_every_parameter_that_the_examples_reach(model: BlenderbotForConditionalGeneration) -> None:
    batch = COLLATION.batch(np.arange(3))
    TargetLoss(model)(batch, batch)["likelihood"].backward()
    # Keys' biases add the same to every score of a query, so they learn nothing, in any model of this kind.
    untaught = [
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().max() > 1e-9
    ]
    assert all("k_proj.bias" in name for name in untaught)


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_the_parts_of_a_batch_add_up_to_it(model: BlenderbotForConditionalGeneration, parts: int) -> None:
    whole, objective = COLLATION.batch(np.arange(3)), TargetLoss(model, 0.1)
    loss = objective(whole, whole)["likelihood"]
    wanted = torch.autograd.grad(loss, model.model.shared.weight)[0]
    shares = [objective(whole.part(index, parts), whole)["likelihood"] for index in range(parts)]
    found = torch.autograd.grad(sum(shares), model.model.shared.weight)[0]
    assert sum(share.item() for share in shares) == pytest.approx(loss.item(), rel=1e-6)
    torch.testing.assert_close(found, wanted)


def test_smoothing_spreads_its_share_over_the_whole_vocabulary(model: BlenderbotForConditionalGeneration) -> None:
    batch = COLLATION.batch(np.arange(3))
    with torch.no_grad():
        logits, labels = labelled_logits(model, batch)
        target = torch.full_like(logits, 0.1 / 30)
        target[torch.arange(len(labels)), labels] += 0.9
        wanted = -(target * logits.log_softmax(dim=-1)).sum(dim=-1).mean()
        assert TargetLoss(model, 0.1)(batch, batch)["likelihood"].item() == pytest.approx(wanted.item(), rel=1e-6)


def test_a_smoothing_that_leaves_nothing_on_the_label_is_refused(model: BlenderbotForConditionalGeneration) -> None:
    with pytest.raises(OptionError, match=r"`label_smoothing` must be at least 0 and below 1, but is 1\.0"):
        TargetLoss(model, 1.0)


def test_a_part_without_a_label_adds_nothing_through_the_same_computation(
    model: BlenderbotForConditionalGeneration,
) -> None:
    whole = COLLATION.batch(np.arange(3))
    part = Batch({**whole.arrays, "labels": np.full_like(whole.arrays["labels"], -100)})
    share = TargetLoss(model)(part, whole)["likelihood"]
    share.backward()
    assert share.item() == 0
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in model.parameters())
