"""The training examples run, at a tiny size: they learn, and what they save answers in PyTorch."""

import runpy
from importlib.util import find_spec

import pytest

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
