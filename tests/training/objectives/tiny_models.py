"""Models of a few thousand numbers, and batches for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from bartleby.backends.pytorch.models import BartForConditionalGeneration
from bartleby.family.config import BartConfig
from bartleby.training.batches import Batch
from bartleby.training.collation import Padding, PairCollation
from bartleby.training.store import Examples

VOCABULARY = 30
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 24,
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24,
    "init_std": 0.3,
}
PADDING = Padding(1, 2)


def tiny_bart(seed: int = 0, **fields: Any) -> BartForConditionalGeneration:
    """BART with weights large enough for its answers to hang on the source."""
    torch.manual_seed(seed)
    return BartForConditionalGeneration(BartConfig(**{**SIZES, **fields})).eval()


def batch_of(pairs: list[tuple[list[int], list[int]]], **more: Any) -> Batch:
    """The pairs as one batch; `more` are further arrays."""
    examples = Examples.of({"source": [source for source, _ in pairs], "target": [target for _, target in pairs]})
    batch = PairCollation(examples, PADDING).batch(np.arange(len(pairs)))
    return Batch({**batch.arrays, **{name: np.asarray(array) for name, array in more.items()}})


def next_token_probabilities(model: Any, batch: Batch) -> npt.NDArray[np.float64]:
    """Of each token at each place, by the model's own forward pass; (b, t, v)."""
    inputs = {
        name: torch.from_numpy(batch.arrays[name]) for name in ("input_ids", "attention_mask", "decoder_input_ids")
    }
    with torch.no_grad():
        logits = model(**inputs).logits.double().numpy()
    exponential = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponential / exponential.sum(axis=-1, keepdims=True)
