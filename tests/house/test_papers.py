"""What the project says about itself agrees: versions, pins, lengths of what one must read."""

import re
import tomllib

import pytest

import bartleby

ELSEWHERE = re.compile(r"fill_mask|rewrite|examples/s$|core/|utils/bpe|data/dictionary|models/bart")
"""The task and the training that CONTRIBUTING.md makes up, figures a second, and files of fairseq and ParlAI."""


@pytest.fixture(scope="module")
def project(root):
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_changelog_package_and_project_file_name_one_version(root, project):
    newest = re.search(r"^## \[(\d[^\]]*)\]", (root / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest is not None
    assert newest[1] == bartleby.__version__ == project["version"]


def test_every_direct_dependency_of_the_set_up_is_pinned(root, project):
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.split("==")[0].lower() for line in lines if not line.startswith("#")}
    extras = project["optional-dependencies"]
    installed = {
        extra
        for name in ("check", "test")
        for line in re.findall(
            r"^scripts/setup (.+?)(?: \|\|.*)?$", (root / "scripts" / name).read_text("utf-8"), re.MULTILINE
        )
        for extra in line.split()
    }
    assert {"torch", "flax", "tensorflow-cpu", "dev"} <= installed
    asked = [*project["dependencies"], *(name for extra in installed for name in extras[extra])]
    assert {re.split(r"[<>=\[;]", name)[0].lower() for name in asked} - pinned == set()


def test_contributing_can_be_read_in_one_sitting(root):
    assert len((root / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()) < 60


@pytest.mark.parametrize("name", ["setup", "check", "test"])
def test_scripts_stay_short(root, name):
    assert len((root / "scripts" / name).read_text(encoding="utf-8").splitlines()) < 30


def test_every_page_of_the_documentation_is_in_its_index(root):
    index = (root / "docs" / "index.md").read_text(encoding="utf-8")
    linked = {(root / "docs" / target).resolve() for target in re.findall(r"\]\(([^)#]+)\)", index)}
    assert [str(page) for page in linked if not page.is_file()] == []
    assert {page.resolve() for page in (root / "docs").rglob("*.md")} - linked == {root / "docs" / "index.md"}


def test_every_file_that_is_named_is_there(root):
    """In what is to be read, and in the docstrings and comments of the code."""
    rooted = r"\b(?:src|tests|docs|scripts|benchmarks|examples)/[\w./-]*[\w]"
    below = r"`((?:\w+/)+\w+\.(?:py|md))`"
    places = (root, root / "src", root / "src" / "bartleby")
    pages = [*root.glob("*.md"), *root.glob("docs/*.md"), *root.glob("benchmarks/*.py"), *root.glob("src/**/*.py")]
    missing = set()
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for name in [*re.findall(rooted, text), *re.findall(below, text)]:
            if not any((place / name).exists() for place in places) and not ELSEWHERE.search(name):
                missing.add(f"{page.relative_to(root)}: {name}")
    assert missing == set()
