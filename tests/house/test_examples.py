"""The training examples run, at a tiny size: they learn, and what they save is there."""

import json
import runpy
from importlib.util import find_spec
from pathlib import Path

import pytest

from bartleby.training.recipes import RECIPES
from tests.cli.conftest import bartleby  # noqa: F401  a fixture

EXTRAS = {"jax": "flax", "optax": "flax", "tensorflow": "tensorflow", "torch": "torch"}


@pytest.mark.parametrize(
    ("name", "frameworks", "file"),
    [
        ("finetune_flax", ("jax", "optax", "torch"), "flax_model.msgpack"),
        ("finetune_tensorflow", ("tensorflow", "torch"), "tf_model.h5"),
    ],
)
def test_an_example_trains_saves_and_answers(name, frameworks, file, root, tiny_chat, tmp_path, capsys):
    for framework in frameworks:
        if find_spec(framework) is None:
            pytest.skip(f'needs {framework}. Run: pip install "bartleby[{EXTRAS[framework]}]"')
    example = runpy.run_path(str(root / "examples" / f"{name}.py"))
    losses = example["main"](str(tmp_path / "tuned"), str(tiny_chat), steps=4)
    assert len(losses) == 4
    assert losses[-1] < losses[0]
    assert (tmp_path / "tuned" / file).is_file()
    assert capsys.readouterr().out.count("bartleby:") == len(example["LINES"])


@pytest.mark.parametrize("kind", RECIPES)
def test_every_kind_of_training_has_an_example(kind, bartleby, root, tmp_path, monkeypatch, request):  # noqa: F811
    """A file of options and a dozen records, learnt by heart; here the first steps of it."""
    for extra in ("torch", "accelerate", "datasets", "yaml", "rouge_score", "sacrebleu"):
        pytest.importorskip(extra)
    monkeypatch.chdir(root)
    words = ["--config", f"examples/{kind}.yaml", "--steps", 12, "--run-dir", tmp_path / "run"]
    if kind == "distill":
        words += ["--model", request.getfixturevalue("tiny_summarizer"), "--source-tokens", 64, "--target-tokens", 32]
    ran = bartleby("train", kind, *words)
    assert ran.code == 0, ran.err
    assert (Path(ran.out.strip()) / "model.safetensors").is_file()
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text("utf-8").splitlines()]
    losses = [line["loss"] for line in lines if line["kind"] == "step"]
    assert len(losses) == 12
    assert sum(losses[-3:]) < sum(losses[:3])


@pytest.mark.parametrize("kind", RECIPES)
def test_an_example_says_how_it_is_run(kind, root):
    text = (root / "examples" / f"{kind}.yaml").read_text(encoding="utf-8")
    assert f"#   bartleby train {kind} --config examples/{kind}.yaml" in text
