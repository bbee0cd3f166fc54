import pytest
import torch
from torch import nn

from bartleby.training.averages import Averages


def weights(value: float) -> dict[str, nn.Parameter]:
    return {"weight": nn.Parameter(torch.full((2, 2), value))}


def test_an_average_is_the_weighted_sum_of_all_that_was() -> None:
    parameters = weights(0.0)
    averages, wanted = Averages(parameters, decay=0.15), 0.0
    for number, value in enumerate([1.0, 3.0, -2.0]):
        parameters["weight"].data.fill_(value)
        averages.update()
        decay = min(0.15, (1 + number) / (10 + number))  # the first steps forget faster
        wanted = decay * wanted + (1 - decay) * value
    torch.testing.assert_close(averages.values["weight"], torch.full((2, 2), wanted))


def test_constant_weights_are_their_own_average() -> None:
    averages = Averages(weights(0.3), decay=0.999)
    for _ in range(5):
        averages.update()
    torch.testing.assert_close(averages.values["weight"], torch.full((2, 2), 0.3))


def test_parameters_are_what_they_were_after_holding_their_averages() -> None:
    parameters = {"weight": nn.Parameter(torch.randn(5, 5))}
    averages, before = Averages(parameters, decay=0.9), parameters["weight"].detach().clone()
    averages.values["weight"].fill_(7.0)

    def look() -> None:
        with averages.in_place():
            assert (parameters["weight"] == 7).all()
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        look()
    assert torch.equal(parameters["weight"], before)
    assert (averages.values["weight"] == 7).all()
