from dataclasses import replace

from bartleby.family.presets import PRESETS
from bartleby.generation.config import GenerationConfig
from bartleby.measure.perplexity import Perplexity
from bartleby.training.model_card import CardFacts, Sample, model_card

STEP = {"step": 1, "examples": 40, "tokens": 900, "seconds": 90.0}
FACTS = CardFacts(
    name="talker",
    step=2,
    config=PRESETS["bartleby-chat-mini"].config,
    generation=GenerationConfig(num_beams=10, length_penalty=0.65, pad_token_id=0),
    recipe={
        "chat_layout": "last_three",
        "chat_source_tokens": 128,
        "chat_target_tokens": 40,
        "steps": 2,
        "batch_tokens": 5000,
        "optimizer": "muon",
        "learning_rate": 2e-3,
        "matrix_rate": 4e-3,
        "betas": [0.9, 0.98],
        "weight_decay": 0.05,
        "warmup_steps": 200,
        "final_share": 0.02,
        "precision": "bf16",
        "seed": 0,
        "validation": None,
    },
    corpora={"dialogues": {"casino": 30}, "examples": 100, "with_persona": 0, "long_replies": 7, "long_last_turns": 1},
    starts=[
        {"step": 0, "device": "cpu", "threads": 2, "cores": 4},
        {"step": 1, "device": "cpu", "threads": 2, "cores": 4},
    ],
    steps=[STEP, {**STEP, "step": 2}],
    perplexity=Perplexity(32.0, 5000),
    validation_replies=300,
    samples=[Sample(" your persona: I row.\n Hi!  Hello.   How are you?", "I am fine.", "Good.")],
)


def test_figures_are_those_of_the_run() -> None:
    card = model_card(FACTS)
    assert "| seen | 80 examples (0.80 passes), 1,800 tokens |" in card
    assert "| time | 3 minutes on 2 of 4 cores (cpu) |" in card
    assert "| steps | 2 of 2, each of at most 5,000 places |" in card
    assert "| **validation perplexity** | **32.0** a token (5.00 bits) |" in card
    assert "Muon at 0.004 for the matrices in the layers, AdamW at 0.002 for the rest" in card
    assert "Expect little of personas: 0% of the examples had one." in card
    assert "length_penalty 0.65, num_beams 10." in card
    assert "10,014,720 parameters (2 encoder and 6 decoder layers" in card


def test_steps_taken_twice_count_once_but_their_time_twice() -> None:
    again = {**STEP, "step": 2, "seconds": 60.0}
    card = model_card(replace(FACTS, steps=[STEP, {**STEP, "step": 2}, again]))
    assert "| seen | 80 examples" in card
    assert "| time | 4 minutes" in card


def test_steps_after_the_checkpoint_do_not_count() -> None:
    card = model_card(replace(FACTS, steps=[STEP, {**STEP, "step": 2}, {**STEP, "step": 3}]))
    assert "| seen | 80 examples" in card
    assert "| time | 3 minutes" in card


def test_a_sample_shows_the_turns_apart() -> None:
    assert "- your persona: I row.\n Hi! / Hello. / How are you?" in model_card(FACTS)


def test_adamw_alone_is_told_as_such() -> None:
    assert "| optimizer | AdamW at 0.002; " in model_card(
        replace(FACTS, recipe={**FACTS.recipe, "optimizer": "adamw"})
    )
