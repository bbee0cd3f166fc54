import copy
import json
import pickle
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bartleby.errors import CheckpointError, TokenizerError
from bartleby.tokenization.blenderbot_small import (
    BlenderbotSmallTokenizer,
    BlenderbotSmallTokenizerFast,
    Segmentation,
    splitting,
)

FOLDER = Path(__file__).parents[1] / "parity" / "goldens" / "tokenizers" / "own" / "blenderbot_small"
FILES = FOLDER / "vocab.json", FOLDER / "merges.txt"

# Old characters only: what newer Unicode versions added, Python and the tokenizers library may class differently.
ASSIGNED = st.characters(codec="utf-8", exclude_characters="\x1c\x1d\x1e\x1f").filter(
    lambda char: unicodedata.ucd_3_2_0.category(char) != "Cn"
)
TROUBLE = st.sampled_from(
    [*" \n\t\r\u00a0'.,!?()\"aAİßΣσςΑα\u0345\u02b0\u00ad_-", "__start__", "__newln__", "don't", "\n\n"]
)
TEXTS = st.lists(TROUBLE | ASSIGNED, max_size=30).map("".join)


@pytest.fixture(scope="module")
def tokenizer() -> BlenderbotSmallTokenizer:
    return BlenderbotSmallTokenizer(*FILES)


def words(text: str, segmentation: Segmentation) -> list[str]:
    parts = splitting(segmentation)
    return [word for word, _ in parts.pre_tokenizer.pre_tokenize_str(parts.normalizer.normalize_str(text))]


def published_words(text: str) -> list[str]:
    """The published segmentation in plain Python."""
    found = []
    for run, newline in re.findall(r"(\S+)(\n?)", text):
        parts = [part for part in re.split(r"(')|(?=[.,!?()])", run) if part]
        found += [part.lower() for part in parts]
        found += ["__newln__"] if newline and parts[-1] != "'" else []
    return found


def parlai_words(text: str) -> list[str]:
    """ParlAI's in plain Python."""
    return re.findall(r"\w+|[^\w\s]", text.lower().replace("\n", " __newln__ "))


@pytest.mark.parametrize(
    ("text", "published", "parlai"),
    [
        ("Hello, World!", "hello , world !", "hello , world !"),
        ("don't", "don ' t", "don ' t"),
        ("f(x):", "f (x ):", "f ( x ) :"),
        ('a-b "c"', 'a-b "c"', 'a - b " c "'),
        ("one\ntwo", "one __newln__ two", "one __newln__ two"),
        ("one\n\n\ntwo", "one __newln__ two", "one __newln__ __newln__ __newln__ two"),
        ("one \ntwo", "one two", "one __newln__ two"),
        ("\none", "one", "__newln__ one"),
        ("'one'\ntwo", "' one ' two", "' one ' __newln__ two"),
        ("one.\r\ntwo", "one . two", "one . __newln__ two"),
        ("ΟΔΟΣ ΑΣ.Α", "οδος ας .α", "οδος ασ . α"),  # a final sigma looks past a full stop, but not past a word's end
    ],
)
def test_the_two_segmentations(text: str, published: str, parlai: str) -> None:
    assert words(text, "published") == published.split()
    assert words(text, "parlai") == parlai.split()


@settings(deadline=None, max_examples=200)
@given(TEXTS)
@example("ʰΣ \u0345Σ ΑʰΣ ΑΣ\u0345 Σ'Α ΑΣ'Α ΑΣ\u00adΑ İΣ")
def test_segmentation_is_what_its_definition_says(text: str) -> None:
    assert words(text, "published") == published_words(text)
    assert words(text, "parlai") == parlai_words(text)


@settings(deadline=None, max_examples=200)
@given(TEXTS)
def test_offsets_are_those_of_the_text_as_written(tokenizer: BlenderbotSmallTokenizer, text: str) -> None:
    row = tokenizer(text, return_offsets_mapping=True)
    covered: set[int] = set()
    for token, (start, end) in zip(row.tokens(), row["offset_mapping"], strict=True):
        covered.update(range(start, end))
        surface, piece = text[start:end].lower().replace("ς", "σ"), token.removesuffix("@@").replace("ς", "σ")
        if token == "__newln__":
            assert surface in ("\n", "__newln__")
        elif token != "__unk__":
            assert piece == surface or (piece in surface and "İ" in text[start:end])  # İ is two letters in lower case
    assert covered >= {place for place, char in enumerate(text) if not char.isspace()}


