"""Pickles read without being run: an interpreter of the pickle language that knows plain values and what it is given.

Python's own unpickler imports and calls whatever a file names, and even with a filter on names lets a file ask for
gigabytes. This one parses with `pickletools`, keeps its own stack, and calls only the functions it was handed.
Source: pickletools, which documents every opcode.
"""

from __future__ import annotations

import pickletools
import struct
import warnings
from argparse import Namespace
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from bartleby.errors import CheckpointError, UnsafePickleError

MOST_STEPS = 5_000_000
"""Many times what an original checkpoint with its optimizer takes, and no more than about 1 GB of empty containers."""

MALFORMED = (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, struct.error)
"""What wrong operands raise; all of it means that the file is damaged."""

KEYS = (str, int, float, bool, bytes, type(None))
"""Types of keys: hashing a tuple can be made to take for ever, or to overflow the stack."""


@dataclass(frozen=True)
class Function:
    """What is called in the place of a function that a pickle names."""

    make: Callable[..., object]


def load_pickle(
    stream: IO[bytes],
    source: Path,
    known: Mapping[str, object],
    persistent: Callable[[Any], object] | None = None,
) -> Any:
    """The value of the pickle that begins where `stream` stands, which is left standing behind it.

    `known` maps a global ("argparse.Namespace") to a `Function` or a plain value, besides those of `PLAIN`;
    `persistent` gives the objects kept outside the pickle.
    Raises: UnsafePickleError if the pickle asks for anything else; CheckpointError if it is damaged.
    """
    machine = _Machine(source, {**PLAIN, **known}, persistent)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python's, of odd escapes in a name of the file
            return machine.run(stream)
    except MALFORMED as error:
        raise CheckpointError(
            f"{source} is damaged or no file of weights: its pickle makes no sense ({str(error)[:99]}). Replace it."
        ) from None


def functions(table: Mapping[str, Callable[..., object]]) -> dict[str, object]:
    """The functions of `table` as a pickle may call them."""
    return {name: Function(make) for name, make in table.items()}


def checked_key(value: Any) -> Any:
    """`value`, if it may be a key of a dictionary or a member of a set."""
    if type(value) not in KEYS:
        raise ValueError(f"a {type(value).__name__} as a key")
    return value


