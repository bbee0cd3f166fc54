"""Every module has a test file of its name, and every test file has a module."""

OTHER_ROOMS = ("house", "parity", "hub")  # these test the whole, not one module
OF_THE_WHOLE = ("tests/training/test_killing.py",)


def test_every_module_has_its_test_file(modules, root):
    wanted = [
        (root / "tests" / module.path.relative_to(root / "src" / "bartleby")).with_name(f"test_{module.path.name}")
        for module in modules
        if not module.is_package and module.path.name != "__main__.py"
    ]
    assert [str(path.relative_to(root)) for path in wanted if not path.is_file()] == []


def test_every_test_file_has_its_module(modules, root):
    names = {module.path.relative_to(root / "src" / "bartleby").with_suffix("").as_posix() for module in modules}
    strays = []
    for path in sorted((root / "tests").rglob("test_*.py")):
        place = path.relative_to(root / "tests")
        module = place.with_name(place.stem.removeprefix("test_"))
        own_room = place.parts[0] not in OTHER_ROOMS and str(path.relative_to(root)) not in OF_THE_WHOLE
        if own_room and module.name not in ("init", "main") and module.as_posix() not in names:
            strays.append(str(path.relative_to(root)))
    assert strays == []


def test_modules_are_plain_nouns(modules):
    vague = {"utils", "util", "common", "helpers", "helper", "misc"}
    assert [module.name for module in modules if vague & set(module.name.split("."))] == []
