"""Where the weights of an objective are: with one process, copied to each of several (DDP), or divided among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

from accelerate import Accelerator  # type: ignore[import-untyped]
from torch import Tensor, nn

from bartleby.backends.pytorch.model import Model
from bartleby.training.averages import Averages
from bartleby.training.objectives import Objective
from bartleby.training.sharding import Stand, sharded

MODEL = "model."


class Placement:
    """An objective, placed for training."""

    def __init__(self, objective: Objective, accelerator: Accelerator, shards: bool) -> None:
        self.accelerator, self.model = accelerator, objective.model
        self.objective = sharded(objective, accelerator.device) if shards else objective
        """Holds the weights that are trained."""
        self.called: nn.Module = self.objective if shards else accelerator.prepare(objective)
        """What a step calls."""
        self._stand = Stand(objective.model) if shards else None

    @property
    def trained(self) -> dict[str, nn.Parameter]:
        """The parameters that are not frozen, by name."""
        return {name: value for name, value in self.objective.named_parameters() if value.requires_grad}

    def gradients_kept(self, kept: bool) -> AbstractContextManager[None]:
        """Where `kept`, gradients are not exchanged yet, for more are to come in this step.

        Those of divided weights are, each time: a process that kept them would need room for all.
        """
        return self.accelerator.no_sync(self.called) if kept and self._stand is None else nullcontext()

    @contextmanager
    def whole_model(self, averages: Averages | None) -> Iterator[Model]:
        """The model on one device, with `averages` in place of what they are of; all processes enter together."""
        if self._stand is None:
            with nullcontext() if averages is None else averages.in_place():
                yield self.model
            return
        values: Mapping[str, Tensor] = dict(self.objective.named_parameters())
        if averages is not None:
            values = {**values, **averages.values}
        own = {name.removeprefix(MODEL): value for name, value in values.items() if name.startswith(MODEL)}
        with self._stand.filled(own, self.accelerator.device):
            yield self.model
