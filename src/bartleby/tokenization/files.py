"""Vocabulary files: reading them with every fault named at once, and writing them under a temporary name first."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer

from bartleby import documents
from bartleby.errors import CheckpointError, TokenizerError, raise_all

Vocabulary = dict[str, int]
Merges = list[tuple[str, str]]
StrPath = str | os.PathLike[str]

MOST_FAULTS = 20  # of one file, before the rest is only counted


def is_path(source: Any) -> bool:
    """Whether a vocabulary is given as a file's name, not as itself."""
    return isinstance(source, str | os.PathLike)


def need_files(files: Mapping[str, StrPath | None]) -> None:
    """Raises: CheckpointError naming every argument that is missing or names no file."""
    faults = [
        f"`{name}` is not given" if path is None else f"`{name}` {os.fspath(path)!r} is not a file"
        for name, path in files.items()
        if path is None or not Path(path).is_file()
    ]
    if faults:
        raise CheckpointError(
            f"The vocabulary cannot be read: {'; '.join(faults)}. Give vocab_file and merges_file, or tokenizer_file, "
            "or the vocabulary itself as vocab= and merges=; from_pretrained(folder) finds the files by their names."
        )


def read_json(path: StrPath) -> Any:
    """Raises: TokenizerError with the line where the file stops being JSON."""
    return documents.read_json(Path(path), TokenizerError)


def read_text(path: StrPath) -> str:
    """Raises: TokenizerError with the byte where the file stops being UTF-8."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise TokenizerError(f"{os.fspath(path)} is not UTF-8 text: {error}. Fetch it again.") from None


def read_vocabulary(source: StrPath | Mapping[str, int]) -> Vocabulary:
    """Token -> id from vocab.json, or from a mapping that is used as it is; ids must be distinct 32-bit numbers."""
    vocabulary = source if isinstance(source, Mapping) else read_json(source)
    subject = "`vocab`" if isinstance(source, Mapping) else os.fspath(source)
    if not isinstance(vocabulary, Mapping):
        raise TokenizerError(f"{subject} must map tokens to ids, but holds a {type(vocabulary).__name__}.")
    owners: dict[int, str] = {}
    faults = []
    for token, index in vocabulary.items():
        if not isinstance(token, str) or not is_text(token):
            faults.append(f"a token must be text, but one is {token!r}")
        elif not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < 1 << 32:
            faults.append(f"the id of {token!r} must be an integer from 0 to {(1 << 32) - 1}, but is {index!r:.100}")
        elif owners.setdefault(index, token) != token:
            faults.append(f"{owners[index]!r} and {token!r} share the id {index}")
    raise_all(TokenizerError, first_of(faults), subject)
    return dict(vocabulary)


def is_text(value: str) -> bool:
    """Whether a string has UTF-8: half of a surrogate pair, which JSON can spell, has none."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def read_merges(source: StrPath | Sequence[Any], vocabulary: Mapping[str, int] | None) -> Merges:
    """The pairs of merges.txt, or of a list of "a b" strings or pairs, each checked against the vocabulary if given."""
    in_file = isinstance(source, str | os.PathLike)
    subject = os.fspath(source) if in_file else "`merges`"  # type: ignore[arg-type]
    lines: Sequence[Any] = read_text(source).split("\n") if in_file else source  # type: ignore[arg-type, assignment]
    merges: Merges = []
    faults = []
    for number, line in enumerate(lines, start=1):
        text = line.rstrip("\r") if isinstance(line, str) else line
        if in_file and (not text or (number == 1 and text.startswith("#version"))):
            continue
        pair = tuple(text.split(" ")) if isinstance(text, str) else tuple(text)
        needed = (*pair, "".join(pair)) if len(pair) == 2 and vocabulary is not None else ()
        unknown = [part for part in needed if part not in (vocabulary or {})]
        if len(pair) != 2 or not all(pair):
            faults.append(f"line {number} must be two tokens with one space between them, but is {text!r}")
        elif unknown:
            faults.append(f"line {number} ({text!r}) needs {', '.join(map(repr, unknown))}, which the vocabulary lacks")
        else:
            merges.append((pair[0], pair[1]))
    raise_all(TokenizerError, first_of(faults), subject)
    return merges


def first_of(faults: Sequence[str]) -> list[str]:
    """The faults, the last of very many replaced by their number."""
    more = len(faults) - MOST_FAULTS
    return list(faults) if more <= 0 else [*faults[:MOST_FAULTS], f"and {more} more"]


