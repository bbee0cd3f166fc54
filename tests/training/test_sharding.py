import torch
from torch import nn

from bartleby.training.sharding import Stand, divided_as, whole


def test_what_is_in_one_piece_stays_as_it_is() -> None:
    tensor = torch.ones(3)
    assert whole(tensor) is tensor
    assert whole(0.5) == 0.5
    assert divided_as(tensor, torch.zeros(3)) is tensor


def test_a_stand_takes_no_memory_but_while_it_is_filled() -> None:
    model = nn.ModuleDict({"table": nn.Embedding(4, 2), "head": nn.Linear(2, 4, bias=False)})
    model["head"].weight = model["table"].weight
    values = {"table.weight": torch.arange(8.0).view(4, 2)}
    stand = Stand(model)
    assert model["table"].weight.numel() == 0
    with stand.filled(values, torch.device("cpu")):
        assert torch.equal(model["head"](torch.tensor([[1.0, 0.0]])), torch.tensor([[0.0, 2.0, 4.0, 6.0]]))
    assert model["head"].weight.numel() == 0
    assert model["head"].weight is model["table"].weight
