"""Write goldens/calls.json: what transformers 4.37.2 answers to calls of calls.py.

Run from the checkout in an environment with transformers 4.37.2 and this package's core on the path:
    PYTHONPATH=src:. python tests/parity/make_call_goldens.py [--scaled N] [--only NUMBERS] [--to FILE]
Held are N calls of Blenderbot-Small with `scale_embedding`, which 5.x leaves out, and those calls, whatever the model,
in which that release decides otherwise than 5.23; compare_decoding.py lists them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from tests.parity import releases
from tests.parity.calling import answer, written
from tests.parity.calls import Call, call, in_release_4, is_answered_by_release_4

GOLDENS = Path(__file__).parent / "goldens" / "calls.json"
SCALED = 60
DIFFER = "151,285,465,761,860"


def answered(calls: Iterator[tuple[int, Call]]) -> Iterator[tuple[int, list[list[int]]]]:
    """What this release writes for each source of the calls, one output below the other; of those it carries out."""
    for number, made in calls:
        if is_answered_by_release_4(made):
            model = (releases.model_of if made.form == "encoder-decoder" else releases.decoder_of)(made.drawn)
            yield number, written(made, answer(in_release_4(made), model))


def span(numbers: str) -> list[int]:
    """The numbers in text like "0-9,12"."""
    pairs = [part.partition("-") for part in numbers.split(",") if part]
    return [number for first, _, last in pairs for number in range(int(first), int(last or first) + 1)]


def as_lines(outputs: dict[int, Any]) -> str:
    """JSON with a line for each call."""
    return ",\n".join(f'  "{number}": {json.dumps(rows, separators=(",", ":"))}' for number, rows in outputs.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scaled", type=int, default=SCALED)
    parser.add_argument("--only", default=DIFFER, help="numbers of calls, like 0-9,12")
    parser.add_argument("--to", type=Path, default=GOLDENS)
    asked = parser.parse_args()
    transformers.logging.set_verbosity_error()
    small = ((number, call(number, scale_embedding=True)) for number in count(2, 3))
    parts = {
        "scaled": dict(islice(answered(small), asked.scaled)),
        "answers": dict(answered((number, call(number)) for number in span(asked.only))),
    }
    made_with = {module.__name__: module.__version__ for module in (transformers, torch, np)}
    body = ",\n".join(f' "{name}": {{\n{as_lines(outputs)}\n }}' for name, outputs in parts.items())
    asked.to.write_text(f'{{"made_with": {json.dumps(made_with)},\n{body}}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
