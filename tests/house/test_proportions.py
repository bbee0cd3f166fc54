"""How long files and functions may be, and how many parameters they may ask for."""

import ast
from statistics import median

LONGEST_FILE, MEDIAN_FILE = 500, 150
LONGEST_FUNCTION, USUAL_FUNCTION, USUAL_SHARE = 80, 30, 0.9
MOST_PARAMETERS = 6

PUBLISHED = {"__init__", "__call__", "forward", "call", "decode", "generate", "from_pretrained", "save_pretrained"}
PUBLISHED |= {"compile", "prepare_tf_dataset"}  # of Keras models
PUBLISHED |= {"encode", "pad", "prepare_seq2seq_batch", "apply_chat_template"}  # of tokenizers
PUBLISHED |= {"prepare_inputs_for_generation", "greedy_search", "sample", "beam_search", "beam_sample"}  # of models
PUBLISHED |= {"group_beam_search", "contrastive_search", "constrained_beam_search", "assisted_decoding"}
PUBLISHED |= {"process", "finalize"}  # of beam scorers


def test_files_stay_short(modules):
    assert {module.name: module.lines for module in modules if module.lines > LONGEST_FILE} == {}
    assert median(module.lines for module in modules if module.has_code) < MEDIAN_FILE


def test_functions_stay_short(modules):
    lengths = {function.name: function.lines for module in modules for function in module.functions}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FUNCTION} == {}
    usual = [name for name, lines in lengths.items() if lines < USUAL_FUNCTION]
    assert len(usual) / len(lengths) >= USUAL_SHARE


def test_functions_ask_for_few_things(modules):
    crowded = {
        function.name: function.parameters
        for module in modules
        for function in module.functions
        if function.parameters > MOST_PARAMETERS and not is_published(function.node)
    }
    assert crowded == {}


def is_published(node) -> bool:
    """Methods that carry the family's published signatures, and commands, whose parameters are their options."""
    is_command = "typer.Option" in ast.unparse(node.args)
    return node.name in PUBLISHED or is_command
