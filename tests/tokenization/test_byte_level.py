import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bartleby.errors import TokenizerError
from bartleby.tokenization.byte_level import (
    BartTokenizer,
    BartTokenizerFast,
    BlenderbotTokenizer,
    BlenderbotTokenizerFast,
    ByteLevelTokenizer,
    RobertaTokenizer,
    byte_symbols,
    token_bytes,
)
from bartleby.tokenization.files import merges_of

keep_fixture = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
# Texts in which everything that is treated in a way of its own is frequent.
pieces = st.sampled_from(
    ["<s>", "</s>", "<unk>", "<pad>", " ", "  ", "\n", "\t", "\x00", "\u3000", "'s", "é", "🧑‍🤝‍🧑", "Hello", "."]
)
texts = st.one_of(st.text(max_size=40), st.lists(st.one_of(pieces, st.text(max_size=4)), max_size=12).map("".join))


def test_every_byte_has_a_symbol_of_its_own() -> None:
    symbols = byte_symbols()
    assert sorted(symbols.values()) == list(range(256))
    assert all(symbol.isprintable() and not symbol.isspace() for symbol in symbols)
    assert (symbols["Ġ"], symbols["Ċ"], symbols["a"]) == (ord(" "), ord("\n"), ord("a"))
    assert token_bytes("Ġcaf") == b" caf"
    assert token_bytes("a b") == b"a b"  # no symbol is a space: an added token


@given(text=texts)
@keep_fixture
def test_any_text_comes_back(trained_bart: BartTokenizer, text: str) -> None:
    ids = trained_bart(text, add_special_tokens=False)["input_ids"]
    assert trained_bart.decode(ids, clean_up_tokenization_spaces=False) == text
    assert trained_bart.convert_tokens_to_string(trained_bart.tokenize(text)) == text


@given(text=texts)
@keep_fixture
def test_offsets_cover_what_their_tokens_stand_for(trained_bart: BartTokenizer, text: str) -> None:
    encoded = trained_bart(text, return_offsets_mapping=True)
    spans = encoded["offset_mapping"][1:-1]
    assert all(0 <= start <= end <= len(text) for start, end in spans)
    assert spans == sorted(spans, key=lambda span: span[1])
    for token, (start, end) in zip(encoded.tokens()[1:-1], spans, strict=True):
        if token.isascii() and token.isalpha():
            assert text[start:end] == token


def test_a_sequence_is_laid_out_as_its_model_wants(bart: BartTokenizer, blenderbot: BlenderbotTokenizer) -> None:
    assert bart("Hello").tokens() == ["<s>", *bart.tokenize("Hello"), "</s>"]
    assert bart("Hello", "my").tokens() == [
        "<s>",
        *bart.tokenize("Hello"),
        "</s>",
        "</s>",
        *bart.tokenize("my"),
        "</s>",
    ]
    assert blenderbot("Hello").tokens() == [*blenderbot.tokenize("Hello"), "</s>"]
    assert blenderbot("Hello", "my").tokens() == [*blenderbot.tokenize("Hello"), *blenderbot.tokenize("my")]
    assert blenderbot("Hello") == blenderbot(" Hello")
    assert bart("Hello") != bart(" Hello")


def test_a_mask_takes_the_space_before_it(bart: BartTokenizer) -> None:
    assert bart("A, <mask> tower").tokens()[3] == " <mask>"
    assert bart("A, <mask> tower")["input_ids"] == bart("A,<mask> tower")["input_ids"]


def test_offsets_leave_out_spaces_unless_told(bart: BartTokenizer) -> None:
    assert bart("of  you", return_offsets_mapping=True)["offset_mapping"][-2] == (4, 7)
    bart.trim_offsets = False
    assert bart("of  you", return_offsets_mapping=True)["offset_mapping"][-2] == (3, 7)


def test_the_fast_classes_take_their_published_arguments(bart: BartTokenizer, tmp_path: Path) -> None:
    bart.save_pretrained(tmp_path)
    vocab, merges = str(tmp_path / "vocab.json"), str(tmp_path / "merges.txt")
    assert BartTokenizerFast(vocab, merges)("A <mask>") == bart("A <mask>")
    fast = BlenderbotTokenizerFast(vocab, merges, None, "strict", add_prefix_space=False)
    assert fast("Hello")["input_ids"] == [*bart("Hello", add_special_tokens=False)["input_ids"], 2]
    assert RobertaTokenizer(vocab, merges)("Hello") == bart("Hello")


