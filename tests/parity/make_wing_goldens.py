"""Write goldens/wings.npz and goldens/wing_files.json.xz: what transformers 4.37.2 does in Flax and TensorFlow.

Run from the checkout where transformers 4.37.2 has all three frameworks:
    PYTHONPATH=src:. python tests/parity/make_wing_goldens.py
(torch==2.13.0 "numpy<2" transformers==4.37.2 tensorflow==2.15.1 "jax<0.5" "jaxlib<0.5" "flax<0.9")
Models and inputs are drawn from the same seeds in the tests, so only answers are stored: of every pass and every search
of wing_draws.py, and the names and shapes inside the files that `save_pretrained` writes.

Where that release is itself in doubt:
- It has one table for both stacks even where nothing is tied; in TensorFlow, that table is the output's too. So the
  draws give the stacks equal tables, and TensorFlow's are tied.
- Its tuples from TensorFlow hold None for what was not asked for; those are left out.
- Its TensorFlow memory has four tensors a layer; the documentation tells of one of shape (2, b, h, t, k). Kept are the
  first two, stacked.
- Without `tf_legacy_loss` its TensorFlow loss is one mean of shape (1,); with it, as documented, one number a label.
- Its TensorFlow Blenderbots fail without decoder inputs, which are made of the source here. They are given some.
- Its Flax `min_length` keeps the end away for one token more than PyTorch's and TensorFlow's. It is asked for one less.
- Each search is put to its PyTorch classes as well. Where those write something else, `listed` has the name.
"""

from __future__ import annotations

import json
import lzma
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.parity import releases
from tests.parity.draws import Draw
from tests.parity.wing_answers import answer, searched
from tests.parity.wing_draws import FRAMEWORKS, Framework, searches, wing_draws
from tests.parity.wing_files import saved

GOLDENS = Path(__file__).parent / "goldens"


def main() -> None:
    import flax
    import jax
    import tensorflow
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    warnings.simplefilter("ignore")
    modules = (transformers, tensorflow, jax, flax, torch, np)
    versions = ", ".join(f"{module.__name__} {module.__version__}" for module in modules)
    stored: dict[str, Any] = {}
    listed: list[str] = []
    for framework in FRAMEWORKS:
        for draw in wing_draws(framework):
            stored |= {f"{draw.name}|{name}": array for name, array in answer(transformers, draw).items()}
        for name, drawn in searches(framework):
            told = searched(transformers, framework, as_counted(framework, drawn))
            stored |= {f"{framework} search {name}|{part}": array for part, array in told.items()}
            if not same_ids(told["sequences"], releases.decode(drawn), drawn):
                listed.append(f"{framework} search {name}")
    np.savez_compressed(GOLDENS / "wings.npz", versions=versions, listed=np.array(listed), **stored)
    files = {name: files for framework in FRAMEWORKS for name, files in saved(transformers, framework)}
    text = json.dumps({"made_with": versions, **files})
    (GOLDENS / "wing_files.json.xz").write_bytes(lzma.compress(text.encode(), preset=9))
    print(f"{len(stored)} arrays, listed: {listed}")


def as_counted(framework: Framework, drawn: Draw) -> Draw:
    """The draw with its `min_length` as that release counts it there."""
    least = drawn.options.get("min_length", 0)
    return (
        replace(drawn, options={**drawn.options, "min_length": least - 1}) if framework == "Flax" and least else drawn
    )


def same_ids(sequences: Any, rows: list[list[list[int]]], drawn: Any) -> bool:
    """Whether sequences behind the start token, cut behind their first end, are those of PyTorch."""
    cut = [releases._cut(row[1:], drawn.options["eos_token_id"]) for row in np.asarray(sequences).tolist()]
    flat = [row for outputs in rows for row in outputs]
    pad = drawn.config.pad_token_id
    return len(cut) == len(flat) and all(
        one[: len(other)] == other and not {*one[len(other) :]} - {pad} for one, other in zip(cut, flat, strict=True)
    )


if __name__ == "__main__":
    main()
