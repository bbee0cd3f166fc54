"""A call of calls.py by both libraries, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.parity import releases
from tests.parity.calling import Answer, answer, apart, with_last_repeated, written
from tests.parity.calls import Call, with_scores, without_drafts
from tests.parity.decoding import like, model_of

CLOSE = 1e-5
"""How far apart scores, attentions and states may be: relative to their size where that is more than 1."""


@dataclass
class Verdict:
    """What came of one call."""

    call: Call
    found: list[list[int]]
    expected: list[list[int]]
    differences: dict[str, float] = field(default_factory=dict)

    @property
    def is_same(self) -> bool:
        return self.found == self.expected

    @property
    def is_close(self) -> bool:
        return max(self.differences.values(), default=0.0) <= CLOSE


def compare(call: Call) -> Verdict:
    """This library and the release of transformers that is installed.

    Calls with drafts, which save time and change nothing, are held to greedy search: 5.23 tells of the attentions and
    states of drafts one step off.
    """
    ours, theirs = ours_of(call), published(call)
    verdict = Verdict(call, written(call, ours), written(call, theirs))
    if not verdict.is_same and call.options["num_beams"] > 1:
        verdict.expected = with_last_repeated(call, published(with_scores(call)))
    elif verdict.is_same:
        verdict.differences = apart(call, ours, theirs)
    return verdict


def ours_of(call: Call) -> Answer:
    """What this library answers."""
    helper = like(model_of(call.drawn, call.form), call.drawn.seed) if call.way == "assisted" else None
    return answer(call, model_of(call.drawn, call.form), helper)


def published(call: Call) -> Answer:
    """What the release answers."""
    model = (releases.model_of if call.form == "encoder-decoder" else releases.decoder_of)(call.drawn)
    if not releases.IS_RELEASE_4:
        model.set_attn_implementation("eager")  # the only one that shows its weights
    return answer(without_drafts(call), model)
