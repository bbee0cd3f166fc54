"""The examples of the API documentation in ../shared/seeds, for all frameworks, as programs that import `bartleby`.

They are read from there, so that what runs is what is printed. Where the conversion of a page lost what stood in angle
brackets, it is put back.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SEEDS = Path(__file__).resolve().parents[3] / "shared" / "seeds"
SIGNS = {"tensorflow": re.compile(r"\bTF[A-Z]\w+|tensorflow"), "flax": re.compile(r"\bFlax[A-Z]\w+|jax")}
"""What an example for another framework than PyTorch names."""

LOST_BRACKETS = {"There Is No  in Syria": "There Is No <mask> in Syria", "friends are  but": "friends are <mask> but"}
LOST_TOKENS = {  # printed with special tokens, which the page lost; another page has them
    '[" That\'s unfortunate. Are they trying to lose weight or are they just trying to be healthier?"]': (
        '["<s> That\'s unfortunate. Are they trying to lose weight or are they just trying to be healthier?</s>"]'
    )
}


@dataclass(frozen=True)
class Documented:
    """One example: where it stands, and what is typed, or the whole text of a script."""

    place: str
    code: str
    framework: str
    """Which must be installed: "torch", "flax" or "tensorflow"."""

    def steps(self) -> list[doctest.Example]:
        """What is typed, one after the other, with what is printed then; a script is one step."""
        if ">>>" not in self.code:
            return [doctest.Example(self.code, want="")]
        return doctest.DocTestParser().get_examples(self.code, self.place)


def read_examples(*frameworks: str) -> list[Documented]:
    """Those for these frameworks; none where the folder is not beside the checkout."""
    examples = [example for page in sorted(SEEDS.glob("*.txt")) for example in examples_of(page)]
    return [example for example in examples if example.framework in frameworks]


def examples_of(page: Path) -> Iterator[Documented]:
    text = page.read_text(encoding="utf-8")
    for block in re.finditer(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        code = block[1]
        if "from transformers import" not in code:
            continue
        for lost, found in {**LOST_BRACKETS, **LOST_TOKENS}.items():
            code = code.replace(lost, found)
        line = text.count("\n", 0, block.start()) + 1
        framework = next((name for name, sign in SIGNS.items() if sign.search(code)), "torch")
        program = code.replace("from transformers import", "from bartleby import")
        yield Documented(f"{page.stem[:3]}-line-{line}", program, framework)


def run(
    example: Documented, around: Callable[[str], AbstractContextManager[Any]] = lambda source: nullcontext()
) -> list[tuple[str, str]]:
    """What every step should print, and what it printed; `around` is what a step is run in."""
    names: dict[str, Any] = {}
    printed = []
    for step in example.steps():
        mode = "single" if step.want or ">>>" in example.code else "exec"
        out = io.StringIO()
        with contextlib.redirect_stdout(out), around(step.source):
            exec(compile(step.source, example.place, mode), names)
        printed.append((step.want, out.getvalue()))
    return printed


def is_as_printed(wanted: str, printed: str) -> bool:
    """Whether it is what the page shows: spaces count as one, "..." or nothing as anything."""
    if not wanted.strip():
        return True
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    return doctest.OutputChecker().check_output(wanted, printed, flags)
