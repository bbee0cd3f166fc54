"""Print what the installed release of transformers writes for draws of draws.py, as JSON.

    PYTHONPATH=src:. python tests/parity/make_decoding_goldens.py blenderbot-small 0-39 --scale-embedding true

Runs wherever torch, transformers and NumPy are; 4.37.2 made goldens/decoding/blenderbot-small-4.37.2.json.
"""

import argparse
import json
import sys

import numpy
import torch
import transformers

from tests.parity import releases
from tests.parity.draws import draw

parser = argparse.ArgumentParser()
parser.add_argument("model_type", choices=releases.MODELS)
parser.add_argument("seeds", help="first-last, or numbers with commas between")
parser.add_argument("--scale-embedding", type=json.loads, help="true or false instead of what was drawn")
arguments = parser.parse_args()
first, _, last = arguments.seeds.partition("-")
seeds = range(int(first), int(last) + 1) if last else map(int, arguments.seeds.split(","))
outputs = {seed: releases.decode(draw(arguments.model_type, seed, arguments.scale_embedding)) for seed in seeds}
versions = {module.__name__: module.__version__ for module in (transformers, torch, numpy)}
rows = [f'  "{seed}": {json.dumps(ids, separators=(",", ":"))}' for seed, ids in outputs.items()]
header = f'"made_with": {json.dumps(versions)},\n "arguments": {json.dumps(sys.argv[1:])}'
print("{" + header + ',\n "outputs": {\n' + ",\n".join(rows) + "\n}}")
