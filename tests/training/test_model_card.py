from dataclasses import replace

import pytest

from bartleby.family.presets import PRESETS
from bartleby.generation.config import GenerationConfig
from bartleby.training.model_card import KINDS, CardFacts, Sample, model_card
from bartleby.training.stages import Stage

RECIPE = {
    "layout": "last_three",
    "source_tokens": 128,
    "steps": 200,
    "batch_tokens": 5000,
    "optimizer": "muon",
    "learning_rate": 2e-3,
    "matrix_rate": 4e-3,
    "betas": [0.9, 0.98],
    "weight_decay": 0.05,
    "warmup_steps": 20,
    "schedule": "cosine",
    "precision": "bf16",
    "ema_decay": 0.0,
    "seed": 0,
}
CHAT = Stage(
    name="talk",
    kind="chat",
    recipe=RECIPE,
    data={"records": {"casino": 30, "mine": 5}, "examples": 1000, "with_persona": 20, "long_replies": 7, "skipped": 0},
    step=200,
    minutes=3.2,
    examples=1500,
    tokens=18000,
    machines=("2 of 4 cores (cpu)",),
)
PRETRAINED = replace(
    CHAT, name="read", kind="pretrain", data={"records": {"standard_ebooks": 9, "casino": 30}}, minutes=61.0, step=150
)
FACTS = CardFacts(
    name="talker",
    config=PRESETS["bartleby-chat-mini"].config,
    generation=GenerationConfig(num_beams=10, length_penalty=0.65, pad_token_id=0),
    stages=(CHAT,),
    measured={"perplexity": 32.0, "examples": 300, "tokens": 5000},
    samples=(Sample("your persona: I row.\n Hi!  Hello.   How are you?", "I am fine.", "Good."),),
)


def test_figures_are_those_of_the_run_and_of_what_is_shipped() -> None:
    card = model_card(FACTS)
    assert "| talk | chat | 200 of 200 | 1,500 (1.50 passes) | 18,000 | 3 | 2 of 4 cores (cpu) |" in card
    rates = "Muon at 0.004 for the matrices in the layers, AdamW at 0.002 for the rest"
    assert f"- talk: {rates}, 20 steps up, then cosine" in card
    assert "betas [0.9, 0.98]" in card
    assert "ema_decay" not in card  # it was off
    assert "On 300 validation examples (5,000 tokens, the ends included) drawn once, in float32" in card
    assert "| **validation perplexity** | **32** |" in card
    assert "10,014,720 parameters (2 encoder and 6 decoder layers" in card
    assert "length_penalty 0.65, num_beams 10." in card
    assert "Turn layout: `last_three`, sources of at most 128 tokens." in card
    assert "Expect little of personas: 2% of the examples had one." in card


def test_every_corpus_is_named_with_its_licence_or_as_unknown() -> None:
    card = model_card(replace(FACTS, stages=(PRETRAINED, CHAT)))
    assert "| Standard Ebooks | 9 | pretrain | CC0 / public domain in the US |" in card
    assert "| CaSiNo (Chawla et al. 2021) | 30 | pretrain, chat | CC-BY-4.0 |" in card
    assert "| mine | 5 | chat | not known to bartleby |" in card
    assert "- talk: 1,000; 20 examples with the persona of whoever replies; 7 replies left out because they are" in card
    assert "bad records" not in card  # there were none


def test_a_licence_is_stated_only_where_all_stages_leave_it_free() -> None:
    known = replace(CHAT, data={"records": {"casino": 30}, "examples": 1000})
    card = model_card(replace(FACTS, stages=(known,)))
    assert card.startswith("---\nlibrary_name: bartleby\nlicense: apache-2.0\n---\n")
    assert "## Licence" not in card
    for stages in ((CHAT,), (CHAT, known), (Stage("facebook/bart-base"), known), (replace(known, data={}),)):
        card = model_card(replace(FACTS, stages=stages))
        assert card.startswith("---\nlibrary_name: bartleby\n---\n")
        assert "## Licence\n\nNone is stated here" in card
        assert "apache-2.0" not in card


def test_all_stages_are_told_with_the_time_they_took() -> None:
    elsewhere = Stage("facebook/bart-base")
    card = model_card(replace(FACTS, stages=(elsewhere, PRETRAINED, CHAT)))
    assert "trained in 3 stages with `bartleby train chat`" in card
    assert "| facebook/bart-base | a checkpoint from elsewhere |" in card
    assert "| read | pretrain | 150 of 200 |" in card
    assert "64 minutes in all." in card


def test_an_evaluation_stands_beside_its_baselines() -> None:
    document = {
        "task": "summarize",
        "data": "/somewhere/arxiv.valid.jsonl.xz",
        "examples": 500,
        "limit": 500,
        "seed": 0,
        "seconds": 12.5,
        "style": "title",
        "rouge1": 0.312345,
        "rouge2": 0.12,
        "baselines": {"lead-1": {"rouge1": 0.21}, "copy": {"rouge1": 0.1, "rouge2": 0.05}},
        "facts": {"cut": 3},
    }
    card = model_card(replace(FACTS, evaluations=(document,)))
    assert "`bartleby evaluate summarize` on 500 examples of arxiv.valid.jsonl.xz, title:" in card
    assert "|  | this model | lead-1 | copy |\n|---|---|---|---|\n" in card
    assert "| rouge1 | 0.3123 | 0.21 | 0.1 |\n| rouge2 | 0.12 |  | 0.05 |" in card
    assert "/somewhere" not in card
    assert "12.5" not in card


def test_samples_show_turns_apart_and_long_sources_short() -> None:
    assert "- your persona: I row.\n Hi! / Hello. / How are you?\n  - **model**: I am fine." in model_card(FACTS)
    long = replace(FACTS, samples=(Sample("word " * 400, "a", "b"),))
    assert "word … (1,999 characters)\n" in model_card(long)


@pytest.mark.parametrize("kind", KINDS)
def test_there_is_a_card_for_every_kind_of_training(kind: str) -> None:
    recipe = {name: value for name, value in RECIPE.items() if name not in ("layout", "source_tokens")}
    facts = replace(FACTS, stages=(replace(CHAT, kind=kind, recipe=recipe),), generation=None, samples=())
    card = model_card(facts)
    assert f"with `bartleby train {kind}`" in card
    assert card.startswith("---\nlibrary_name: bartleby\n")
    assert "## Limits" in card
    assert "{" not in card


def test_prefixes_that_tell_tasks_apart_are_named() -> None:
    config = PRESETS["bartleby-summary-mini"].config
    config.task_prefixes = {"title": "title: ", "summary": "summary: "}
    assert "`title: `, `summary: `" in model_card(replace(FACTS, config=config))


def test_figures_that_only_the_run_measured_are_told_as_such() -> None:
    card = model_card(replace(FACTS, measured={"accuracy": 0.5, "examples": 10, "step": 3}, in_float32=False))
    assert "On 10 validation examples drawn once, as the run measured them" in card
    assert "| **validation accuracy** | **0.5** |" in card
