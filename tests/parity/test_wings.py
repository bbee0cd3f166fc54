"""Every wing against the NumPy definition, and against each other: outputs, gradients, ids, and weights through files.

Models are drawn, with every switch flipped; and every published checkpoint is there in its shape, with smaller numbers.
Differences are relative to the size of what is compared.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bartleby.family.config import CONFIG_CLASSES, PreTrainedConfig
from bartleby.family.parameters import parameter_table
from bartleby.family.presets import PRESETS, Preset
from tests.parity.forward_draws import CLASS_PREFIX, SUFFIXES
from tests.parity.random_models import (
    MODEL_TYPES,
    POSITIONS,
    VOCABULARY,
    random_batch,
    random_fields,
    random_weights,
    seeded,
)
from tests.parity.tally import TALLIES
from tests.parity.wing_models import (
    MODELS,
    WINGS,
    build,
    computed,
    defined,
    directed,
    gradients,
    load,
    save,
    taught,
)

pytestmark = pytest.mark.skipif(
    len(WINGS) < 2, reason='fewer than two wings are installed: pip install "bartleby[torch,flax,tensorflow]"'
)

FORWARD, TAUGHT = 1e-5, 1e-4
Arrays = dict[str, npt.NDArray[Any]]


def apart(ours: npt.NDArray[Any], theirs: npt.NDArray[Any]) -> float:
    assert ours.shape == theirs.shape
    assert np.isfinite(ours).all()
    return float(np.abs(ours - theirs).max()) / max(1.0, float(np.abs(theirs).max()))


def agree(what: str, found: Arrays, wanted: Arrays, limit: float) -> None:
    """Tells how far apart two sets of arrays are, and that it is not too far; `wanted` says which."""
    assert wanted.keys() <= found.keys(), sorted(wanted.keys() - found.keys())
    differences = {name: apart(found[name], wanted[name]) for name in wanted}
    worst = max(differences.values())
    TALLIES["wings"].add({what: worst}, worst <= limit)
    assert worst <= limit, {name: each for name, each in differences.items() if each > limit}


def small(preset: Preset) -> PreTrainedConfig:
    """The preset's config with smaller numbers, and depths as unequal as they were."""
    config = preset.config
    layers = {f"{side}_layers": 1 + (getattr(config, f"{side}_layers") > 6) for side in ("encoder", "decoder")}
    heads = {f"{side}_attention_heads": 4 for side in ("encoder", "decoder")}
    widths = {"vocab_size": VOCABULARY, "d_model": 16, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24}
    fields = {**preset.fields, **layers, **heads, **widths, "max_position_embeddings": POSITIONS}
    return replace(preset, fields=fields).config


def drawn_inputs(random: np.random.Generator, suffix: str, config: PreTrainedConfig) -> Arrays:
    """Right-padded sources and targets, or what a decoder alone reads."""
    (ids, mask), (target, target_mask) = random_batch(random), random_batch(random, longest=7)
    if suffix == "ForCausalLM":
        states = random.standard_normal((3, 9, config.d_model)).astype(np.float32)
        source = {"encoder_hidden_states": states, "encoder_attention_mask": mask}
        return {"input_ids": target, "attention_mask": target_mask, **source}
    source = {"input_ids": ids, "attention_mask": mask}
    if suffix in ("ForSequenceClassification", "ForQuestionAnswering"):
        return source
    return {**source, "decoder_input_ids": target, "decoder_attention_mask": target_mask}


def compare(config: PreTrainedConfig, suffix: str, *seed: object) -> None:
    """Every wing against the definition, and what the definition does not tell against the first wing."""
    random = seeded("wings", *seed)
    weights = random_weights(random, config, SUFFIXES[suffix])
    inputs = drawn_inputs(random, suffix, config)
    wanted = defined(config, suffix, weights, inputs)
    first: Arrays = {}
    for wing in WINGS:
        model = build(wing, config, suffix, weights)
        found = computed(wing, model, inputs, output_attentions=True, output_hidden_states=True)
        agree(f"{wing} and the definition", found, wanted, FORWARD)
        first = first or found
        assert found.keys() == first.keys()
        agree(f"attentions and states of {wing} and {WINGS[0]}", found, first, FORWARD)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
@pytest.mark.parametrize("scale", [True, False], ids=["scaled", "unscaled"])
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_every_switch_means_the_same_everywhere(model_type: str, scale: bool, tied: bool) -> None:
    fields = random_fields(seeded("switches", model_type, scale, tied))
    fields |= {"scale_embedding": scale, "tie_word_embeddings": tied}
    compare(CONFIG_CLASSES[model_type](**fields), "ForConditionalGeneration", model_type, scale, tied)


