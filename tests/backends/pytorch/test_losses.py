import pytest

from bartleby.errors import ShapeError
from bartleby.family.config import BartConfig

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.losses import classification_loss, span_loss, token_loss  # noqa: E402  after the skip

LOGITS = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([[0, 4, -100], [2, -100, -100]])


def test_ignored_labels_do_not_count() -> None:
    likely = LOGITS.log_softmax(-1)
    expected = -(likely[0, 0, 0] + likely[0, 1, 4] + likely[1, 0, 2]) / 3
    torch.testing.assert_close(token_loss(LOGITS, LABELS), expected)
    torch.testing.assert_close(token_loss(LOGITS, LABELS, 12), expected / 4)


def test_there_is_one_label_for_each_token() -> None:
    with pytest.raises(ShapeError, match=r"one label for each scored token, \(2, 3\), but have shape \(2, 2\)"):
        token_loss(LOGITS, LABELS[:, :2])


@pytest.mark.parametrize(
    ("labels", "count", "problem"),
    [
        (torch.tensor([1.0, 2.0]), 1, "regression"),
        (torch.tensor([1, 2], dtype=torch.int32), 3, "single_label_classification"),
        (torch.ones(2, 3), 3, "multi_label_classification"),
    ],
)
def test_labels_settle_the_problem_once(labels, count: int, problem: str) -> None:
    config = BartConfig(num_labels=count)
    classification_loss(LOGITS[:, 0, :count], labels.long() if "single" in problem else labels, config)
    assert config.problem_type == problem
    config.problem_type = "regression"
    classification_loss(LOGITS[:, 0, :1], torch.ones(2), config)
    assert config.problem_type == "regression"


def test_a_regression_may_have_several_targets() -> None:
    config = BartConfig(num_labels=3, problem_type="regression")
    targets = torch.ones(2, 3)
    expected = ((LOGITS[:, 0, :3] - targets) ** 2).mean()
    torch.testing.assert_close(classification_loss(LOGITS[:, 0, :3], targets, config), expected)


def test_positions_past_the_text_are_ignored() -> None:
    logits = LOGITS[:, 0]
    torch.testing.assert_close(span_loss(logits, torch.tensor([[1], [9]])), span_loss(logits[:1], torch.tensor([1])))
