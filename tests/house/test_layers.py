"""Who may import whom: a room imports only from rooms above it in the list, and frameworks stay in their wings."""

import sys

LAYERS = (
    ("errors",),
    ("documents",),
    ("hub",),
    ("family",),
    ("tokenization", "checkpoints", "generation"),
    ("backends",),
    ("measure",),
    ("tasks",),
    ("training",),
    ("lab",),
    ("serving",),
    ("distributed",),
    ("cli",),
    ("", "__main__", "compat"),  # the package itself, whose public names come from everywhere
)
LAYER_OF = {room: depth for depth, layer in enumerate(LAYERS) for room in layer}

FOUNDATION = {"numpy", "tokenizers", "safetensors", "huggingface_hub"}
FRAMEWORKS = {"torch", "accelerate", "jax", "jaxlib", "flax", "optax", "tensorflow", "keras", "transformers"}
FRAMEWORKS_OF = {
    "bartleby.backends.pytorch": {"torch"},
    "bartleby.backends.flax": {"jax", "flax"},
    "bartleby.backends.keras": {"tensorflow", "keras"},
    "bartleby.training": {"torch", "accelerate"},
}
LIBRARIES_OF = {
    "bartleby.training": {"datasets", "yaml"},
    "bartleby.cli": {"typer", "rich"},
    "bartleby.serving": {"fastapi", "uvicorn", "prometheus_client", "pydantic", "starlette"},
    "bartleby.distributed": {"ray"},
    "bartleby.backends.flax": {"ml_dtypes"},  # NumPy's bfloat16, which JAX and TensorFlow bring along
    "bartleby.backends.keras": {"ml_dtypes", "optree"},  # and how Keras sees outputs as trees
}
LAZILY = {  # imported inside functions only, where an optional extra is asked for
    "bartleby.tokenization.encoding": {"torch", "jax", "tensorflow"},
    "bartleby.tokenization": {"jinja2"},
    "bartleby.checkpoints": {"h5py"},
    "bartleby.measure": {"rouge_score", "sacrebleu"},
    "bartleby.training": {"tensorboard", "matplotlib"},
    "bartleby.cli": {"yaml"},
    "bartleby.lab": {"torch", "transformers"},  # which it holds beside each other
}
HEAVY = {*FRAMEWORKS, "datasets", "matplotlib", "tensorboard", "rouge_score", "sacrebleu"}


def names_in(table: dict[str, set[str]], module: str) -> set[str]:
    """Everything `table` allows to a module or to a package it lies in."""
    return {name for prefix, names in table.items() if f"{module}.".startswith(f"{prefix}.") for name in names}


def test_every_room_has_a_place_in_the_list(modules):
    assert {module.room for module in modules} <= LAYER_OF.keys()


def test_imports_point_at_lower_layers_only(modules):
    faults = []
    for module in modules:
        for imported in module.imports:
            if not imported.module.startswith("bartleby.") or imported.module == "bartleby.__version__":
                continue
            room = imported.module.split(".")[1]
            if room != module.room and LAYER_OF.get(room, len(LAYERS)) >= LAYER_OF[module.room]:
                faults.append(f"{module.name}:{imported.line} imports {imported.module}")
    assert faults == []


def test_wings_do_not_import_each_other(modules):
    wings = {
        module.name.split(".")[2] for module in modules if module.room == "backends" and module.name.count(".") == 3
    }
    faults = []
    for module in modules:
        for imported in module.imports:
            parts = [*imported.module.split("."), "", ""]
            if module.room != "backends" or parts[1] != "backends" or parts[2] not in wings:
                continue
            if not imported.lazy and not module.name.startswith(f"bartleby.backends.{parts[2]}"):
                faults.append(f"{module.name}:{imported.line} imports {imported.module}")
    assert "pytorch" in wings
    assert faults == []


def test_frameworks_stay_in_their_wings(modules):
    faults = []
    for module in modules:
        allowed = names_in(FRAMEWORKS_OF, module.name)
        for imported in module.imports:
            library = imported.module.split(".")[0]
            permitted = allowed | names_in(LAZILY, module.name) if imported.lazy else allowed
            if library in FRAMEWORKS and library not in permitted:
                faults.append(f"{module.name}:{imported.line} imports {imported.module}")
    assert faults == []


def test_other_libraries_come_only_where_they_are_declared(modules):
    faults = []
    for module in modules:
        allowed = {"bartleby", *FOUNDATION, *FRAMEWORKS, *sys.stdlib_module_names, *names_in(LIBRARIES_OF, module.name)}
        for imported in module.imports:
            library = imported.module.split(".")[0]
            permitted = allowed | names_in(LAZILY, module.name) if imported.lazy else allowed
            if library not in permitted:
                faults.append(f"{module.name}:{imported.line} imports {imported.module}")
    assert faults == []


def test_the_command_line_starts_without_anything_heavy(modules):
    """Its flags are the fields of options, so what declares options imports what is heavy in functions only."""
    by_name = {module.name: module for module in modules}
    waiting, seen, faults = [name for name, module in by_name.items() if module.room == "cli"], set(), []
    while waiting:
        name = waiting.pop()
        if name in seen or name not in by_name:
            continue
        seen.add(name)
        waiting += [name.rpartition(".")[0]]  # a module's packages are run before it
        for imported in by_name[name].imports:
            if not imported.lazy and imported.module.split(".")[0] in HEAVY:
                faults.append(f"{name}:{imported.line} imports {imported.module}")
            elif not imported.lazy:
                waiting += [imported.module]
    assert "bartleby.training.options" in seen
    assert faults == []
