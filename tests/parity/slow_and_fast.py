"""Where the slow and the fast tokenizers of transformers 4.37.2 disagree; run it where that release is installed.

    python tests/parity/slow_and_fast.py ../shared/vocab

Prints the counts that docs/tokenizers.md lists. Each string that differs is put down to a cause that can be read off
it, so a disagreement without a known cause shows up as a count of its own.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import transformers
from tokenizer_texts import make_texts

PAIRS = {
    "Bart": (transformers.BartTokenizer, transformers.BartTokenizerFast),
    "Blenderbot": (transformers.BlenderbotTokenizer, transformers.BlenderbotTokenizerFast),
}
SPECIAL = r"(?:<s>|</s>|<pad>|<unk>|<mask>)"
TEXT_BEHIND_SPECIAL = re.compile(rf"{SPECIAL}(?!{SPECIAL}| |\Z)")


def cause(text: str) -> str:
    if text[:1].isspace() and text[0] != " ":
        return "begins with white space that is no space"
    if TEXT_BEHIND_SPECIAL.search(text):
        return "text right behind a special token"
    return "begins with a special token" if re.match(SPECIAL, text) else "unexplained"


def report(name: str, folder: Path, prefix_space: bool) -> None:
    files = str(folder / "vocab.json"), str(folder / "merges.txt")
    slow, fast = (made(*files, add_prefix_space=prefix_space) for made in PAIRS[name])
    texts = make_texts()
    ours: Any = fast(texts, verbose=False)["input_ids"]
    theirs = slow(texts, verbose=False)["input_ids"]
    causes = Counter(cause(text) for text, a, b in zip(texts, theirs, ours, strict=True) if a != b)
    decoded = sum(slow.decode(row) != fast.decode(row) for row in ours)
    print(f"{name}, add_prefix_space={prefix_space}: ids differ in {causes.total()} of {len(texts)}: {dict(causes)}")
    print(f"    the same ids decode to another text in {decoded}")


if __name__ == "__main__":
    vocabularies = Path(sys.argv[1])
    for prefix_space in (False, True):
        report("Bart", vocabularies / "bart", prefix_space)
        report("Blenderbot", vocabularies / "blenderbot", prefix_space)
    small = vocabularies / "blenderbot_small"
    try:
        transformers.BlenderbotSmallTokenizerFast(str(small / "vocab.json"), str(small / "merges.txt"))
    except Exception as error:  # the library raises bare Exception
        print(f"BlenderbotSmallTokenizerFast cannot be made: {error}")
