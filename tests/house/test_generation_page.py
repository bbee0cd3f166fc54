"""docs/generation.md says what is so: its tables are the code's, and its examples print what it shows."""

import doctest

import pytest

from bartleby.generation.options import DEFAULTS
from tests.house.generation_page import WHAT, replaced


@pytest.fixture(scope="module")
def page(root):
    return (root / "docs" / "generation.md").read_text(encoding="utf-8")


def test_every_option_is_explained_once():
    explained = [name for options in WHAT.values() for name in options]
    assert sorted(explained) == sorted(DEFAULTS.keys() - {"_from_model_config", "transformers_version"})


def test_the_tables_say_what_the_code_does(page):
    assert page == replaced(page), "run: scripts/options"


def test_the_modules_it_names_exist(root, page):
    named = {part for part in page.split("`") if part.endswith(".py") and "/" in part}
    assert named
    assert [name for name in sorted(named) if not (root / "src" / "bartleby" / name).is_file()] == []


@pytest.mark.filterwarnings("default")
def test_the_examples_print_what_is_shown(page):
    pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')
    examples = doctest.DocTestParser().get_doctest(page.replace("```", ""), {}, "generation.md", None, None)
    failures: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(examples, out=failures.append)
    assert len(examples.examples) > 10
    assert "".join(failures) == ""
