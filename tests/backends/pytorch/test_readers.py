from typing import Any

import pytest

from bartleby.errors import ArgumentError, ShapeError
from tests.parity.random_models import small_bart as bart

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch import models  # noqa: E402  after the skip


@pytest.mark.parametrize(
    ("labels", "num_labels", "problem"),
    [
        (torch.tensor([0.5, 1.5]), 1, "regression"),
        (torch.tensor([0, 2]), 3, "single_label_classification"),
        (torch.tensor([[1.0, 0, 1], [0, 0, 1]]), 3, "multi_label_classification"),
    ],
)
def test_labels_settle_the_kind_of_classification(labels: Any, num_labels: int, problem: str) -> None:
    model = models.BartForSequenceClassification(bart(num_labels=num_labels)).eval()
    ids = torch.tensor([[0, 5, 2], [0, 6, 2]])
    output = model(ids, labels=labels)
    assert model.config.problem_type == problem
    assert output.logits.shape == (2, num_labels)
    expected = {
        "regression": lambda: ((output.logits[:, 0] - labels) ** 2).mean(),
        "single_label_classification": lambda: -output.logits.log_softmax(-1)[[0, 1], labels].mean(),
        "multi_label_classification": lambda: (
            -torch.where(labels > 0, output.logits.sigmoid().log(), (-output.logits).sigmoid().log()).mean()
        ),
    }[problem]()
    torch.testing.assert_close(output.loss, expected)


def test_classification_needs_rows_that_agree_on_their_eos() -> None:
    model = models.BartForSequenceClassification(bart()).eval()
    with pytest.raises(ShapeError, match=r"the rows hold \[1, 0\]"):
        model(torch.tensor([[0, 5, 2], [0, 6, 7]]))
    with pytest.raises(ShapeError, match="needs `input_ids`"):
        model(inputs_embeds=torch.zeros(1, 3, 16))


def test_an_answer_that_was_cut_off_does_not_count() -> None:
    model = models.BartForQuestionAnswering(bart()).eval()
    ids = torch.tensor([[0, 5, 2], [0, 6, 2]])
    some = model(ids, start_positions=torch.tensor([1, 99]), end_positions=torch.tensor([2, 99])).loss
    alone = model(ids[:1], start_positions=torch.tensor([1]), end_positions=torch.tensor([2])).loss
    torch.testing.assert_close(some, alone)
    assert model.config.num_labels == 2


def test_a_target_of_another_length_is_refused() -> None:
    model = models.BartForSequenceClassification(bart()).eval()
    with pytest.raises(ShapeError, match="decoder read 2 tokens, but the eos is looked for among 3"):
        model(torch.tensor([[0, 5, 2]]), decoder_input_ids=torch.tensor([[2, 0]]))


def test_the_head_is_built_as_published() -> None:
    head = models.BartClassificationHead(16, 8, 3, 0.5)
    assert (head.dense.out_features, head.out_proj.out_features, head.dropout.p) == (8, 3, 0.5)
    assert head.eval()(torch.zeros(2, 16)).shape == (2, 3)


def test_several_tokens_may_end_a_text() -> None:
    model = models.BartForSequenceClassification(bart(eos_token_id=[2, 3])).eval()
    ids = torch.tensor([[0, 5, 2], [0, 6, 3]])
    assert model(ids).logits.shape == (2, 3)


def test_whole_numbers_can_be_what_a_regression_aims_at() -> None:
    model = models.BartForSequenceClassification(bart(num_labels=1)).eval()
    ids = torch.tensor([[0, 5, 2], [0, 6, 2]])
    model(ids, labels=torch.tensor([1, 2])).loss.backward()
    assert model.classification_head.out_proj.weight.grad is not None


@pytest.mark.parametrize("model_class", [models.BartForSequenceClassification, models.BartForQuestionAnswering])
def test_the_larger_batch_of_a_token_loss_means_nothing_here(model_class: Any) -> None:
    with pytest.raises(ArgumentError, match="`num_items_in_batch` is no argument"):
        model_class(bart())(torch.tensor([[0, 5, 2]]), num_items_in_batch=3)
    assert model_class.accepts_loss_kwargs is False
