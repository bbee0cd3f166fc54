import pytest

from bartleby.tasks.texts import encode, encode_within, ended, text_of
from bartleby.tokenization.base import PreTrainedTokenizer
from bartleby.tokenization.blenderbot_small import BlenderbotSmallTokenizer
from bartleby.tokenization.byte_level import BartTokenizer, BlenderbotTokenizer

TEXTS = ["the cat saw the dog", "the dog", "</s> the <mask> dog"]


@pytest.fixture(scope="module", params=[BartTokenizer, BlenderbotTokenizer, BlenderbotSmallTokenizer])
def tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizer:
    learnt: PreTrainedTokenizer = request.param().train_new_from_iterator(TEXTS, 330)
    return learnt


def test_a_text_that_fits_stays_as_it_is(tokenizer: PreTrainedTokenizer) -> None:
    long, short, _ = encode(tokenizer, TEXTS)
    assert encode_within(tokenizer, TEXTS[:2], len(long)) == [(long, False), (short, False)]
    [(cut, was_cut), (whole, stayed)] = encode_within(tokenizer, TEXTS[:2], len(long) - 1)
    assert (len(cut), was_cut, whole, stayed) == (len(long) - 1, True, short, False)
    kept = long[:-2] + long[-1:] if long[-1] == tokenizer.eos_token_id else long[:-1]  # Blenderbot-Small adds no end
    assert cut == kept


def test_no_text_holds_a_special_token(tokenizer: PreTrainedTokenizer) -> None:
    usual, odd = encode(tokenizer, ["the dog", "the dog </s>"])
    assert usual.count(tokenizer.eos_token_id) == odd.count(tokenizer.eos_token_id)


def test_the_longer_text_of_a_pair_is_cut() -> None:
    tokenizer = BartTokenizer().train_new_from_iterator(TEXTS, 330)
    [whole] = encode(tokenizer, ["the dog"], ["the cat saw the dog"])
    [(ids, was_cut)] = encode_within(tokenizer, ["the dog"], len(whole) - 2, ["the cat saw the dog"])
    assert was_cut
    assert tokenizer.decode(ids) == "<s>the dog</s></s>the cat saw</s>"


def test_a_target_has_one_end_and_reads_as_the_text_it_was(tokenizer: PreTrainedTokenizer) -> None:
    [ids] = encode(tokenizer, ["the dog"])
    target = ended(tokenizer, ids)
    assert target[-1] == tokenizer.eos_token_id
    assert target in (ids, [*ids, tokenizer.eos_token_id])
    assert ended(tokenizer, target) == target
    assert text_of(tokenizer, target) == "the dog"


def test_no_text_gives_no_ids(tokenizer: PreTrainedTokenizer) -> None:
    assert encode(tokenizer, []) == encode_within(tokenizer, [], 3) == []