def test_half_a_character_is_treated_as_errors_says(bart: BartTokenizer) -> None:
    half = bart("é", add_special_tokens=False)["input_ids"]
    if len(half) == 1:  # the learnt vocabulary may have joined its two bytes
        half = bart.convert_tokens_to_ids(list("Ã"))
    broken = [bart.convert_tokens_to_ids("a"), half[0]]
    assert bart.decode(broken) == "a�"
    bart.errors = "ignore"
    assert bart.decode(broken) == "a"
    bart.errors = "strict"
    with pytest.raises(TokenizerError, match="errors='replace'"):
        bart.decode(broken)
    text = "Hello <mask> é</s>"
    ids = bart(text)["input_ids"]
    strict = bart.decode(ids), bart.decode(ids, skip_special_tokens=True)
    bart.errors = "replace"
    assert (bart.decode(ids), bart.decode(ids, skip_special_tokens=True)) == strict


def test_a_backend_with_other_splitting_is_left_as_it_is(bart: BartTokenizer) -> None:
    from tokenizers import pre_tokenizers

    steps = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    bart.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    again = BartTokenizer(tokenizer_object=bart.backend_tokenizer)
    assert again.tokenize("324") == ["3", "2", "4"]


# ---- against what others say -----------------------------------------------------------------------------------------


def cases(shared: Path) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads((shared / "cases" / "token_ids.json").read_text())
    return [case for case in listed if "small" not in case["tokenizer"]]


@cache
def published(folder: Path, kind: type[ByteLevelTokenizer], add_prefix_space: bool) -> ByteLevelTokenizer:
    return kind(str(folder / "vocab.json"), str(folder / "merges.txt"), add_prefix_space=add_prefix_space)


@pytest.mark.parametrize("fast", [False, True])
def test_published_vocabularies_give_published_ids(shared: Path, fast: bool) -> None:
    bart, blenderbot = (BartTokenizerFast, BlenderbotTokenizerFast) if fast else (BartTokenizer, BlenderbotTokenizer)
    found = cases(shared)
    assert len(found) > 15
    for case in found:
        if case["tokenizer"].startswith("bart"):
            tokenizer = published(shared / "vocab" / "bart", bart, False)
        else:
            tokenizer = published(shared / "vocab" / "blenderbot", blenderbot, "=False" not in case["tokenizer"])
        if "turns" in case:
            turns = [{"role": role, "content": content} for role, content in case["turns"]]
            ids = tokenizer.apply_chat_template(turns, return_dict=False)
        else:
            ids = tokenizer(case["text"])["input_ids"]
        assert ids == case["ids"], case["source"]
        if "decoded" in case:
            assert tokenizer.decode(ids) == case["decoded"], case["source"]


def test_the_published_blenderbot_has_its_mask_behind_the_vocabulary(shared: Path) -> None:
    blenderbot = published(shared / "vocab" / "blenderbot", BlenderbotTokenizer, True)
    assert (blenderbot.vocab_size, len(blenderbot), blenderbot.mask_token_id) == (8008, 8009, 8008)
    assert blenderbot.decode([1710, 86, 2]) == " hello</s>"


@pytest.fixture(scope="module")
def references(trained_bart: BartTokenizer, trained_blenderbot: BlenderbotTokenizer) -> list[tuple[Any, Any]]:
    """Our tokenizers beside the reference library's, made of the same vocabularies."""
    transformers = pytest.importorskip("transformers")
    transformers.logging.set_verbosity_error()
    pairs = []
    for ours, name in ((trained_bart, "BartTokenizer"), (trained_blenderbot, "BlenderbotTokenizer")):
        vocabulary, merges = ours.get_vocab(), merges_of(ours.backend_tokenizer)
        theirs = getattr(transformers, name)(vocab=vocabulary, merges=merges, add_prefix_space=ours.add_prefix_space)
        pairs.append((ours, theirs))
    return pairs


