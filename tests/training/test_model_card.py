from dataclasses import replace

from bartleby.family.presets import PRESETS
from bartleby.generation.config import GenerationConfig
from bartleby.measure.perplexity import Perplexity
from bartleby.training.model_card import CardFacts, Sample, model_card

STEP = {"step": 1, "examples": 40, "tokens": 900, "seconds": 90.0}
FACTS = CardFacts(
    name="talker",
    config=PRESETS["bartleby-chat-mini"].config,
    generation=GenerationConfig(num_beams=10, length_penalty=0.65, pad_token_id=0),
    recipe={
        "chat_layout": "last_three",
        "chat_source_tokens": 128,
        "chat_target_tokens": 40,
        "batch_tokens": 5000,
        "optimizer_name": "muon",
        "optimizer_learning_rate": 2e-3,
        "optimizer_matrix_rate": 4e-3,
        "optimizer_betas": [0.9, 0.98],
        "optimizer_weight_decay": 0.05,
        "optimizer_warmup_steps": 200,
        "optimizer_final_share": 0.02,
        "precision": "bf16",
        "seed": 0,
        "validation": None,
    },
    corpora={"dialogues": {"casino": 30}, "examples": 100, "with_persona": 0, "long_replies": 7, "long_last_turns": 1},
    steps=[STEP, {**STEP, "step": 2}],
    perplexity=Perplexity(32.0, 5000),
    validation_replies=300,
    samples=[Sample(" your persona: I row.\n Hi!  Hello.   How are you?", "I am fine.", "Good.")],
    hardware="2 threads of a CPU",
)


def test_figures_are_those_of_the_run() -> None:
    card = model_card(FACTS)
    assert "| seen | 80 examples (0.80 passes), 1,800 tokens |" in card
    assert "| time | 3 minutes on 2 threads of a CPU |" in card
    assert "| **validation perplexity** | **32.0** a token (5.00 bits) |" in card
    assert "Muon at 0.004 for the matrices in the layers, AdamW at 0.002 for the rest" in card
    assert "length_penalty 0.65, num_beams 10." in card
    assert "10,012,160 parameters" in card or "parameters (2 encoder and 6 decoder layers" in card


def test_steps_taken_twice_count_once_but_their_time_twice() -> None:
    card = model_card(replace(FACTS, steps=[STEP, {**STEP, "step": 2}, {**STEP, "step": 2}]))
    assert "| seen | 80 examples" in card
    assert "| time | 4 minutes" in card or "| time | 5 minutes" in card


def test_a_sample_shows_the_turns_apart() -> None:
    assert "- your persona: I row.\n Hi! / Hello. / How are you?" in model_card(FACTS)


def test_adamw_alone_is_told_as_such() -> None:
    assert "| optimizer | AdamW at 0.002; " in model_card(
        replace(FACTS, recipe={**FACTS.recipe, "optimizer_name": "adamw"})
    )
