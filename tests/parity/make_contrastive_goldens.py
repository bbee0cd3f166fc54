"""Write goldens/contrastive.json: what transformers 4.37.2, the last release with this search, writes by it.

Run from the checkout in an environment with transformers 4.37.2 and this package's core on the path:
    PYTHONPATH=src:. python tests/parity/make_contrastive_goldens.py [--draws N] [--to FILE]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from tests.parity import releases
from tests.parity.contrastive_draws import FORMS, contrastive_draw
from tests.parity.draws import Draw, Ids
from tests.parity.random_models import MODEL_TYPES

GOLDENS = Path(__file__).parent / "goldens" / "contrastive.json"
DRAWS = 12
PER_LAYER = ("decoder_attentions", "cross_attentions", "decoder_hidden_states")
FOLLOWED = 3


def go_on(draw: Draw) -> Ids:
    """What the release's decoder writes after each source, cut behind the first end token."""
    ids = torch.tensor(draw.sources)
    with torch.no_grad():
        rows = releases.decoder_of(draw).generate(ids, attention_mask=torch.ones_like(ids), **draw.options).tolist()
    return [[releases._cut(row[ids.shape[1] :], draw.options["eos_token_id"])] for row in rows]


def steps_of(draw: Draw) -> dict[str, Any]:
    """Sums over each step for the first source, and shapes: they tell whether steps hold what they held."""
    asked = ("output_scores", "output_attentions", "output_hidden_states", "return_dict_in_generate")
    ids = torch.tensor(draw.sources[:1])
    with torch.no_grad():
        output = releases.model_of(draw).generate(ids, **draw.options, **dict.fromkeys(asked, True))
    last = {name: [step[-1] for step in output[name]] for name in PER_LAYER} | {"scores": list(output.scores)}
    return {
        "cache": list(output.past_key_values[0][0].shape),
        "shapes": {name: [list(step.shape) for step in steps] for name, steps in last.items()},
        "sums": {
            name: [round(float(step[step.isfinite()].sum()), 3) for step in steps] for name, steps in last.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--to", type=Path, default=GOLDENS)
    asked = parser.parse_args()
    transformers.logging.set_verbosity_error()
    made_with = {"transformers": transformers.__version__, "torch": torch.__version__, "numpy": np.__version__}
    outputs = {
        f"{model_type} {form} {seed}": (releases.decode if form == "encoder-decoder" else go_on)(
            contrastive_draw(model_type, seed, form)
        )
        for model_type in MODEL_TYPES
        for form in FORMS
        for seed in range(asked.draws)
    }
    steps = {
        model_type: [steps_of(contrastive_draw(model_type, seed, FORMS[0])) for seed in range(FOLLOWED)]
        for model_type in MODEL_TYPES
    }
    lines = ",\n".join(
        f"  {json.dumps(name)}: {json.dumps(ids, separators=(',', ':'))}" for name, ids in outputs.items()
    )
    head = f' "made_with": {json.dumps(made_with)},\n "draws": {asked.draws}'
    tail = ",\n".join(
        f"  {json.dumps(name)}: {json.dumps(each, separators=(',', ':'))}" for name, each in steps.items()
    )
    text = f'{{{head},\n "outputs": {{\n{lines}\n }},\n "steps": {{\n{tail}\n }}}}\n'
    asked.to.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
