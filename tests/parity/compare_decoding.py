"""How often decoding here gives what the installed transformers gives, over as many calls as one likes.

    PYTHONPATH=src:. python tests/parity/compare_decoding.py 0-999 [--oracle PYTHON]

The numbers are those of calls.py. With the Python of an environment that has transformers 4.37.2, it also lists every
call in which the two releases differ, and with which of them this library agrees.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import transformers

from tests.parity.calling import ends_as_in_release_4
from tests.parity.calls import call
from tests.parity.comparison import Verdict, compare
from tests.parity.make_call_goldens import span
from tests.parity.tally import Tally


def answers_of(oracle: str, numbers: str) -> dict[str, list[list[int]]]:
    """What the other release answers, by number; to what it cannot be asked, nothing."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "answers.json"
        script = Path(__file__).with_name("make_call_goldens.py")
        subprocess.run([oracle, "-W", "ignore", script, "--scaled", "0", "--only", numbers, "--to", file], check=True)
        answers: dict[str, list[list[int]]] = json.loads(file.read_text(encoding="utf-8"))["answers"]
    return answers


def told(number: int, verdict: Verdict, other: list[list[int]] | None) -> str:
    """What is worth telling about a call, if anything."""
    with_other = other is not None and ends_as_in_release_4(verdict.call, verdict.found) == other
    releases_differ = other is not None and ends_as_in_release_4(verdict.call, verdict.expected) != other
    if verdict.is_same and verdict.is_close:
        return "the releases differ; this library agrees with 5.23" if releases_differ else ""
    if with_other:
        return "the releases differ; this library agrees with 4.37.2"
    return f"differs: {verdict.differences or 'ids'}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("numbers", help="first-last")
    parser.add_argument("--oracle", help="the Python of an environment with transformers 4.37.2")
    asked = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    tally, answers = Tally(), {} if asked.oracle is None else answers_of(asked.oracle, asked.numbers)
    for number in span(asked.numbers):
        verdict = compare(call(number))
        remark = told(number, verdict, answers.get(str(number)))
        tally.add(verdict.differences, not remark.startswith("differs"), str(number) if "releases" in remark else None)
        if remark:
            print(f"call {number} ({verdict.call.name}): {remark}", flush=True)
    print(tally)
    if answers:
        print(f"{len(answers)} of the calls could be put to 4.37.2 too")
    return int(tally.agreed < tally.draws)


if __name__ == "__main__":
    sys.exit(main())
