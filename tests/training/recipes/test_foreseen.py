import numpy as np
import pytest
import torch

from bartleby.backends.pytorch.models import BartForCausalLM
from bartleby.family.config import BartConfig
from bartleby.training.collation import Padding
from bartleby.training.recipes.foreseen import BlockFigures
from bartleby.training.recipes.lm import BlockCollation
from bartleby.training.store import Examples

SIZES = {"d_model": 16, "decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 24}


def test_perplexity_is_over_all_tokens_of_all_blocks() -> None:
    torch.manual_seed(0)
    model = BartForCausalLM(BartConfig(vocab_size=30, **SIZES)).eval()
    blocks = [[5, 6, 7, 2], [8, 2], [9, 9, 9, 9, 9, 2]]
    measure = BlockFigures(model, BlockCollation(Examples.of({"text": blocks}), Padding.of(model.config)), 8)
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
