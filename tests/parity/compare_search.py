"""How often this library's searches write what 4.37.2 wrote, over as many draws as one likes.

PYTHONPATH=src:. python tests/parity/make_search_goldens.py --draws 100 --to FILE    where 4.37.2 is installed
python tests/parity/compare_search.py FILE                                           here
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from bartleby.generation.config import GenerationConfig
from tests.parity.decoding import as_in_release_4, pytorch
from tests.parity.search_draws import constrained_draw, group_draw


def main() -> None:
    goldens = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for kind, maker in (("groups", group_draw), ("constrained", constrained_draw)):
        different, worst = [], 0.0
        for name, expected in goldens[kind].items():
            model_type, seed = name.rsplit(" ", 1)
            drawn = maker(model_type, int(seed))
            options = GenerationConfig(**drawn.options)
            found = pytorch(drawn).generate(drawn.sources, options, decoder_input_ids=drawn.prompts)
            if as_in_release_4(drawn, [[list(one.ids) for one in outputs] for outputs in found]) != expected["ids"]:
                different.append(name)
            elif expected["scores"] is not None:
                theirs = np.array(expected["scores"])
                possible = np.isfinite(theirs)
                ours = np.array([one.score for outputs in found for one in outputs])[possible]
                gaps = np.abs(ours - theirs[possible]) / np.maximum(1, np.abs(theirs[possible]))
                worst = max(worst, gaps.max(initial=0.0))
        print(f"{kind}: {len(goldens[kind])} draws, {len(different)} differ {different}, scores within {worst:.1e}")


if __name__ == "__main__":
    main()
