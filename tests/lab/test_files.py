import json

import numpy as np
import pytest

from bartleby.checkpoints.folder import CheckpointFolder, save_folder
from bartleby.lab.files import few, file_checks
from bartleby.lab.subject import Subject
from tests.lab.small_models import save_model


def found(folder):
    return {check.subject: check for check in file_checks(Subject.open(str(folder), 2, 0)) if check.verdict != "noted"}


def differing(folder):
    return {name: check.remark for name, check in found(folder).items() if check.verdict == "differs"}


def test_a_whole_checkpoint_has_no_fault(tmp_path):
    checks = found(save_model(tmp_path))
    assert {check.verdict for check in checks.values()} == {"agrees"}
    assert "tensors missing" in checks
    assert "generation_config.json" in checks


def test_missing_and_foreign_tensors_are_named(tmp_path):
    folder = save_model(tmp_path, leave_out=("model.encoder.layers.0.fc1.bias",))
    assert differing(folder) == {"tensors missing": "model.encoder.layers.0.fc1.bias"}
    with CheckpointFolder.open(folder) as opened:
        names = opened.weights.names()
        weights = {name: opened.weights.tensor(name).array().copy() for name in names}
    weights["model.encoder.extra.weight"] = np.zeros(3, dtype=np.float32)
    weights["model.encoder.layers.0.fc1.bias"] = np.full(8, np.nan, dtype=np.float32)
    save_folder(folder, config=opened.config, generation_config=opened.generation_config, weights=weights)
    assert differing(folder) == {
        "tensors unexpected": "model.encoder.extra.weight",
        "weights": "infinite or nan: model.encoder.layers.0.fc1.bias",
    }


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"max_new_tokens": None, "max_length": 400}, "outputs may have 400 tokens, but there are 40 positions"),
        ({"eos_token_id": 3}, "eos_token_id is 3, in config.json 2"),
        ({"num_beams": 0}, "`num_beams` must be"),
        ({"suppress_tokens": [60]}, "suppress_tokens"),
    ],
)
def test_decoding_options_that_cannot_work_are_told(tmp_path, changes, complaint):
    folder = save_model(tmp_path)
    path = folder / "generation_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    assert complaint in differing(folder)["generation_config.json"]


def test_options_without_effect_are_noted(tmp_path):
    folder = save_model(tmp_path)
    path = folder / "generation_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"temperature": 0.5}))
    [noted] = [check for check in file_checks(Subject.open(str(folder), 2, 0)) if "temperature" in check.remark]
    assert noted.verdict == "noted"


def test_a_reader_has_no_decoding_options_to_check(tmp_path):
    assert "generation_config.json" not in found(save_model(tmp_path, "sequence_classification"))


def test_many_names_are_shown_by_their_beginning():
    assert few(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
    assert few(["a"]) == "a"
