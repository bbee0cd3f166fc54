"""The model card of a checkpoint; every figure in it comes from the runs' logs or was measured on what is shipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bartleby.family.config import PreTrainedConfig
from bartleby.family.parameters import parameter_count
from bartleby.generation.config import GenerationConfig
from bartleby.training.attributions import attribution_row, may_be_given_out
from bartleby.training.stages import Stage

KINDS = {
    "pretrain": "A pretrained model, to be taken further",
    "summarize": "A model that writes summaries",
    "chat": "A chat model",
    "translate": "A translating model",
    "classify": "A model that labels texts",
    "answer": "A model that finds answers in a text",
    "lm": "A language model",
    "distill": "A distilled model",
}
LICENCE = "apache-2.0"
"""Of what was taught by open texts alone, as this library itself."""
LONGEST_SOURCE = 600
"""Characters of a sample's source that the card shows."""
TOLD = {
    "cut_sources": "sources that lost their end",
    "long_last_turns": "replies left out because the turn before them is too long",
    "long_replies": "replies left out because they are too long",
    "long_sources": "pairs left out because their source is too long",
    "long_targets": "pairs left out because their target is too long",
    "shortened": "examples that lost their oldest turns",
    "skipped": "bad records left out",
    "with_persona": "examples with the persona of whoever replies",
}
"""What figures of the examples mean; others are told by their names."""
NAMED = (
    *("batch_tokens", "weight_decay", "betas", "final_share", "ema_decay"),
    *("label_smoothing", "dropout", "layerdrop"),
)
"""Options that a stage's line names if they are set."""
LIMITS = {
    "chat": """- With {millions:.0f} million parameters it has the manner of a chat and hardly any facts:
  what it says of films, teams or people is made up.
- It agrees, repeats commonplaces and forgets: only the last turns reach it, and some replies do not fit them.
- Expect little of personas: {personas:.0%} of the examples had one.
- Nothing filters what it says. Do not put it before people who have not been told so.""",
    "summarize": """- With {millions:.0f} million parameters it writes fluently sooner than rightly: names and numbers
  turn up that the text does not have, and what matters most may be left out. Read the text before you rely on it.
- It reads {positions} tokens at a time, and knows texts like those above; of others expect less.""",
}
OTHER_LIMITS = "- With {millions:.0f} million parameters and the texts above it knows little of other kinds of text."
COUNTS = ("examples", "tokens", "written", "step", "time", "sample", "kind")


@dataclass(frozen=True)
class Sample:
    """A validation source, what the model made of it, and what stands there."""

    source: str
    answer: str
    reference: str


@dataclass(frozen=True)
class CardFacts:
    """What the card is written from."""

    name: str
    config: PreTrainedConfig
    generation: GenerationConfig | None
    stages: Sequence[Stage]
    """Oldest first; the last is the run that is shipped."""
    measured: Mapping[str, Any]
    """The validation figures of what is shipped, with `examples` and `tokens`."""
    in_float32: bool = True
    """Whether they were measured so, on the float16 weights; else by the run, in its own precision."""
    evaluations: Sequence[Mapping[str, Any]] = ()
    """What `bartleby evaluate --json` wrote, baselines included."""
    samples: Sequence[Sample] = ()


def model_card(facts: CardFacts) -> str:
    """The text of README.md."""
    sections = [_head(facts), _corpora(facts), _licence(facts), _stages(facts), _figures(facts)]
    sections += [_samples(facts), _limits(facts)]
    return "\n".join(section for section in sections if section)


