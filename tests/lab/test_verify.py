import json

import pytest

from bartleby.errors import CheckpointError, HubError, OptionError
from bartleby.lab.verify import VerifyOptions, verify
from tests.lab.small_models import save_model

QUICK = VerifyOptions(texts=2, new_tokens=4, plain_tokens=3)


def test_a_chat_model_agrees_with_itself_in_every_way(tiny_chat):
    pytest.importorskip("torch")
    steps = []
    report = verify(str(tiny_chat), QUICK, steps.append)
    assert report.differing == 0, report.as_dict()
    areas = [check.area for check in report.checks]
    assert list(dict.fromkeys(areas)) == ["files", "tokenizer", "forward", "decoding"]
    assert steps[0] == "files"
    assert {"pytorch bfloat16", "pytorch float16", "pytorch float64"} <= {check.subject for check in report.checks}
    assert report.facts["head"] == "conditional_generation"


@pytest.mark.parametrize("head", ["none", "sequence_classification", "question_answering", "causal_lm"])
def test_every_head_can_be_verified_without_a_tokenizer(tmp_path, head):
    pytest.importorskip("torch")
    report = verify(str(save_model(tmp_path, head)), QUICK)
    assert report.differing == 0, report.as_dict()
    written = [check for check in report.checks if check.area == "decoding"]
    assert bool(written) == (head in ("none", "causal_lm"))


@pytest.mark.parametrize("model_type", ["blenderbot", "blenderbot-small"])
def test_other_model_types_agree_too(tmp_path, model_type):
    name = {"blenderbot": "Blenderbot", "blenderbot-small": "BlenderbotSmall"}[model_type]
    architectures = [f"{name}ForConditionalGeneration"]
    folder = save_model(tmp_path, model_type=model_type, architectures=architectures, scale_embedding=True)
    report = verify(str(folder), QUICK)
    assert report.differing == 0, report.as_dict()


def test_a_checkpoint_that_lacks_weights_is_reported_not_run(tmp_path):
    report = verify(str(save_model(tmp_path, leave_out=("model.decoder.layers.1.fc2.weight",))), QUICK)
    assert report.differing == 1
    assert report.checks[-1].remark == "it lacks weights, so it cannot be run"


def test_weights_that_are_no_numbers_are_reported_not_run(tmp_path):
    torch = pytest.importorskip("torch", reason="a model is changed and saved")
    from bartleby import AutoModelForSeq2SeqLM

    model = AutoModelForSeq2SeqLM.from_pretrained(save_model(tmp_path))
    with torch.no_grad():
        model.model.shared.weight[7] = torch.nan
    model.save_pretrained(tmp_path)
    report = verify(str(tmp_path), QUICK)
    assert report.differing == 1
    assert report.checks[-1].remark == "its weights are not all finite numbers, so it cannot be run"


def test_weights_that_cannot_be_read_are_reported(tmp_path):
    folder = save_model(tmp_path)
    (folder / "model.safetensors").write_bytes(b"torn")
    report = verify(str(folder), QUICK)
    assert report.differing == 1
    [refused] = [check for check in report.checks if check.subject == "refused"]
    assert "model.safetensors" in refused.remark


def test_without_pytorch_what_is_left_is_verified(tmp_path, monkeypatch):
    monkeypatch.setattr("bartleby.lab.verify.find_spec", lambda name: None)
    report = verify(str(save_model(tmp_path)), QUICK)
    assert report.differing == 0
    skipped = [check for check in report.checks if "bartleby[torch]" in check.remark]
    assert [check.area for check in skipped] == ["forward", "decoding"]
    assert any(check.subject == "plain float32" for check in report.checks)


def test_large_models_are_spared_float64_and_the_slow_search(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setattr("bartleby.lab.verify.LARGE", 10)
    report = verify(str(save_model(tmp_path)), VerifyOptions(texts=2, new_tokens=4))
    skipped = [check for check in report.checks if check.verdict == "skipped"]
    assert {"float64", "plain float32, greedy", "plain float32, 3 beams"} <= {check.subject for check in skipped}
    assert all(check.remark for check in skipped)
    assert not any("pytorch float64" in check.subject for check in report.checks)


def test_sampling_is_told_to_be_left_out(tmp_path):
    folder = save_model(tmp_path)
    path = folder / "generation_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"do_sample": True}))
    report = verify(str(folder), QUICK)
    assert report.differing == 0
    assert any(check.subject == "sampling" for check in report.checks)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (VerifyOptions(against="fairseq"), "`against` must be transformers"),
        (VerifyOptions(texts=0, new_tokens=0), "has 2 faults"),
        (VerifyOptions(device="banana"), "`device` must be cpu, cuda"),
        (VerifyOptions(device="cuda:99"), "there is no 'cuda:99'"),
        (VerifyOptions(plain_tokens=-1), "`plain_tokens` must be at least 0"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_opened(options, complaint):
    with pytest.raises(OptionError, match=complaint):
        verify("./nothing", options)


def test_another_library_is_refused_without_the_advice_to_install_it():
    with pytest.raises(OptionError, match="`against` must be transformers, but is 'tensorflow'") as raised:
        VerifyOptions(against="tensorflow").check()
    assert "install" not in str(raised.value)


def test_what_is_no_checkpoint_is_refused(tmp_path):
    with pytest.raises(HubError):
        verify("./nothing")
    with pytest.raises(CheckpointError, match=r"has no config\.json"):
        verify(str(tmp_path))
