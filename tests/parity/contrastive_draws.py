"""Draws for contrastive search, for encoder-decoders and for decoders alone; outputs of 4.37.2 are committed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.parity.draws import Draw, Form, draw

FORMS: tuple[Form, ...] = ("encoder-decoder", "decoder")
OF_BEAMS = ("length_penalty", "early_stopping")


def contrastive_draw(model_type: str, seed: int, form: Form) -> Draw:
    """The draw of that number with the options of contrastive search in the place of beams.

    A decoder alone goes on with the sources, all of one length: where prompts are padded, 4.37 compares what is written
    with the states of padding, which see nothing and mean nothing.
    """
    drawn = draw(model_type, seed)
    random = np.random.default_rng([seed, 2])
    options = {name: value for name, value in drawn.options.items() if name not in OF_BEAMS}
    options |= {
        "num_beams": 1,
        "num_return_sequences": 1,
        "penalty_alpha": round(float(random.uniform(0.1, 0.9)), 2),
        "top_k": int(random.integers(2, 7)),
    }
    if form == "decoder":
        options.pop("max_length", None)
        options.pop("min_length", None)
        options["max_new_tokens"] = int(random.integers(4, 16))
        shortest = min(map(len, drawn.sources))
        sources = [source[: shortest - 1] for source in drawn.sources]  # and none ends, or what would there be to say
        return replace(drawn, sources=sources, prompts=None, options=options)
    return replace(drawn, options=options)
