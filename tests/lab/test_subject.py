import numpy as np
import pytest

from bartleby.errors import HubError
from bartleby.lab.subject import Subject
from tests.lab.small_models import save_model


def opened(folder, count=3, seed=0):
    return Subject.open(str(folder), count, seed)


def test_texts_are_read_by_the_tokenizer_of_the_checkpoint(tiny_chat):
    subject = opened(tiny_chat)
    assert len(subject.sources) == 3
    assert len({len(ids) for ids in subject.sources}) > 1
    assert subject.targets == [*subject.sources[1:], subject.sources[0]]


def test_without_a_tokenizer_ids_are_random_but_always_the_same(tmp_path):
    folder = save_model(tmp_path)
    subject = opened(folder)
    assert subject.tokenizer is None
    assert subject.sources == opened(folder).sources != opened(folder, seed=1).sources
    assert max(map(max, subject.sources)) < subject.config.vocab_size


def test_random_ids_stand_for_a_tokenizer_of_another_vocabulary(tiny_chat, tmp_path):
    from bartleby.tokenization.auto import AutoTokenizer

    folder = save_model(tmp_path, vocab_size=60)
    AutoTokenizer.from_pretrained(tiny_chat).save_pretrained(folder)
    subject = opened(folder)
    assert max(map(max, subject.sources)) < 60
    assert "the table ends at 59" in subject.refusals["texts"]


@pytest.mark.parametrize("head", ["sequence_classification", "question_answering"])
def test_what_readers_read_ends_in_the_only_eos(tmp_path, head):
    subject = opened(save_model(tmp_path, head))
    assert [ids.count(2) for ids in subject.sources] == [1, 1, 1]
    assert [ids[-1] for ids in subject.sources] == [2, 2, 2]


def test_a_bare_model_is_verified_as_one_that_writes(tmp_path):
    subject = opened(save_model(tmp_path, "none"))
    assert subject.head == "conditional_generation"
    assert subject.is_whole


def test_tied_weights_are_one_array_in_either_precision(tmp_path):
    weights = opened(save_model(tmp_path)).weights("float64")
    assert weights["lm_head.weight"].dtype == np.float64
    assert np.shares_memory(weights["lm_head.weight"], weights["model.shared.weight"])


def test_a_name_of_nothing_is_refused():
    with pytest.raises(HubError, match="There is no folder"):
        opened("./nothing")
