"""Decoding of the draws by this library's implementations: one side of the comparison, the other is `releases.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.util import find_spec

import numpy as np

from bartleby.backends.plain import PlainBackend, PlainDecoder
from bartleby.backends.protocol import Backend
from bartleby.generation import GenerationConfig
from bartleby.generation.config import listed
from bartleby.generation.rules import apply_rules, log_softmax, rules_for
from bartleby.generation.search import whole_prompts
from tests.parity.draws import Draw, Ids, draw


def plain(drawn: Draw) -> Backend:
    return PlainBackend(drawn.weights(), drawn.config, GenerationConfig())


def pytorch(drawn: Draw) -> Backend:
    import torch

    from bartleby.backends.pytorch.auto import AutoModelForSeq2SeqLM
    from bartleby.backends.pytorch.backend import PyTorchBackend

    model = AutoModelForSeq2SeqLM.from_config(drawn.config).double()
    model.load_state_dict({name: torch.from_numpy(array) for name, array in drawn.weights().items()})
    return PyTorchBackend(model)


IMPLEMENTATIONS: dict[str, Callable[[Draw], Backend]] = {"plain": plain}
"""How each installed implementation is given the weights of a draw."""
if find_spec("torch") is not None:
    IMPLEMENTATIONS["pytorch"] = pytorch


def written(drawn: Draw, implementation: str) -> Ids:
    """What this library writes for every source, without the prompt."""
    backend = IMPLEMENTATIONS[implementation](drawn)
    outputs = backend.generate(drawn.sources, GenerationConfig(**drawn.options), decoder_input_ids=drawn.prompts)
    return [[list(hypothesis.ids) for hypothesis in hypotheses] for hypotheses in outputs]


def draws_for_current_release(model_type: str, seeds: Iterable[int]) -> list[Draw]:
    """Draws that 5.x computes as documented: its Blenderbot-Small never scales embeddings, so there none are scaled."""
    scale_embedding = False if model_type == "blenderbot-small" else None
    return [draw(model_type, seed, scale_embedding) for seed in seeds]


def as_in_release_4(drawn: Draw, ids: Ids) -> Ids:
    """The same outputs with their ends as 4.x writes them: its beams forget which of several end tokens it was."""
    ends = listed(drawn.options["eos_token_id"])
    if drawn.options["num_beams"] == 1:
        return ids
    return [[[*one[:-1], ends[0]] if one[-1] in ends else one for one in outputs] for outputs in ids]


def is_tie(drawn: Draw, ours: Ids, theirs: Ids) -> bool:
    """Whether two results differ only where their exact scores do not: a choice that hangs on float32 rounding."""
    return all(
        abs(_score(drawn, source, one) - _score(drawn, source, other)) < 1e-6 * max(1, len(one))
        for source, (mine, published) in enumerate(zip(ours, theirs, strict=True))
        for one, other in zip(mine, published, strict=True)
        if one != other
    )


def _score(drawn: Draw, source: int, ids: list[int]) -> float:
    """The score of an output as beam search sees it, in float64."""
    options = GenerationConfig(**drawn.options)
    text = whole_prompts(options, drawn.prompts, len(drawn.sources))[source]
    rules = rules_for(options, len(text), drawn.sources)
    decoder = PlainDecoder(drawn.weights(), drawn.config, drawn.sources)
    decoder.start(np.array([source]))
    tokens, total = np.array([text]), 0.0
    for token in ids:
        scores = apply_rules(rules, np.array([text]), log_softmax(decoder.step(tokens)), np.array([source]))
        total += float(scores[0, token])
        text, tokens = [*text, token], np.array([[token]])
    return total / len(ids) ** options.length_penalty
