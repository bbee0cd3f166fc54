"""Write goldens/processors.npz: what the logits processors of transformers 4.37.2 make of drawn scores.

Run from the checkout in an environment with transformers 4.37.2:
    PYTHONPATH=. python tests/parity/make_processor_goldens.py
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import transformers
from transformers.generation import logits_process

from tests.parity.processor_cases import CASES, LENGTHS, call

GOLDENS = Path(__file__).parent / "goldens" / "processors.npz"


def main() -> None:
    library = SimpleNamespace(**vars(logits_process))
    scores = {f"{name}_{length}": call(name, library, length).numpy() for name in CASES for length in LENGTHS}
    np.savez_compressed(GOLDENS, versions=f"transformers {transformers.__version__}", **scores)


if __name__ == "__main__":
    main()
