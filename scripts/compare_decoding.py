"""Decode random draws here and with the installed transformers, and count how often the ids are the same.

    python scripts/compare_decoding.py --draws 200 --backend plain --oracle python-with-4.37.2

A draw in which the two releases differ counts as agreement with either one; every draw that differs is listed.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from tests.parity import decoding, releases  # noqa: E402


def verdict(drawn: decoding.Draw, ours: decoding.Ids, theirs: decoding.Ids, oracle: str | None) -> tuple[bool, str]:
    """Whether a difference still counts as agreement, and what it is."""
    if decoding.is_tie(drawn, ours, theirs):
        return True, "tie within float32 rounding"
    if oracle is None:
        return False, "differs (no second release to ask: pass --oracle)"
    scale = json.dumps(drawn.config.scale_embedding)
    command = [oracle, str(ROOT / "scripts/make_decoding_goldens.py"), drawn.model_type, f"{drawn.seed}-{drawn.seed}"]
    answer = subprocess.run([*command, "--scale-embedding", scale], capture_output=True, text=True, check=True).stdout
    agrees = json.loads(answer)["outputs"][str(drawn.seed)] == ours
    return agrees, "the other release agrees with us" if agrees else "differs from both releases"


parser = argparse.ArgumentParser()
parser.add_argument("--draws", type=int, default=200)
parser.add_argument("--backend", choices=decoding.IMPLEMENTATIONS, default="plain")
parser.add_argument("--oracle", help="the Python of an environment with another release of transformers")
arguments = parser.parse_args()
worst = 0
for model_type in releases.MODELS:
    agreed = 0
    for drawn in decoding.draws_for_current_release(model_type, range(arguments.draws)):
        ours, theirs = decoding.written(drawn, arguments.backend), releases.decode(drawn)
        agrees, reason = (True, "") if ours == theirs else verdict(drawn, ours, theirs, arguments.oracle)
        agreed += agrees
        if reason:
            print(f"{model_type} draw {drawn.seed}: {reason}")
    worst = max(worst, arguments.draws - agreed)
    print(f"{model_type}: {agreed} of {arguments.draws} draws agree")
sys.exit(worst > 0)
