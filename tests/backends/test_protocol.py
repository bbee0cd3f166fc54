import pytest

from bartleby.backends.protocol import check_request, check_texts
from bartleby.errors import LengthError, OptionError, ShapeError, VocabularyError
from bartleby.family.config import BlenderbotConfig
from bartleby.generation.config import GenerationConfig

CONFIG = BlenderbotConfig(vocab_size=50, max_position_embeddings=16, d_model=32)
OPTIONS = GenerationConfig.from_model_config(CONFIG)
FINE = [[4, 5, 2], [6, 2]]


def test_all_faulty_texts_are_named_at_once() -> None:
    with pytest.raises(ShapeError, match=r"(?s)source at index 1 has no tokens.*source at index 2 has no tokens"):
        check_texts([[4], [], []], CONFIG, "source")
    with pytest.raises(VocabularyError, match=r"(?s)index 0 has ids \[50\], .* ends at 49.*index 2 has ids \[-1, 99\]"):
        check_texts([[4, 50], [4], [99, -1]], CONFIG, "target")
    with pytest.raises(LengthError, match="index 1 has 17 tokens, but this model has 16 positions"):
        check_texts([[4] * 16, [4] * 17], CONFIG, "source")


def test_a_mask_token_beyond_the_table_is_told_by_its_id() -> None:
    with pytest.raises(VocabularyError, match=r"\[8008\].*ends at 8007"):
        check_texts([[8008]], BlenderbotConfig(), "source")


def test_there_is_one_prompt_for_each_source() -> None:
    with pytest.raises(ShapeError, match="one prompt for each of the 2 sources, but holds 1"):
        check_request(FINE, OPTIONS, [[1]], CONFIG)
    with pytest.raises(VocabularyError, match="decoder prompt at index 1"):
        check_request(FINE, OPTIONS, [[1], [50]], CONFIG)


def test_an_output_may_have_one_token_more_than_positions_for_the_last_is_never_read() -> None:
    check_request(FINE, GenerationConfig(max_length=17, decoder_start_token_id=1), None, CONFIG)
    with pytest.raises(LengthError, match=r"at most 17 tokens .* could become 18\. Lower `max_length`"):
        check_request(FINE, GenerationConfig(max_length=18, decoder_start_token_id=1), None, CONFIG)
    with pytest.raises(LengthError, match="could become 18"):
        check_request(FINE, GenerationConfig(max_new_tokens=15, decoder_start_token_id=1), [[1], [5, 6]], CONFIG)


def test_no_start_token_is_no_request() -> None:
    with pytest.raises(OptionError, match="`decoder_start_token_id`"):
        check_request(FINE, GenerationConfig(max_length=9), None, CONFIG)