@given(text=texts, second=texts)
@keep_fixture
def test_plain_sequences_are_those_of_the_reference_library(references: Any, text: str, second: str) -> None:
    for ours, theirs in references:
        for pair in (None, [second]):
            options = {"return_offsets_mapping": True, "add_special_tokens": pair is None and ours is references[0][0]}
            one, other = ours([text], pair, **options), theirs([text], pair, **options)
            assert one["input_ids"] == other["input_ids"]
            if ours is references[0][0]:
                assert one["offset_mapping"] == other["offset_mapping"]
            assert one.word_ids() == other.word_ids()
            assert one.sequence_ids() == other.sequence_ids()
        ids = ours(text)["input_ids"]
        kept = {"skip_special_tokens": True, "clean_up_tokenization_spaces": False}
        assert ours.decode(ids, **kept) == theirs.decode(ids, **kept)


@given(
    first=st.lists(texts, min_size=1, max_size=3),
    length=st.integers(6, 16),
    stride=st.integers(0, 1),
    padding=st.sampled_from([False, True, "max_length"]),
    truncation=st.sampled_from(["longest_first", "only_first"]),
    sides=st.tuples(st.sampled_from(["left", "right"]), st.sampled_from(["left", "right"])),
    pair=st.booleans(),
)
@keep_fixture
def test_lengths_are_treated_as_in_the_reference_library(
    references: Any, first: Any, length: Any, stride: Any, padding: Any, truncation: Any, sides: Any, pair: bool
) -> None:
    bart, theirs = references[0]
    ours = BartTokenizer(tokenizer_object=bart.backend_tokenizer, truncation_side=sides[0])
    theirs.truncation_side = sides[0]
    options = {"truncation": truncation, "max_length": length, "padding": padding, "padding_side": sides[1]}
    asked = {"return_offsets_mapping": True, "return_special_tokens_mask": True, "stride": 0 if pair else stride}
    overflow = {"return_overflowing_tokens": not pair}  # of pairs, the reference leaves some rows unpadded
    second = ["a b"] * len(first) if pair else None
    try:
        wanted = theirs(first, second, **options, **asked, **overflow)
    except Exception:  # of the tokenizers library, which raises nothing more exact
        with pytest.raises(TokenizerError, match="only_first"):
            ours(first, second, **options, **asked, **overflow)
        return
    assert dict(ours(first, second, **options, **asked, **overflow)) == dict(wanted)


@given(words=st.lists(st.text(alphabet="ab é<s>'", min_size=1, max_size=5), max_size=6))
@keep_fixture
def test_words_are_joined_as_in_the_reference_library(references: Any, words: list[str]) -> None:
    ours, theirs = references[1]
    one = ours(words, is_split_into_words=True, add_special_tokens=False)
    other = theirs(words, is_split_into_words=True, add_special_tokens=False)
    assert one["input_ids"] == other["input_ids"]
    assert one.word_ids() == other.word_ids()


def test_a_word_in_byte_symbols_is_cut_into_pieces(bart: BartTokenizer) -> None:
    [token] = bart.tokenize(" you")
    assert bart.bpe("Ġyou") == token == "Ġyou"
    assert bart.bpe("Ġyouyou").split(" ") == bart.tokenize(" youyou")
    assert bart.bpe("漢Ġyou字") == "漢 Ġyou 字"  # no byte is spelt so: each stands for itself
    assert bart.bpe("") == ""


def test_the_parts_of_the_encoding_can_be_looked_at(bart: BartTokenizer) -> None:
    assert bart.byte_encoder[ord(" ")] == "Ġ"
    assert bart.byte_decoder == {symbol: byte for byte, symbol in bart.byte_encoder.items()}
    first = next(iter(bart.bpe_ranks))
    assert bart.bpe_ranks[first] == 0
    assert "".join(first) in bart.encoder


def test_the_fast_classes_take_every_argument_by_place(tmp_path: Path, bart: BartTokenizer) -> None:
    files = bart.save_vocabulary(tmp_path)
    made = BartTokenizerFast(*files, None, "replace", "<s>", "</s>", "</s>", "<s>", "<unk>", "<pad>", "<mask>", True)
    assert made.add_prefix_space
    assert BartTokenizerFast.slow_tokenizer_class is BartTokenizer
    assert made.init_kwargs["vocab_file"] == files[0]
    assert made.init_inputs == ()
