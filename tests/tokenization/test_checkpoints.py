"""The published checkpoints of a tokenizer class."""

from bartleby.tokenization.blenderbot_small import BlenderbotSmallTokenizer
from bartleby.tokenization.byte_level import BartTokenizer, BartTokenizerFast, BlenderbotTokenizer
from bartleby.tokenization.checkpoints import published_files, published_lengths

CLASSES = (BartTokenizer, BartTokenizerFast, BlenderbotTokenizer, BlenderbotSmallTokenizer)


def test_every_kind_of_file_is_known_of_every_checkpoint() -> None:
    for each in CLASSES:
        names = list(each.max_model_input_sizes)
        assert names
        assert each.pretrained_vocab_files_map.keys() == each.vocab_files_names.keys()
        assert all(list(addresses) == names for addresses in each.pretrained_vocab_files_map.values())


def test_lengths_are_the_models() -> None:
    assert published_lengths("bart")["facebook/bart-large-cnn"] == 1024
    assert published_lengths("blenderbot")["facebook/blenderbot-3B"] == 128
    assert published_lengths("blenderbot-small") == {"facebook/blenderbot_small-90M": 512}


def test_addresses_are_the_hubs() -> None:
    [(kind, addresses)] = published_files("blenderbot-small", {"vocab_file": "vocab.json"}).items()
    assert kind == "vocab_file"
    assert addresses["facebook/blenderbot_small-90M"].endswith("/facebook/blenderbot_small-90M/resolve/main/vocab.json")


def test_a_checkpoint_of_this_package_is_on_no_hub() -> None:
    assert all("/" in name for each in CLASSES for name in each.max_model_input_sizes)
