import pytest
import torch

from bartleby.backends.pytorch.models import BartForQuestionAnswering
from bartleby.family.config import BartConfig
from bartleby.tokenization.byte_level import BartTokenizer
from bartleby.training.collation import SpanCollation
from bartleby.training.objectives.spans import SpanLoss
from bartleby.training.recipes.answer import AnswerExamples, AnswerOptions
from bartleby.training.records import Answer, Question
from bartleby.training.store import Examples
from bartleby.training.validation.answers import AnswerFigures

SIZES = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24}
HEADS = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
CONTEXT = "the cat saw the dog and" + " then it saw the sea" * 9
QUESTIONS = [
    Question(CONTEXT, "what?", (Answer("the dog", 12),)),
    Question("a sea", "who?", ()),
]


@pytest.fixture
def measure() -> AnswerFigures:
    torch.manual_seed(0)
    tokenizer = BartTokenizer().train_new_from_iterator([one.context for one in QUESTIONS] * 2, 300)
    options = AnswerOptions(source_tokens=24, overlap_tokens=2)
    rows = list(AnswerExamples(tokenizer, options).windows(QUESTIONS))
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    model = BartForQuestionAnswering(BartConfig(vocab_size=len(tokenizer), **SIZES, **HEADS))
    return AnswerFigures(SpanLoss(model), SpanCollation(Examples.of(columns), 1), QUESTIONS, 30, 60)


def test_every_window_counts(measure: AnswerFigures) -> None:
    figures = measure()
    assert figures["examples"] == 2
    assert figures["windows"] == len(measure.windows.examples) > 2
    assert measure(1) == {**measure(1), "examples": 1, "windows": figures["windows"] - 1}


def test_a_model_that_points_at_the_answer_has_found_it(
    measure: AnswerFigures, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pointing(model: object, batch: object) -> tuple[torch.Tensor, torch.Tensor]:
        rows = measure.windows.examples.take(batch.arrays["window"])  # type: ignore[attr-defined]
        opened, _ = rows.padded("starts", torch.arange(len(rows)).numpy(), -1)
        closed, _ = rows.padded("ends", torch.arange(len(rows)).numpy(), -1)
        first = torch.zeros(len(rows), opened.shape[1])
        first[:, 0] = 4.0  # that there is none, unless the words are seen
        starts, ends = first + 9 * torch.from_numpy(opened == 12), first + 9 * torch.from_numpy(closed == 19)
        return starts, ends

    monkeypatch.setattr("bartleby.training.validation.answers.span_logits", pointing)
    figures = measure()
    assert (figures["exact_match"], figures["f1"]) == (1.0, 1.0)


def test_a_model_that_learns_goes_on_learning(measure: AnswerFigures) -> None:
    measure.objective.train()
    measure()
    assert measure.objective.model.training
