"""How a training takes its steps: the options of optimizers and loop, declared apart from what imports torch.

The command line makes its flags of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from bartleby.training.options import POSITIVE, Options, option
from bartleby.training.schedules import SCHEDULES, share_at

OPTIMIZERS = ("muon", "adamw", "adafactor")
ENDING = ("cosine", "linear")
"""Schedules that end at a share of the highest rate."""
PRECISIONS = ("no", "bf16", "fp16")

PLACES = ("accumulation", "gradient_checkpointing", "sharding")
"""Options that say where and in how many pieces a step is computed, not what it teaches: a run may be taken up with
others. (What is left out at random is drawn for each piece, though: for as many pieces it is the same.)"""


@dataclass(frozen=True, kw_only=True)
class OptimizerOptions(Options):
    """`muon` moves the matrices inside the layers and leaves everything else to AdamW; the others move all.

    On our chat model, 200 steps of it reached the validation perplexity 115 where AdamW reached 153, in equal time.
    """

    optimizer: str = option(
        "muon", "Muon for the matrices in layers and AdamW for the rest, or one for all.", choices=OPTIMIZERS
    )
    learning_rate: float = option(
        2e-3,
        "The highest, of all but Muon's matrices; Adafactor's is relative to the weights' size.",
        metavar="X",
        least=POSITIVE,
    )
    matrix_rate: float = option(4e-3, "The highest of what Muon moves.", metavar="X", least=POSITIVE)
    weight_decay: float = option(
        0.05, "Decay of matrices and tables, norms and biases spared.", metavar="X", least=0, most=1
    )
    betas: tuple[float, float] = option((0.9, 0.98), "AdamW's two averages.", metavar="B1 B2", least=0, most=1)
    clip_norm: float = option(1.0, "Length that a step's gradient is cut to; 0: never.", metavar="X", least=0)
    schedule: str = option("cosine", "How the rate falls after its rise.", choices=SCHEDULES)
    warmup_steps: int = option(200, "Steps until the highest rate.", metavar="N", least=0)
    final_share: float = option(
        0.02, "Share of the highest rate where cosine and linear end.", metavar="X", least=0, most=1
    )

    def contradictions(self) -> Iterator[str]:
        if 1 in self.betas:
            yield f"`betas` must be below 1, but are {self.betas}."
        if self.optimizer != "muon":
            why = f"where `optimizer` is {self.optimizer}, which moves all by `learning_rate`"
            yield from self.changed_in_vain(["matrix_rate"], why, "Choose muon, or leave it out.")
        if self.optimizer == "adafactor":
            why = "where `optimizer` is adafactor, which has none"
            yield from self.changed_in_vain(["betas"], why, "Choose muon or adamw, or leave them out.")
        if self.schedule not in ENDING:
            why = f"where `schedule` is {self.schedule}"
            yield from self.changed_in_vain(["final_share"], why, "Choose cosine or linear, or leave it out.")

    def share_at(self, step: int, steps: int) -> float:
        """Share of the learning rates at step number `step` of `steps`, from 0."""
        return share_at(self.schedule, step, steps, self.warmup_steps, self.final_share)


@dataclass(frozen=True, kw_only=True)
class TrainingOptions(OptimizerOptions):
    """What decides about the steps, besides model and data."""

    subject: ClassVar[str] = "The training options"

    steps: int | None = option(None, "Batches to learn from.", metavar="N", least=1)
    precision: str = option("bf16", "What products are computed in.", choices=PRECISIONS)
    accumulation: int = option(
        1, "Micro-batches that each process cuts its share of a batch into.", metavar="N", least=1
    )
    gradient_checkpointing: bool = option(False, "Compute layers again on the way back instead of keeping them.")
    ema_decay: float = option(
        0.0, "Validate and save averages of the weights with this decay, such as 0.999; 0: none.", metavar="X", least=0
    )
    sharding: str = option("no", "How weights are divided among processes; full is FSDP.", choices=("no", "full"))
    seed: int = option(0, "Decides the weights and the order.", metavar="N", least=0, most=2**32 - 1)

    def contradictions(self) -> Iterator[str]:
        yield from super().contradictions()
        if self.ema_decay >= 1:
            yield f"`ema_decay` must be below 1, but is {self.ema_decay}."
