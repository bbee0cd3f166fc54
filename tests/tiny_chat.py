"""A chat checkpoint made in a moment: random weights, and a tokenizer learnt from a few lines."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bartleby.checkpoints.folder import save_folder
from bartleby.family.config import BlenderbotConfig, PreTrainedConfig
from bartleby.tokenization.byte_level import BlenderbotTokenizer
from tests.parity.random_models import random_weights

LINES = (
    "hello, how are you today?",
    "i am fine, thank you. do you have any pets?",
    "yes, i have two cats and a dog. they like to play in the garden.",
    "that is nice! what do you do for a living?",
    "i work in a library and read all day long.",
)
POSITIONS = 64


def save_tiny_chat(folder: Path) -> Path:
    """Write the checkpoint into `folder`."""
    tokenizer = BlenderbotTokenizer().train_new_from_iterator(LINES * 20, vocab_size=400)
    config = BlenderbotConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=POSITIONS,
        d_model=32,
        encoder_layers=1,
        encoder_attention_heads=4,
        encoder_ffn_dim=48,
        decoder_layers=2,
        decoder_attention_heads=4,
        decoder_ffn_dim=48,
        scale_embedding=True,
    )
    generation = {
        "num_beams": 2,
        "no_repeat_ngram_size": 2,
        "suppress_tokens": sorted(index for token, index in tokenizer.get_vocab().items() if not is_word(token)),
        "min_new_tokens": 1,
        "max_new_tokens": 8,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "decoder_start_token_id": 1,
    }
    save_folder(folder, config=config.to_dict(), generation_config=generation, weights=weights_of(config))
    tokenizer.save_pretrained(folder)
    return folder


def is_word(token: str) -> bool:
    """Something a reader can tell from noise, or the end."""
    return token.removeprefix("Ġ").encode().isalpha() or token == "</s>"


def weights_of(config: PreTrainedConfig) -> dict[str, np.ndarray]:
    """Random weights, each tied tensor once."""
    weights = random_weights(np.random.default_rng(5), config)
    kept = {id(array): name for name, array in reversed(weights.items())}
    return {name: weights[name] for name in kept.values()}
