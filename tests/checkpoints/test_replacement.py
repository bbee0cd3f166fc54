import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from bartleby.checkpoints.replacement import replace_files
from bartleby.documents import JOURNAL as RECORD
from bartleby.documents import current_file
from bartleby.errors import CheckpointError

OLD = {"config.json": b"old config", "weights": b"old weights", "stale": b"only old"}
NEW = {"config.json": b"new config", "weights": b"new weights", "fresh": b"only new"}


def replaced(folder: Path, contents: dict[str, bytes]) -> None:
    def writer(content: bytes) -> Callable[[BinaryIO], object]:
        return lambda file: file.write(content)

    replace_files(folder, {name: writer(content) for name, content in contents.items()}, lambda name: name == "stale")


def seen(folder: Path) -> dict[str, bytes]:
    """What a reader finds."""
    files = {name: current_file(folder, name) for name in OLD | NEW}
    return {name: file.read_bytes() for name, file in files.items() if file}


class Killed(BaseException):
    """The process is gone: no cleaning up."""


class Reaper:
    """Kills at the nth call of anything that changes the disk, and lets nothing happen from then on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, moment: int) -> None:
        self.calls = 0
        self.moment = moment
        for name in ("replace", "unlink", "fsync"):
            monkeypatch.setattr(os, name, self.guarded(getattr(os, name)))

    def guarded(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.calls += 1
            if self.calls >= self.moment:
                raise Killed
            return function(*arguments)

        return call


def killed_while_replacing(folder: Path, contents: dict[str, bytes], moment: int) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        Reaper(monkeypatch, moment)
        with pytest.raises(Killed):
            replaced(folder, contents)


def steps_of_a_replacement(folder: Path) -> int:
    with pytest.MonkeyPatch.context() as monkeypatch:
        reaper = Reaper(monkeypatch, moment=1 << 30)
        replaced(folder, NEW)
    return reaper.calls


def test_a_reader_finds_all_old_or_all_new_files_whenever_the_writer_is_killed(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    replaced(tmp_path / "whole", OLD)
    total = steps_of_a_replacement(tmp_path / "whole")
    assert total > 10
    found = []
    for moment in range(1, total + 1):
        folder = tmp_path / str(moment)
        folder.mkdir()
        replaced(folder, OLD)
        killed_while_replacing(folder, NEW, moment)
        assert seen(folder) in (OLD, NEW)
        found.append(seen(folder) == NEW)
        replaced(folder, OLD | {"again": b""})
        assert sorted(os.listdir(folder)) == sorted([*OLD, "again", *(["fresh"] if found[-1] else [])])
    assert found == sorted(found), "once the new files count, they count for good"
    assert {True, False} == set(found)


def test_a_second_kill_while_finishing_the_first_changes_nothing(tmp_path: Path) -> None:
    replaced(tmp_path, OLD)
    moment = 7  # the record is in place, and nothing has moved yet
    while seen(tmp_path) == OLD:
        killed_while_replacing(tmp_path, NEW, moment)
        moment += 1
    for later in range(1, 8):
        killed_while_replacing(tmp_path, OLD, later)
        assert seen(tmp_path) == NEW


def test_a_finished_replacement_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("ours")
    replaced(tmp_path, OLD)
    replaced(tmp_path, NEW)
    assert sorted(os.listdir(tmp_path)) == ["README.md", "config.json", "fresh", "weights"]


def test_a_writer_that_fails_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    replaced(tmp_path, OLD)

    def fail(file: BinaryIO) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        replace_files(tmp_path, {"config.json": lambda file: file.write(b"new"), "weights": fail}, lambda name: True)
    assert {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)} == OLD


def test_a_disk_that_fails_after_the_new_files_count_says_that_they_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced(tmp_path, OLD)
    move = os.replace

    def fail_to_move_weights(source: Path, target: Path) -> None:
        if target.name == "weights":
            raise OSError(errno.EIO, "Input/output error")
        move(source, target)

    monkeypatch.setattr(os, "replace", fail_to_move_weights)
    with pytest.raises(
        CheckpointError, match="is saved, but some files still have temporary names: Input/output error"
    ):
        replaced(tmp_path, NEW)
    assert seen(tmp_path) == NEW


def test_two_savers_of_one_folder_are_told_apart(tmp_path: Path) -> None:
    pytest.importorskip("fcntl", reason="this system has no file locks")
    with pytest.raises(CheckpointError, match="is being saved to already"):
        replace_files(tmp_path, {"weights": lambda file: replaced(tmp_path, NEW)}, lambda name: False)
    replaced(tmp_path, NEW)
    assert seen(tmp_path) == NEW


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ("{", "is no JSON"),
        (json.dumps({"moves": []}), "is damaged. Remove it"),
        (json.dumps({"moves": {"../../etc/passwd": "x"}, "removals": []}), "names a file outside its folder"),
        (json.dumps({"moves": {".saving-1-x": "/x"}, "removals": []}), "names a file outside its folder"),
        (json.dumps({"moves": {}, "removals": [".."]}), "names a file outside its folder"),
        (json.dumps({"moves": {}, "removals": [3]}), "names a file outside its folder"),
    ],
)
def test_a_record_that_nobody_here_wrote_is_refused(tmp_path: Path, record: str, said: str) -> None:
    (tmp_path / RECORD).write_text(record)
    with pytest.raises(CheckpointError, match=said):
        current_file(tmp_path, "config.json")
    with pytest.raises(CheckpointError, match=said):
        replaced(tmp_path, NEW)
