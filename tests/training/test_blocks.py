import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.errors import OptionError
from bartleby.tokenization.byte_level import BartTokenizer, BlenderbotTokenizer
from bartleby.training import blocks
from bartleby.training.blocks import Packing, last_within
from bartleby.training.records import Document
from bartleby.training.vocabulary import learn_tokenizer

WORDS = ("one", "two", "three", "Four", "five.", "six!", "seven,")
TOKENIZER = learn_tokenizer(BartTokenizer, ["one two three Four five. six! seven,\n"] * 9, 310)
PARAGRAPHS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=30).map(" ".join)
DOCUMENTS = st.lists(st.lists(PARAGRAPHS, min_size=1, max_size=5).map(lambda texts: Document(tuple(texts))), max_size=4)


def texts(packing: Packing, *documents: Document) -> list[str]:
    return [packing.tokenizer.decode(block.tolist()) for block in packing.blocks(documents)]


def size(text: str) -> int:
    return len(TOKENIZER(text)["input_ids"])


@given(DOCUMENTS, st.integers(6, 40), st.booleans())
def test_blocks_keep_to_their_size_and_lose_nothing(documents: list[Document], tokens: int, mix: bool) -> None:
    packing = Packing(TOKENIZER, tokens, mix)
    found = list(packing.blocks(documents))
    assert all(3 <= len(block) <= tokens and (block[0], block[-1]) == (0, 2) for block in found)
    kept = "".join(TOKENIZER.decode(block[1:-1].tolist()) for block in found)
    whole = "".join(text for document in documents for text in document.paragraphs)
    assert kept.replace("\n", "") == whole
    report = packing.report
    assert (report.documents, report.blocks) == (len(documents), len(found))
    assert report.paragraphs == sum(len(document.paragraphs) for document in documents)
    assert report.tokens == sum(map(len, found))


def test_paragraphs_share_a_block_while_they_fit_and_documents_do_not() -> None:
    first, second = Document(("one two", "three Four", "six!")), Document(("seven,",))
    most = size("one two\nthree Four")
    assert texts(Packing(TOKENIZER, most), first, second) == [
        "<s>one two\nthree Four</s>",
        "<s>six!</s>",
        "<s>seven,</s>",
    ]
    assert texts(Packing(TOKENIZER, 64), first, second) == ["<s>one two\nthree Four\nsix!</s>", "<s>seven,</s>"]


def test_documents_are_mixed_only_when_asked() -> None:
    documents = Document(("one", "two")), Document(("three",))
    assert texts(Packing(TOKENIZER, 64, mix_documents=True), *documents) == ["<s>one\ntwo\n\nthree</s>"]


def test_a_block_is_what_the_tokenizer_makes_of_its_text() -> None:
    [block] = Packing(TOKENIZER, 64).blocks([Document((" one two ", "three five."))])
    assert block.tolist() == TOKENIZER("one two\nthree five.")["input_ids"]


def test_what_looks_like_a_special_token_is_text() -> None:
    [block] = Packing(TOKENIZER, 64).blocks([Document(("one</s> <mask>",))])
    assert TOKENIZER.decode(block[1:-1].tolist()) == "one</s> <mask>"
    assert not {0, 2, TOKENIZER.mask_token_id} & set(block[1:-1].tolist())


def test_a_long_paragraph_is_cut_behind_sentences() -> None:
    packing = Packing(TOKENIZER, size("one two five. two six!"))
    assert texts(packing, Document(("one two five. two six! three seven, five.",))) == [
        "<s>one two five. two six!</s>",
        "<s> three seven, five.</s>",
    ]
    assert (packing.report.cut_paragraphs, packing.report.cut_sentences) == (1, 0)


def test_a_long_sentence_is_cut_between_words_and_counted() -> None:
    packing = Packing(TOKENIZER, size("one two three"))
    assert texts(packing, Document(("one two three Four",))) == ["<s>one two three</s>", "<s> Four</s>"]
    assert (packing.report.cut_paragraphs, packing.report.cut_sentences) == (1, 1)
    assert "1 times inside a sentence" in packing.report.told()


def test_a_word_longer_than_a_block_is_cut_where_it_must_be() -> None:
    found = texts(Packing(TOKENIZER, 5), Document(("zzzzzzzz",)))
    assert found == ["<s>zzz</s>", "<s>zzz</s>", "<s>zz</s>"]


def test_many_documents_are_encoded_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = [Document(("one", "two")), Document(("three",)), Document(("Four",)), Document(("five.", "six!"))]
    whole = texts(Packing(TOKENIZER, 16), *documents)
    monkeypatch.setattr(blocks, "ENCODED_AT_ONCE", 3)
    assert texts(Packing(TOKENIZER, 16), *documents) == whole
    drawn = []

    def stream() -> object:
        for document in documents:
            drawn.append(document)
            yield document

    next(Packing(TOKENIZER, 16).blocks(stream()))  # type: ignore[arg-type]
    assert len(drawn) == 2


def test_other_tokenizers_have_their_own_ends() -> None:
    tokenizer = BlenderbotTokenizer().train_new_from_iterator(["one two three"], 300)
    [block] = Packing(tokenizer, 16).blocks([Document(("one two",))])
    assert block.tolist() == tokenizer("one two")["input_ids"]


def test_a_block_needs_room_for_a_token() -> None:
    with pytest.raises(OptionError, match="`block_tokens` must be at least 3 for this tokenizer, but is 2"):
        Packing(TOKENIZER, 2)


def test_the_last_place_within_a_stretch() -> None:
    places = np.array([0, 4, 9])
    assert [last_within(places, 0, most) for most in (3, 4, 8, 9, 20)] == [None, 4, 4, 9, 9]
    assert last_within(places, 4, 8) is None
