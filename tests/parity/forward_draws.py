"""Passes drawn at random: a model, its weights and every argument that a forward of it may be given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from bartleby.family.config import CONFIG_CLASSES, PreTrainedConfig
from bartleby.family.parameters import Head
from tests.parity.random_models import (
    MODEL_TYPES,
    VOCABULARY,
    random_batch,
    random_fields,
    random_weights,
    seeded,
)

Arrays = dict[str, npt.NDArray[Any]]

CLASS_PREFIX = {"bart": "Bart", "blenderbot": "Blenderbot", "blenderbot-small": "BlenderbotSmall"}
SUFFIXES: dict[str, Head] = {
    "Model": "none",
    "ForConditionalGeneration": "conditional_generation",
    "ForCausalLM": "causal_lm",
    "Encoder": "encoder",
    "Decoder": "decoder",
    "ForSequenceClassification": "sequence_classification",
    "ForQuestionAnswering": "question_answering",
}
assert set(SUFFIXES.values()) == set(get_args(Head))
OF_BART_ALONE = ("ForSequenceClassification", "ForQuestionAnswering")
STATE_PREFIX = {"none": "model.", "encoder": "model.encoder.", "decoder": "model.decoder."}
WRITERS = ("Model", "ForConditionalGeneration", "ForCausalLM", "Decoder")
CACHES = (None, None, "own", "tuple", "static", "foreign")

ROWS, SOURCE, TARGET = 3, 9, 7


@dataclass
class ForwardDraw:
    """One pass: `inputs` are arrays and switches by published name; `split` cuts the target for a pass with a cache."""

    model_type: str
    suffix: str
    fields: dict[str, Any]
    weights: Arrays
    inputs: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    cache: str | None = None
    split: int = 0

    @property
    def config(self) -> PreTrainedConfig:
        return CONFIG_CLASSES[self.model_type](**self.fields)

    @property
    def class_name(self) -> str:
        return CLASS_PREFIX[self.model_type] + self.suffix

    @property
    def target(self) -> str:
        """What the target's ids are called here."""
        return "input_ids" if self.suffix in ("ForCausalLM", "Decoder") else "decoder_input_ids"

    @property
    def state(self) -> Arrays:
        """The weights by the names they have in this class."""
        prefix = STATE_PREFIX.get(SUFFIXES[self.suffix], "")
        return {name.removeprefix(prefix): array for name, array in self.weights.items()}


def forward_draw(*seed: object, suffixes: tuple[str, ...] = tuple(SUFFIXES), **fixed: Any) -> ForwardDraw:
    """The pass that `seed` draws, among classes that end in one of `suffixes`; `fixed` fields are not drawn."""
    random = seeded(*seed)
    model_type = MODEL_TYPES[int(random.integers(3))]
    suffixes = tuple(each for each in suffixes if model_type == "bart" or each not in OF_BART_ALONE)
    suffix = suffixes[int(random.integers(len(suffixes)))]
    fields = {**random_fields(random), **fixed}
    if suffix == "ForSequenceClassification":
        fields |= {"num_labels": int(random.integers(1, 4))}
    weights = random_weights(random, CONFIG_CLASSES[model_type](**fields), SUFFIXES[suffix])
    draw = ForwardDraw(model_type, suffix, fields, weights)
    if suffix in ("ForCausalLM", "Decoder"):
        _draw_decoder(random, draw)
    else:
        _draw_source(random, draw)
        if suffix != "Encoder":
            _draw_target(random, draw)
    _draw_lessons(random, draw)
    _draw_options(random, draw)
    return draw


def maybe(random: np.random.Generator, probability: float = 0.5) -> bool:
    return bool(random.random() < probability)


def vectors(random: np.random.Generator, draw: ForwardDraw, length: int) -> npt.NDArray[np.float32]:
    return random.standard_normal((ROWS, length, draw.fields["d_model"])).astype(np.float32)


