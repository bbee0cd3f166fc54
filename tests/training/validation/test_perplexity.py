import numpy as np
import pytest
import torch

from bartleby.backends.pytorch.backend import PyTorchBackend
from bartleby.backends.pytorch.models import BartForCausalLM, BlenderbotForConditionalGeneration
from bartleby.family.config import BartConfig, BlenderbotConfig
from bartleby.measure.perplexity import perplexity
from bartleby.training.collation import BlockCollation, Padding, PairCollation
from bartleby.training.store import Examples
from bartleby.training.validation.perplexity import PerplexityOf

PAIRS = Examples.of({"source": [[5, 6, 7, 2], [5, 2], [9, 9, 2]], "target": [[8, 9, 2], [7, 2], [6, 5, 4, 3, 2]]})


@pytest.fixture
def model() -> BlenderbotForConditionalGeneration:
    torch.manual_seed(0)
    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2}
    return BlenderbotForConditionalGeneration(
        BlenderbotConfig(vocab_size=30, **sizes, decoder_attention_heads=2, encoder_ffn_dim=24, decoder_ffn_dim=24)
    )


def figures_of(
    model: BlenderbotForConditionalGeneration, batch_tokens: int = 5000, count: int | None = None
) -> dict[str, float]:
    return PerplexityOf(model, PairCollation(PAIRS, Padding.of(model.config)), batch_tokens)(count)


def test_it_is_that_of_the_backend_s_scores(model: BlenderbotForConditionalGeneration) -> None:
    found = figures_of(model)
    wanted = perplexity(PyTorchBackend(model.eval()).score(PAIRS.rows("source"), PAIRS.rows("target")))
    assert found["tokens"] == wanted.tokens == 10
    assert found["perplexity"] == pytest.approx(wanted.value, rel=1e-4)


@pytest.mark.parametrize("batch_tokens", [1, 9, 1000])
def test_batches_of_any_size_give_the_same(model: BlenderbotForConditionalGeneration, batch_tokens: int) -> None:
    assert figures_of(model, batch_tokens) == pytest.approx(figures_of(model))


def test_measuring_changes_nothing_that_is_learnt_with(model: BlenderbotForConditionalGeneration) -> None:
    model.train()
    drawn = torch.get_rng_state()
    figures = figures_of(model, count=2)
    assert model.training
    assert torch.equal(torch.get_rng_state(), drawn)
    assert (figures["examples"], figures["tokens"]) == (2, 5)


def test_a_decoder_alone_is_measured_on_all_tokens_of_all_blocks() -> None:
    torch.manual_seed(0)
    sizes = {"d_model": 16, "decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 24}
    model = BartForCausalLM(BartConfig(vocab_size=30, **sizes)).eval()
    blocks = [[5, 6, 7, 2], [8, 2], [9, 9, 9, 9, 9, 2]]
    measure = PerplexityOf(model, BlockCollation(Examples.of({"text": blocks}), Padding.of(model.config)), 8)
    losses = []
    for block in blocks:
        logits = model(torch.tensor([[2, *block[:-1]]])).logits[0]
        losses += torch.nn.functional.cross_entropy(logits, torch.tensor(block), reduction="none").tolist()
    assert measure() == {
        "perplexity": pytest.approx(np.exp(np.mean(losses)), rel=1e-5),
        "examples": 3,
        "tokens": 12,
    }
    assert measure(2)["tokens"] == 6
