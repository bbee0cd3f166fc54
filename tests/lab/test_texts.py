import json
import shutil

from bartleby.lab.subject import Subject
from bartleby.lab.texts import TRIED, text_checks
from bartleby.tokenization.blenderbot_small import BlenderbotSmallTokenizer
from tests.lab.small_models import save_model


def verdicts(folder):
    return {check.subject: check.verdict for check in text_checks(Subject.open(str(folder), 2, 0))}


def test_a_tokenizer_that_belongs_to_its_model_has_no_fault(tiny_chat):
    assert set(verdicts(tiny_chat).values()) == {"agrees"}


def test_ids_without_a_row_and_other_special_tokens_are_found(tiny_chat, tmp_path):
    folder = shutil.copytree(tiny_chat, tmp_path / "smaller")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"vocab_size": 100, "eos_token_id": 7}))
    found = verdicts(folder)
    assert found["BlenderbotTokenizerFast, ids of texts"] == "differs"
    assert found["BlenderbotTokenizerFast, vocabulary"] == "noted"
    assert found["special tokens"] == "differs"


def test_texts_that_change_on_the_way_are_found(tiny_chat, monkeypatch):
    subject = Subject.open(str(tiny_chat), 2, 0)
    assert subject.tokenizer is not None
    monkeypatch.setattr(type(subject.tokenizer), "decode", lambda self, ids, **options: "something else")
    found = {check.subject: check for check in text_checks(subject)}
    for name in ("ids, decoded and encoded again", "texts, encoded and decoded"):
        assert (found[name].verdict, found[name].remark) == ("differs", f"not {TRIED[0]!r}")


def test_characters_that_a_vocabulary_lacks_are_left_out_and_counted(tmp_path):
    tokenizer = BlenderbotSmallTokenizer().train_new_from_iterator(list(TRIED[:4]) * 20, vocab_size=200)
    folder = save_model(tmp_path, model_type="blenderbot-small", vocab_size=len(tokenizer))
    tokenizer.save_pretrained(folder)
    [check] = [each for each in text_checks(Subject.open(str(folder), 2, 0)) if "again" in each.subject]
    assert check.verdict == "agrees"
    assert "left out for characters it does not know" in check.remark


def test_a_checkpoint_without_tokenizer_is_told(tmp_path):
    [check] = text_checks(Subject.open(str(save_model(tmp_path)), 2, 0))
    assert check.verdict == "skipped"
    assert "random ids instead" in check.remark
