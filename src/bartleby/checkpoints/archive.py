"""The zip archive of a torch file, over mapped memory: stored members are views, packed ones are unpacked with care."""

from __future__ import annotations

import struct
import zipfile
import zlib

from bartleby.checkpoints.tensors import MappedFile
from bartleby.errors import CheckpointError

LOCAL_HEADER = struct.Struct("<4s22xHH")
UNPACKED_LIMIT, UNPACKED_RATIO = 1 << 24, 20
"""Packed members may unpack to 16 MiB plus 20 times the file: weights never double, a zip bomb grows 1000 times."""


class Archive:
    """Members by their path below the one folder that torch puts everything in."""

    def __init__(self, file: MappedFile) -> None:
        """Raises: CheckpointError if the file is no zip archive of torch, or a dangerous one."""
        self.file = file
        try:
            members = zipfile.ZipFile(file.stream).infolist()
        except (zipfile.BadZipFile, struct.error, ValueError, OverflowError, NotImplementedError, EOFError) as error:
            raise self._damaged(f"it is no zip archive ({error})") from None
        self._members = {member.filename.partition("/")[2]: member for member in members}
        if len(self._members) < len(members):
            raise self._damaged("two members have the same name")
        if "data.pkl" not in self._members:
            raise CheckpointError(f"{file.path} is a zip archive, but not one of torch. Give a file of weights.")
        packed = sum(member.file_size for member in members if member.compress_type != zipfile.ZIP_STORED)
        if packed > UNPACKED_LIMIT + UNPACKED_RATIO * file.size:
            raise self._damaged(f"its members unpack to {packed} bytes, which no weights do")

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def check(self, name: str, size: int) -> None:
        """Raises: CheckpointError unless there is a member of exactly this size, whole."""
        member = self._member(name)
        if member.file_size != size:
            raise self._damaged(f"member {name} should have {size} bytes, but has {member.file_size}")
        self._stored(member)

    def view(self, name: str) -> memoryview:
        """The bytes of a member; mapped where they are stored as they are."""
        member = self._member(name)
        stored = self._stored(member)
        if member.compress_type == zipfile.ZIP_STORED:
            return stored
        if member.compress_type != zipfile.ZIP_DEFLATED:
            raise self._damaged(f"member {name} is packed by a method torch does not use")
        try:
            unpacked = zlib.decompressobj(-15).decompress(stored, member.file_size) if member.file_size else b""
        except zlib.error as error:
            raise self._damaged(f"member {name} cannot be unpacked ({error})") from None
        if len(unpacked) != member.file_size or zlib.crc32(unpacked) != member.CRC:
            raise self._damaged(f"member {name} does not unpack to what was packed")
        return memoryview(unpacked)

    def content(self, name: str) -> bytes:
        """A copy of a member's bytes, checked against its checksum; weights are not, as that would read them all."""
        content = bytes(self.view(name))
        if zlib.crc32(content) != self._member(name).CRC:
            raise self._damaged(f"member {name} has a wrong checksum")
        return content

    def _member(self, name: str) -> zipfile.ZipInfo:
        if name not in self._members:
            raise self._damaged(f"member {name} is missing")
        return self._members[name]

    def _stored(self, member: zipfile.ZipInfo) -> memoryview:
        """A member's bytes as they lie in the file, behind a header whose length only the file itself knows."""
        header = self.file.view(member.header_offset, LOCAL_HEADER.size)
        signature, name_length, extra_length = LOCAL_HEADER.unpack(header)
        if signature != b"PK\3\4" or member.flag_bits & 1:
            raise self._damaged(f"member {member.filename} is encrypted or has no header")
        if member.compress_type == zipfile.ZIP_STORED and member.compress_size != member.file_size:
            raise self._damaged(f"member {member.filename} has two sizes")
        start = member.header_offset + LOCAL_HEADER.size + name_length + extra_length
        return self.file.view(start, member.compress_size)

    def _damaged(self, reason: str) -> CheckpointError:
        return CheckpointError(f"{self.file.path} is damaged: {reason}. Download or copy it again.")
