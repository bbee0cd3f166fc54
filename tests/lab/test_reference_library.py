import json

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from bartleby.lab.outputs import Table
from bartleby.lab.reference_library import (
    NO_END,
    SPACE_BEFORE_MASK,
    explained,
    reference_checks,
    why_ids_differ,
    why_texts_differ,
)
from bartleby.lab.sides import PlainSide, TorchSide
from bartleby.lab.subject import Subject
from tests.lab.small_models import save_model


def checked(folder):
    subject = Subject.open(str(folder), 2, 0)
    exact = TorchSide.open(subject, "float64", "cpu")
    table = Table(subject, PlainSide(subject, "float64"), exact)
    return list(reference_checks(table, TorchSide.open(subject, "float32", "cpu"), new_tokens=6))


def test_a_chat_model_agrees_down_to_its_ids(tiny_chat):
    found = checked(tiny_chat)
    assert {check.area for check in found} == {"transformers"}
    assert [check.verdict for check in found] == ["noted", "agrees", "agrees", "agrees", "agrees", "agrees"]


@pytest.mark.parametrize("head", ["sequence_classification", "question_answering", "causal_lm"])
def test_other_heads_agree_too(tmp_path, head):
    verdicts = [check.verdict for check in checked(save_model(tmp_path, head, encoder_layers=2))]
    assert verdicts == ["noted", *["agrees"] * (3 if head == "causal_lm" else 1)]


def test_where_the_other_library_fails_its_error_is_told(tmp_path):
    """Release 5 takes the memory of a decoder alone for as many layers as the encoder had."""
    *_, greedy, _ = checked(save_model(tmp_path, "causal_lm", encoder_layers=1, decoder_layers=2))
    assert (greedy.verdict, greedy.remark) == ("skipped", "it fails with IndexError: list index out of range")


def test_the_defect_of_blenderbot_small_is_told_from_an_error(tmp_path):
    folder = save_model(
        tmp_path, model_type="blenderbot-small", architectures=["BlenderbotSmallForConditionalGeneration"],
        scale_embedding=True,
    )  # fmt: skip
    config = json.loads((folder / "config.json").read_text())
    _, outputs, *answers = checked(folder)
    assert (outputs.verdict, outputs.worst > outputs.bound) == ("known", True)
    assert "never multiplies" in outputs.remark
    assert [check.verdict for check in answers] == ["known", "known"]
    (folder / "config.json").write_text(json.dumps(config | {"scale_embedding": False}))
    assert [check.verdict for check in checked(folder)][1:] == ["agrees"] * 3


def test_searches_that_release_5_lacks_are_skipped(tmp_path):
    folder = save_model(tmp_path)
    path = folder / "generation_config.json"
    groups = {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 1.0}
    path.write_text(json.dumps(json.loads(path.read_text()) | groups))
    assert [check.verdict for check in checked(folder)] == ["noted", "agrees", "agrees", "skipped"]


class Vocabulary:
    eos_token_id, mask_token_id = 2, 9

    def convert_tokens_to_ids(self, token):
        assert token == "Ġ"
        return 5


@pytest.mark.parametrize(
    ("ours", "theirs", "reason"),
    [
        ([7, 2], [7], NO_END),
        ([0, 7, 9, 2], [0, 7, 5, 9, 2], SPACE_BEFORE_MASK),
        ([7, 9, 2], [7, 5, 9], f"{NO_END}, and {SPACE_BEFORE_MASK}"),
        ([7, 2], [8], None),
        ([0, 7, 2], [0, 5, 7, 2], None),
    ],
)
def test_a_defect_explains_only_what_it_brings_about(ours, theirs, reason):
    assert why_ids_differ(Vocabulary(), ours, theirs) == reason


def test_one_unexplained_difference_is_an_error():
    texts = ["a", "b"]
    known = explained("x", texts, [("carbs.", "carbs ."), ("i'm", "i ' m")], why_texts_differ)
    assert (known.verdict, known.remark[:7]) == ("known", "2 of 2:")
    wrong = explained("x", texts, [("carbs.", "carbs ."), ("yes", "no")], why_texts_differ)
    assert (wrong.verdict, wrong.remark) == ("differs", "'b': ours 'yes', its 'no'")
