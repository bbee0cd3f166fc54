"""Passes and searches of the Flax and TensorFlow classes, drawn at random: what wing_answers.py puts to a library."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from bartleby.family.config import CONFIG_CLASSES
from bartleby.family.presets import BART_LARGE, BART_LARGE_CNN, BART_LARGE_XSUM, BLENDERBOT_3B, BLENDERBOT_SMALL_90M
from tests.parity.draws import Draw, draw
from tests.parity.forward_draws import CLASS_PREFIX, SUFFIXES, maybe
from tests.parity.random_models import MODEL_TYPES, POSITIONS, VOCABULARY, random_fields, random_weights, seeded

Arrays = dict[str, npt.NDArray[Any]]
Framework = Literal["Flax", "TF"]
FRAMEWORKS: tuple[Framework, ...] = ("Flax", "TF")
Kind = Literal["call", "tuple", "parts", "cache", "lesson"]

ROWS, SOURCE, TARGET = 2, 6, 5
CACHE = 7
"""Places of a cache of fixed length, more than there are targets."""

SIZES = {
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 40,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 4,
}
"""The same in every pass, for JAX compiles every operation anew for every shape."""

OF_RELEASE_4: dict[Framework, dict[str, tuple[str, ...]]] = {
    "Flax": {
        "bart": (
            "Model",
            "ForConditionalGeneration",
            "ForSequenceClassification",
            "ForQuestionAnswering",
            "ForCausalLM",
        ),
        "blenderbot": ("Model", "ForConditionalGeneration"),
        "blenderbot-small": ("Model", "ForConditionalGeneration"),
    },
    "TF": {
        "bart": ("Model", "ForConditionalGeneration", "ForSequenceClassification"),
        "blenderbot": ("Model", "ForConditionalGeneration"),
        "blenderbot-small": ("Model", "ForConditionalGeneration"),
    },
}
"""The classes that release has, without prefix and family."""

KINDS: dict[Framework, dict[str, tuple[Kind, ...]]] = {
    "Flax": {
        "Model": ("call", "tuple", "parts", "cache"),
        "ForConditionalGeneration": ("call", "tuple", "parts", "cache", "lesson"),
        "ForSequenceClassification": ("call", "tuple", "lesson"),
        "ForQuestionAnswering": ("call", "tuple", "lesson"),
        "ForCausalLM": ("call", "tuple", "cache", "lesson"),
    },
    "TF": {
        "Model": ("call", "tuple", "cache"),
        "ForConditionalGeneration": ("call", "tuple", "cache", "lesson"),
        "ForSequenceClassification": ("call", "tuple", "lesson"),
    },
}
DRAWS = 2
"""Of each kind and class."""


@dataclass
class WingDraw:
    """One pass through a model: `inputs` are arrays by published name, `options` the switches beside them."""

    framework: Framework
    model_type: str
    suffix: str
    kind: Kind
    number: int
    fields: dict[str, Any]
    weights: Arrays
    inputs: Arrays = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.class_name} {self.kind} {self.number}"

    @property
    def class_name(self) -> str:
        return f"{self.framework}{CLASS_PREFIX[self.model_type]}{self.suffix}"


def wing_draws(framework: Framework) -> Iterator[WingDraw]:
    """All that are held to release 4.37.2."""
    for model_type, suffixes in OF_RELEASE_4[framework].items():
        for suffix in suffixes:
            for kind in KINDS[framework][suffix]:
                for number in range(DRAWS):
                    yield wing_draw(framework, model_type, suffix, kind, number)


def wing_draw(framework: Framework, model_type: str, suffix: str, kind: Kind, number: int) -> WingDraw:
    random = seeded("wings", framework, model_type, suffix, kind, number)
    fields = random_fields(random) | SIZES
    fields["scale_embedding"] = number % 2 == 0
    fields["tie_word_embeddings"] = framework == "TF" or number % 2 == 0  # that release's TensorFlow knows no other
    if suffix == "ForSequenceClassification":
        fields["num_labels"] = 3 - 2 * (number % 2)
    if framework == "TF":
        fields["tf_legacy_loss"] = number % 2 == 0
    weights = random_weights(random, CONFIG_CLASSES[model_type](**fields), SUFFIXES[suffix])
    if "model.shared.weight" in weights:  # that release has one table, even where nothing is tied
        for stack in ("encoder", "decoder"):
            weights[f"model.{stack}.embed_tokens.weight"] = weights["model.shared.weight"]
    made = WingDraw(framework, model_type, suffix, kind, number, fields, weights)
    if suffix == "ForCausalLM":
        _draw_decoder(random, made)
    else:
        _draw_source(random, made)
        _draw_target(random, made)
    _draw_options(random, made)
    return made


def _ids(random: np.random.Generator, length: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Ids padded on the right to unequal lengths, each row with one end, and their mask."""
    lengths = random.integers(2, length + 1, size=ROWS)
    lengths[0] = length
    ids = random.integers(4, VOCABULARY, size=(ROWS, length))
    ids[np.arange(ROWS), lengths - 1] = 2
    return ids.astype(np.int32), (np.arange(length)[None, :] < lengths[:, None]).astype(np.int32)


