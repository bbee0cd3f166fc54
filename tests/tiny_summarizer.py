"""A summary checkpoint made in a moment: random BART weights, two styles, a tokenizer learnt from few lines."""

from __future__ import annotations

from pathlib import Path

from bartleby.checkpoints.folder import save_folder
from bartleby.family.config import BartConfig
from bartleby.tokenization.byte_level import BartTokenizer
from tests.tiny_chat import LINES, POSITIONS, is_word, weights_of

PREFIXES = {"title": "title: ", "summary": "summary: "}


def save_tiny_summarizer(folder: Path) -> Path:
    """Write the checkpoint into `folder`."""
    tokenizer = BartTokenizer().train_new_from_iterator([*LINES, *PREFIXES.values()] * 20, vocab_size=400)
    config = BartConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=POSITIONS,
        d_model=32,
        encoder_layers=1,
        encoder_attention_heads=4,
        encoder_ffn_dim=48,
        decoder_layers=2,
        decoder_attention_heads=4,
        decoder_ffn_dim=48,
        task_prefixes=PREFIXES,
    )
    generation = {
        "num_beams": 2,
        "no_repeat_ngram_size": 2,
        "suppress_tokens": sorted(index for token, index in tokenizer.get_vocab().items() if not is_word(token)),
        "min_new_tokens": 2,
        "max_new_tokens": 8,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "pad_token_id": 1,
        "decoder_start_token_id": 2,
    }
    save_folder(folder, config=config.to_dict(), generation_config=generation, weights=weights_of(config))
    tokenizer.save_pretrained(folder)
    return folder
