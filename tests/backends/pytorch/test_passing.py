from types import SimpleNamespace

import pytest

from bartleby.errors import ConfigError, ShapeError
from bartleby.family import masks as definition
from bartleby.family.config import BartConfig

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.cache import DynamicCache  # noqa: E402  after the skip
from bartleby.backends.pytorch.outputs import BaseModelOutput, Seq2SeqModelOutput  # noqa: E402
from bartleby.backends.pytorch.passing import (  # noqa: E402
    encoder_output,
    kept,
    new_ids,
    reordered,
    rest_of,
    shift_tokens_right,
    tie_output,
    without_cache,
)

IDS = torch.tensor([[5, 6, 2, -100], [7, 8, 9, 2]])


def test_labels_move_right_as_the_specification_says() -> None:
    config = BartConfig()
    moved = shift_tokens_right(IDS, config.pad_token_id, config.decoder_start_token_id)
    assert moved.tolist() == definition.shift_right(IDS.numpy(), config).tolist()
    with pytest.raises(ConfigError, match="needs `pad_token_id`"):
        shift_tokens_right(IDS, None, 2)


def test_outputs_of_any_make_are_read() -> None:
    states, weights = torch.zeros(1, 2, 3), (torch.ones(1),)
    assert encoder_output([states, None, weights]).attentions is weights
    assert encoder_output({"last_hidden_state": states}).last_hidden_state is states
    assert encoder_output(SimpleNamespace(last_hidden_state=states, hidden_states=weights)).hidden_states is weights
    own = BaseModelOutput(states)
    assert encoder_output(own) is own
    for nothing in ((), {}, 5):
        with pytest.raises(ShapeError, match="must be what an encoder gave"):
            encoder_output(nothing)


def test_what_stands_behind_the_states_is_passed_on() -> None:
    output = Seq2SeqModelOutput(torch.zeros(1), encoder_last_hidden_state=torch.ones(1))
    assert rest_of(output) == {"encoder_last_hidden_state": output.encoder_last_hidden_state}


def test_the_states_to_be_scored_are_picked() -> None:
    hidden = torch.arange(6).view(1, 3, 2)
    assert kept(hidden, 0) is not None
    assert torch.equal(kept(hidden, 0), hidden)
    assert torch.equal(kept(hidden, 2), hidden[:, 1:])
    assert torch.equal(kept(hidden, torch.tensor([0])), hidden[:, :1])


def test_a_projection_takes_the_size_of_its_table() -> None:
    projection, table = torch.nn.Linear(4, 7, bias=False), torch.nn.Embedding(9, 4)
    tie_output(projection, table)
    assert projection.weight is table.weight
    assert projection.out_features == 9


def test_only_unknown_ids_are_read_again() -> None:
    cache = DynamicCache([(torch.zeros(2, 1, 3, 4), torch.zeros(2, 1, 3, 4))])
    for past in (cache, cache.to_legacy_cache()):
        assert new_ids(IDS, past, None).tolist() == IDS[:, 3:].tolist()
        assert new_ids(IDS[:, :2], past, None).tolist() == IDS[:, 1:2].tolist()
    assert new_ids(IDS, None, None) is IDS
    assert new_ids(IDS, cache, 2).tolist() == IDS[:, 2:].tolist()


def test_rows_are_put_in_order() -> None:
    (moved,) = reordered([IDS], torch.tensor([1, 1]))
    assert moved.tolist() == [IDS[1].tolist()] * 2


def test_nobody_is_told_of_a_cache_nobody_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    assert without_cache(None) is without_cache(False) is False
    assert caplog.records == []
    assert without_cache(True) is False
    assert len(caplog.records) == 1
