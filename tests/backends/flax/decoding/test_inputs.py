from typing import Any

import numpy as np
import pytest

pytest.importorskip("flax", reason='the Flax wing is not installed: pip install "bartleby[flax]"')

import jax

from bartleby.backends.flax.decoding.inputs import decoder_prompts, prepare_decoder, prepare_pair
from bartleby.errors import OptionError, ShapeError
from bartleby.generation.config import GenerationConfig
from tests.parity.random_models import small_bart

PAD, EOS = 1, 2
CONFIG = small_bart()
OPTIONS = GenerationConfig(pad_token_id=PAD, eos_token_id=EOS, decoder_start_token_id=EOS)
IDS = np.array([[5, 6, EOS], [7, EOS, PAD]])


def test_pads_are_hidden_unless_they_also_end_sequences() -> None:
    assert prepare_pair(IDS, {}, None, OPTIONS, CONFIG).source_mask.tolist() == [[1, 1, 1], [1, 1, 0]]
    ending = GenerationConfig(pad_token_id=EOS, eos_token_id=EOS, decoder_start_token_id=EOS)
    assert prepare_pair(IDS, {}, None, ending, CONFIG).source_mask is None
    given = prepare_pair(IDS, {"attention_mask": np.ones((2, 3))}, None, OPTIONS, CONFIG)
    assert given.source_mask.tolist() == [[1, 1, 1], [1, 1, 1]]


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
    found, seen = decoder_prompts({name: np.array(value) for name, value in given.items()}, OPTIONS, CONFIG, 2)
    assert found.tolist() == prompts
    assert (None if seen is None else seen.tolist()) == mask


def test_prompts_that_only_a_running_program_knows_are_taken_as_they_are() -> None:
    def length(ids: Any) -> Any:
        return decoder_prompts({"decoder_input_ids": ids}, OPTIONS, CONFIG, 2)[0].shape[1] * ids.sum()

    assert int(jax.jit(length)(IDS)) == 3 * IDS.sum()


def test_what_does_not_go_together_is_refused() -> None:
    blocking = GenerationConfig(**OPTIONS.to_diff_dict(), encoder_no_repeat_ngram_size=2)
    states = np.zeros((2, 3, 16), dtype=np.float32)
    with pytest.raises(OptionError, match="Pass `input_ids` as well"):
        prepare_pair(None, {}, states, blocking, CONFIG)
    with pytest.raises(OptionError, match="only encoder states are given"):
        prepare_decoder(IDS[:, :2], {"encoder_hidden_states": states}, blocking, CONFIG)
    with pytest.raises(ShapeError, match="a row for each of 2 sources, but has 1"):
        decoder_prompts({"decoder_input_ids": IDS[:1]}, OPTIONS, CONFIG, 2)
    with pytest.raises(ShapeError, match="Pad prompts on the left"):
        prepare_decoder(IDS, {}, OPTIONS, CONFIG)
