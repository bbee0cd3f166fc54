"""Models whose answers are known, so that figures can be worked out by hand; and small checkpoints that read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bartleby.checkpoints.folder import save_folder
from bartleby.family.config import BartConfig, BlenderbotConfig
from bartleby.family.parameters import Head, parameter_table
from bartleby.generation.beams import Hypothesis
from bartleby.generation.config import GenerationConfig
from bartleby.tokenization.byte_level import BartTokenizer
from tests.lab.small_models import CLASSES
from tests.parity.random_models import random_weights, seeded
from tests.tiny_chat import LINES, POSITIONS


class Scripted:
    """A backend that answers and scores as it is told, by the text of the source; it keeps what it was asked."""

    name = "scripted"
    head = "conditional_generation"

    def __init__(self, tokenizer, reply: Callable[[str], str], likes: Callable[[str, str], float], config=None) -> None:
        self.config = config or BlenderbotConfig(
            vocab_size=len(tokenizer), max_position_embeddings=POSITIONS, turn_layout="last_three"
        )
        self.generation_config = GenerationConfig(max_new_tokens=7, decoder_start_token_id=1, eos_token_id=2)
        self.tokenizer, self.reply, self.likes = tokenizer, reply, likes
        self.sources: list[str] = []

    def text(self, ids) -> str:
        return self.tokenizer.decode(list(ids), skip_special_tokens=True).strip()

    def generate(self, input_ids, options, seed=None):
        answers = [self.tokenizer(self.reply(self.text(ids)))["input_ids"] for ids in input_ids]
        return [[Hypothesis(tuple(ids), -1.0, "eos")] for ids in answers]

    def score(self, input_ids, targets):
        self.sources += [self.text(ids) for ids in input_ids]
        return [
            [self.likes(self.text(source), self.text(target))] * len(target)
            for source, target in zip(input_ids, targets, strict=True)
        ]


def save_tiny_reader(folder: Path, head: Head, **fields) -> Path:
    """A BART with a head that reads, random weights and a tokenizer learnt from a few lines."""
    tokenizer = BartTokenizer().train_new_from_iterator(LINES * 20, vocab_size=400)
    config = BartConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=POSITIONS,
        d_model=16,
        encoder_layers=1,
        encoder_attention_heads=2,
        encoder_ffn_dim=24,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=24,
        architectures=[CLASSES[head]],
        **fields,
    )
    weights = random_weights(seeded(head), config, head)
    kept = {each.name: weights[each.name] for each in parameter_table(config, head) if each.tied_to is None}
    save_folder(folder, config=config.to_dict(), generation_config=None, weights=kept)
    tokenizer.save_pretrained(folder)
    return folder
