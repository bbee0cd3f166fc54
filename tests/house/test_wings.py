"""The framework wings mirror each other: the same files and classes, the same names for what computes.

A switch of the family decides in one place, the same in every wing.

What may differ is how a framework wants to be called (`forward`, `__call__`, `call`; `__init__`, `setup`), the methods
that were published for one framework alone, and what `OWN` names with a reason. Names with an underscore are free.
"""

import ast
import json
from collections.abc import Iterator

import pytest

PREFIXES = {"pytorch": "", "flax": "Flax", "keras": "TF"}
BACKENDS = {"pytorch": "PyTorchBackend", "flax": "FlaxBackend", "keras": "TensorFlowBackend"}

COMPUTING = ("layers", "modeling", "heads", "readers", "causal")
"""The files that are the model."""
AROUND = ("activations", "masks", "model", "models", "outputs", "pretrained", "auto", "generation", "backend")
MIRRORED = (*COMPUTING, *AROUND)
LONGEST_MODELING = 400

CALLS = {"forward": "compute", "__call__": "compute", "call": "compute"}
CORE = {
    "layers": {
        "TokenEmbedding": {"compute"},
        "LearnedPositions": {"compute"},
        "Attention": {"compute"},
        "Layer": {"sublayer", "feed_forward"},
        "EncoderLayer": {"compute"},
        "DecoderLayer": {"compute"},
    },
    "modeling": {
        "Record": {"of", "state", "weights", "fields"},
        "Stack": {"embed", "run"},
        "Encoder": {"compute"},
        "Decoder": {"compute"},
    },
    "heads": {
        "Seq2SeqModel": {"compute", "get_encoder", "get_decoder"},
        "HeadedModel": {"get_encoder", "get_decoder"},
        "ConditionalGeneration": {"lm_logits"},
    },
    "readers": {"ClassificationHead": {"compute"}, "SequenceClassification": set(), "QuestionAnswering": set()},
    "causal": {"DecoderOnly": {"compute"}, "CausalLM": {"compute", "lm_logits"}},
}
"""What computes, by file and class: every wing has these classes, and these methods in them."""

OWN: dict[str, dict[str, str]] = {
    "pytorch": {"modeling.Stack.runs_again": "Flax and Keras wrap a layer instead"},
    "keras": {
        "layers.LayerCache": "a value; Flax has it beside its published dict in cache.py, PyTorch's caches are objects",
        "layers.Linear": "Keras' Dense, drawn as the config says and made at once",
        "layers.LayerNorm": "Keras' norm, made at once",
    },
}
"""Wing -> what it alone has in these files, with the reason."""

ASKED = {"encode_sources", "start_cache", "empty_cache", "step", "reorder_cache"}
"""What compiled generation asks of a model; PyTorch's own runs on its `Cache` objects."""

DECIDED = {
    "norm_first": {"layers.Layer.sublayer"},
    "final_norm": {"modeling.Stack.construct"},
    "norm_before_positions": {"modeling.Stack.embed"},
}
"""What a switch is called where it decides -> the one method that it decides in."""
CONSTRUCTORS = {"__init__": "construct", "setup": "construct", "build": "construct"}


class Wing:
    """The classes of one wing's files, without its prefix."""

    def __init__(self, name, modules) -> None:
        self.name = name
        self.modules = {
            module.name.rpartition(".")[2]: module
            for module in modules
            if module.name.rpartition(".")[0] == f"bartleby.backends.{name}"
        }

    def classes(self, file: str) -> dict[str, ast.ClassDef]:
        nodes = [node for node in self.modules[file].tree.body if isinstance(node, ast.ClassDef)]
        return {node.name.removeprefix(PREFIXES[self.name]): node for node in nodes if not node.name.startswith("_")}

    def methods(self, file: str, cls: str) -> set[str]:
        names = {item.name for item in self.classes(file)[cls].body if isinstance(item, ast.FunctionDef)}
        return {CALLS.get(name, name) for name in names if name in CALLS or not name.startswith("_")}

    def deciders(self, switch: str) -> set[str]:
        """file.class.method of every condition that names a switch."""
        found = set()
        for file in COMPUTING:
            for place, node in _functions(self.modules[file].tree, file):
                tests = [each.test for each in ast.walk(node) if isinstance(each, ast.If | ast.IfExp)]
                if any(switch in _names(test) for test in tests):
                    found.add(place)
        return found


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Functions of a module and of its classes, with their places; what is defined inside one belongs to it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef):
            yield f"{prefix}.{CONSTRUCTORS.get(child.name, child.name)}", child
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}.{child.name}")


def _names(node: ast.AST) -> set[str]:
    each = list(ast.walk(node))
    return {x.attr for x in each if isinstance(x, ast.Attribute)} | {x.id for x in each if isinstance(x, ast.Name)}


@pytest.fixture(scope="module")
def wings(modules) -> list[Wing]:
    rooms = {module.name.split(".")[2] for module in modules if module.name.startswith("bartleby.backends.")}
    return [Wing(name, modules) for name in PREFIXES if name in rooms]


def test_all_wings_are_here(wings):
    assert [wing.name for wing in wings] == list(PREFIXES)


