import numpy as np
import pytest
import torch

from bartleby.backends.pytorch.models import BartForSequenceClassification
from bartleby.family.config import BartConfig
from bartleby.measure.labels import label_figures
from bartleby.training.collation import LabelCollation
from bartleby.training.objectives.classification import LabelLoss
from bartleby.training.store import Examples
from bartleby.training.validation.labels import LabelFigures, labels_in

SINGLE, MULTI, NUMBER = "single_label_classification", "multi_label_classification", "regression"
SIZES = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24}
HEADS = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
TEXTS = [[0, 5, 6, 2], [0, 7, 2], [0, 8, 9, 5, 2]]


def test_labels_of_batches_are_compared_as_numbers() -> None:
    assert labels_in(SINGLE, np.array([2, 0])) == [2, 0]
    assert labels_in(NUMBER, np.array([0.5], dtype=np.float32)) == [0.5]
    assert labels_in(MULTI, np.array([[1, 0, 1], [0, 0, 0]], dtype=np.float32)) == [(0, 2), ()]


@pytest.mark.parametrize(
    ("kind", "labels", "wanted"),
    [(SINGLE, [[1], [0], [1]], [1, 0, 1]), (MULTI, [[0, 1], [], [1]], [(0, 1), (), (1,)])],
)
def test_figures_are_those_of_the_model_s_scores(kind, labels, wanted) -> None:
    torch.manual_seed(0)
    config = BartConfig(vocab_size=30, **SIZES, **HEADS, dropout=0.0, num_labels=2, problem_type=kind)
    model = BartForSequenceClassification(config).train()
    collation = LabelCollation(Examples.of({"source": TEXTS, "labels": labels}), 1, kind, 2)
    found = LabelFigures(LabelLoss(model), collation, batch_tokens=1)()  # one example a batch, in their order of length
    assert model.training
    with torch.no_grad():
        scores = [model.eval()(torch.tensor([ids])).logits[0].tolist() for ids in TEXTS]
    said = [int(row[1] > row[0]) if kind == SINGLE else tuple(n for n in (0, 1) if row[n] > 0) for row in scores]
    figures = label_figures(said, wanted, kind, 2)
    assert {name: found[name] for name in figures} == pytest.approx(figures)
    assert (found["examples"], found["loss"] > 0) == (3, True)
