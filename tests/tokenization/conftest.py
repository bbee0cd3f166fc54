"""Two small tokenizers with vocabularies learnt here, so that nothing outside this checkout is needed."""

from __future__ import annotations

import pytest

from bartleby.tokenization.byte_level import BartTokenizer, BlenderbotTokenizer

SENTENCES = [
    "Hello world, how are you today?",
    "My friends are cool but they eat too many carbs.",
    "I'm sorry to hear that. Have you tried going to the gym?",
    "Studies have shown that owning a dog is good for you.",
    "The tower is 324 metres tall, about the same height as an 81-storey building.",
    "He said that he wouldn't, and she's sure that they've been there before.",
    "Le café est très bon — naïve résumé über alles, señor.",
]


@pytest.fixture(scope="session")
def trained_bart() -> BartTokenizer:
    return BartTokenizer().train_new_from_iterator(SENTENCES * 4, vocab_size=420)


@pytest.fixture(scope="session")
def trained_blenderbot() -> BlenderbotTokenizer:
    return BlenderbotTokenizer(model_max_length=128).train_new_from_iterator(SENTENCES * 4, vocab_size=420)


@pytest.fixture
def bart(trained_bart: BartTokenizer) -> BartTokenizer:
    """A fresh copy: a test may change it."""
    return BartTokenizer(tokenizer_object=trained_bart.backend_tokenizer)


@pytest.fixture
def blenderbot(trained_blenderbot: BlenderbotTokenizer) -> BlenderbotTokenizer:
    """A fresh copy: a test may change it."""
    return BlenderbotTokenizer(tokenizer_object=trained_blenderbot.backend_tokenizer, model_max_length=128)
