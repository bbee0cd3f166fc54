"""The committed recipes are what the commands at their heads read: every key an option, every value allowed."""

import re
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("accelerate")
pytest.importorskip("yaml")

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "recipes").glob("*.yaml"))


def test_there_is_one_for_each_model_and_stage():
    assert [path.stem for path in FILES] == [
        "chat-mini-start",
        "chat-mini",
        "summary-mini-pretrain",
        "summary-mini-start",
        "summary-mini",
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recipe_is_read_by_the_command_at_its_head(path):
    from bartleby.cli.options import build_options, given_options
    from bartleby.training.cadence import RunOptions
    from bartleby.training.recipes import RECIPES
    from bartleby.training.recipes.recipe import DataOptions, ModelOptions
    from bartleby.training.settings import TrainingOptions

    [command] = re.findall(rf"bartleby train (\w+) --config recipes/{path.name}", path.read_text(encoding="utf-8"))
    classes = (RECIPES[command].own, DataOptions, ModelOptions, TrainingOptions, RunOptions)
    values = given_options(classes, {}, path)
    build_options(classes, values)
    assert len({"steps", "epochs", "minutes"} & values.keys()) == 1