def test_words_are_numbered(tokenizer: BlenderbotSmallTokenizer) -> None:
    row = tokenizer("The kitchens, Ada's")
    assert tokenizer.convert_ids_to_tokens(row["input_ids"]) == row.tokens()
    spans = {word: row.word_to_chars(word) for word in row.word_ids() if word is not None}
    assert ["The kitchens, Ada's"[slice(*span)] for span in spans.values() if span] == [
        "The",
        "kitchens",
        ",",
        "Ada",
        "'",
        "s",
    ]


def test_no_special_tokens_are_added(tokenizer: BlenderbotSmallTokenizer) -> None:
    first, second = tokenizer("the river")["input_ids"], tokenizer("a letter")["input_ids"]
    assert not {0, 1, 2, 3} & {*first, *second}
    assert tokenizer("the river", "a letter")["input_ids"] == first + second
    assert tokenizer.build_inputs_with_special_tokens(first, second) == first + second


def test_special_tokens_are_taken_out_of_the_text_first(tokenizer: BlenderbotSmallTokenizer) -> None:
    assert tokenizer("__start__the__end__ __null__\nthe")["input_ids"] == [1, *tokenizer("the")["input_ids"], 2, 0, 9]
    assert tokenizer("__START__")["input_ids"] != [1]


def test_text_comes_back_in_lower_case_with_its_punctuation_in_place(tokenizer: BlenderbotSmallTokenizer) -> None:
    ids = tokenizer("I'm in the kitchen, Ada!\nIs it odd?")["input_ids"]
    assert tokenizer.decode(ids) == "i'm in the kitchen, ada! __newln__ is it odd?"
    assert tokenizer.decode(ids, clean_up_tokenization_spaces=False).startswith("i ' m in the kitchen , ada !")
    assert tokenizer.decode([1, *ids[:1], 2], skip_special_tokens=True) == "i"


def test_the_pieces_of_one_word(tokenizer: BlenderbotSmallTokenizer) -> None:
    assert tokenizer.bpe("Kitchens").replace("@@ ", "") == "kitchens"
    assert tokenizer.bpe("Kitchens").split(" ") == tokenizer.tokenize("kitchens")


def test_tokens_are_looked_up_in_lower_case(tokenizer: BlenderbotSmallTokenizer) -> None:
    assert tokenizer.convert_tokens_to_ids(["The", "the", "__end__", "nowhere"]) == [9, 9, 2, 3]


def test_a_saved_folder_holds_the_same_files(tokenizer: BlenderbotSmallTokenizer, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path)
    assert not (tmp_path / "tokenizer.json").exists()
    assert json.loads((tmp_path / "vocab.json").read_text()) == json.loads(FILES[0].read_text())
    assert (tmp_path / "merges.txt").read_bytes() == FILES[1].read_bytes()
    again = BlenderbotSmallTokenizer.from_pretrained(tmp_path)
    assert again.get_vocab() == tokenizer.get_vocab()
    assert again("The copyists…")["input_ids"] == tokenizer("The copyists…")["input_ids"]


def test_a_vocabulary_may_be_given_in_memory(tokenizer: BlenderbotSmallTokenizer) -> None:
    merges = [line.split() for line in FILES[1].read_text(encoding="utf-8").splitlines()[1:]]
    mine = BlenderbotSmallTokenizer(vocab=json.loads(FILES[0].read_text(encoding="utf-8")), merges=merges)
    assert mine("The copyists\n")["input_ids"] == tokenizer("The copyists\n")["input_ids"]


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda tokenizer: pickle.loads(pickle.dumps(tokenizer))])
def test_copies_split_the_same_special_tokens(tokenizer: BlenderbotSmallTokenizer, duplicate) -> None:
    text = "__start__ the river\n__end__"
    assert duplicate(tokenizer)(text)["input_ids"] == tokenizer(text)["input_ids"]


def test_added_tokens_are_found_as_written() -> None:
    tokenizer = BlenderbotSmallTokenizer(*FILES)
    size = len(tokenizer)
    assert tokenizer.add_tokens(["Riverside", "th"]) == 2
    assert tokenizer("Riverside riverside")["input_ids"][0] == size
    assert tokenizer("Riverside riverside")["input_ids"].count(size) == 1
    assert tokenizer("th")["input_ids"] == [size + 1]
    assert tokenizer.decode(tokenizer("the Riverside")["input_ids"]) == "th e Riverside"


def test_split_special_tokens_leaves_them_in_the_text(tokenizer: BlenderbotSmallTokenizer) -> None:
    assert 2 not in tokenizer("a__end__b", split_special_tokens=True)["input_ids"]
    assert 2 in tokenizer("a__end__b")["input_ids"]


