"""Write goldens/forward.npz and goldens/forward_v4.npz with transformers 4.37.2: what later releases lost or broke.

Run from the checkout in an environment with transformers 4.37.2 and this package's core on the path:
    PYTHONPATH=src:. python tests/parity/make_forward_goldens.py
The first holds logits of Blenderbot-Small with `scale_embedding`; the second passes with masks of heads, with their
losses and gradients, and passes with tuples as caches. Inputs are drawn from the same seeds in the tests, so only
outputs are stored. Tables are tied: that release never unties the embeddings of the two stacks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bartleby.family.config import CONFIG_CLASSES
from tests.parity.forward_draws import ForwardDraw, forward_draw
from tests.parity.random_models import random_batch, random_fields, random_weights, seeded

GOLDENS = Path(__file__).parent / "goldens"
DRAWS, MASKED_DRAWS, TUPLE_DRAWS = 8, 12, 8
MASKED = ("Model", "ForConditionalGeneration", "ForCausalLM", "ForSequenceClassification", "ForQuestionAnswering")


def masked_draw(number: int) -> ForwardDraw:
    """A pass with masks of heads, some of which are off, some weakened."""
    draw = forward_draw("masked heads", number, suffixes=MASKED, tie_word_embeddings=True)
    random = seeded("masks of heads", number)
    sides = {"head_mask": "encoder", "decoder_head_mask": "decoder", "cross_attn_head_mask": "decoder"}
    if draw.suffix == "ForCausalLM":
        sides = {"head_mask": "decoder", "cross_attn_head_mask": "decoder"}
    for name, side in sides.items():
        shape = draw.fields[f"{side}_layers"], draw.fields[f"{side}_attention_heads"]
        draw.inputs[name] = random.choice([0.0, 0.5, 1.0], shape).astype(np.float32)
    draw.options = {"output_attentions": True, "use_cache": False}
    return draw


def tuple_draw(number: int) -> ForwardDraw:
    """A pass over the first part of a target, to be gone on with."""
    for attempt in range(100):
        suffixes = ("Model", "ForConditionalGeneration", "ForCausalLM")
        draw = forward_draw("tuples", number, attempt, suffixes=suffixes, tie_word_embeddings=True)
        if draw.split:
            draw.options = {}
            return draw
    raise AssertionError("no draw has a target to be cut")


def summary(output: Any, loss: Any, model: Any) -> dict[str, np.ndarray]:
    """The first output after the loss, the last layer's weights of every kind, and the loss and some gradients."""
    loss.backward()
    kept = {"first": output[1 if output.get("loss") is not None else 0], "loss": loss}
    for name in ("encoder_attentions", "decoder_attentions", "cross_attentions", "attentions"):
        if output.get(name) is not None:
            kept[name] = output[name][-1]
    for place, (name, parameter) in enumerate(sorted(model.named_parameters())):
        if parameter.grad is not None and place % 13 == 0 and not name.endswith("embed_tokens.weight"):
            kept[f"gradient_{name.replace('.', '-')}"] = parameter.grad.sum(dim=0)
    return {name: value.detach().numpy() for name, value in kept.items()}


def main() -> None:
    import torch
    import transformers

    def built(draw: ForwardDraw) -> Any:
        config = getattr(transformers, f"{draw.class_name.removesuffix(draw.suffix)}Config")(**draw.fields)
        config._attn_implementation = "eager"
        model = getattr(transformers, draw.class_name)(config).eval()
        model.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in draw.state.items()})
        return model

    def tensors(inputs: dict[str, Any]) -> dict[str, Any]:
        arguments = {name: torch.from_numpy(array) for name, array in inputs.items()}
        if "encoder_outputs" in arguments:
            arguments["encoder_outputs"] = (arguments["encoder_outputs"],)
        return arguments

    versions = f"transformers {transformers.__version__}, torch {torch.__version__}, numpy {np.__version__}"
    stored: dict[str, Any] = {}
    for number in range(MASKED_DRAWS):
        draw = masked_draw(number)
        model = built(draw)
        output = model(**tensors(draw.inputs), **draw.options)
        first = output[0]
        loss = output.get("loss")
        if loss is None:
            loss = (first * torch.linspace(-1, 1, first.numel()).view_as(first)).mean()
        stored |= {f"masked_{number}_{name}": array for name, array in summary(output, loss, model).items()}
    for number in range(TUPLE_DRAWS):
        draw = tuple_draw(number)
        stored |= {f"tuple_{number}_{name}": array for name, array in continued(built(draw), draw, tensors).items()}
    GOLDENS.mkdir(exist_ok=True)
    np.savez_compressed(GOLDENS / "forward_v4.npz", versions=versions, **stored)
    np.savez_compressed(GOLDENS / "forward.npz", versions=versions, draws=DRAWS, **scaled(torch, transformers))


def continued(model: Any, draw: ForwardDraw, tensors: Any) -> dict[str, np.ndarray]:
    """Logits of the second part of a target, and the last layer of the tuple that comes back."""
    import torch

    inputs = tensors(draw.inputs)
    ids = inputs.pop(draw.target)
    mask_name = "attention_mask" if draw.target == "input_ids" else "decoder_attention_mask"
    start = {**inputs, draw.target: ids[:, : draw.split], "use_cache": True}
    if mask_name in inputs:
        start[mask_name] = inputs[mask_name][:, : draw.split]
    with torch.inference_mode():
        past = model(**start).past_key_values
        second = model(**inputs, **{draw.target: ids[:, draw.split :]}, past_key_values=past, use_cache=True)
    tensors_of_last = {f"past_{place}": each.numpy() for place, each in enumerate(second.past_key_values[-1])}
    return {"logits": second[0].numpy(), **tensors_of_last}


def scaled(torch: Any, transformers: Any) -> dict[str, np.ndarray]:
    """Logits of Blenderbot-Small with `scale_embedding`."""
    logits = {}
    for draw in range(DRAWS):
        random = seeded("goldens", draw)
        fields = {**random_fields(random), "scale_embedding": True, "tie_word_embeddings": True}
        weights = random_weights(random, CONFIG_CLASSES["blenderbot-small"](**fields))
        (ids, mask), (target, _) = random_batch(random), random_batch(random, longest=7)
        model = transformers.BlenderbotSmallForConditionalGeneration(
            transformers.BlenderbotSmallConfig(**fields)
        ).eval()
        model.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.items()})
        with torch.inference_mode():
            inputs = {"input_ids": ids, "attention_mask": mask, "decoder_input_ids": target}
            output = model(**{name: torch.from_numpy(array) for name, array in inputs.items()})
        logits[f"logits_{draw}"] = output.logits.numpy()
    return logits


if __name__ == "__main__":
    main()
