"""Checkpoint folders made in a moment: random weights under any head, without a tokenizer unless one is learnt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bartleby.checkpoints.folder import save_folder
from bartleby.family.config import CONFIG_CLASSES
from bartleby.family.parameters import Head, parameter_table
from tests.parity.random_models import random_weights, seeded

CLASSES: dict[Head, str] = {
    "none": "BartModel",
    "conditional_generation": "BartForConditionalGeneration",
    "sequence_classification": "BartForSequenceClassification",
    "question_answering": "BartForQuestionAnswering",
    "causal_lm": "BartForCausalLM",
}
SIZES = {
    "vocab_size": 60,
    "max_position_embeddings": 40,
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 8,
    "decoder_ffn_dim": 8,
}
DECODING = {"num_beams": 3, "max_new_tokens": 8, "no_repeat_ngram_size": 2, "length_penalty": 2.0}


def save_model(
    folder: Path,
    head: Head = "conditional_generation",
    model_type: str = "bart",
    leave_out: tuple[str, ...] = (),
    **fields: Any,
) -> Path:
    """Write a small model with this head; `leave_out` are tensors that its file shall lack."""
    config = CONFIG_CLASSES[model_type](**{**SIZES, "architectures": [CLASSES[head]], **fields})
    weights = random_weights(seeded(head, model_type), config, head)
    kept = {each.name: weights[each.name] for each in parameter_table(config, head) if each.tied_to is None}
    for name in leave_out:
        del kept[name]
    tokens = ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id")
    generation = {**DECODING, **{name: getattr(config, name) for name in tokens}}
    save_folder(folder, config=config.to_dict(), generation_config=generation, weights=kept)
    return folder
