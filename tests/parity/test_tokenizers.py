"""Our tokenizers against transformers 4.37.2, recorded by make_tokenizer_goldens.py."""

from pathlib import Path

from compare_tokenizers import compare_all
from tokenizer_goldens import OWN_VOCABULARIES


def differences(name: str, vocabularies: Path) -> list[str]:
    return [str(agreement) for agreement in compare_all(name, vocabularies) if agreement.differing]


def test_ids_offsets_and_texts_agree_on_vocabularies_of_our_own() -> None:
    assert differences("own", OWN_VOCABULARIES) == []


def test_ids_offsets_and_texts_agree_on_the_published_vocabularies(shared: Path) -> None:
    assert differences("published", shared / "vocab") == []