def _draw_source(random: np.random.Generator, draw: ForwardDraw) -> None:
    ids, mask = random_batch(random, ROWS, SOURCE)
    if maybe(random, 0.7):
        draw.inputs["attention_mask"] = mask
    kind = ("ids", "ids", "vectors", "states")[int(random.integers(4))]
    if draw.suffix == "ForSequenceClassification" or kind == "ids" or (kind == "states" and draw.suffix == "Encoder"):
        draw.inputs["input_ids"] = ids
    elif kind == "vectors":
        draw.inputs["inputs_embeds"] = vectors(random, draw, SOURCE)
    else:
        draw.inputs["encoder_outputs"] = vectors(random, draw, SOURCE)


def _draw_target(random: np.random.Generator, draw: ForwardDraw) -> None:
    from_source = draw.model_type == "bart" and "input_ids" in draw.inputs
    if draw.suffix == "ForSequenceClassification" or (from_source and maybe(random, 0.3)):
        return
    ids, mask = random_batch(random, ROWS, TARGET)
    if maybe(random, 0.2):
        draw.inputs["decoder_inputs_embeds"] = vectors(random, draw, TARGET)
    else:
        draw.inputs["decoder_input_ids"] = ids
    if maybe(random):
        draw.inputs["decoder_attention_mask"] = mask


def _draw_decoder(random: np.random.Generator, draw: ForwardDraw) -> None:
    ids, mask = random_batch(random, ROWS, TARGET)
    if maybe(random, 0.2):
        draw.inputs["inputs_embeds"] = vectors(random, draw, TARGET)
    else:
        draw.inputs["input_ids"] = ids
    if maybe(random):
        draw.inputs["attention_mask"] = mask
    if maybe(random, 0.6):
        draw.inputs["encoder_hidden_states"] = vectors(random, draw, SOURCE)
        if maybe(random):
            draw.inputs["encoder_attention_mask"] = random_batch(random, ROWS, SOURCE)[1]


def _draw_lessons(random: np.random.Generator, draw: ForwardDraw) -> None:
    """Labels of the kind the head learns from, in half of all draws."""
    if not maybe(random):
        return
    if draw.suffix in ("ForConditionalGeneration", "ForCausalLM"):
        made = draw.suffix == "ForConditionalGeneration" and draw.target not in draw.inputs
        from_source = made and "decoder_inputs_embeds" not in draw.inputs
        length = int(random.integers(2, TARGET)) if from_source else TARGET
        labels = random.integers(4, VOCABULARY, (ROWS, length))
        labels[random.random(labels.shape) < 0.3] = -100
        labels[0, 0] = 5  # a batch without any label teaches nothing
        draw.inputs["labels"] = labels
    elif draw.suffix == "ForSequenceClassification":
        count = draw.fields["num_labels"]
        several = count > 1 and maybe(random)
        real = random.random((ROWS, count)).astype(np.float32) if several or count == 1 else None
        draw.inputs["labels"] = random.integers(count, size=ROWS) if real is None else real if several else real[:, 0]
    elif draw.suffix == "ForQuestionAnswering":
        draw.inputs["start_positions"] = random.integers(0, 2 * TARGET, ROWS)
        draw.inputs["end_positions"] = random.integers(0, TARGET, ROWS)
        draw.inputs["start_positions"][0] = 1  # the others may lie beyond the text, but a batch must teach something


def _draw_options(random: np.random.Generator, draw: ForwardDraw) -> None:
    for name in ("output_attentions", "output_hidden_states"):
        if maybe(random, 0.4):
            draw.options[name] = True
    taught = "labels" in draw.inputs or "start_positions" in draw.inputs
    if draw.suffix in WRITERS and not taught and draw.target in draw.inputs:
        draw.cache = CACHES[int(random.integers(len(CACHES)))]
        draw.split = int(random.integers(1, TARGET))
    if draw.cache is None and draw.suffix != "Encoder" and maybe(random):
        draw.options["use_cache"] = maybe(random)
    if draw.suffix == "ForCausalLM" and not taught:
        draw.options["logits_to_keep"] = int(random.integers(0, 3))