def test_segmentation_can_be_assigned_and_is_saved(tmp_path: Path) -> None:
    tokenizer = BlenderbotSmallTokenizer(*FILES)
    assert tokenizer("a\n\nb")["input_ids"].count(4) == 1
    tokenizer.segmentation = "parlai"
    assert tokenizer("a\n\nb")["input_ids"].count(4) == 2
    tokenizer.save_pretrained(tmp_path)
    assert BlenderbotSmallTokenizer.from_pretrained(tmp_path).segmentation == "parlai"


def test_the_fast_class_gives_the_same_ids(tokenizer: BlenderbotSmallTokenizer) -> None:
    fast = BlenderbotSmallTokenizerFast(*FILES)
    assert (fast.is_fast, tokenizer.is_fast) == (True, False)
    assert fast("__start__ It's the river.\n")["input_ids"] == tokenizer("__start__ It's the river.\n")["input_ids"]
    assert fast("The river", add_special_tokens=False)["input_ids"] == tokenizer("The river")["input_ids"]
    assert fast.create_token_type_ids_from_sequences([5, 6], [7]) == [0, 0, 0]


def test_a_vocabulary_of_ones_own_keeps_the_ids_of_special_tokens(tokenizer: BlenderbotSmallTokenizer) -> None:
    texts = ["The ferry left without the copyist.\nThe copyist swam!", "__start__ No ferry? __end__"]
    own = tokenizer.train_new_from_iterator(texts, 120)
    assert own.convert_tokens_to_ids(["__null__", "__start__", "__end__", "__unk__", "__newln__"]) == [0, 1, 2, 3, 4]
    assert own.decode(own(texts[0])["input_ids"]) == "the ferry left without the copyist. __newln__ the copyist swam!"
    assert len(own) <= 120


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"segmentation": "words"}, TokenizerError, "`segmentation` must be 'published' or 'parlai', but is 'words'"),
        ({"tokenizer_file": "tokenizer.json"}, TokenizerError, "not of `tokenizer_file`"),
        ({"merges_file": "nowhere.txt"}, CheckpointError, "'nowhere.txt' is not a file"),
        ({"merges_file": None, "merges": ["a b c"]}, TokenizerError, "line 1 must be two tokens"),
        ({"segmentaton": "parlai"}, TokenizerError, "Did you mean `segmentation`"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, object], error: type[Exception], says: str) -> None:
    arguments = {"vocab_file": FILES[0], "merges_file": FILES[1], **options}
    with pytest.raises(error, match=re.escape(says)):
        BlenderbotSmallTokenizer(**arguments)


def test_a_tokenizer_json_is_not_written(tokenizer: BlenderbotSmallTokenizer, tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match="cannot hold this vocabulary"):
        tokenizer.save_pretrained(tmp_path, legacy_format=False)


def test_the_published_cases(shared: Path) -> None:
    folder = shared / "vocab" / "blenderbot_small"
    published = BlenderbotSmallTokenizer(folder / "vocab.json", folder / "merges.txt")
    cases = json.loads((shared / "cases" / "token_ids.json").read_text(encoding="utf-8"))
    cases = [case for case in cases if case["tokenizer"].startswith("blenderbot_small")]
    assert len(cases) >= 13
    for case in cases:
        ids = published(case["text"])["input_ids"]
        assert (ids, published.decode(ids)) == (case["ids"], case.get("decoded", published.decode(ids)))


def test_published_files_are_saved_byte_for_byte(shared: Path, tmp_path: Path) -> None:
    folder = shared / "vocab" / "blenderbot_small"
    BlenderbotSmallTokenizer(folder / "vocab.json", folder / "merges.txt").save_vocabulary(tmp_path)
    for name in ("vocab.json", "merges.txt"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_encoder_and_decoder_are_each_others_reverse(tokenizer: BlenderbotSmallTokenizer) -> None:
    assert len(tokenizer.decoder) == len(tokenizer.encoder) == tokenizer.vocab_size
    assert tokenizer.decoder[tokenizer.encoder["__start__"]] == "__start__"


def test_without_a_token_for_the_unknown_nothing_is_encoded(tokenizer: BlenderbotSmallTokenizer) -> None:
    tokenizer.unk_token = None
    with pytest.raises(TokenizerError, match="needs an `unk_token`"):
        tokenizer("hello")
    tokenizer.unk_token = "__unk__"
    assert tokenizer("hello")["input_ids"]
