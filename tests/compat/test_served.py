"""The table of paths: whole, and pointing at what exists."""

from importlib.util import find_spec

from bartleby.compat.served import LIBRARY, SERVED


def test_every_path_hangs_on_another():
    assert {path.rpartition(".")[0] for path in SERVED} - SERVED.keys() == {""}
    assert [path for path in SERVED if "." not in path] == [LIBRARY]


def test_names_are_looked_up_in_modules_that_exist():
    sources = {source for sources in SERVED.values() for source in sources}
    assert [source for source in sorted(sources) if find_spec(source) is None] == []
