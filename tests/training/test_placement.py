import torch
from torch import Tensor, nn

from bartleby.training.averages import Averages
from bartleby.training.collation import Batch
from bartleby.training.devices import accelerator_for
from bartleby.training.objectives import Objective
from bartleby.training.placement import Placement


class Sum(Objective):
    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Linear(2, 2)  # type: ignore[assignment]

    def forward(self, part: Batch, whole: Batch) -> dict[str, Tensor]:
        return {"sum": self.model.weight.sum()}


def test_what_is_frozen_is_not_trained() -> None:
    objective = Sum()
    objective.model.bias.requires_grad_(False)
    placed = Placement(objective, accelerator_for(False), shards=False)
    assert list(placed.trained) == ["model.weight"]
    assert placed.trained["model.weight"] is objective.model.weight


def test_one_process_looks_at_the_model_that_it_trains() -> None:
    objective = Sum()
    placed = Placement(objective, accelerator_for(False), shards=False)
    averages = Averages(placed.trained, decay=0.5)
    averages.values["model.bias"].fill_(9.0)
    with placed.whole_model(averages) as model:
        assert model is objective.model
        assert (model.bias == 9).all()
    with placed.whole_model(None) as model:
        assert not torch.any(model.bias == 9)
