"""Write goldens/forward.npz: logits of transformers 4.37.2's Blenderbot-Small with `scale_embedding`.

Run from the checkout in an environment with transformers 4.37.2 and this package's core on the path:
    PYTHONPATH=src:. python tests/parity/make_forward_goldens.py
Inputs are drawn from the same seeds as in test_forward.py, so only the logits are stored. Tables are tied: that release
never unties the embeddings of the two stacks.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import transformers

from bartleby.family.config import CONFIG_CLASSES
from tests.parity.random_models import random_batch, random_fields, random_weights, seeded

GOLDENS = Path(__file__).parent / "goldens" / "forward.npz"
DRAWS = 8


def main() -> None:
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
    versions = f"transformers {transformers.__version__}, torch {torch.__version__}, numpy {np.__version__}"
    GOLDENS.parent.mkdir(exist_ok=True)
    np.savez_compressed(GOLDENS, versions=versions, draws=DRAWS, **logits)


if __name__ == "__main__":
    main()