def test_every_wing_has_the_same_files(wings):
    assert [f"{wing.name}/{file}.py" for wing in wings for file in MIRRORED if file not in wing.modules] == []


def test_every_wing_publishes_every_model(wings):
    families = ("Bart", "Blenderbot", "BlenderbotSmall")
    heads = ("Model", "ForConditionalGeneration", "ForCausalLM")
    wanted = {family + head for family in families for head in heads}
    wanted |= {"BartForSequenceClassification", "BartForQuestionAnswering"}
    assert {wing.name: wanted - wing.classes("models").keys() for wing in wings} == {wing.name: set() for wing in wings}


@pytest.mark.parametrize("file", COMPUTING)
def test_the_model_has_the_same_classes_in_every_wing(wings, file):
    """No wing misses one, and what one has more is named with a reason."""
    for wing in wings:
        here = {f"{file}.{name}" for name in wing.classes(file)}
        assert {f"{file}.{name}" for name in CORE[file]} - here == set(), wing.name
        assert here - {f"{file}.{name}" for name in CORE[file]} - OWN.get(wing.name, {}).keys() == set(), wing.name


@pytest.mark.parametrize("file", COMPUTING)
def test_what_computes_has_the_same_name_in_every_wing(wings, file):
    missing = [
        f"{wing.name}/{file}.py: {cls}.{method}"
        for wing in wings
        for cls, methods in CORE[file].items()
        for method in sorted(methods - wing.methods(file, cls))
    ]
    assert missing == []


def test_a_method_of_one_wing_alone_is_published_for_it(wings, shared):
    """Or a constructor, or named in OWN."""
    published = published_names(shared)
    strays = []
    for file in COMPUTING:
        for cls in CORE[file]:
            methods = {wing.name: wing.methods(file, cls) for wing in wings}
            for wing in wings:
                others = set().union(*(names for name, names in methods.items() if name != wing.name))
                alone = methods[wing.name] - others - published[wing.name] - ASKED - CONSTRUCTORS.keys() - {"compute"}
                strays += [f"{wing.name}: {file}.{cls}.{method}" for method in sorted(alone)]
    named = {f"{wing}: {place}" for wing, places in OWN.items() for place in places}
    assert [stray for stray in strays if stray not in named] == []


def test_what_is_named_as_one_wings_own_is_there(wings):
    for wing in wings:
        for place in OWN.get(wing.name, {}):
            file, cls, *method = place.split(".")
            assert cls in wing.classes(file), place
            assert {*method} <= wing.methods(file, cls), place


def published_names(shared) -> dict[str, set[str]]:
    """Wing -> every name that some class of its framework publishes."""
    names: dict[str, set[str]] = {wing: set() for wing in PREFIXES}
    for path in sorted((shared / "api").glob("*.json")):
        for owner, members in json.loads(path.read_text(encoding="utf-8"))["classes"].items():
            wing = next((wing for wing in ("flax", "keras") if owner.startswith(PREFIXES[wing])), "pytorch")
            names[wing] |= {*members.get("public", ())}
    return names


@pytest.mark.parametrize("file", ["outputs", "auto", "pretrained"])
def test_what_stands_around_the_model_has_the_same_classes(wings, file):
    """Those of PyTorch are there in every wing; a framework may have published more."""
    [pytorch, *others] = wings
    wanted = pytorch.classes(file).keys()
    assert {wing.name: wanted - wing.classes(file).keys() for wing in others} == {wing.name: set() for wing in others}


def test_every_wing_has_its_backend(wings):
    for wing in wings:
        [backend] = [node for node in wing.modules["backend"].tree.body if isinstance(node, ast.ClassDef)]
        methods = {item.name for item in backend.body if isinstance(item, ast.FunctionDef)}
        assert backend.name == BACKENDS[wing.name]
        assert {"open", "generate", "score", "config", "generation_config"} <= methods


@pytest.mark.parametrize("switch", DECIDED)
def test_a_switch_decides_in_the_same_method_of_every_wing(wings, switch):
    assert {wing.name: wing.deciders(switch) for wing in wings} == {wing.name: DECIDED[switch] for wing in wings}


def test_positions_are_counted_in_one_class(wings):
    """`position_offset` goes from the switches to the table of positions, and nowhere else."""
    for wing in wings:
        places = {
            place.split(".")[1]
            for file in COMPUTING
            for place, node in _functions(wing.modules[file].tree, file)
            if {"position_offset", "offset"} & _names(node)
        }
        assert "LearnedPositions" in places
        assert places <= {"LearnedPositions", "Stack"}, wing.name


def test_no_wing_asks_for_a_models_name(modules):
    """The switches of `family/architecture.py` tell the models apart; nothing compares names."""
    known = {"bart", "blenderbot", "blenderbot-small"}
    faults = [
        f"{module.name}:{node.lineno}"
        for module in modules
        if module.name.startswith("bartleby.backends.")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Compare)
        and known & {each.value for each in ast.walk(node) if isinstance(each, ast.Constant)}
    ]
    assert faults == []


def test_the_stacks_fit_on_a_few_screens(wings):
    lengths = {wing.name: wing.modules["modeling"].lines for wing in wings}
    assert {name: lines for name, lines in lengths.items() if lines >= LONGEST_MODELING} == {}