def _head(facts: CardFacts) -> str:
    config, own = facts.config, facts.stages[-1]
    taught = "from nothing" if len(facts.stages) == 1 else f"in {len(facts.stages)} stages"
    layers = f"{config.encoder_layers} encoder and {config.decoder_layers} decoder layers"
    license = f"license: {LICENCE}\n" if _is_licence_known(facts) else ""
    lines = [
        f"---\nlibrary_name: bartleby\n{license}---",
        f"# {facts.name}\n",
        f"{KINDS.get(own.kind, 'A model')} of the architecture {config.model_type}, trained {taught} with "
        f"`bartleby train {own.kind}`:",
        f"{parameter_count(config):,} parameters ({layers}, d_model {config.d_model}), "
        f"{config.max_position_embeddings} positions,",
        f"a vocabulary of {config.vocab_size:,}, float16 weights.\n",
    ]
    if facts.generation is not None:
        options = facts.generation.to_diff_dict()
        chosen = [f"{name} {options[name]}" for name in sorted(options) if not name.endswith("token_id")]
        lines.append(f"Decoding: {', '.join(chosen) or 'the defaults'}.\n")
    if "layout" in own.recipe:
        lines.append(
            f"Turn layout: `{own.recipe['layout']}`, sources of at most {own.recipe['source_tokens']} tokens.\n"
        )
    styles = getattr(config, "task_prefixes", None) or {}
    if styles:
        told = ", ".join(f"`{prefix}`" for prefix in styles.values())
        lines.append(f"What stands before a text says what to write: {told}.\n")
    return "\n".join(lines)


def _is_licence_known(facts: CardFacts) -> bool:
    """Whether every stage was taught by texts that permit it, and none began with what others made."""
    return all(stage.kind and may_be_given_out(stage.data.get("records", {})) for stage in facts.stages)


def _licence(facts: CardFacts) -> str:
    if _is_licence_known(facts):
        return ""
    return (
        "## Licence\n\nNone is stated here: whether, and how, this model may be given out is for whoever trained it to "
        "settle, by the\nlicences of the texts, and of the checkpoint if it began with one.\n"
    )


def _corpora(facts: CardFacts) -> str:
    records: dict[str, int] = {}
    taught: dict[str, list[str]] = {}
    for stage in facts.stages:
        for corpus, count in stage.data.get("records", {}).items():
            records[corpus] = max(count, records.get(corpus, 0))
            taught.setdefault(corpus, []).append(stage.kind)
    if not records:
        return ""
    rows = [attribution_row(name, count, ", ".join(dict.fromkeys(taught[name]))) for name, count in records.items()]
    head = ["| corpus | records | for | licence | source | what it is like |", "|---|---|---|---|---|---|"]
    made = [f"- {stage.name}: {_examples(stage.data)}." for stage in facts.stages if "examples" in stage.data]
    return "\n".join(["## Trained on\n", *head, *rows, "", "Examples made of them:\n", *made, ""])


def _examples(data: Mapping[str, Any]) -> str:
    others = [
        f"{value:,} {TOLD.get(name, name.replace('_', ' '))}"
        for name, value in data.items()
        if isinstance(value, int) and name != "examples" and value
    ]
    return "; ".join([f"{data['examples']:,}", *others])


def _stages(facts: CardFacts) -> str:
    head = [
        "| stage | kind | steps | examples seen | tokens | minutes | machine |",
        "|---|---|---|---|---|---|---|",
    ]
    rows, recipes = [], []
    for stage in facts.stages:
        if not stage.kind:
            rows.append(f"| {stage.name} | a checkpoint from elsewhere | | | | | |")
            continue
        of = stage.recipe.get("steps", stage.step)
        once = stage.data.get("examples")
        passes = f" ({stage.examples / once:.2f} passes)" if once else ""
        rows.append(
            f"| {stage.name} | {stage.kind} | {stage.step:,} of {of:,} | {stage.examples:,}{passes} | "
            f"{stage.tokens:,} | {stage.minutes:.0f} | {' and '.join(stage.machines) or 'not noted'} |"
        )
        recipes.append(f"- {stage.name}: {_recipe(stage.recipe)}.")
    total = sum(stage.minutes for stage in facts.stages)
    told = f"{total:.0f} minutes in all. Learnt with:\n"
    return "\n".join(["## How it was trained\n", *head, *rows, "", told, *recipes, ""])


