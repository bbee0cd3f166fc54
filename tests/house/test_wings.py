"""The framework wings mirror each other: the same files, the same classes, the same methods."""

import ast
from itertools import pairwise

import pytest

MIRRORED = ("modeling", "heads", "models", "pretrained", "auto", "outputs", "generation", "backend")
PREFIXES = {"pytorch": "", "flax": "Flax", "keras": "TF"}


def wings(modules) -> list[str]:
    rooms = {module.name.split(".")[2] for module in modules if module.name.startswith("bartleby.backends.")}
    return [wing for wing in PREFIXES if wing in rooms]


def methods_by_class(tree: ast.Module, prefix: str) -> dict[str, list[str]]:
    """Public classes without the wing's prefix, and the public methods of each."""
    return {
        node.name.removeprefix(prefix): sorted(
            item.name for item in node.body if isinstance(item, ast.FunctionDef) and not item.name.startswith("_")
        )
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    }


def test_every_wing_has_the_same_files(modules):
    names = {module.name for module in modules}
    present = wings(modules)
    missing = [
        f"{wing}/{file}.py" for wing in present for file in MIRRORED if f"bartleby.backends.{wing}.{file}" not in names
    ]
    assert "pytorch" in present
    assert missing == []


def test_every_wing_publishes_every_model(modules, root):
    families = ("Bart", "Blenderbot", "BlenderbotSmall")
    heads = ("Model", "ForConditionalGeneration", "ForCausalLM")
    wanted = {family + head for family in families for head in heads}
    wanted |= {"BartForSequenceClassification", "BartForQuestionAnswering"}
    trees = {module.name: module.tree for module in modules}
    for wing in wings(modules):
        classes = methods_by_class(trees[f"bartleby.backends.{wing}.models"], PREFIXES[wing])
        assert wanted <= classes.keys()


def test_wings_have_the_same_classes_and_methods(modules):
    if len(wings(modules)) == 1:
        pytest.skip("one wing so far: there is nothing yet that it could mirror")
    trees = {module.name: module.tree for module in modules}
    for file in MIRRORED:
        shapes = [
            methods_by_class(trees[f"bartleby.backends.{wing}.{file}"], PREFIXES[wing]) for wing in wings(modules)
        ]
        assert all(one == other for one, other in pairwise(shapes))
