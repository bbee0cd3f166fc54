"""Write goldens/search.json: what transformers 4.37.2 writes by the searches that later releases lack.

Run from the checkout in an environment with transformers 4.37.2 and this package's core on the path:
    PYTHONPATH=src:. python tests/parity/make_search_goldens.py [--draws N] [--to FILE]
"""

from __future__ import annotations

import argparse
import json
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from tests.parity import releases
from tests.parity.draws import Draw
from tests.parity.entry_draws import DOORS, enter, entry_draw
from tests.parity.random_models import MODEL_TYPES
from tests.parity.search_draws import constrained_draw, group_draw

GOLDENS = Path(__file__).parent / "goldens" / "search.json"
DRAWS = 24
MOST_DOORS = 8


def written(drawn: Draw) -> dict[str, Any]:
    """Ids of every source's outputs without the prompt, cut behind the first end token, and the score of each."""
    longest, pad = max(map(len, drawn.sources)), drawn.config.pad_token_id
    ids = torch.tensor([[*source, *[pad] * (longest - len(source))] for source in drawn.sources])
    mask = torch.tensor([[1] * len(source) + [0] * (longest - len(source)) for source in drawn.sources])
    prompt = {} if drawn.prompts is None else {"decoder_input_ids": torch.tensor(drawn.prompts)}
    inputs = {"attention_mask": mask, **prompt, **drawn.options}
    with torch.no_grad():
        model = releases.model_of(drawn)
        try:
            output = model.generate(ids, **inputs, return_dict_in_generate=True, output_scores=True)
            rows, scores = output.sequences.tolist(), [round(score, 6) for score in output.sequences_scores.tolist()]
        except (TypeError, RuntimeError):  # it cannot tell the scores of outputs that do not contain all they must
            rows, scores = model.generate(ids, **inputs).tolist(), None
    begins = 1 if drawn.prompts is None else len(drawn.prompts[0])
    cut = [releases._cut(row[begins:], drawn.options["eos_token_id"]) for row in rows]
    copies = drawn.options["num_return_sequences"]
    return {"ids": [cut[first : first + copies] for first in range(0, len(cut), copies)], "scores": scores}


def entered(drawn: Draw) -> dict[str, Any]:
    """What each door gives: ids as they come, the scores of beams, and how many steps were taken."""
    model, found = releases.model_of(drawn), {}
    for door in DOORS:
        try:
            output = enter(door, model, transformers, drawn)
        except (TypeError, RuntimeError):
            continue  # as above
        scores = getattr(output, "sequences_scores", None)
        found[door] = {
            "ids": output.sequences.tolist(),
            "scores": None if scores is None else [round(score, 6) for score in scores.tolist()],
            "steps": len(output.scores),
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=DRAWS, help="of each search and model type")
    parser.add_argument("--to", type=Path, default=GOLDENS)
    arguments = parser.parse_args()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    made_with = {module.__name__: module.__version__ for module in (transformers, torch, np)}
    outputs = {
        kind: {
            f"{model_type} {seed}": written(drawn(model_type, seed))
            for model_type in MODEL_TYPES
            for seed in range(arguments.draws)
        }
        for kind, drawn in (("groups", group_draw), ("constrained", constrained_draw))
    }
    outputs["doors"] = {
        f"{model_type} {seed}": entered(entry_draw(model_type, seed))
        for model_type in MODEL_TYPES
        for seed in range(min(arguments.draws, MOST_DOORS))
    }
    text = json.dumps({"made_with": made_with, **outputs}, separators=(",", ":")).replace('"bart', '\n"bart')
    arguments.to.write_text(text.replace('"blender', '\n"blender') + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
