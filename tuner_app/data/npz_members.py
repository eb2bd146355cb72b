"""The arrays in an NPZ file: their shapes without reading them, and their values in pieces."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tuner_app.data.source import check_path
from tuner_app.errors import UserError

_PIECE = 2**22  # bytes


@dataclass(frozen=True)
class Member:
    """One array of the file, not read yet.

    Attributes:
        path: The NPZ file.
        key: The array's name.
        shape, dtype, fortran: As its header says.
        header: Bytes before the values.
        stored: Whether the values lie in the file as they are, not compressed.
    """

    path: Path
    key: str
    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool
    header: int
    stored: bool

    @property
    def nbytes(self) -> int:
        """Bytes of all values."""
        return int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize

    def pieces(self) -> Iterator[np.ndarray]:
        """All values in the order of the file, as flat arrays."""
        with zipfile.ZipFile(self.path) as archive, archive.open(f"{self.key}.npy") as file:
            file.read(self.header)
            step = max(1, _PIECE // self.dtype.itemsize) * self.dtype.itemsize
            while data := file.read(step):
                yield np.frombuffer(data, self.dtype)

    def read(self) -> np.ndarray:
        """The whole array, in memory."""
        with np.load(self.path, allow_pickle=False) as archive:
            return archive[self.key]

    def mapped(self, folder: Path) -> np.ndarray:
        """The array on disk, read where it is indexed; unpacked into `folder` if compressed."""
        if not self.stored:
            with zipfile.ZipFile(self.path) as archive:
                return np.load(archive.extract(f"{self.key}.npy", folder), mmap_mode="r")
        with zipfile.ZipFile(self.path) as archive:
            start = archive.getinfo(f"{self.key}.npy").header_offset
        # A local file header is 30 bytes, then the name and the extra field, whose lengths it
        # gives at 26 and 28 (PKWARE, .ZIP File Format Specification, 4.3.7).
        with self.path.open("rb") as file:
            file.seek(start + 26)
            name, extra = np.frombuffer(file.read(4), "<u2").astype(int)
        return np.memmap(
            self.path,
            self.dtype,
            "r",
            offset=int(start + 30 + name + extra + self.header),
            shape=self.shape,
            order="F" if self.fortran else "C",
        )


def members(path: Path) -> dict[str, Member]:
    """Every array by name. Raises `UserError` if the file is missing, broken or holds objects."""
    check_path("NPZ file", path, "npz:FILE")
    try:
        with zipfile.ZipFile(path) as archive:
            found = [
                _member(path, archive, info)
                for info in archive.infolist()
                if info.filename.endswith(".npy")
            ]
    except UserError:
        raise
    except Exception as error:  # whatever zipfile, zlib and NumPy make of a damaged file
        raise damaged(path, error) from None
    return {member.key: member for member in found}


def damaged(path: Path, error: Exception) -> UserError:
    """The error for a file that can't be read."""
    reason = str(error).partition("\n")[0] or type(error).__name__
    return UserError(
        f"NPZ file {str(path)!r} can't be read ({reason}); expected a file that numpy.savez wrote."
    )


def _member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    key = info.filename.removesuffix(".npy")
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        if version not in read:
            raise ValueError(f"array {key!r} has format version {version}")
        shape, fortran, dtype = read[version](file)
        header = file.tell()
    if dtype.hasobject:
        raise UserError(
            f"NPZ file {str(path)!r}: array {key!r} holds pickled Python objects, which may run "
            "code when read; save plain numbers or fixed-length text."
        )
    member = Member(
        path, key, shape, dtype, fortran, header, info.compress_type == zipfile.ZIP_STORED
    )
    if not dtype.itemsize or header + member.nbytes != info.file_size:
        raise ValueError(f"array {key!r} is cut short")
    return member


def scratch(cache: Path) -> tempfile.TemporaryDirectory:
    """A folder for unpacked arrays that goes when the data set does."""
    cache.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(prefix="npz-", dir=cache)