def _vectors(random: np.random.Generator, length: int) -> npt.NDArray[np.float32]:
    return random.standard_normal((ROWS, length, 16)).astype(np.float32)


def _places(random: np.random.Generator, length: int) -> npt.NDArray[np.int32]:
    """Positions out of order, other ones in every row."""
    return np.stack([random.permutation(POSITIONS)[:length] for _ in range(ROWS)]).astype(np.int32)


def _draw_source(random: np.random.Generator, made: WingDraw) -> None:
    ids, mask = _ids(random, SOURCE)
    vectors = _vectors(random, SOURCE)
    given_as_vectors = made.framework == "TF" and made.suffix != "ForSequenceClassification" and maybe(random, 0.3)
    made.inputs |= {"inputs_embeds": vectors} if given_as_vectors else {"input_ids": ids}
    if maybe(random, 0.75):
        made.inputs["attention_mask"] = mask
    if made.framework == "Flax" and maybe(random, 0.4):
        made.inputs["position_ids"] = _places(random, SOURCE)


def _draw_target(random: np.random.Generator, made: WingDraw) -> None:
    ids, mask = _ids(random, TARGET)
    whole = made.suffix in ("ForSequenceClassification", "ForQuestionAnswering")
    taught = made.suffix == "ForConditionalGeneration" and made.kind in ("tuple", "lesson")
    can_make = made.framework == "Flax" or made.model_type == "bart" or taught
    optional = can_make and made.kind in ("call", "tuple", "lesson") and "input_ids" in made.inputs
    if whole or (optional and maybe(random, 0.3)):
        return  # made of the source
    given_as_vectors = made.framework == "TF" and made.kind != "cache" and maybe(random, 0.3)
    made.inputs |= (
        {"decoder_inputs_embeds": _vectors(random, TARGET)} if given_as_vectors else {"decoder_input_ids": ids}
    )
    if maybe(random):
        made.inputs["decoder_attention_mask"] = mask
    if made.kind != "cache" and maybe(random, 0.4):
        made.inputs["decoder_position_ids"] = _places(random, TARGET)


def _draw_decoder(random: np.random.Generator, made: WingDraw) -> None:
    ids, mask = _ids(random, TARGET)
    made.inputs["input_ids"] = ids
    if maybe(random):
        made.inputs["attention_mask"] = mask
    if made.kind != "cache" and maybe(random, 0.4):
        made.inputs["position_ids"] = _places(random, TARGET)
    if made.number % 2:
        made.inputs["encoder_hidden_states"] = _vectors(random, SOURCE)
        made.inputs["encoder_attention_mask"] = _ids(random, SOURCE)[1]


def _draw_options(random: np.random.Generator, made: WingDraw) -> None:
    if made.kind in ("call", "tuple", "parts"):
        made.options |= {"output_attentions": maybe(random, 0.6), "output_hidden_states": maybe(random, 0.6)}
    if made.framework == "TF":
        made.options["use_cache"] = made.kind == "cache" or (made.kind != "lesson" and maybe(random))
        if made.kind != "cache":
            _draw_masks_of_heads(random, made)
        if made.kind in ("tuple", "lesson"):
            _draw_labels(random, made)
    elif made.kind == "lesson":
        _draw_labels(random, made)


def _draw_masks_of_heads(random: np.random.Generator, made: WingDraw) -> None:
    sides = {"head_mask": "encoder", "decoder_head_mask": "decoder", "cross_attn_head_mask": "decoder"}
    for name, side in sides.items():
        if maybe(random, 0.4):
            shape = made.fields[f"{side}_layers"], made.fields[f"{side}_attention_heads"]
            made.inputs[name] = random.choice([0.0, 0.5, 1.0], shape).astype(np.float32)


