import json
from pathlib import Path

import pytest

from bartleby.checkpoints.fairseq_vocabulary import FairseqVocabulary
from bartleby.errors import CheckpointError
from bartleby.tokenization.byte_level import BartTokenizer
from tests.checkpoints.made_originals import BY_FREQUENCY, PIECES, Fairseq, write_fairseq_vocabulary


def read(folder: Path) -> tuple[FairseqVocabulary, list[str]]:
    faults: list[str] = []
    return FairseqVocabulary(folder / "dict.txt", folder, faults), faults


def test_ids_go_by_the_lines_of_the_dictionary(tmp_path: Path) -> None:
    write_fairseq_vocabulary(tmp_path, Fairseq(fillers=6))
    vocabulary, faults = read(tmp_path)
    assert faults == []
    ids = json.loads(vocabulary.files()["vocab.json"])
    by_frequency = [PIECES[number] for number in BY_FREQUENCY]
    fillers = ["madeupword0000", "madeupword0001"]
    assert list(ids) == ["<s>", "<pad>", "</s>", "<unk>", *by_frequency, *fillers, "<mask>"]
    assert list(ids.values()) == list(range(17))
    assert (vocabulary.size, vocabulary.kept) == (20, 16)


def test_the_tokenizer_of_the_files_encodes(tmp_path: Path) -> None:
    write_fairseq_vocabulary(tmp_path, Fairseq())
    for name, content in read(tmp_path)[0].files().items():
        (tmp_path / name).write_bytes(content)
    tokenizer = BartTokenizer.from_pretrained(tmp_path)
    assert tokenizer.tokenize("abc ab a") == ["abc", "Ġab", "Ġa"]
    assert tokenizer.model_max_length == 1024
    assert tokenizer.mask_token_id == 16


@pytest.mark.parametrize("fillers", [3, 939])
def test_the_published_vocabulary_comes_out_of_the_dictionaries_it_was_made_from(
    tmp_path: Path, shared: Path, fillers: int
) -> None:
    """bart.large has 3 fillers; bart.base has 939, of which the published vocabulary has the first 3."""
    published = json.loads((shared / "vocab/bart/vocab.json").read_text("utf-8"))
    real = [token for token, index in published.items() if 4 <= index <= 50260]
    numbers = {token: number for number, token in enumerate(sorted(real))}
    lines = [f"{numbers[token]} 1" for token in real] + [f"madeupword{n:04} 0" for n in range(fillers)]
    (tmp_path / "dict.txt").write_text("\n".join([*lines, ""]))
    (tmp_path / "encoder.json").write_text(json.dumps(numbers))
    (tmp_path / "vocab.bpe").write_bytes((shared / "vocab/bart/merges.txt").read_bytes())
    vocabulary, faults = read(tmp_path)
    assert faults == []
    assert (vocabulary.size, vocabulary.kept) == (50261 + fillers, 50264)
    files = vocabulary.files()
    assert list(json.loads(files["vocab.json"]).items()) == sorted(published.items(), key=lambda item: item[1])
    assert files["merges.txt"].decode().split("\n") == (shared / "vocab/bart/merges.txt").read_text("utf-8").split("\n")


def test_lines_that_are_no_tokens_are_named(tmp_path: Path) -> None:
    write_fairseq_vocabulary(tmp_path, Fairseq())
    with (tmp_path / "dict.txt").open("a") as file:
        file.write("".join(f"{word} 1\n" for word in ("77", "hello", "é", "5")))
    _, faults = read(tmp_path)
    assert "has 3 lines that encoder.json does not explain: '77', 'hello', 'é'." in faults[0]
    assert "has a token twice" in faults[1]


def test_a_token_that_looks_like_a_number_is_a_token(tmp_path: Path) -> None:
    write_fairseq_vocabulary(tmp_path, Fairseq())
    assert "40" in read(tmp_path)[0].tokens


@pytest.mark.parametrize("encoder", [{"a": 1, "b": 1}, {"a": "1"}, {"a": [1]}, {"a": True}])
def test_an_encoder_that_numbers_badly_is_a_fault(tmp_path: Path, encoder: dict[str, object]) -> None:
    write_fairseq_vocabulary(tmp_path, Fairseq())
    (tmp_path / "encoder.json").write_text(json.dumps(encoder))
    assert "must give every token a number of its own" in read(tmp_path)[1][0]


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    write_fairseq_vocabulary(tmp_path, Fairseq())
    (tmp_path / "vocab.bpe").write_bytes(b"a \xff")
    with pytest.raises(CheckpointError, match=r"vocab.bpe is no UTF-8 text: .* at byte 2"):
        read(tmp_path)
