import copy
import dataclasses
import json
import pickle
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch import outputs  # noqa: E402  after the skip
from bartleby.backends.pytorch.outputs import BaseModelOutput, ModelOutput, Seq2SeqLMOutput  # noqa: E402


def test_what_is_not_set_is_not_there() -> None:
    output = Seq2SeqLMOutput(logits=torch.ones(1), encoder_last_hidden_state=torch.zeros(2))
    assert list(output) == ["logits", "encoder_last_hidden_state"]
    assert output.loss is None
    assert "loss" not in output
    assert len(output.to_tuple()) == 2


def test_a_field_is_found_by_name_by_key_and_by_place() -> None:
    output = Seq2SeqLMOutput(loss=torch.tensor(3.0), logits=torch.ones(1))
    assert output.logits is output["logits"] is output[1]
    assert output[:2] == (output.loss, output.logits)


def test_a_field_set_later_is_set_everywhere() -> None:
    output = BaseModelOutput(last_hidden_state=torch.zeros(1))
    output.last_hidden_state = torch.ones(1)
    assert float(output[0]) == float(output["last_hidden_state"]) == 1
    output["last_hidden_state"] = torch.full((1,), 2.0)
    assert float(output.last_hidden_state) == float(output[0]) == 2


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda output: pickle.loads(pickle.dumps(output))])
def test_outputs_can_be_copied_and_sent(again) -> None:
    output = Seq2SeqLMOutput(logits=torch.ones(2), decoder_attentions=(torch.zeros(1),))
    other = again(output)
    assert type(other) is Seq2SeqLMOutput
    assert list(other) == list(output)
    assert torch.equal(other.logits, output.logits)
    assert len(other.decoder_attentions) == 1


def test_torch_walks_into_an_output() -> None:
    doubled = torch.utils._pytree.tree_map(lambda leaf: leaf * 2, BaseModelOutput(last_hidden_state=torch.ones(1)))
    assert isinstance(doubled, BaseModelOutput)
    assert float(doubled.last_hidden_state) == 2


def test_the_fields_are_the_published_ones_in_their_order(shared: Path) -> None:
    published = json.loads((shared / "api" / "transformers-4.37.2.json").read_text(encoding="utf-8"))["outputs"]
    for output in ModelOutput.__subclasses__():
        names = [field.name for field in dataclasses.fields(output)]
        assert names == published[output.__name__], output.__name__
    assert len(vars(outputs)) > 5
