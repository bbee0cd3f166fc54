"""How fast a step learns, as a share of the highest rate: a linear rise, then one of four ways on."""

from __future__ import annotations

import math

SCHEDULES = ("cosine", "linear", "constant", "inverse_sqrt")


def share_at(schedule: str, step: int, steps: int, warmup_steps: int, final_share: float) -> float:
    """Share of the learning rate at step number `step` of `steps`, counted from 0.

    After the rise, `cosine` and `linear` fall to `final_share` at the last step, `inverse_sqrt` falls with the root of
    the steps taken (Vaswani et al. 2017, arXiv 1706.03762, section 5.3), `constant` stays.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    if schedule == "constant":
        return 1.0
    if schedule == "inverse_sqrt":
        return math.sqrt(max(1, warmup_steps) / (step + 1))
    done = min(1.0, (step - warmup_steps) / max(1, steps - warmup_steps))
    remaining = 1 - done if schedule == "linear" else 0.5 * (1 + math.cos(math.pi * done))
    return final_share + (1 - final_share) * remaining
