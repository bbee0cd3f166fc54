import os
import pickle
import pickletools
from argparse import Namespace
from collections import OrderedDict
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bartleby.checkpoints.pickles import functions, load_pickle
from bartleby.errors import CheckpointError, UnsafePickleError
from tests.checkpoints.files import named_global

SOURCE = Path("weights.bin")
ALLOWED = ("collections OrderedDict", "argparse Namespace", "builtins set", "_codecs encode", "family name")

keys = st.text() | st.integers() | st.booleans() | st.none() | st.binary() | st.floats(allow_nan=False)
plain = st.recursive(
    keys | st.sets(keys) | st.frozensets(keys),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(keys, inner) | st.tuples(inner),
    max_leaves=10,
)


def loaded(content: bytes, **known: object) -> Any:
    return load_pickle(BytesIO(content), SOURCE, known)


@settings(deadline=None, max_examples=60)
@given(plain, st.integers(0, 5))
def test_plain_values_of_every_protocol_are_read(value: Any, protocol: int) -> None:
    assert loaded(pickle.dumps(value, protocol=protocol)) == value


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_the_arguments_of_an_original_checkpoint_are_read(protocol: int) -> None:
    original = {"args": Namespace(arch="bart_large", lr=[0.1]), "model": OrderedDict(a=1, b=2)}
    read = loaded(pickle.dumps(original, protocol=protocol))
    assert read == original
    assert type(read["model"]) is OrderedDict


def test_attributes_of_an_ordered_dictionary_are_left_out() -> None:
    state: Any = OrderedDict(a=1)
    state._metadata = {"": {"version": 1}}
    assert vars(loaded(pickle.dumps(state, protocol=2))) == {}


def test_an_object_used_twice_is_one_object() -> None:
    part = [1]
    first, second = loaded(pickle.dumps([part, part]))
    assert first is second


class RunsACommand:
    """What a malicious file does when it is unpickled by Python."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.witness}",)


@pytest.mark.parametrize("protocol", range(6))
def test_a_command_is_named_and_not_run(tmp_path: Path, protocol: int) -> None:
    witness = tmp_path / "it-ran"
    content = pickle.dumps({"weight": RunsACommand(witness)}, protocol=protocol)
    with pytest.raises(
        UnsafePickleError, match=rf"weights.bin asks for `{os.system.__module__}.system`.*nothing was run"
    ):
        loaded(content)
    assert not witness.exists()
    pickle.loads(content)  # the command would have run
    assert witness.exists()


@pytest.mark.parametrize(
    ("content", "wish"),
    [
        (b"cbuiltins\neval\n.", "builtins.eval"),
        (b"cargparse\nArgumentParser\n.", "argparse.ArgumentParser"),
        (b"ccollections\nOrderedDict.__init__\n.", "collections.OrderedDict.__init__"),
        (b"\x8c\x02os\x8c\x06system\x93.", "os.system"),
        (b"(ios\nsystem\n.", "INST os system"),
        (b"(cargparse\nNamespace\no.", "OBJ"),
        (b"\x82\x01.", "EXT1 1"),
        (b"Pname\n.", "PERSID name"),
        (b"\x97.", "NEXT_BUFFER"),
    ],
)
def test_whatever_else_is_asked_for_is_named(content: bytes, wish: str) -> None:
    with pytest.raises(UnsafePickleError, match=f"asks for `{wish.replace('.', '[.]')}`"):
        loaded(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "exhausted before seeing STOP"),
        (b"]", "exhausted before seeing STOP"),
        (b".", "pop from empty list"),
        (b"\x85.", "an empty stack"),
        (b"t.", "pop from empty list"),
        (b"h\x07.", "7"),
        (b"\xff.", "opcode .*unknown"),
        (b"}(K\x01u.", "a key without a value"),
        (b"})Ns.", "a tuple as a key"),
        (b"\x8f(]\x90.", "a list as a key"),
        (b")K\x01a.", "items for a tuple"),
        (b"]K\x01K\x02s.", "entries for a list"),
        (b"](K\x01\x90.", "members for a list"),
        (b"K\x01)R.", "a int to be called"),
        (b"ccollections\nOrderedDict\n]R.", "a Function to be called"),
        (b"ccollections\nOrderedDict\n(K\x01tR.", "not iterable"),
        (b"cargparse\nNamespace\n)\x81K\x01b.", "no attributes for a Namespace"),
        (b"cargparse\nNamespace\n)\x81}K\x01Nsb.", "no attributes for a Namespace"),
        (b"}}b.", "attributes for a dict"),
        (b"c_codecs\nencode\n(X\x01\0\0\0aX\x05\0\0\0utf-7tR.", "bytes in another encoding"),
        (b"]]\x93.", "a global without a name"),
        (b"K\x00Q.", "an object kept elsewhere"),
        (b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.", "expected 9223372036854775807 bytes"),
        (b"\x8b\xff\xff\xff\x7f.", "not enough data"),
        (b"I" + b"9" * 5000 + b"\n.", "4300 digits"),
    ],
)
def test_a_damaged_pickle_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(CheckpointError, match=f"its pickle makes no sense \\(.*{reason}"):
        loaded(content)


def test_a_pickle_cannot_make_python_hash_or_nest_too_deeply() -> None:
    depth = 50_000
    assert type(loaded(b")" + b"\x85" * depth + b".")) is tuple
    with pytest.raises(CheckpointError, match="a tuple as a key"):
        loaded(b"})" + b"\x85" * depth + b"Ns.")


def test_a_slot_of_the_memo_costs_no_memory_for_those_before_it() -> None:
    assert loaded(b"Nr\xff\xff\xff\xff.") is None


def test_a_pickle_of_too_many_steps_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bartleby.checkpoints.pickles.MOST_STEPS", 1000)
    assert loaded(b"]0" * 499 + b"N.") is None
    with pytest.raises(CheckpointError, match="more than 1000 steps"):
        loaded(b"]" * 1002 + b".")


def test_several_pickles_in_a_row_are_read_one_by_one() -> None:
    stream = BytesIO(pickle.dumps(1) + pickle.dumps([2]) + b"rest")
    assert [load_pickle(stream, SOURCE, {}) for _ in range(2)] == [1, [2]]
    assert stream.read() == b"rest"


def test_only_functions_can_be_called() -> None:
    content = named_global("family", "name") + b")R."
    assert loaded(content, **functions({"family.name": lambda: "BART"})) == "BART"
    with pytest.raises(CheckpointError, match="a str to be called"):
        loaded(content, **{"family.name": "BART"})


steps = st.sampled_from(
    [code.code.encode("latin1") for code in pickletools.opcodes]
    + [named_global(*name.split()) for name in ALLOWED]
    + [b"K\x01", b"X\x01\0\0\0a", b"q\x00", b"h\x00", b"N", b")", b"]", b"}", b"(", b"R", b"b", b"t", b"u"]
)


@settings(deadline=None, max_examples=150)
@given(st.lists(steps, max_size=25) | st.lists(st.binary(max_size=9), max_size=8))
def test_no_sequence_of_steps_does_more_than_be_refused(sequence: list[bytes]) -> None:
    try:
        loaded(b"".join(sequence) + b".", **functions({"family.name": lambda: "BART"}))
    except CheckpointError:
        return


def test_odd_escapes_in_text_are_no_warning() -> None:
    assert loaded(b"S'a\\ b'\n.") == "a\\ b"
