"""Every argument of every forward against the reference library, on passes drawn at random.

With transformers 5.23: outputs, caches, losses and gradients. With goldens of 4.37.2 (make_forward_goldens.py): what
later releases lost or broke, which is masks of heads, tuples as caches, and Blenderbot-Small with `scale_embedding`.
Differences are relative to the size of what is compared, since weights are large here on purpose.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.parity.forward_draws import SUFFIXES, ForwardDraw, forward_draw
from tests.parity.make_forward_goldens import MASKED_DRAWS, TUPLE_DRAWS, masked_draw, summary, tuple_draw
from tests.parity.tally import TALLIES

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch import models  # noqa: E402  after the skip
from bartleby.backends.pytorch.cache import DynamicCache, EncoderDecoderCache, StaticCache, is_cache  # noqa: E402
from bartleby.backends.pytorch.model import Model  # noqa: E402

QUICK, SLOW = 75, 500
FORWARD, TAUGHT = 1e-5, 1e-4
GOLDENS = Path(__file__).parent / "goldens" / "forward_v4.npz"


@pytest.mark.parametrize("number", range(QUICK))
def test_a_pass_is_that_of_the_reference_library(number: int) -> None:
    compare(forward_draw("forward draws", number))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(QUICK, QUICK + SLOW))
def test_many_more_passes_are_those_of_the_reference_library(number: int) -> None:
    compare(forward_draw("forward draws", number))


def test_the_draws_reach_every_class_and_argument() -> None:
    draws = [forward_draw("forward draws", number) for number in range(QUICK)]
    assert {draw.suffix for draw in draws} == set(SUFFIXES)
    assert len({draw.class_name for draw in draws}) >= 15
    given = {name for draw in draws for name in (*draw.inputs, *draw.options)}
    assert given == {
        *("input_ids", "attention_mask", "inputs_embeds", "encoder_outputs", "labels"),
        *("decoder_input_ids", "decoder_attention_mask", "decoder_inputs_embeds", "start_positions", "end_positions"),
        *("encoder_hidden_states", "encoder_attention_mask"),
        *("output_attentions", "output_hidden_states", "use_cache", "logits_to_keep"),
    }
    assert {draw.cache for draw in draws} == {None, "own", "tuple", "static", "foreign"}


def compare(draw: ForwardDraw) -> None:
    """Both libraries on one draw."""
    transformers = pytest.importorskip(
        "transformers", reason="the reference library is not installed: pip install transformers==5.23.0"
    )
    if draw.model_type == "blenderbot-small":
        draw.fields["scale_embedding"] = False  # 5.23 computes the factor there and never uses it
    ours = filled(getattr(models, draw.class_name)(draw.config), draw)
    module = getattr(transformers.models, draw.model_type.replace("-", "_"))
    family = getattr(module, f"modeling_{draw.model_type.replace('-', '_')}")
    their_config = getattr(transformers, f"{draw.class_name.removesuffix(draw.suffix)}Config")(**draw.fields)
    their_config._attn_implementation = "eager"  # the only one that shows its weights
    theirs = filled(getattr(family, draw.class_name)(their_config), draw)
    differences: dict[str, float] = {}
    if draw.cache is None:
        inputs = {**tensors(draw.inputs), **draw.options}
        ours_out = ours(**inputs)
        if draw.target == "input_ids" and "past_key_values" in ours_out:
            # 5.23 makes caches for a decoder alone as deep as the encoder would be, and fails where that is not enough
            inputs["past_key_values"] = empty_cache(transformers, len(ours_out.past_key_values[0]))
        theirs_out = theirs(**inputs)
        differences["outputs"] = worst(ours_out, theirs_out)
        taught(ours_out).backward()
        taught(theirs_out).backward()
        differences["losses and gradients"] = max(
            apart(taught(ours_out), taught(theirs_out)), worst(gradients(ours), gradients(theirs))
        )
    else:
        with torch.inference_mode():
            ours_steps = steps(ours, draw, first_cache(draw, transformers))
            theirs_steps = steps(theirs, draw, empty_cache(transformers, len(ours_steps[1].past_key_values[0])))
            for ours_out, theirs_out in zip(ours_steps, theirs_steps, strict=True):
                differences["cached outputs"] = max(differences.get("cached outputs", 0.0), worst(ours_out, theirs_out))
    limits = {name: TAUGHT if name == "losses and gradients" else FORWARD for name in differences}
    agrees = all(difference <= limits[name] for name, difference in differences.items())
    TALLIES["forward against transformers 5.23"].add(differences, agrees)
    assert agrees, (differences, draw.class_name, draw)


def filled(model: Any, draw: ForwardDraw) -> Any:
    """The model in the state of the draw, without dropout."""
    state = {name: torch.from_numpy(array.copy()) for name, array in draw.state.items()}
    model.load_state_dict(state, strict=True)
    return model.eval()


def tensors(inputs: dict[str, Any]) -> dict[str, Any]:
    """The arrays of a draw as arguments."""
    arguments = {name: torch.from_numpy(array) for name, array in inputs.items()}
    if "encoder_outputs" in arguments:
        arguments["encoder_outputs"] = (arguments["encoder_outputs"],)
    return arguments


def first_cache(draw: ForwardDraw, transformers: Any) -> Any:
    """What our first pass is given to fill; theirs makes its own."""
    if draw.cache == "static":
        has_source = draw.target == "decoder_input_ids" or "encoder_hidden_states" in draw.inputs
        return EncoderDecoderCache(StaticCache(12), DynamicCache()) if has_source else StaticCache(12)
    if draw.cache == "foreign":
        return transformers.EncoderDecoderCache(transformers.DynamicCache(), transformers.DynamicCache())
    return None


def empty_cache(transformers: Any, tensors_a_layer: int) -> Any:
    """Theirs, with room for a source where ours has one."""
    if tensors_a_layer == 2:
        return transformers.DynamicCache()
    return transformers.EncoderDecoderCache(transformers.DynamicCache(), transformers.DynamicCache())


def steps(model: Any, draw: ForwardDraw, cache: Any) -> list[Any]:
    """Two passes, the second with what the first left behind."""
    inputs, name, split = tensors(draw.inputs), draw.target, draw.split
    ids = inputs.pop(name)
    first_inputs = {**inputs, **draw.options, "use_cache": True}
    mask_name = "attention_mask" if name == "input_ids" else "decoder_attention_mask"
    if mask_name in inputs:
        first_inputs[mask_name] = inputs[mask_name][:, :split]
    places = torch.arange(ids.shape[1])
    # Weights over a memory of fixed shape would reach over places not written yet; theirs are not of fixed shape.
    is_fixed = draw.cache == "static" and isinstance(model, Model) and "output_attentions" not in draw.options
    first_place, second_place = [{"cache_position": each} if is_fixed else {} for each in places.tensor_split([split])]
    first = model(**first_inputs, **{name: ids[:, :split]}, past_key_values=cache, **first_place)
    past = first.past_key_values
    first.past_key_values = snapshot(past)
    if draw.cache == "tuple" and hasattr(past, "to_legacy_cache"):
        past = past.to_legacy_cache()
    again = {**inputs, **draw.options, "use_cache": True, **second_place}
    second = model(**again, **{name: ids[:, split:]}, past_key_values=past)
    second.past_key_values = snapshot(second.past_key_values)
    for output, length in ((first, split), (second, len(places))):
        # a memory of fixed shape also has places that no step has written yet
        output.past_key_values = [
            [*(each[:, :, :length] for each in layer[:2]), *layer[2:]] for layer in output.past_key_values
        ]
    return [first, second]


def snapshot(past: Any) -> list[list[Any]]:
    return [[tensor.clone() for tensor in layer] for layer in held(past)]


def held(past: Any) -> list[list[Any]]:
    """The tensors of any cache layer by layer: of self-attention and, where there is one, of the source."""
    if not is_cache(past):
        return [list(layer) for layer in past]
    own = getattr(past, "self_attention_cache", past)
    source = getattr(past, "cross_attention_cache", None)
    layers = [[layer.keys, layer.values] for layer in own.layers if layer.keys is not None]
    for layer, of_source in zip(layers, [] if source is None else source.layers, strict=False):
        layer += [] if of_source.keys is None else [of_source.keys, of_source.values]
    return layers


def taught(output: Any) -> Any:
    """The loss, or some number that depends on all that was computed."""
    if output.get("loss") is not None:
        return output["loss"]
    first = output[0]
    return (first * torch.linspace(-1, 1, first.numel()).view_as(first)).mean()


def gradients(model: Any) -> dict[str, Any]:
    return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}


def worst(ours: Any, theirs: Any) -> float:
    """The largest difference anywhere in two outputs, which must hold the same things."""
    if is_cache(ours) or is_cache(theirs):
        return worst(held(ours), held(theirs))
    if isinstance(theirs, dict):
        theirs = {name: value for name, value in theirs.items() if not (name == "cross_attentions" and value == ())}
        assert set(ours) == set(theirs)
        return max((worst(ours[name], theirs[name]) for name in theirs), default=0.0)
    if isinstance(theirs, tuple | list):
        assert len(ours) == len(theirs)
        return max((worst(one, other) for one, other in zip(ours, theirs, strict=True)), default=0.0)
    return apart(ours, theirs)


def apart(ours: Any, theirs: Any) -> float:
    """How far two tensors are apart, relative to their size where that is more than 1."""
    ours, theirs = torch.as_tensor(ours).detach(), torch.as_tensor(theirs).detach()
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    assert bool(torch.isfinite(ours).all()), "`max` would not see what is no number"
    scale = max(1.0, float(theirs.abs().max()))
    return float((ours - theirs).abs().max()) / scale


@pytest.mark.parametrize("number", range(MASKED_DRAWS))
def test_masks_of_heads_do_what_they_did_in_version_4(number: int) -> None:
    draw = masked_draw(number)
    model = filled(getattr(models, draw.class_name)(draw.config), draw)
    output = model(**tensors(draw.inputs), **draw.options)
    against_goldens(f"masked_{number}", summary(output, taught(output), model))


@pytest.mark.parametrize("number", range(TUPLE_DRAWS))
def test_tuples_are_caches_as_they_were_in_version_4(number: int) -> None:
    draw = tuple_draw(number)
    model = filled(getattr(models, draw.class_name)(draw.config), draw)
    draw.cache = "tuple"
    with torch.inference_mode():
        _, second = steps(model, draw, None)
    found = {"logits": second[0], **{f"past_{place}": each for place, each in enumerate(second.past_key_values[-1])}}
    against_goldens(f"tuple_{number}", {name: np.asarray(value) for name, value in found.items()})


def against_goldens(prefix: str, found: dict[str, Any]) -> None:
    goldens = np.load(GOLDENS)
    assert str(goldens["versions"]).startswith("transformers 4.37.2")
    names = {name.removeprefix(f"{prefix}_") for name in goldens.files if name.startswith(f"{prefix}_")}
    assert names == set(found)
    differences = {name: apart(found[name], goldens[f"{prefix}_{name}"]) for name in names}
    lessons = {name: difference for name, difference in differences.items() if name.startswith(("loss", "gradient"))}
    rest = {name: difference for name, difference in differences.items() if name not in lessons}
    agrees = max(rest.values()) <= FORWARD and max(lessons.values(), default=0.0) <= TAUGHT
    TALLIES["forward against goldens of transformers 4.37.2"].add(
        {"outputs": max(rest.values()), **({"losses and gradients": max(lessons.values())} if lessons else {})}, agrees
    )
    assert agrees, differences
