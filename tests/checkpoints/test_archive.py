import io
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bartleby.checkpoints.archive import Archive
from bartleby.errors import CheckpointError
from tests.checkpoints.files import mapped, zip_bytes

CONTENT = b"}." * 50


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_are_found_below_the_one_folder(tmp_path: Path, method: int) -> None:
    archive = Archive(mapped(tmp_path / "m.bin", zip_bytes(CONTENT, {"0": b"12345678"}, method)))
    assert archive.content("data.pkl") == CONTENT
    assert bytes(archive.view("data/0")) == b"12345678"
    assert "byteorder" in archive
    assert "data/1" not in archive


def test_stored_members_are_views_of_the_file(tmp_path: Path) -> None:
    file = mapped(tmp_path / "m.bin", zip_bytes(CONTENT, {"0": b"12345678"}))
    Archive(file).view("data/0")[0] = ord("X")
    assert b"X2345678" in bytes(file.view(0, file.size))


def test_members_with_sizes_of_64_bits_are_found(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, archive.open("archive/data.pkl", "w", force_zip64=True) as member:
        member.write(CONTENT)
    assert Archive(mapped(tmp_path / "m.bin", buffer.getvalue())).content("data.pkl") == CONTENT


def test_a_member_of_another_size_is_refused(tmp_path: Path) -> None:
    archive = Archive(mapped(tmp_path / "m.bin", zip_bytes(CONTENT, {"0": b"12345678"})))
    archive.check("data/0", 8)
    with pytest.raises(CheckpointError, match="member data/0 should have 12 bytes, but has 8"):
        archive.check("data/0", 12)
    with pytest.raises(CheckpointError, match="member data/1 is missing"):
        archive.check("data/1", 8)


def test_a_wrong_checksum_of_the_pickle_is_noticed(tmp_path: Path) -> None:
    content = zip_bytes(b"N0N.", {}).replace(b"N0N.", b"N0].")
    with pytest.raises(CheckpointError, match=r"member data.pkl has a wrong checksum"):
        Archive(mapped(tmp_path / "m.bin", content)).content("data.pkl")


def test_a_packed_member_that_unpacks_to_something_else_is_refused(tmp_path: Path) -> None:
    content = bytearray(zip_bytes(CONTENT, {}, zipfile.ZIP_DEFLATED))
    directory = content.index(b"PK\1\2")
    struct.pack_into("<I", content, directory + 24, 40)  # the unpacked size it claims
    with pytest.raises(CheckpointError, match=r"member data.pkl does not unpack to what was packed"):
        Archive(mapped(tmp_path / "m.bin", bytes(content))).content("data.pkl")


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    content = zip_bytes(CONTENT, {"0": bytes(30 << 20)}, zipfile.ZIP_DEFLATED)
    assert len(content) < 100_000
    with pytest.raises(CheckpointError, match=r"its members unpack to 31.* bytes, which no weights do"):
        Archive(mapped(tmp_path / "m.bin", content))


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    content = bytearray(zip_bytes(CONTENT, {}))
    directory = content.index(b"PK\1\2")
    content[directory + 8] |= 1
    with pytest.raises(CheckpointError, match=r"member archive/data.pkl is encrypted"):
        Archive(mapped(tmp_path / "m.bin", bytes(content))).content("data.pkl")


def test_another_kind_of_zip_archive_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("word/document.xml", "<a/>")
    with pytest.raises(CheckpointError, match="is a zip archive, but not one of torch"):
        Archive(mapped(tmp_path / "m.bin", buffer.getvalue()))


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("one/data.pkl", "N.")
        archive.writestr("two/data.pkl", "].")
    with pytest.raises(CheckpointError, match="two members have the same name"):
        Archive(mapped(tmp_path / "m.bin", buffer.getvalue()))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(st.binary(max_size=30), st.integers(0, 500), st.integers(0, 30), st.booleans())
def test_damage_anywhere_is_noticed_or_harmless(
    tmp_path: Path, patch: bytes, start: int, removed: int, packed: bool
) -> None:
    whole = zip_bytes(CONTENT, {"0": b"12345678"}, zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED)
    content = whole[:start] + patch + whole[start + removed :]
    try:
        archive = Archive(mapped(tmp_path / "m.bin", content))
        assert archive.content("data.pkl") == CONTENT
        archive.view("data/0")
    except CheckpointError:
        return
