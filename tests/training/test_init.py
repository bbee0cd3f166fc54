import re
from pathlib import Path

from bartleby import training


def test_the_map_names_every_part_and_nothing_else() -> None:
    folder = Path(str(training.__file__)).parent
    there = {path.name for path in folder.glob("*.py")} - {"__init__.py"}
    packages = {f"{path.parent.name}/" for path in folder.glob("*/__init__.py")}
    named = set(re.findall(r"[\w/]+\.py|\w+/(?=[^\w])", str(training.__doc__)))
    inside = {name for name in named if "/" in name and name.endswith(".py")}
    assert named - inside - {"recipe.py", "start.py"} == there | packages
    assert all((folder / name).is_file() for name in inside)
    assert all((folder / "recipes" / name).is_file() for name in ("recipe.py", "start.py"))
