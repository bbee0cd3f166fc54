"""The backend a tokenizer shows, and what a caller may do to it."""

import pytest
from tokenizers import models

from bartleby.tokenization.byte_level import BartTokenizer, BlenderbotTokenizer


def test_the_vocabulary_is_seen_with_and_without_what_was_added(bart: BartTokenizer) -> None:
    size = len(bart)
    bart.add_tokens(["bartleby"])
    assert bart.get_vocab()["bartleby"] == bart.added_tokens_encoder["bartleby"] == size
    assert "bartleby" not in bart.encoder
    assert len(bart.encoder) == bart.vocab_size == size
    assert bart.model is models.BPE


def test_the_backend_itself_cuts_and_pads_when_told(bart: BartTokenizer) -> None:
    bart.set_truncation_and_padding("max_length", "longest_first", 6, 0, None)
    assert len(bart.backend_tokenizer.encode("Hello").ids) == 6
    assert len(bart.backend_tokenizer.encode("Hello world, how are you today?").ids) == 6
    assert len(bart("Hello")["input_ids"]) < 6  # calls say for themselves what they want
    bart.set_truncation_and_padding("longest", "do_not_truncate", None, 0, 8, "left")
    assert bart.backend_tokenizer.encode("Hello").ids[0] == bart.pad_token_id
    bart.set_truncation_and_padding("do_not_pad", "do_not_truncate", None, 0, None)
    assert bart.backend_tokenizer.padding is bart.backend_tokenizer.truncation is None


@pytest.mark.parametrize(("bos", "eos"), [(False, False), (True, False), (False, True), (True, True)])
def test_bos_and_eos_can_be_asked_for(bart: BartTokenizer, bos: bool, eos: bool) -> None:
    plain = bart("Hello", add_special_tokens=False)["input_ids"]
    bart.special_tokens_pattern = "bos"
    bart.add_bos_token, bart.add_eos_token = bos, eos
    assert (bart.add_bos_token, bart.add_eos_token) == (bos, eos)
    assert bart("Hello")["input_ids"] == [0] * bos + plain + [2] * eos


def test_what_surrounds_a_text_can_be_said_to_the_constructor(blenderbot: BlenderbotTokenizer) -> None:
    assert blenderbot.add_eos_token
    made = BlenderbotTokenizer(tokenizer_object=blenderbot.backend_tokenizer, add_bos_token=True)
    assert made("Hello")["input_ids"] == [1, *blenderbot("Hello")["input_ids"]]
    bare = BlenderbotTokenizer(tokenizer_object=blenderbot.backend_tokenizer, add_eos_token=False)
    assert bare("Hello")["input_ids"] == blenderbot("Hello")["input_ids"][:-1]


def test_a_change_behind_its_back_is_undone_by_updating(bart: BartTokenizer) -> None:
    before = bart("Hello")["input_ids"]
    bart.backend_tokenizer.post_processor = None
    bart.update_post_processor()
    assert bart.backend_tokenizer.encode("Hello").ids == bart("Hello")["input_ids"] == before
