import bz2
import io
import tarfile
from pathlib import Path

import pytest

from bartleby.checkpoints import originals
from bartleby.checkpoints.originals import lines_of, original_folder, read_state
from bartleby.errors import CheckpointError


def packed(path: Path, members: dict[str, bytes], mode: str = "w:gz", **kinds: bytes) -> Path:
    """An archive of files, and of members of other kinds by name."""
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for name, kind in kinds.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    return path


def unpacked(source: Path, tmp_path: Path) -> dict[str, bytes]:
    with original_folder(source, tmp_path / "out") as folder:
        return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_archives_are_unpacked_and_cleared_away(tmp_path: Path, mode: str) -> None:
    source = packed(tmp_path / "bart.tar", {"bart.large/model.pt": b"weights", "bart.large/dict.txt": b"1 2"}, mode)
    assert unpacked(source, tmp_path) == {"model.pt": b"weights", "dict.txt": b"1 2"}
    assert [path.name for path in tmp_path.iterdir()] == ["bart.tar"]


def test_only_plain_files_are_taken_and_only_by_their_names(tmp_path: Path) -> None:
    members = {"../../escape": b"a", "/absolute": b"b", ".hidden": b"c"}
    source = packed(tmp_path / "a.tar", members, link=tarfile.SYMTYPE, hard=tarfile.LNKTYPE, pipe=tarfile.FIFOTYPE)
    assert unpacked(source, tmp_path) == {"escape": b"a", "absolute": b"b"}
    assert not (tmp_path.parent / "escape").exists()


def test_folders_and_the_folders_of_files_are_used_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"weights")
    for source in (tmp_path, tmp_path / "model.pt"):
        with original_folder(source, tmp_path / "out") as folder:
            assert folder == tmp_path


def test_an_archive_is_unpacked_beside_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    source = packed(tmp_path / "a.tar", {"model.pt": b"a"})
    with original_folder(source, tmp_path / "not" / "yet" / "there") as folder:
        assert folder.parent == tmp_path


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that nobody can write to")
def test_where_nothing_can_be_written_nothing_is_unpacked(tmp_path: Path) -> None:
    source = packed(tmp_path / "a.tar", {"model.pt": b"a"})
    with (
        pytest.raises(CheckpointError, match=r"/proc cannot be written to: .*Choose another folder"),
        original_folder(source, Path("/proc/nowhere/out")),
    ):
        pass


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    source = packed(tmp_path / "a.tar", {"one/model.pt": b"a", "two/model.pt": b"b"})
    with pytest.raises(CheckpointError, match=r"two files called model.pt. Unpack it, and give one folder"):
        unpacked(source, tmp_path)


def test_an_archive_that_unpacks_to_very_much_is_refused(tmp_path: Path) -> None:
    source = packed(tmp_path / "a.tar", {"model.pt": bytes(18 << 20)})
    with pytest.raises(CheckpointError, match="unpacks to more than any checkpoint does"):
        unpacked(source, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


@pytest.mark.parametrize("name", ["model.pt", ".hidden"])
def test_what_is_passed_over_counts_too(tmp_path: Path, name: str) -> None:
    source = packed(tmp_path / "a.tar", {name: bytes(18 << 20)}, "w:bz2")
    with pytest.raises(CheckpointError, match="unpacks to more than any checkpoint does"):
        unpacked(source, tmp_path)


def test_a_header_that_claims_to_be_long_is_not_unpacked_to_be_seen(tmp_path: Path) -> None:
    header = tarfile.TarInfo("long")
    header.type, header.size = tarfile.XHDTYPE, 1 << 40  # in 8 KiB of what would be a terabyte
    behind = tarfile.TarInfo("model.pt").tobuf(tarfile.GNU_FORMAT) + header.tobuf(tarfile.GNU_FORMAT)
    (tmp_path / "a.tar").write_bytes(bz2.compress(behind + bytes(1 << 24)))
    with pytest.raises(CheckpointError, match=r"cannot be unpacked: a header of 1099511627776 bytes"):
        unpacked(tmp_path / "a.tar", tmp_path)


def test_headers_in_front_of_headers_without_end_are_refused(tmp_path: Path) -> None:
    header = tarfile.TarInfo("again")
    header.type, header.size = tarfile.XHDTYPE, 0
    first = tarfile.TarInfo("model.pt").tobuf(tarfile.GNU_FORMAT)
    (tmp_path / "a.tar").write_bytes(first + header.tobuf(tarfile.GNU_FORMAT) * 3000)
    with pytest.raises(CheckpointError, match="cannot be unpacked"):
        unpacked(tmp_path / "a.tar", tmp_path)


def test_an_archive_of_very_many_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(originals, "MOST_MEMBERS", 3)
    source = packed(tmp_path / "a.tar", {f"file{number}": b"" for number in range(5)})
    with pytest.raises(CheckpointError, match="unpacks to more than"):
        unpacked(source, tmp_path)


def test_an_archive_cut_short_is_refused(tmp_path: Path) -> None:
    source = packed(tmp_path / "a.tar", {"model.pt": bytes(range(256)) * 4000}, "w")
    source.write_bytes(source.read_bytes()[:50_000])
    with pytest.raises(CheckpointError, match=r"a.tar cannot be unpacked.*Download or copy it again"):
        unpacked(source, tmp_path)


def test_what_is_nowhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"does not exist. Give a checkpoint's folder"):
        unpacked(tmp_path / "nowhere", tmp_path)


def test_only_newlines_end_lines() -> None:
    assert lines_of("a\r\n\nb\u2028c\x85\n") == ["a", "b\u2028c\x85"]


def test_keys_that_are_no_names_are_refused_without_being_shown(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs torch to write originals")
    torch.save({"model": {10**5000: torch.zeros(1), "w": 1}}, tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match=r"(?s)a key that is a int under `model`.*`w` under `model`"):
        read_state(tmp_path / "model.pt", "Give another.")