def read_backend(path: StrPath) -> Tokenizer:
    """The tokenizer of a tokenizer.json.

    Raises: CheckpointError when there is no such file, TokenizerError when it is malformed.
    """
    need_files({"tokenizer_file": path})
    try:
        with no_panic("on loading"):
            made = Tokenizer.from_file(os.fspath(path))
            made.encode("a b")  # some parts break down only when they are used
            return made
    except TokenizerError:
        raise
    except Exception as error:  # the library raises bare Exception
        raise TokenizerError(f"{os.fspath(path)} is not a tokenizer.json: {error}. Fetch it again.") from None


@contextmanager
def no_panic(when: str) -> Iterator[None]:
    """Turn a panic of the tokenizers library, which no `except Exception` catches, into an error of ours.

    Raises: TokenizerError in its place.
    """
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise TokenizerError(
            f"The tokenizers library broke down {when}: {error}. Its tokenizer.json has a part that cannot work; "
            "fetch it again, or load vocab.json and merges.txt."
        ) from None


def backend_json(tokenizer: Tokenizer) -> str:
    """The text of a tokenizer.json that older releases also read: they want each merge as "a b", not as a pair."""
    data = json.loads(tokenizer.to_str())
    data["truncation"] = data["padding"] = None
    merges = data["model"].get("merges", [])
    data["model"]["merges"] = [merge if isinstance(merge, str) else " ".join(merge) for merge in merges]
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def merges_of(tokenizer: Tokenizer) -> Merges:
    """The merges inside a tokenizer."""
    merges = json.loads(tokenizer.to_str())["model"].get("merges", [])
    pairs = (merge.split(" ") if isinstance(merge, str) else merge for merge in merges)
    return [(first, second) for first, second in pairs]


def json_text(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def write_files(folder: StrPath, texts: Mapping[str, str], stale: Iterable[str] = ()) -> tuple[str, ...]:
    """Write files into a folder, all of them first under a temporary folder's name; returns their paths.

    Then those in `stale` that were not written are removed.
    Raises: TokenizerError when `folder` is a file.
    """
    target = Path(folder)
    if target.is_file():
        raise TokenizerError(f"`save_directory` must be a folder, but {os.fspath(folder)!r} is a file.")
    target.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".tokenizer-", dir=target))
    try:
        for name, text in texts.items():
            (draft / name).parent.mkdir(exist_ok=True)
            (draft / name).write_text(text, encoding="utf-8", newline="\n")
        for name in texts:
            (target / name).parent.mkdir(exist_ok=True)
            (draft / name).replace(target / name)
        for name in set(stale) - texts.keys():
            (target / name).unlink(missing_ok=True)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return tuple(os.fspath(target / name) for name in texts)


def vocabulary_texts(tokenizer: Tokenizer) -> tuple[str, str]:
    """The texts of vocab.json and merges.txt."""
    vocabulary = tokenizer.get_vocab(with_added_tokens=False)
    ordered = dict(sorted(vocabulary.items(), key=lambda item: item[1]))
    merges = "".join(f"{first} {second}\n" for first, second in merges_of(tokenizer))
    return json.dumps(ordered, ensure_ascii=False), f"#version: 0.2\n{merges}"


def token_as_dict(token: AddedToken) -> dict[str, Any]:
    """The fields of an AddedToken, as configuration files hold them."""
    return {
        "content": token.content,
        "lstrip": token.lstrip,
        "normalized": token.normalized,
        "rstrip": token.rstrip,
        "single_word": token.single_word,
        "special": token.special,
    }


def token_from_dict(value: Mapping[str, Any]) -> AddedToken:
    """The AddedToken of fields found in a configuration file.

    Raises: TokenizerError for an unknown field or a missing `content`.
    """
    fields = {key: part for key, part in value.items() if key != "__type"}
    flags = {"lstrip", "normalized", "rstrip", "single_word", "special"}
    content = fields.pop("content", None)
    are_flags = fields.keys() <= flags and all(isinstance(flag, bool) for flag in fields.values())
    if not isinstance(content, str) or not are_flags:  # the library would print what it does not know
        known = ", ".join(sorted(flags))
        raise TokenizerError(
            f"{dict(value)!r:.200} does not describe an added token: it has `content`, and may have the flags {known}."
        )
    return AddedToken(content, **fields)