@pytest.mark.parametrize(("model_type", "suffix"), MODELS, ids=[CLASS_PREFIX[each] + suffix for each, suffix in MODELS])
def test_every_model_gives_the_same_everywhere(model_type: str, suffix: str) -> None:
    fields = random_fields(seeded("models", model_type, suffix)) | {"num_labels": 3}
    compare(CONFIG_CLASSES[model_type](**fields), suffix, model_type, suffix)


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "relu", "silu", "tanh"])
def test_every_activation_is_the_same_everywhere(activation: str) -> None:
    fields = random_fields(seeded("activations")) | {"activation_function": activation, "encoder_layers": 1}
    compare(CONFIG_CLASSES["bart"](**fields), "Model", activation)


def shapes() -> dict[str, PreTrainedConfig]:
    """The presets that are still different when they are small, by the first name of each."""
    found: dict[str, PreTrainedConfig] = {}
    for name, preset in PRESETS.items():
        config = small(preset)
        if not any(computes_alike(config, other) for other in found.values()):
            found[name] = config
    return found


def computes_alike(one: PreTrainedConfig, other: PreTrainedConfig) -> bool:
    kept = ("model_type", "encoder_layers", "decoder_layers", "activation_function", "scale_embedding", "num_labels")
    return all(getattr(one, name) == getattr(other, name) for name in kept)


@pytest.mark.parametrize(("name", "config"), list(shapes().items()), ids=[name.rpartition("/")[2] for name in shapes()])
def test_every_published_shape_gives_the_same_everywhere(name: str, config: PreTrainedConfig) -> None:
    compare(config, "ForSequenceClassification" if "mnli" in name else "ForConditionalGeneration", "presets", name)


@pytest.mark.slow
@settings(max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from(MODELS))
def test_whatever_is_drawn_gives_the_same_everywhere(seed: int, model: tuple[str, str]) -> None:
    model_type, suffix = model
    compare(CONFIG_CLASSES[model_type](**random_fields(seeded("drawn", seed))), suffix, seed, model)


@pytest.mark.parametrize(
    ("model_type", "suffix"),
    [
        pytest.param(*model, id="".join((CLASS_PREFIX[model[0]], model[1])), marks=[pytest.mark.slow] * (not first))
        for model in MODELS
        for first in [model[0] == "bart" or model[1] == "ForConditionalGeneration"]
    ],
)
def test_every_model_learns_the_same_everywhere(model_type: str, suffix: str) -> None:
    random = seeded("lessons", model_type, suffix)
    fields = random_fields(random) | {"num_labels": 3, "encoder_layers": 1, "decoder_layers": 1}
    config = CONFIG_CLASSES[model_type](**fields)
    weights = random_weights(random, config, SUFFIXES[suffix])
    inputs = drawn_inputs(random, suffix, config)
    first: Arrays = {}
    for wing in WINGS:
        found = gradients(wing, build(wing, config, suffix, weights), inputs)
        first = first or found
        for name in first.keys() - found.keys():  # what nothing hangs on has no gradient here, and zeros there
            found[name] = np.zeros_like(first[name])
        assert found.keys() - first.keys() <= {name for name, each in found.items() if not each.any()}
        agree(f"gradients of {wing} and {WINGS[0]}", found, first, TAUGHT)
    slope, predicted = slopes(config, suffix, weights, inputs, first)
    agree("gradients and the slope of the definition", {"slope": predicted}, {"slope": slope}, TAUGHT)


def slopes(
    config: PreTrainedConfig, suffix: str, weights: Arrays, inputs: Arrays, found: Arrays
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """How fast the definition changes where all weights move at once, and what gradients say of that."""
    random, step = seeded("direction"), 1e-6
    direction: Arrays = {}
    for parameter in parameter_table(config, SUFFIXES[suffix]):
        if parameter.tied_to is not None:
            direction[parameter.name] = direction[parameter.tied_to]
        else:
            moved = parameter.name in found
            direction[parameter.name] = random.standard_normal(parameter.shape) * moved
    ends = []
    for sign in (1, -1):
        there = {name: array.astype(np.float64) + sign * step * direction[name] for name, array in weights.items()}
        output = defined(config, suffix, there, inputs)
        number = directed(output, ravel=np.ravel, multiply=np.dot)
        ends.append(number)
    predicted = sum(float((gradient * direction[name]).sum()) for name, gradient in found.items())
    return np.asarray((ends[0] - ends[1]) / (2 * step)), np.asarray(predicted)


@pytest.mark.parametrize("wing", WINGS)
def test_what_one_wing_has_learned_is_what_the_others_load(wing: str, tmp_path: Path) -> None:
    random = seeded("learned", wing)
    config = CONFIG_CLASSES["blenderbot"](**random_fields(random) | {"tie_word_embeddings": True})
    weights = random_weights(random, config)
    model, inputs = build(wing, config, "ForConditionalGeneration", weights), drawn_inputs(random, "", config)
    before = computed(wing, model, inputs)["logits"]
    model = taught(wing, model, inputs)
    after = computed(wing, model, inputs)["logits"]
    assert np.abs(after - before).max() > 0.01
    save(wing, model, tmp_path)
    for other in WINGS:
        found = computed(other, load(other, "BlenderbotForConditionalGeneration", tmp_path), inputs)
        agree(f"{other} with what {wing} has learned", found, {"logits": after}, FORWARD)