class _Machine:
    """One run: a stack, the stacks set aside at each mark, and the memo."""

    def __init__(self, source: Path, known: Mapping[str, object], persistent: Callable[[Any], object] | None) -> None:
        self.source = source
        self.known = known
        self.persistent = persistent
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def run(self, stream: IO[bytes]) -> Any:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if count > MOST_STEPS:
                raise ValueError(f"more than {MOST_STEPS} steps")
            self.step(opcode.name, argument)
        return self.stack.pop()

    def step(self, opcode: str, argument: Any) -> None:
        if opcode in PUSHES:
            self.stack.append(argument)
        elif opcode in CONSTANTS:
            self.stack.append(CONSTANTS[opcode]())
        elif opcode in STEPS:
            STEPS[opcode](self, argument)
        elif opcode not in ("PROTO", "FRAME", "STOP"):
            raise self.refusal(f"{opcode} {argument}" if isinstance(argument, str | int) else opcode)

    def refusal(self, wish: str) -> UnsafePickleError:
        return UnsafePickleError(
            f"{self.source} asks for `{wish[:200]}`, which is neither a tensor nor a plain container; nothing was run. "
            "Use a safetensors file of the checkpoint, or convert this one where running its code does no harm."
        )

    def popped_mark(self) -> list[Any]:
        """All since the last mark."""
        items, self.stack = self.stack, self.marks.pop()
        return items

    def mark(self, _: Any) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def pop(self, _: Any) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.popped_mark()

    def put(self, slot: Any) -> None:
        self.memo[slot if slot is not None else len(self.memo)] = self.stack[-1]

    def get(self, slot: Any) -> None:
        self.stack.append(self.memo[slot])

    def collect(self, make: Callable[[list[Any]], object]) -> None:
        items = self.popped_mark()
        self.stack.append(make(items))

    def tuple_of(self, count: int) -> None:
        if len(self.stack) < count:
            raise ValueError("an empty stack")
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def append(self, items: Iterable[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise ValueError(f"items for a {type(target).__name__}")
        target.extend(items)

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) not in (dict, OrderedDict):
            raise ValueError(f"entries for a {type(target).__name__}")
        target.update(pairs(items))

    def add_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not set:
            raise ValueError(f"members for a {type(target).__name__}")
        target.update(map(checked_key, items))

    def find(self, module: str, name: str) -> None:
        wish = f"{module}.{name}"
        if wish not in self.known:
            raise self.refusal(wish)
        self.stack.append(self.known[wish])

    def stack_find(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if type(module) is not str or type(name) is not str:  # showing a list could take for ever, too
            raise ValueError("a global without a name")
        self.find(module, name)

    def reduce(self, _: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if not isinstance(function, Function) or type(arguments) is not tuple:
            raise ValueError(f"a {type(function).__name__} to be called")
        self.stack.append(function.make(*arguments))

    def build(self, _: Any) -> None:
        """Give an object its attributes; those of an OrderedDict (torch keeps module versions there) are left out."""
        state, target = self.stack.pop(), self.stack[-1]
        if type(target) is Namespace:
            if type(state) is not dict or not all(type(name) is str for name in state):
                raise ValueError("no attributes for a Namespace")
            vars(target).update(state)
        elif type(target) is not OrderedDict:
            raise ValueError(f"attributes for a {type(target).__name__}")

    def keep(self, _: Any) -> None:
        if self.persistent is None:
            raise ValueError("an object kept elsewhere")
        self.stack.append(self.persistent(self.stack.pop()))


def pairs(items: list[Any]) -> dict[Any, Any]:
    """key, value, key, value … as a dictionary."""
    if len(items) % 2:
        raise ValueError("a key without a value")
    return {checked_key(key): value for key, value in zip(items[::2], items[1::2], strict=True)}


def _ordered(entries: Iterable[Any] = ()) -> OrderedDict[Any, Any]:
    return OrderedDict((checked_key(key), value) for key, value in entries)


def _namespace() -> Namespace:
    return Namespace()


def _set(items: Iterable[Any] = ()) -> set[Any]:
    return set(map(checked_key, items))


def _frozen_set(items: Iterable[Any] = ()) -> frozenset[Any]:
    return frozenset(map(checked_key, items))


def _no_bytes() -> bytes:
    """How protocol 2 writes empty bytes."""
    return b""


def _encoded(text: str, encoding: str) -> bytes:
    """How protocol 2 writes other bytes."""
    if encoding != "latin1":
        raise ValueError("bytes in another encoding than latin1")
    return text.encode("latin1")


PLAIN: dict[str, object] = functions(
    {
        "collections.OrderedDict": _ordered,
        "argparse.Namespace": _namespace,
        "builtins.set": _set,
        "__builtin__.set": _set,
        "builtins.frozenset": _frozen_set,
        "__builtin__.frozenset": _frozen_set,
        "__builtin__.bytes": _no_bytes,
        "_codecs.encode": _encoded,
    }
)

PUSHES = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
CONSTANTS: dict[str, Callable[[], object]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
STEPS: dict[str, Callable[[_Machine, Any], object]] = {
    "MARK": _Machine.mark,
    "POP": _Machine.pop,
    "POP_MARK": lambda machine, _: machine.popped_mark(),
    "DUP": lambda machine, _: machine.stack.append(machine.stack[-1]),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _Machine.put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.get),
    "TUPLE": lambda machine, _: machine.collect(tuple),
    "LIST": lambda machine, _: machine.collect(list),
    "DICT": lambda machine, _: machine.collect(pairs),
    "FROZENSET": lambda machine, _: machine.collect(_frozen_set),
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "APPEND": lambda machine, _: machine.append([machine.stack.pop()]),
    "APPENDS": lambda machine, _: machine.append(machine.popped_mark()),
    "SETITEM": lambda machine, _: machine.set_items([machine.stack.pop(-2), machine.stack.pop()]),
    "SETITEMS": lambda machine, _: machine.set_items(machine.popped_mark()),
    "ADDITEMS": lambda machine, _: machine.add_items(machine.popped_mark()),
    "GLOBAL": lambda machine, argument: machine.find(*argument.split(" ", 1)),
    "STACK_GLOBAL": _Machine.stack_find,
    "REDUCE": _Machine.reduce,
    "NEWOBJ": _Machine.reduce,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.keep,
}
