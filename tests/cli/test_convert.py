import json
import os

import numpy as np
import pytest

from bartleby.checkpoints.conversion import left_out, renamed
from bartleby.checkpoints.tensors import held
from bartleby.cli.convert import spans, table_of
from tests.checkpoints.made_originals import save_fairseq, save_parlai

pytest.importorskip("torch", reason="needs torch to write originals")


def test_an_original_is_converted_and_reported(bartleby, tmp_path):
    save_parlai(tmp_path / "small", "xlm")
    ran = bartleby("convert", tmp_path / "small", tmp_path / "out", "--json", tmp_path / "report.json")
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0] == f"{tmp_path / 'small'}: ParlAI xlm"
    assert lines[1] == f"{tmp_path / 'out'}: blenderbot-small, conditional generation, float32"
    assert "75 tensors written, 1 made, 3 left out." in lines
    assert "Decoding options: bos_token_id 1, decoder_start_token_id 1, eos_token_id 2, pad_token_id 0." in lines
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["origin"], len(report["tensors"]), len(report["left_out"])) == ("ParlAI xlm", 75, 3)
    assert set(report["files"]) == set(os.listdir(tmp_path / "out"))


def test_layers_share_a_line(bartleby, tmp_path):
    save_fairseq(tmp_path / "bart")
    lines = bartleby("convert", tmp_path / "bart", tmp_path / "out").out.splitlines()
    [line] = [line for line in lines if "fc1.weight" in line and line.startswith("decoder")]
    assert line.split() == [
        "decoder.layers.0-1.fc1.weight",
        "model.decoder.layers.0-1.fc1.weight",
        "12x8",
        "float32",
        "renamed",
    ]
    assert any(line.startswith("-  ") and line.endswith("made: zeros") for line in lines)


def test_a_folder_in_use_is_replaced_only_with_force(bartleby, tmp_path):
    save_fairseq(tmp_path / "bart")
    assert bartleby("convert", tmp_path / "bart", tmp_path / "out").code == 0
    ran = bartleby("convert", tmp_path / "bart", tmp_path / "out")
    assert (ran.code, ran.out) == (1, "")
    assert "is not empty" in ran.err
    assert bartleby("convert", tmp_path / "bart", tmp_path / "out", "--force", "--dtype", "float16").code == 0
    assert json.loads((tmp_path / "out" / "config.json").read_text())["dtype"] == "float16"


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["--dtype", "int4"], 2, "`dtype` must be one of"),
        (["--preset", "gpt2"], 2, "`preset` must be one of"),
        (["--json", "."], 2, "`--json` must be a file"),
        (["--json", "nowhere/report.json"], 2, "`--json` must be a file in a folder that is there"),
        (["--max-shard-size", "big"], 2, "`max_shard_size` must be"),
        (["--bpe", "nowhere"], 1, "encoder.json is missing"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_written(bartleby, tmp_path, arguments, code, complaint):
    save_fairseq(tmp_path / "bart")
    ran = bartleby("convert", tmp_path / "bart", tmp_path / "out", *arguments)
    assert (ran.code, ran.out) == (code, "")
    assert complaint in ran.err
    assert not (tmp_path / "out").exists()


def test_a_refusal_lists_all_faults(bartleby, tmp_path):
    save_parlai(tmp_path / "small", "xlm", None, {"variant": "aiayn", "n_segments": 2})
    ran = bartleby("convert", tmp_path / "small", tmp_path / "out")
    assert ran.code == 1
    assert "has 2 faults" in ran.err


@pytest.mark.parametrize(
    ("numbers", "text"), [([0], "0"), ([0, 1, 2, 5], "0-2,5"), ([3, 1], "1,3"), ([11, 9, 10], "9-11")]
)
def test_numbers_in_few_words(numbers, text):
    assert spans(numbers) == text


def test_names_with_braces_are_no_patterns():
    array = np.ones(2, np.float32)
    moves = [renamed("odd{}.layers.3.a", "b.layers.3.c", held(array)), left_out("x{0}", "left out: y", held(array))]
    lines = list(table_of(moves))
    assert lines[1].startswith("odd{}.layers.3.a  b.layers.3.c")
    assert lines[2].startswith("x{0}")
