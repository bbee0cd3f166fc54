"""Our tokenizers against transformers 4.37.2, recorded by make_tokenizer_goldens.py."""

from pathlib import Path

import pytest
from compare_tokenizers import CLASSES, compare_all
from tokenizer_goldens import OWN_VOCABULARIES
from tokenizer_texts import make_texts


def differences(name: str, vocabularies: Path) -> list[str]:
    return [str(agreement) for agreement in compare_all(name, vocabularies) if agreement.differing]


def test_ids_offsets_and_texts_agree_on_vocabularies_of_our_own() -> None:
    assert differences("own", OWN_VOCABULARIES) == []


def test_ids_offsets_and_texts_agree_on_the_published_vocabularies(shared: Path) -> None:
    assert differences("published", shared / "vocab") == []


def test_a_saved_folder_means_the_same_to_the_reference_library(tmp_path: Path) -> None:
    """A newer release than the goldens': its class reads Blenderbot-Small's vocabulary and added tokens."""
    transformers = pytest.importorskip("transformers", reason='needs transformers: pip install "bartleby[dev]"')
    folder = OWN_VOCABULARIES / "blenderbot_small"
    ours = CLASSES["blenderbot_small"](folder / "vocab.json", folder / "merges.txt")
    ours.add_tokens(["lantern", "Lisbon"])
    ours.add_special_tokens({"additional_special_tokens": ["<speaker>"]})
    ours.save_pretrained(tmp_path)
    theirs = transformers.BlenderbotSmallTokenizer.from_pretrained(tmp_path)
    texts = [*make_texts(300, seed=5), "Lisbon<speaker>lantern lisbon"]
    assert ours(texts)["input_ids"] == theirs(texts)["input_ids"]
