"""The model card of a chat checkpoint; every figure in it comes from the run's log or was measured just before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bartleby.family.config import PreTrainedConfig
from bartleby.family.parameters import parameter_count
from bartleby.generation.config import GenerationConfig
from bartleby.measure.perplexity import Perplexity
from bartleby.training.attributions import attribution_row


@dataclass(frozen=True)
class Sample:
    """A validation source, what the model answered, and what the person in the dialogue did."""

    source: str
    reply: str
    human: str


@dataclass(frozen=True)
class CardFacts:
    """What the card is written from."""

    config: PreTrainedConfig
    generation: GenerationConfig
    recipe: Mapping[str, Any]
    corpora: Mapping[str, Any]
    """The run's `corpora` figures: dialogues a corpus, and what became of their replies."""
    starts: Sequence[Mapping[str, Any]]
    """Where the run was started and taken up: step, device, threads."""
    steps: Sequence[Mapping[str, Any]]
    """A line a step; a run that was taken up has some twice."""
    perplexity: Perplexity
    validation_replies: int
    samples: Sequence[Sample]
    name: str = "chat model"
    step: int = 0
    """The last step that is in the weights."""


def model_card(facts: CardFacts) -> str:
    """The text of README.md."""
    return "\n".join([_head(facts), _corpora(facts), _recipe(facts), _samples(facts), _limits(facts)])


def _head(facts: CardFacts) -> str:
    config, recipe = facts.config, facts.recipe
    options = facts.generation.to_diff_dict()
    decoding = ", ".join(f"{name} {options[name]}" for name in sorted(options) if not name.endswith("token_id"))
    return f"""---
library_name: bartleby
license: apache-2.0
---
# {facts.name}

A chat model of the Blenderbot architecture, trained from nothing with `bartleby train chat`:
{parameter_count(config):,} parameters ({config.encoder_layers} encoder and {config.decoder_layers} decoder layers,
d_model {config.d_model}), a byte-level vocabulary of {config.vocab_size:,} learnt from the same texts, float16 weights.

Decoding: {decoding}.
Turn layout: `{recipe["chat_layout"]}`, sources of at most {recipe["chat_source_tokens"]} tokens.
"""


def _corpora(facts: CardFacts) -> str:
    corpora, recipe = facts.corpora, facts.recipe
    rows = "\n".join(attribution_row(name, count) for name, count in corpora["dialogues"].items())
    return f"""## Trained on

| corpus | dialogues | licence | source | what it is like |
|---|---|---|---|---|
{rows}

These gave {corpora["examples"]:,} examples of a reply and the turns before it, {corpora["with_persona"]:,} of them with
the persona of whoever replies. Left out: {corpora["long_replies"]:,} replies of more than
{recipe["chat_target_tokens"]} tokens, and {corpora["long_last_turns"]:,} to a turn that does not fit.
"""


def _recipe(facts: CardFacts) -> str:
    recipe, seen = facts.recipe, {step["step"]: step for step in facts.steps if step["step"] <= facts.step}
    examples, tokens = (sum(step[name] for step in seen.values()) for name in ("examples", "tokens"))
    minutes = sum(step["seconds"] for step in facts.steps if step["step"] <= facts.step) / 60
    machines = sorted({f"{start['threads']} of {start['cores']} cores ({start['device']})" for start in facts.starts})
    rates = f"AdamW at {recipe['learning_rate']:g}"
    if recipe["optimizer"] == "muon":
        rates = f"Muon at {recipe['matrix_rate']:g} for the matrices in the layers, {rates} for the rest"
    return f"""## Recipe and figures

| | |
|---|---|
| steps | {facts.step:,} of {recipe["steps"]:,}, each of at most {recipe["batch_tokens"]:,} places |
| seen | {examples:,} examples ({examples / facts.corpora["examples"]:.2f} passes), {tokens:,} tokens |
| optimizer | {rates}; betas {recipe["betas"]}, weight decay {recipe["weight_decay"]:g} |
| schedule | {recipe["warmup_steps"]} steps up, then a cosine down to {recipe["final_share"]:.0%} |
| precision | {recipe["precision"]}, dropout {facts.config.dropout:g}, seed {recipe["seed"]} |
| time | {minutes:.0f} minutes on {" and ".join(machines) or "a machine that was not noted"} |
| **validation perplexity** | **{facts.perplexity.value:.1f}** a token ({facts.perplexity.bits_per_token:.2f} bits) |

Perplexity is over {facts.perplexity.tokens:,} tokens, the ends included, of {facts.validation_replies:,} replies drawn
once from the valid split of {recipe["validation"] or "all corpora"}; in float32, on the float16 weights of this folder.
"""


def _samples(facts: CardFacts) -> str:
    lines = ["## Replies", "", f"To {len(facts.samples)} of those sources, drawn at random, none left out.", ""]
    for sample in facts.samples:
        turns = " / ".join(turn.strip() for turn in sample.source.split("  "))
        lines += [f"- {turns}", f"  - **model**: {sample.reply}", f"  - person: {sample.human}"]
    return "\n".join([*lines, ""])


def _limits(facts: CardFacts) -> str:
    shown = facts.corpora["with_persona"] / facts.corpora["examples"]
    return f"""## Limits

- With {parameter_count(facts.config) / 1e6:.0f} million parameters it has the manner of a chat and hardly any facts:
  what it says of films, teams or people is made up.
- It agrees, repeats commonplaces and forgets: only the last turns reach it, and some replies do not fit them.
- Expect little of personas: {shown:.0%} of the examples had one.
- The views and the slips of the texts above are in it, their few topics too, and nothing filters what it says.
  Do not put it before people who have not been told so.
"""