def _draw_labels(random: np.random.Generator, made: WingDraw) -> None:
    if made.suffix == "ForSequenceClassification":
        count = made.fields["num_labels"]
        real = count == 1
        labels: npt.NDArray[Any] = random.random(ROWS).astype(np.float32) if real else random.integers(count, size=ROWS)
        made.inputs["labels"] = labels if real else labels.astype(np.int32)
    elif made.suffix == "ForQuestionAnswering":
        made.inputs["labels"] = random.integers(0, SOURCE, (2, ROWS)).astype(np.int32)
    elif made.suffix != "Model":
        from_source = made.suffix == "ForConditionalGeneration" and not {
            "decoder_input_ids",
            "decoder_inputs_embeds",
        } & {*made.inputs}
        labels = random.integers(4, VOCABULARY, (ROWS, SOURCE if from_source else TARGET)).astype(np.int32)
        labels[random.random(labels.shape) < 0.3] = -100
        labels[0, 0] = 5  # a batch without any label teaches nothing
        made.inputs["labels"] = labels


CONTRACTS = {
    "cnn": BART_LARGE_CNN,
    "large": BART_LARGE,
    "xsum": BART_LARGE_XSUM,
    "3B": BLENDERBOT_3B,
    "90M": BLENDERBOT_SMALL_90M,
}
LENGTHS = ("min_length", "max_length")
UNKNOWN: dict[Framework, tuple[str, ...]] = {
    "Flax": ("no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "repetition_penalty", "bad_words_ids"),
    "TF": ("encoder_no_repeat_ngram_size",),
}
"""Rules that release's searches leave out without a word, so that it cannot be asked about them."""

SEARCHES = 5
"""Of each model type."""


def searches(framework: Framework) -> Iterator[tuple[str, Draw]]:
    """Draws of decoding by name, in float32: by options drawn at random, and by the published contracts."""
    for model_type in MODEL_TYPES:
        for number in range(SEARCHES):
            yield f"{model_type} {number}", search(framework, model_type, number)
    for name, preset in CONTRACTS.items():
        made = draw(preset.fields["model_type"], 50_000)
        lengths = {each: preset.generation[each] // 4 for each in LENGTHS if each in preset.generation}
        options = {**_tokens(made), "max_length": 18, **preset.generation, **lengths}
        yield name, _asked(framework, made, options)


def search(framework: Framework, model_type: str, number: int) -> Draw:
    """Greedy search for even numbers, beams for odd ones."""
    random = seeded("searches", framework, model_type, number)
    made = draw(model_type, 40_000 + number)

    def one_of(*values: Any) -> Any:
        return values[int(random.integers(len(values)))]

    def tokens(count: int) -> list[int]:
        return random.integers(3, made.config.vocab_size, size=count).tolist()

    options: dict[str, Any] = {"num_beams": 1, "max_length": int(random.integers(6, 15))}
    if number % 2:
        options["num_beams"] = int(random.integers(2, 5))
        options["num_return_sequences"] = int(random.integers(1, options["num_beams"] + 1))
        options |= {"length_penalty": one_of(1.0, 0.65, 2.0), "early_stopping": one_of(False, True)}
    options |= {
        "min_length": one_of(0, 4),
        "forced_bos_token_id": one_of(None, 0),
        "forced_eos_token_id": one_of(None, 2),
        "suppress_tokens": one_of(None, tokens(3)),
        "no_repeat_ngram_size": one_of(0, 2, 3),
        "repetition_penalty": one_of(1.0, 1.3),
        "bad_words_ids": one_of(None, [tokens(1), tokens(2)]),
    }
    return _asked(framework, made, {**_tokens(made), **options})


def _tokens(made: Draw) -> dict[str, Any]:
    config = made.config
    names = ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id")
    return {name: getattr(config, name) for name in names}


def _asked(framework: Framework, made: Draw, options: dict[str, Any]) -> Draw:
    known = {name: value for name, value in options.items() if name not in UNKNOWN[framework] and value is not None}
    config = deepcopy(made.config)
    config.tie_word_embeddings = framework == "TF" or config.tie_word_embeddings
    return replace(made, config=config, prompts=None, options={"num_return_sequences": 1, **known})
