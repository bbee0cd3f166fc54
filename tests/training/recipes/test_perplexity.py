import numpy as np
import pytest
import torch

from bartleby.backends.pytorch.backend import PyTorchBackend
from bartleby.backends.pytorch.models import BlenderbotForConditionalGeneration
from bartleby.family.config import BlenderbotConfig
from bartleby.measure.perplexity import perplexity
from bartleby.training.recipes.perplexity import PerplexityOf, model_perplexity
from bartleby.training.store import Examples

PAIRS = Examples.of({"source": [[5, 6, 7, 2], [5, 2], [9, 9, 2]], "target": [[8, 9, 2], [7, 2], [6, 5, 4, 3, 2]]})


@pytest.fixture
def model() -> BlenderbotForConditionalGeneration:
    torch.manual_seed(0)
    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2}
    return BlenderbotForConditionalGeneration(
        BlenderbotConfig(vocab_size=30, **sizes, decoder_attention_heads=2, encoder_ffn_dim=24, decoder_ffn_dim=24)
    )


def test_it_is_that_of_the_backend_s_scores(model: BlenderbotForConditionalGeneration) -> None:
    found = model_perplexity(model, PAIRS)
    wanted = perplexity(PyTorchBackend(model.eval()).score(PAIRS.rows("source"), PAIRS.rows("target")))
    assert found.tokens == wanted.tokens == 10
    assert found.value == pytest.approx(wanted.value, rel=1e-4)


@pytest.mark.parametrize("batch_tokens", [1, 9, 1000])
def test_batches_of_any_size_give_the_same(model: BlenderbotForConditionalGeneration, batch_tokens: int) -> None:
    assert model_perplexity(model, PAIRS, batch_tokens).value == pytest.approx(model_perplexity(model, PAIRS).value)


def test_measuring_changes_nothing_that_is_learnt_with(model: BlenderbotForConditionalGeneration) -> None:
    model.train()
    drawn = torch.get_rng_state()
    figures = PerplexityOf(model, PAIRS)(2)
    assert model.training
    assert torch.equal(torch.get_rng_state(), drawn)
    assert (figures["examples"], figures["tokens"]) == (2, 5)
    assert figures["perplexity"] == model_perplexity(model, PAIRS.take(np.array([0, 1]))).value
