import copy
import dataclasses
import json
import pickle
from pathlib import Path

import pytest

from bartleby.errors import OptionError
from bartleby.family.config import BartConfig

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch import outputs  # noqa: E402  after the skip
from bartleby.backends.pytorch.outputs import (  # noqa: E402
    BaseModelOutput,
    ModelOutput,
    Seq2SeqLMOutput,
    as_asked,
    asked,
)


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
    forward = [each for each in ModelOutput.__subclasses__() if each.__module__ == outputs.__name__]
    for output in forward:
        names = [field.name for field in dataclasses.fields(output)]
        assert names == published[output.__name__], output.__name__
    assert len(forward) == 7


def test_a_field_that_was_empty_can_be_set() -> None:
    output = Seq2SeqLMOutput(logits=torch.ones(1))
    output.loss = torch.tensor(3.0)
    assert output["loss"] is output.loss
    assert set(output.keys()) == {"loss", "logits"}


def test_it_is_read_like_a_dict_but_keeps_its_fields() -> None:
    output = Seq2SeqLMOutput(logits=torch.ones(1))
    assert output.get("logits") is output.logits
    assert output.get("loss") is None
    assert dict(output) == {**output} == {"logits": output.logits}
    with pytest.raises(KeyError):
        output["loss"]
    with pytest.raises(OptionError, match="`del` does not work on Seq2SeqLMOutput"):
        del output["logits"]
    for change in (lambda: output.pop("logits"), lambda: output.update(loss=1), lambda: output.setdefault("loss", 1)):
        with pytest.raises(OptionError, match="its fields stay"):
            change()


def test_it_is_put_together_from_pairs_as_data_parallelism_does_it() -> None:
    parts = [Seq2SeqLMOutput(logits=torch.ones(1), decoder_attentions=(torch.zeros(1),)) for _ in range(2)]
    joined = Seq2SeqLMOutput((name, [part[name] for part in parts]) for name in parts[0])
    assert joined.loss is None
    assert list(joined) == ["logits", "decoder_attentions"]
    assert len(joined.logits) == 2
    assert list(BaseModelOutput({"hidden_states": (torch.zeros(1),)})) == ["hidden_states"]


def test_a_first_field_alone_is_a_value_whatever_it_holds() -> None:
    states = (torch.zeros(1), torch.ones(1))
    assert BaseModelOutput(states).last_hidden_state is states


def test_the_configuration_says_what_the_call_does_not() -> None:
    output = BaseModelOutput(torch.zeros(1))
    assert as_asked(output, BartConfig(), None) is output
    assert as_asked(output, BartConfig(return_dict=False), None) == (output[0],)
    assert as_asked(output, BartConfig(torchscript=True), None) == (output[0],)
    assert as_asked(output, BartConfig(return_dict=False), True) is output
    assert asked(BartConfig(output_attentions=True), None, True) == (True, True)
    assert asked(BartConfig(output_attentions=True), False, None) == (False, False)