def _recipe(recipe: Mapping[str, Any]) -> str:
    """The options that matter most, in a sentence; those that a recipe does not name are left out."""
    rate, optimizer = recipe.get("learning_rate"), recipe.get("optimizer")
    parts = []
    if optimizer == "muon":
        parts.append(
            f"Muon at {recipe['matrix_rate']:g} for the matrices in the layers, AdamW at {rate:g} for the rest"
        )
    elif optimizer is not None:
        parts.append(f"{optimizer} at {rate:g}")
    if "warmup_steps" in recipe:
        parts.append(f"{recipe['warmup_steps']} steps up, then {recipe.get('schedule', 'cosine')}")
    named = (
        "batch_tokens",
        "weight_decay",
        "betas",
        "final_share",
        "ema_decay",
        "label_smoothing",
        "dropout",
        "layerdrop",
    )
    parts += [f"{name} {recipe[name]}" for name in named if recipe.get(name) not in (None, 0.0)]
    if recipe.get("lora"):
        parts.append(f"adapters of rank {recipe['lora_rank']} ({recipe['lora_targets']})")
    if recipe.get("freeze"):
        parts.append(f"frozen: {', '.join(recipe['freeze'])}")
    parts += [f"{name} {recipe[name]}" for name in ("precision", "seed") if name in recipe]
    return ", ".join(parts) or "options that were not noted"


def _figures(facts: CardFacts) -> str:
    measured = {name: value for name, value in facts.measured.items() if name not in COUNTS}
    if not measured and not facts.evaluations:
        return ""
    lines = ["## Figures\n"]
    if measured:
        examples, tokens = facts.measured.get("examples", 0), facts.measured.get("tokens")
        over = f"{examples:,.0f} validation examples" + (
            f" ({tokens:,.0f} tokens, the ends included)" if tokens else ""
        )
        how = "in float32, on the float16 weights of this folder" if facts.in_float32 else "as the run measured them"
        lines += [f"On {over} drawn once, {how}:\n", "| | |", "|---|---|"]
        lines += [f"| **validation {name}** | **{value:.4g}** |" for name, value in measured.items()] + [""]
    for evaluation in facts.evaluations:
        lines += _evaluation(evaluation)
    return "\n".join(lines)


def _evaluation(document: Mapping[str, Any]) -> list[str]:
    """A table of a model beside its baselines."""
    own = {name: value for name, value in document.items() if _is_figure(name, value)}
    baselines: Mapping[str, Mapping[str, Any]] = document.get("baselines", {})
    style = f", {document['style']}" if document.get("style") else ""
    title = (
        f"`bartleby evaluate {document['task']}` on {document['examples']:,} examples of {_file(document)}{style}:\n"
    )
    rows = [
        f"| {name} | {_shown(value)} | " + " | ".join(_shown(others.get(name)) for others in baselines.values()) + " |"
        for name, value in own.items()
    ]
    if not baselines:
        rows = [f"| {name} | {_shown(value)} |" for name, value in own.items()]
    columns = ["", "this model", *baselines]
    return [title, f"| {' | '.join(columns)} |", "|---" * len(columns) + "|", *rows, ""]


def _is_figure(name: str, value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and name not in ("examples", "limit", "seed", "seconds")


def _file(document: Mapping[str, Any]) -> str:
    """The file's name, which is the same wherever it lies."""
    return str(document["data"]).rpartition("/")[2]


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else "" if value is None else str(value)


def _samples(facts: CardFacts) -> str:
    if not facts.samples:
        return ""
    is_chat = facts.stages[-1].kind == "chat"
    lines = ["## Samples", "", f"Of {len(facts.samples)} of those sources, drawn at random, none left out.", ""]
    for sample in facts.samples:
        source = " / ".join(turn.strip() for turn in sample.source.split("  ")) if is_chat else sample.source
        if len(source) > LONGEST_SOURCE:
            source = f"{source[:LONGEST_SOURCE].rstrip()} … ({len(source):,} characters)"
        lines += [f"- {source}", f"  - **model**: {sample.answer}", f"  - written by people: {sample.reference}"]
    return "\n".join([*lines, ""])


def _limits(facts: CardFacts) -> str:
    own = facts.stages[-1]
    lines = LIMITS.get(own.kind, OTHER_LIMITS).format(
        millions=parameter_count(facts.config) / 1e6,
        positions=facts.config.max_position_embeddings,
        personas=own.data.get("with_persona", 0) / max(1, own.data.get("examples", 1)),
    )
    return f"## Limits\n\n{lines}\n- The views and the slips of those texts are in it, and so are their few topics.\n"
