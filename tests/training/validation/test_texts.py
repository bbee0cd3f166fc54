import pytest
import torch

from bartleby.backends.pytorch.models import BartForConditionalGeneration
from bartleby.family.config import BartConfig
from bartleby.measure.rouge import rouge
from bartleby.tasks.texts import encode
from bartleby.tokenization.base import PreTrainedTokenizer
from bartleby.tokenization.byte_level import BartTokenizer
from bartleby.training.store import Examples
from bartleby.training.validation.texts import WritingFigures

SOURCES, TARGETS = ["the cat saw the dog", "the dog"], ["a cat", "a dog"]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizer:
    return BartTokenizer().train_new_from_iterator([*SOURCES, *TARGETS], 330)


@pytest.fixture(scope="module")
def model(tokenizer: PreTrainedTokenizer) -> BartForConditionalGeneration:
    torch.manual_seed(0)
    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    ids = {name: getattr(tokenizer, name) for name in ("pad_token_id", "bos_token_id", "eos_token_id")}
    start = {"decoder_start_token_id": tokenizer.eos_token_id, "forced_eos_token_id": tokenizer.eos_token_id}
    config = BartConfig(vocab_size=len(tokenizer), **sizes, **heads, **ids, **start, max_length=8)
    return BartForConditionalGeneration(config)


def figures_of(model: BartForConditionalGeneration, tokenizer: PreTrainedTokenizer, written: int) -> WritingFigures:
    examples = Examples.of({"source": encode(tokenizer, SOURCES), "target": encode(tokenizer, TARGETS)})
    return WritingFigures(model, tokenizer, examples, written, "rouge")


def test_what_the_model_writes_is_measured_beside_the_targets(
    model: BartForConditionalGeneration, tokenizer: PreTrainedTokenizer
) -> None:
    measure = figures_of(model, tokenizer, written=5)
    found = measure(None)
    texts = measure.write(encode(tokenizer, SOURCES))
    assert {name: found[name] for name in ("rouge1", "rougeLsum")}.items() <= rouge(texts, TARGETS).items()
    assert (found["examples"], found["written"]) == (2, 2)
    assert measure(1)["written"] == 1


def test_writing_can_be_left_out(model: BartForConditionalGeneration, tokenizer: PreTrainedTokenizer) -> None:
    assert set(figures_of(model, tokenizer, written=0)(None)) == {"perplexity", "examples", "tokens"}


def test_a_model_in_training_stays_so(model: BartForConditionalGeneration, tokenizer: PreTrainedTokenizer) -> None:
    model.train()
    figures_of(model, tokenizer, written=1)(None)
    assert model.training
