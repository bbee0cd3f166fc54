import json
from pathlib import Path
from typing import Any

import pytest

from bartleby.checkpoints.parlai_vocabulary import ParlaiVocabulary, published_names
from bartleby.tokenization.blenderbot_small import BlenderbotSmallTokenizer
from bartleby.tokenization.byte_level import BlenderbotTokenizer
from tests.checkpoints.made_originals import write_parlai_vocabulary

SPECIAL = {"<pad>": "__null__", "<s>": "__start__", "</s>": "__end__", "<unk>": "__unk__"}


def read(folder: Path, rows: int, **options: Any) -> tuple[ParlaiVocabulary, list[str]]:
    faults: list[str] = []
    vocabulary = ParlaiVocabulary(folder / "model", options, faults)
    vocabulary.fill_to(rows, faults)
    return vocabulary, faults


def write(folder: Path, words: list[str], merges: bytes, ending: str) -> None:
    (folder / "model.dict").write_text("".join(f"{word}\t1\n" for word in words), encoding="utf-8")
    (folder / f"model.dict{ending}").write_bytes(merges)


def test_special_tokens_come_first_wherever_the_dictionary_has_them(tmp_path: Path) -> None:
    write_parlai_vocabulary(tmp_path / "model", "xlm")
    vocabulary, faults = read(tmp_path, 16)
    assert faults == []
    ids = json.loads(vocabulary.files("blenderbot-small", 512)["vocab.json"])
    assert list(ids)[:6] == ["__null__", "__start__", "__end__", "__unk__", "__newln__", "."]
    assert list(ids)[-3:] == ["__FP16_PAD_0__", "__FP16_PAD_1__", "__FP16_PAD_2__"]
    assert list(ids.values()) == list(range(16))


def test_the_tokenizers_of_the_files_encode(tmp_path: Path) -> None:
    for variant, rows in (("xlm", 16), ("prelayernorm", 16)):
        write_parlai_vocabulary(tmp_path / variant, variant)
        vocabulary = ParlaiVocabulary(tmp_path / variant, {}, [])
        vocabulary.fill_to(rows, [])
        folder = tmp_path / f"{variant}-files"
        folder.mkdir()
        model_type = "blenderbot-small" if variant == "xlm" else "blenderbot"
        for name, content in vocabulary.files(model_type, 128).items():
            (folder / name).write_bytes(content)
    small = BlenderbotSmallTokenizer.from_pretrained(tmp_path / "xlm-files")
    assert small.tokenize("Hello world.") == ["hello", "wor@@", "ld", "."]
    large = BlenderbotTokenizer.from_pretrained(tmp_path / "prelayernorm-files")
    assert large("ab a").input_ids == [14, 13, 2]
    assert (large.add_prefix_space, large.model_max_length) == (True, 128)


def test_the_published_blenderbot_vocabulary_comes_out_of_its_dictionary(tmp_path: Path, shared: Path) -> None:
    published = json.loads((shared / "vocab/blenderbot/vocab.json").read_text("utf-8"))
    merges = (shared / "vocab/blenderbot/merges.txt").read_bytes()
    words = [SPECIAL.get(token, token.replace("_AGAIN>", ">")) for token in published if "FP16" not in token]
    write(tmp_path, words, merges, "-merges.txt")
    vocabulary, faults = read(tmp_path, 8008)
    files = vocabulary.files("blenderbot", 128)
    assert faults == []
    assert list(json.loads(files["vocab.json"]).items()) == list(published.items())
    assert files["merges.txt"].decode().splitlines() == merges.decode().splitlines()


def test_the_published_small_vocabulary_comes_out_of_its_dictionary(tmp_path: Path, shared: Path) -> None:
    published = json.loads((shared / "vocab/blenderbot_small/vocab.json").read_text("utf-8"))
    merges = (shared / "vocab/blenderbot_small/merges.txt").read_bytes()
    words = [token for token in published if "fp16" not in token]
    write(tmp_path, words, merges, ".codecs")
    vocabulary, faults = read(tmp_path, 54944, dict_lower=True)
    files = vocabulary.files("blenderbot-small", 512)
    assert faults == []
    assert list(json.loads(files["vocab.json"]).items()) == list(published.items())
    assert files["merges.txt"].decode().split("\n") == [*merges.decode().rstrip("\n").split("\n"), ""]


def test_escaped_breaks_are_breaks(tmp_path: Path) -> None:
    write(tmp_path, ["a\\nb", "\\t"], b"a b\n", ".codecs")
    assert read(tmp_path, 8)[0].tokens[4:6] == ["a\nb", "\t"]


def test_tokens_that_bear_the_names_of_special_ones_are_renamed() -> None:
    tokens = ["__null__", "__start__", "__end__", "__unk__", "<s>", "<pad>", "</s>", "<unk>", "a"]
    assert published_names(tokens) == [*SPECIAL, "<s_AGAIN>", "<pad_AGAIN>", "</s_AGAIN>", "<unk_AGAIN>", "a"]


@pytest.mark.parametrize("rows", [12, 14, 24, 0, 1 << 40])
def test_a_table_of_another_size_is_a_fault(tmp_path: Path, rows: int) -> None:
    write_parlai_vocabulary(tmp_path / "model", "xlm")
    _, faults = read(tmp_path, rows)
    assert faults == [
        f"The embedding has {rows} rows, but model.dict has 13 tokens. Is this the dictionary of another model?"
    ]


def test_missing_and_doubtful_files_are_faults(tmp_path: Path) -> None:
    faults: list[str] = []
    ParlaiVocabulary(tmp_path / "model", {}, faults)
    assert "must have exactly one of model.dict.codecs and model.dict-merges.txt, but has 0 of them" in faults[0]
    assert "model.dict is missing" in faults[1]
    for variant in ("xlm", "prelayernorm"):
        write_parlai_vocabulary(tmp_path / "model", variant)
    assert "but has 2 of them" in read(tmp_path, 16)[1][0]
