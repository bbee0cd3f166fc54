"""Decoding of the draws by this library's implementations: one side of the comparison, the other is `releases.py`."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from bartleby.backends.plain import PlainBackend
from bartleby.backends.protocol import Backend
from bartleby.generation import GenerationConfig
from bartleby.generation.config import listed
from tests.parity.draws import Draw, Form, Ids


def plain(drawn: Draw) -> Backend:
    return PlainBackend(drawn.weights(), drawn.config, GenerationConfig())


def pytorch(drawn: Draw) -> Backend:
    from bartleby.backends.pytorch.backend import PyTorchBackend

    return PyTorchBackend(model_of(drawn))


def model_of(drawn: Draw, form: Form = "encoder-decoder") -> Any:
    """The PyTorch model with the draw's weights, in float64; without decoding options of its own."""
    import torch

    from bartleby.backends.pytorch import auto

    maker = auto.AutoModelForSeq2SeqLM if form == "encoder-decoder" else auto.AutoModelForCausalLM
    model, weights = maker.from_config(drawn.config).double().eval(), drawn.weights()
    model.load_state_dict({name: torch.from_numpy(weights[name]) for name in model.state_dict()})
    model.generation_config = GenerationConfig()
    return model


def like(model: Any, seed: int, strength: float = 0.05) -> Any:
    """A model that often says the same: `model` itself, with noise in its weights. The noise changes it in place."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(strength * torch.randn(weight.shape, generator=generator, dtype=weight.dtype))
    return model


IMPLEMENTATIONS: dict[str, Callable[[Draw], Backend]] = {"plain": plain}
"""How each installed implementation is given the weights of a draw."""
if find_spec("torch") is not None:
    IMPLEMENTATIONS["pytorch"] = pytorch


def written(drawn: Draw, implementation: str) -> Ids:
    """What this library writes for every source, without the prompt."""
    backend = IMPLEMENTATIONS[implementation](drawn)
    outputs = backend.generate(drawn.sources, GenerationConfig(**drawn.options), decoder_input_ids=drawn.prompts)
    return [[list(hypothesis.ids) for hypothesis in hypotheses] for hypotheses in outputs]


def as_in_release_4(drawn: Draw, ids: Ids) -> Ids:
    """The same outputs with their ends as 4.x writes them: its beams forget which of several end tokens it was."""
    ends = listed(drawn.options["eos_token_id"])
    if drawn.options["num_beams"] == 1:
        return ids
    return [[[*one[:-1], ends[0]] if one[-1] in ends else one for one in outputs] for outputs in ids]
