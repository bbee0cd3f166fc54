from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bartleby.backends.pytorch.model import Model
from bartleby.backends.pytorch.models import (
    BartForCausalLM,
    BartForConditionalGeneration,
    BartForSequenceClassification,
    BlenderbotForConditionalGeneration,
)
from bartleby.errors import OptionError
from bartleby.family.config import BartConfig, BlenderbotConfig
from bartleby.family.presets import PRESETS
from bartleby.training.shrinking import compared_layers, copied_layers, shrink

SIZES: dict[str, Any] = {
    "vocab_size": 20,
    "max_position_embeddings": 10,
    "d_model": 16,
    "encoder_layers": 12,
    "decoder_layers": 12,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 8,
    "decoder_ffn_dim": 8,
}
IDS = torch.tensor([[5, 6, 7, 2]])


def teacher(kind: Any = BartForConditionalGeneration, config: Any = BartConfig, **fields: Any) -> Any:
    torch.manual_seed(0)
    return kind(config(**{**SIZES, **fields})).eval()


def marked(model: Any) -> Any:
    """A model that wears the number of each layer in it."""
    with torch.no_grad():
        for side in ("encoder", "decoder"):
            for index, layer in enumerate(model.get_submodule(f"model.{side}.layers")):
                layer.fc1.bias.fill_(float(index))
    return model


def worn(model: Model, side: str) -> list[int]:
    layers: Any = model.get_submodule(f"model.{side}.layers")
    return [int(layer.fc1.bias[0]) for layer in layers]


@pytest.mark.parametrize(
    ("student", "layers"),
    [
        (1, (0,)),
        (2, (0, 6)),
        (3, (0, 6, 11)),
        (4, (0, 4, 8, 11)),
        (6, (0, 2, 4, 7, 9, 11)),
        (9, (0, 1, 2, 4, 5, 7, 9, 10, 11)),
        (12, tuple(range(12))),
    ],
)
def test_the_published_choices_of_twelve_layers(student: int, layers: tuple[int, ...]) -> None:
    assert copied_layers(12, student) == layers


def test_twelve_to_six_to_three_keeps_the_layers_that_the_paper_names() -> None:
    six = shrink(marked(teacher()), 6, 6)
    three = shrink(six, 3, 3)
    for side in ("encoder", "decoder"):
        assert worn(six, side) == [0, 2, 4, 7, 9, 11]
        assert worn(three, side) == [0, 4, 11]  # of the six: first, third and last
    at_once = shrink(marked(teacher()), 12, 3)
    assert worn(at_once, "encoder") == list(range(12))
    assert worn(at_once, "decoder") == [0, 6, 11]
    assert worn(shrink(six, 6, 3), "encoder") == [0, 2, 4, 7, 9, 11]


@given(st.integers(1, 40), st.data())
def test_other_depths_are_spread_evenly(deep: int, data: st.DataObject) -> None:
    student = data.draw(st.integers(1, deep))
    copied, compared = copied_layers(deep, student), compared_layers(deep, student)
    for layers in (copied, compared):
        assert len(layers) == student
        assert list(layers) == sorted(set(layers))
        assert set(layers) <= set(range(deep))
    assert copied[0] == 0
    assert compared[-1] == deep - 1
    if (deep, student) != (12, 2) and student > 1:
        assert copied[-1] == deep - 1
    if deep not in (6, 12) and student > 1:
        gaps = [later - earlier for earlier, later in pairwise(copied)]
        assert max(gaps) - min(gaps) <= 1


def test_each_layer_is_compared_with_one_as_deep_in_the_teacher() -> None:
    assert compared_layers(12, 6) == (1, 3, 5, 8, 10, 11)
    assert compared_layers(12, 3) == (3, 7, 11)
    assert compared_layers(8, 4) == (1, 3, 5, 7)
    assert compared_layers(5, 5) == (0, 1, 2, 3, 4)


def test_a_student_with_all_layers_is_its_teacher() -> None:
    one = teacher()
    student = shrink(one)
    with torch.no_grad():
        assert torch.equal(student(IDS).logits, one(IDS).logits)
        student.model.shared.weight.add_(1.0)
        assert not torch.equal(student.model.shared.weight, one.model.shared.weight)  # weights of its own
    assert student.lm_head.weight is student.model.shared.weight  # tied as the teacher's


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(
    ("kind", "config"),
    [
        (BartForConditionalGeneration, BartConfig),
        (BlenderbotForConditionalGeneration, BlenderbotConfig),
        (BartForCausalLM, BartConfig),
        (BartForSequenceClassification, BartConfig),
    ],
)
def test_every_parameter_is_one_of_the_teachers(kind: Any, config: Any, tied: bool, tmp_path: Path) -> None:
    whole = teacher(kind, config, tie_word_embeddings=tied)
    student = shrink(whole, 3, 2)
    weights = whole.state_dict()
    for name, tensor in student.state_dict().items():
        parts = name.split(".")
        if "layers" in parts:
            place = parts.index("layers") + 1
            copied = copied_layers(12, 3 if "encoder" in parts else 2)
            parts[place] = str(copied[int(parts[place])])
        assert torch.equal(tensor, weights[".".join(parts)]), name
    student.save_pretrained(tmp_path)
    loaded = kind.from_pretrained(tmp_path)
    inputs = {"decoder_input_ids": IDS} if config is BlenderbotConfig else {}
    with torch.no_grad():
        assert torch.equal(loaded(IDS, **inputs)[0], student(IDS, **inputs)[0])


def test_a_student_writes_as_its_teacher_and_is_no_published_model() -> None:
    whole = teacher(name_or_path="facebook/bart-large-cnn")
    whole.generation_config.num_beams = 3
    student = shrink(whole, 12, 6)
    assert student.generation_config.num_beams == 3
    assert student.config.name_or_path == ""
    assert (student.config.encoder_layers, student.config.decoder_layers) == (12, 6)
    assert whole.config.decoder_layers == 12


def test_heads_that_were_pruned_stay_with_their_layers() -> None:
    whole = teacher(decoder_layers=2)
    whole.prune_heads({2: [0], 3: [1], 11: [1]})
    student = shrink(whole, 6)
    assert student.config.pruned_heads == {1: [0], 5: [1]}
    layers: Any = student.model.encoder.layers
    assert [len(layer.self_attn.heads_left) for layer in layers] == [2, 1, 2, 2, 2, 1]


def test_the_published_students_are_within_reach() -> None:
    for name in PRESETS:
        if "distilbart" in name:
            config = PRESETS[name].config
            assert len(copied_layers(12, config.encoder_layers)) == config.encoder_layers
            assert len(copied_layers(12, config.decoder_layers)) == config.decoder_layers


def test_depths_that_cannot_be_are_refused() -> None:
    with pytest.raises(OptionError, match=r"`encoder_layers` must be from 1 to 12(?s:.*)`decoder_layers` must"):
        shrink(teacher(), 0, 13)
    with pytest.raises(OptionError, match="from 1 to 6 layers"):
        copied_layers(6, 7)
