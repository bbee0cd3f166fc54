import re

import pytest
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

from bartleby.errors import TokenizerError
from bartleby.tokenization.subword_nmt import Lesson, Splitting, SubwordEncoder, Subwords, chain, text_of, token_of

MERGES = [("l", "o"), ("lo", "w</w>"), ("e", "r</w>"), ("lo", "w"), ("@", "@</w>"), ("o", "@@</w>")]
VOCABULARY = {"__unk__": 0, "low": 1, "lo@@": 2, "er": 3, "o@@": 4, "w": 5, "e@@": 6, "__end__": 7, '"': 8, "lo": 9}
SPACES = Splitting(normalizers.Lowercase(), pre_tokenizers.WhitespaceSplit())


def encoder(*added: AddedToken) -> SubwordEncoder:
    published = Tokenizer(models.WordLevel(VOCABULARY, unk_token="__unk__"))
    published.add_special_tokens(["__end__"])
    published.add_tokens(list(added))
    return SubwordEncoder(Subwords.build(VOCABULARY, MERGES), SPACES, published, "__unk__")


def tokens(text: str, *added: AddedToken) -> list[str]:
    return list(encoder(*added).encode_batch([text])[0].tokens)


def test_a_piece_inside_a_word_goes_on_and_its_end_does_not() -> None:
    assert (token_of("lo"), token_of("low</w>")) == ("lo@@", "low")
    assert tokens("low loer LOW") == ["low", "lo@@", "er", "low"]


def test_text_is_joined_where_pieces_go_on() -> None:
    assert text_of(["lo@@", "er", "low", "__end__"]) == "loer low __end__"


def test_a_piece_that_only_leads_to_longer_ones_is_unknown() -> None:
    assert tokens("lower") == ["__unk__", "er"]  # merges make "low@@", which the vocabulary lacks


def test_an_unknown_character_is_one_unknown_token() -> None:
    assert tokens("lo☃☃er") == ["lo@@", "__unk__", "__unk__", "er"]


def test_a_word_that_ends_in_the_sign_of_going_on_shares_the_token_of_a_piece() -> None:
    assert tokens("o@@") == ["o@@"] == tokens("oer")[:1]


def test_added_tokens_are_told_from_pieces_of_the_same_letters() -> None:
    assert encoder(AddedToken("lo")).encode_batch(["loer lo"])[0].ids == [9, 3, 9]  # "lo" is a word of the vocabulary
    row = encoder(AddedToken("e"), AddedToken("Lo")).encode_batch(["eer Low"])[0]
    assert (row.ids, row.tokens) == ([10, 10, 0, 11, 5], ["e", "e", "__unk__", "Lo", "w"])


def test_rows_know_where_each_token_stood() -> None:
    row = encoder().encode_batch(['Loer "," __end__low'])[0]
    assert row.tokens == ["lo@@", "er", "__unk__", "__unk__", '"', "__end__", "low"]
    assert row.offsets == [(0, 2), (2, 4), (5, 6), (6, 7), (7, 8), (9, 16), (16, 19)]
    assert row.word_ids == [0, 0, 1, 1, 1, 2, 3]
    assert (row.attention_mask, row.type_ids) == ([1] * 7, [0] * 7)


def test_a_text_that_looks_like_the_state_of_a_row_stays_text() -> None:
    text = '],"words":[0],"tokens":["a","type_ids":['
    (row,) = encoder(AddedToken(text, normalized=False)).encode_batch([f"low {text} low"])
    assert row.tokens == ["low", text, "low"]
    assert row.offsets == [(0, 3), (4, 4 + len(text)), (5 + len(text), 8 + len(text))]


def test_words_may_be_given_apart() -> None:
    row = encoder().encode_batch([["low", "loer"]], is_pretokenized=True)[0]
    assert (row.word_ids, row.offsets) == ([0, 1, 1], [(0, 3), (0, 2), (2, 4)])


def test_a_chain_of_merges_makes_one_symbol_of_a_word() -> None:
    assert chain("abc") == [("b", "c</w>"), ("a", "bc</w>")]


TEXTS = ["the slow clerk __end__ copied the slower letters", "slow slow slowly\nthe letter"] * 3


def test_a_learnt_vocabulary_begins_with_what_is_fixed_and_knows_its_texts() -> None:
    vocabulary, merges = Lesson(60, ["__unk__", "__end__"], ["__newln__"]).learn(SPACES, TEXTS, None)
    assert list(vocabulary)[:3] == ["__unk__", "__end__", "__newln__"]
    assert list(vocabulary.values()) == list(range(len(vocabulary)))
    assert len(vocabulary) <= 60
    published = Tokenizer(models.WordLevel(vocabulary, unk_token="__unk__"))
    learnt = SubwordEncoder(Subwords.build(vocabulary, merges), SPACES, published, "__unk__")
    for text in (*TEXTS[:2], "__newln__", "slo__ newln__"):
        row = learnt.encode_batch([text.replace("__end__", "")])[0]
        assert 0 not in row.ids
        assert text_of(row.tokens) == " ".join(text.replace("__end__", "").split())


def test_a_fixed_word_stays_one_token_among_texts_full_of_its_letters() -> None:
    texts = ["_n __n ne we __ __ n__ _new _ln ewln"] * 5
    vocabulary, merges = Lesson(80, ["__unk__"], ["__newln__"]).learn(SPACES, texts, None)
    assert len(set(merges)) == len(merges)
    published = Tokenizer(models.WordLevel(vocabulary, unk_token="__unk__"))
    learnt = SubwordEncoder(Subwords.build(vocabulary, merges), SPACES, published, "__unk__")
    assert learnt.encode_batch(["__newln__ n__"])[0].tokens == ["__newln__", "n__"]


def test_nothing_is_learnt_from_special_tokens() -> None:
    _, merges = Lesson(80, ["__unk__", "__end__"]).learn(SPACES, TEXTS, None)
    assert not any(re.search("_", first + second) for first, second in merges)


def test_a_vocabulary_too_small_for_its_characters_is_refused() -> None:
    with pytest.raises(TokenizerError, match=r"`vocab_size` must be at least \d+.*but is 10"):
        Lesson(10, ["__unk__"]).learn(SPACES, TEXTS, None)
