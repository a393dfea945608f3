"""The compiled kernel: where it is, whether it fits, and how it is called.

It is built when the package is installed, if a C compiler is there (``setup.py``), and opened by
ctypes. Without it torch computes the same (``by_torch``).
"""

from __future__ import annotations

import ctypes
import functools
import os
import struct
from importlib import machinery
from pathlib import Path

import numpy as np

# For tests and for who wants to compare: "off", or the instruction set to stay below.
VARIABLE = "LEAF_PORT_KERNEL"
LEVELS = ("baseline", "avx2", "avx512")

MOST_FRAMES = 64  # of a block
LARGEST = 1 << 16  # samples of a block

_ABI = 4

CHANNEL = np.dtype(
    [("points", "<i4"), ("first", "<i4"), ("width", "<i4"), ("unused", "<i4"), ("table", "<i8")]
)
LANE = np.dtype(
    [
        ("clip", "<u8"),
        ("start", "<i8"),
        ("length", "<i8"),
        ("frame", "<i8"),
        ("first", "<i4"),
        ("last", "<i4"),
        ("shown", "<i4"),
        ("hidden", "<i4"),
    ]
)


class Job(ctypes.Structure):
    """``Job`` of kernel.c."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("size", "hop", "pieces", "segments")),
        *((name, ctypes.c_int32) for name in ("channels", "groups")),
        ("frames", ctypes.c_int64),
        ("evenness", ctypes.c_double),
        ("steepness", ctypes.c_double),
        *(
            (name, ctypes.c_void_p)
            for name in (
                "channel",
                "lane",
                "masked",
                "spectrum",
                "spectrum_f",
                "window",
                "window_f",
                "table",
                "table_f",
                "slope",
                "slope_f",
                "slope_table",
                "slope_table_f",
                "weight",
                "chosen",
                "output",
                "output_gradient",
                "spectrum_gradient",
                "width_gradient",
                "clips",
                "clips_gradient",
            )
        ),
    )


class Kernel:
    """An opened library.

    Attributes:
        level: the instruction set it uses, a number of :data:`LEVELS`.
        lanes: blocks of a group.
    """

    def __init__(self, library: ctypes.CDLL, level: int) -> None:
        self.level = level
        self.lanes: int = library.kernel_lanes(level)
        self._library = library

    def prepare(self, size: int) -> None:
        """Makes the tables of transforms up to a size. Not to be called by two threads at once."""
        _check(self._library.kernel_prepare(size))

    def call(self, name: str, job: Job, *numbers: int, wide: int, narrow: int) -> None:
        """Calls a function of kernel.c; Python's other threads go on meanwhile."""
        function = getattr(self._library, f"kernel_{name}")
        given = [ctypes.c_int32(each) for each in numbers]
        pointers = ctypes.c_void_p(wide), ctypes.c_void_p(narrow)
        _check(function(ctypes.c_int(self.level), ctypes.byref(job), *given, *pointers))


def _check(code: int) -> None:
    if code != 0:
        raise MemoryError("no memory for the transforms of a block")


def path() -> Path | None:
    """The library's file, or None where it was not built."""
    for suffix in [*machinery.EXTENSION_SUFFIXES, ".so"]:
        found = Path(__file__).with_name(f"_kernel{suffix}")
        if found.is_file():
            return found
    return None


def _expected_abi() -> int:
    sizes = ctypes.sizeof(Job) * 10_000 + LANE.itemsize * 10_000_000
    return _ABI + sizes + CHANNEL.itemsize * 10_000_000_000


def _is_cut_off(place: Path) -> bool:
    """Whether an ELF file ends before its last table: to open it would kill the process."""
    with place.open("rb") as file:
        head = file.read(64)
    if head[:4] != b"\x7fELF":
        return False
    if len(head) < 64 or head[4] != 2:  # 64 bits
        return True
    order = "<" if head[5] == 1 else ">"
    (start,) = struct.unpack_from(f"{order}Q", head, 40)
    size, count = struct.unpack_from(f"{order}HH", head, 58)
    return place.stat().st_size < start + size * count


@functools.cache
def opened() -> tuple[Kernel | None, str]:
    """The kernel and the name of its instruction set; or None and why there is none."""
    place = path()
    if place is None:
        return None, "it was not built: a C compiler (GCC, Clang) was missing at installation"
    return open_at(place)


def open_at(place: Path) -> tuple[Kernel | None, str]:
    """The same for a file."""
    wanted = os.environ.get(VARIABLE, "")
    if wanted not in ("", "off", *LEVELS):
        return None, f"{VARIABLE} is {wanted!r}, not one of 'off', {', '.join(map(repr, LEVELS))}"
    if wanted == "off":
        return None, f"{VARIABLE} is 'off'"
    if _is_cut_off(place):
        return None, f"{place.name} cannot be used (it is cut off): install leaf_port again"
    try:
        library = ctypes.CDLL(str(place))
        library.kernel_abi.restype = ctypes.c_int64
        abi, level = library.kernel_abi(), int(library.kernel_level())
    except (OSError, AttributeError) as error:
        return None, f"{place.name} cannot be used ({error}): install leaf_port again"
    if abi != _expected_abi():
        return None, f"{place.name} is of another version: install leaf_port again"
    if wanted:
        level = min(level, LEVELS.index(wanted))
    return Kernel(library, level), LEVELS[level]
