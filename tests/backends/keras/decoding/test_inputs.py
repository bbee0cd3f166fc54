import numpy as np
import pytest

pytest.importorskip("tensorflow", reason='the TensorFlow wing is not installed: pip install "bartleby[tensorflow]"')

import tensorflow as tf

from bartleby.backends.keras.decoding.inputs import from_nothing, given_states, prepare, refuse_not_taken
from bartleby.errors import LengthError, OptionError, ShapeError, VocabularyError
from bartleby.generation.config import GenerationConfig
from tests.parity.random_models import small_bart

PAD, EOS = 1, 2
CONFIG = small_bart()
OPTIONS = GenerationConfig(pad_token_id=PAD, eos_token_id=EOS, decoder_start_token_id=EOS)
IDS = np.array([[5, 6, EOS], [7, EOS, PAD]])


def test_pads_are_hidden_unless_they_also_end_sequences() -> None:
    assert prepare({"input_ids": IDS}, None, OPTIONS, CONFIG).source_mask.numpy().tolist() == [[1, 1, 1], [1, 1, 0]]
    ending = GenerationConfig(pad_token_id=EOS, eos_token_id=EOS, decoder_start_token_id=EOS)
    assert prepare({"input_ids": IDS}, None, ending, CONFIG).source_mask is None
    given = prepare({"input_ids": IDS, "attention_mask": np.ones((2, 3))}, None, OPTIONS, CONFIG)
    assert given.source_mask.numpy().tolist() == [[1, 1, 1], [1, 1, 1]]


@pytest.mark.parametrize(
    ("given", "prompts", "mask"),
    [
        ({}, [[EOS], [EOS]], None),
        ({"decoder_input_ids": [[5], [6]]}, [[EOS, 5], [EOS, 6]], None),
        ({"decoder_input_ids": [[EOS], [6]]}, [[EOS], [6]], None),
        (
            {"decoder_input_ids": [[PAD, EOS], [EOS, 6]], "decoder_attention_mask": [[0, 1], [1, 1]]},
            [[PAD, EOS], [EOS, 6]],
            [[0, 1], [1, 1]],
        ),
        (
            {"decoder_input_ids": [[PAD, 5], [5, 6]], "decoder_attention_mask": [[0, 1], [1, 1]]},
            [[EOS, PAD, 5], [EOS, 5, 6]],
            [[1, 0, 1], [1, 1, 1]],
        ),
    ],
)
def test_the_start_token_is_put_before_prompts_that_all_lack_it(given: dict, prompts: list, mask: list | None) -> None:
    arrays = {name: np.array(value) for name, value in given.items()}
    found = prepare({"input_ids": IDS, **arrays}, None, OPTIONS, CONFIG)
    assert found.prompts.numpy().tolist() == prompts
    assert (None if found.prompt_mask is None else found.prompt_mask.numpy().tolist()) == mask


def test_prompts_that_only_a_running_graph_knows_are_taken_as_they_are() -> None:
    @tf.function(autograph=False)
    def prompts(ids: tf.Tensor) -> tf.Tensor:
        return prepare({"input_ids": IDS, "decoder_input_ids": ids}, None, OPTIONS, CONFIG).prompts

    assert prompts(tf.constant(IDS)).numpy().tolist() == IDS.tolist()


def test_from_nothing_bos_is_the_source() -> None:
    options = GenerationConfig(**OPTIONS.to_diff_dict(), bos_token_id=3)
    assert from_nothing({}, options)["input_ids"].numpy().tolist() == [[3]]
    assert from_nothing({"input_ids": IDS}, options) == {"input_ids": IDS}
    with pytest.raises(OptionError, match="must be given where `bos_token_id` is None"):
        from_nothing({}, OPTIONS)


def test_states_may_come_in_any_form_that_an_encoder_gives() -> None:
    states = tf.zeros((2, 3, 16))
    assert given_states({"encoder_outputs": (states,)}) is states
    assert given_states({"encoder_outputs": {"last_hidden_state": states}}) is states
    assert given_states({}) is None


def test_what_does_not_go_together_is_refused() -> None:
    blocking = GenerationConfig(**OPTIONS.to_diff_dict(), encoder_no_repeat_ngram_size=2)
    with pytest.raises(OptionError, match="Pass `input_ids` as well"):
        prepare({}, tf.zeros((2, 3, 16)), blocking, CONFIG)
    with pytest.raises(ShapeError, match="a row for each of 2 sources, but has 1"):
        prepare({"input_ids": IDS, "decoder_input_ids": IDS[:1]}, None, OPTIONS, CONFIG)
    with pytest.raises(ShapeError, match="the shape of what it masks, \\(2, 3\\), but has \\(2, 2\\)"):
        prepare({"input_ids": IDS, "attention_mask": IDS[:, :2]}, None, OPTIONS, CONFIG)
    with pytest.raises(ShapeError, match="Pad prompts on the left"):
        prepare({"input_ids": IDS}, None, OPTIONS, small_bart(is_encoder_decoder=False))
    with pytest.raises(VocabularyError, match="but is float64"):
        prepare({"input_ids": IDS / 2}, None, OPTIONS, CONFIG)
    for shapeless in ([[5], [6, 7]], {"input_ids": IDS}):
        with pytest.raises(ShapeError, match="`input_ids` must be a tensor, an array or rows of equal length"):
            prepare({"input_ids": shapeless}, None, OPTIONS, CONFIG)
    with pytest.raises(LengthError, match="has 30 tokens"):
        prepare({"input_ids": np.full((1, 30), 5)}, None, OPTIONS, CONFIG)
    with pytest.raises(OptionError, match="`past_key_values` must be None: a compiled search begins with"):
        refuse_not_taken({"past_key_values": (), "position_ids": None})
