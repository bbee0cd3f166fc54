from pathlib import Path

import pytest

from bartleby.errors import DataError
from bartleby.tokenization.base import PreTrainedTokenizer
from bartleby.tokenization.blenderbot_small import BlenderbotSmallTokenizer
from bartleby.tokenization.byte_level import BartTokenizer, BlenderbotTokenizer
from bartleby.training.recipes.preparing import chunks, encode, encode_within, write_examples, write_sample
from bartleby.training.store import Examples

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


def test_a_sample_is_the_same_each_time_and_all_there_is_if_few(tmp_path: Path) -> None:
    rows = [{"source": [number]} for number in range(20)]
    assert write_examples(tmp_path / "all", rows) == 20
    assert [write_sample(tmp_path / name, iter(rows), 5) for name in ("a", "b")] == [5, 5]
    first, second = (Examples.open(tmp_path / name).rows("source") for name in ("a", "b"))
    assert first == second != [[number] for number in range(5)]
    assert write_sample(tmp_path / "c", rows, 50) == 20
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "all", "b", "c"]


def test_nothing_to_measure_on_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no example to measure on"):
        write_sample(tmp_path / "valid", [], 5)


def test_chunks_leave_nothing_out() -> None:
    assert list(chunks(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(chunks([], 2)) == []
