"""The processors that this one can play: one setting each, with why it cannot be played here."""

from __future__ import annotations

import dataclasses
import getpass
import os
import platform
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from leaf_port._ops.energies import library
from leaf_port.errors import FilterWarning

THREADS, ONEDNN = "PARITY_THREADS", "PARITY_ONEDNN"
"""Environment variables of a process that runs cases: torch's threads, and ``off`` for oneDNN."""

_X86 = ("x86_64", "AMD64", "i386", "i686")
_ATEN = {
    **dict.fromkeys(_X86, ("default", "avx2", "avx512")),
    **dict.fromkeys(("aarch64", "arm64"), ("default", "sve128", "sve256")),
}
_ONEDNN = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_AMX")
_LEVEL = "ATEN_CPU_CAPABILITY"
_VARIABLES = (
    _LEVEL,
    "NPY_DISABLE_CPU_FEATURES",
    "ONEDNN_MAX_CPU_ISA",
    ONEDNN,
    "MKL_CBWR",
    library.VARIABLE,
    THREADS,
)
# What each level of oneDNN asks of the processor, in the words of /proc/cpuinfo.
_ONEDNN_FLAGS = {
    "SSE41": "sse4_1",
    "AVX": "avx",
    "AVX2": "avx2",
    "AVX2_VNNI": "avx_vnni",
    "AVX512_CORE": "avx512dq",
    "AVX512_CORE_AMX": "amx_tile",
}
_VECTORS = {"avx512f": "AVX-512", "avx2": "AVX2", "avx": "AVX"}
_THREADS = (1, 2, 4)


@dataclasses.dataclass(frozen=True)
class Setting:
    """One way to run the suite on this machine.

    Attributes:
        name: as the table shows it.
        environment: variables that make it.
        missing: why it cannot be played here; empty where it can.
    """

    name: str
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    missing: str = ""


AS_IT_IS = Setting("as it is")


def separate_compiled() -> None:
    """Keeps what torch's compiler makes under ``ATEN_CPU_CAPABILITY`` in a folder of its own.

    Its names do not count that level. Code that was made for another one gives NaN, or crashes.
    """
    if level := os.environ.get(_LEVEL):
        folder = Path(tempfile.gettempdir()) / f"torchinductor_{getpass.getuser()}_{level}"
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder))


def prepare() -> None:
    """Makes torch in this process what the environment asks for: threads, oneDNN.

    The port warns of odd filters, which are asked for on purpose.
    """
    separate_compiled()
    warnings.filterwarnings("ignore", category=FilterWarning)
    torch.set_num_threads(int(os.environ.get(THREADS, "1")))
    if os.environ.get(ONEDNN) == "off":
        torch.backends.mkldnn.set_flags(False)


def played() -> dict[str, str]:
    """The variables of a setting that this process runs under."""
    return {name: os.environ[name] for name in _VARIABLES if os.environ.get(name)}


def processor() -> str:
    """The processor's name, and the widest vectors that it has: one name stands for several."""
    name = _cpuinfo("model name") or platform.processor() or platform.machine()
    keys = {"family": "cpu family", "model": "model", "part": "CPU part"}
    told = {shown: _cpuinfo(key) for shown, key in keys.items()}
    flags = _cpuinfo("flags").split()
    widest = [shown for flag, shown in _VECTORS.items() if flag in flags]
    return ", ".join(
        [name, *(f"{key} {value}" for key, value in told.items() if value), *widest[:1]]
    )


def settings() -> list[Setting]:
    """All settings, those that cannot be played here too."""
    found = [AS_IT_IS, *_torch(), *_numpy(), *_onednn(), *_mkl(), *_kernel(), *_threads()]
    return [*found, _lowest(found)]


def _cpuinfo(key: str) -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123
            lines = [line.partition(":") for line in file]
    except OSError:
        return ""
    return next((value.strip() for name, _, value in lines if name.strip() == key), "")


def _torch() -> Iterator[Setting]:
    """ATen's kernels are compiled for several levels, of which it takes the highest."""
    levels = _ATEN.get(platform.machine(), ("default",))
    here = torch.backends.cpu.get_cpu_capability().lower()
    for level in levels:
        missing = ""
        if here not in levels or levels.index(level) > levels.index(here):
            missing = f"this processor has no {level}"
        elif level == here:
            missing = f"{AS_IT_IS.name}: torch takes it here"
        name = _LEVEL
        yield Setting(f"{name}={level}", {name: level}, missing)


def numpy_levels(dispatched: Sequence[str], enabled: Mapping[str, bool]) -> Iterator[Setting]:
    """NumPy's baseline, then with one more of its dispatched features each.

    Args:
        dispatched: the features that this NumPy has code for, lowest first.
        enabled: which of them this processor has.
    """
    variable, here = "NPY_DISABLE_CPU_FEATURES", [f for f in dispatched if enabled[f]]
    for count, feature in enumerate(["its baseline", *dispatched]):
        without = [each for each in here if each in dispatched[count:]]
        missing = ""
        if count and not enabled[feature]:
            missing = f"this processor has no {feature}"
        elif not without:
            missing = f"{AS_IT_IS.name}: NumPy dispatches to nothing higher here"
        name = f"NumPy up to {feature}"
        yield Setting(name, {variable: " ".join(without)}, missing)


def _numpy() -> Iterator[Setting]:
    umath = getattr(np, "_core", None) or np.core  # NumPy 1.26 has no _core
    features = umath._multiarray_umath
    yield from numpy_levels(features.__cpu_dispatch__, features.__cpu_features__)


def _onednn() -> Iterator[Setting]:
    absent = "" if torch.backends.mkldnn.is_available() else "this torch has no oneDNN"
    flags = _cpuinfo("flags").split()
    here = [level for level in _ONEDNN if _ONEDNN_FLAGS[level] in flags]
    for level in _ONEDNN:
        missing = absent
        if level not in here:
            flag = _ONEDNN_FLAGS[level]
            missing = missing or f"the system tells of no {flag} in this processor"
        elif level == here[-1]:
            missing = missing or f"{AS_IT_IS.name}: oneDNN takes it here"
        name = "ONEDNN_MAX_CPU_ISA"
        yield Setting(f"{name}={level}", {name: level}, missing)
    yield Setting("oneDNN off", {ONEDNN: "off"}, absent)


def _mkl() -> Iterator[Setting]:
    missing = "" if torch.backends.mkl.is_available() else "this torch has no MKL"
    for branch in ("COMPATIBLE", "AVX2"):
        yield Setting(f"MKL_CBWR={branch}", {"MKL_CBWR": branch}, missing)


def _kernel() -> Iterator[Setting]:
    """The port's own kernel: below each instruction set, and not at all."""
    kernel, why = library.opened()
    for level in (*library.LEVELS, "off"):
        missing = ""
        if kernel is None:
            missing = f"{AS_IT_IS.name}: no kernel here: {why}"
        elif level != "off" and library.LEVELS.index(level) > kernel.level:
            missing = f"this processor has no {level}"
        elif level == library.LEVELS[kernel.level]:
            missing = f"{AS_IT_IS.name}: the kernel takes it here"
        yield Setting(f"{library.VARIABLE}={level}", {library.VARIABLE: level}, missing)


def _threads() -> Iterator[Setting]:
    for count in _THREADS:
        missing = f"{AS_IT_IS.name}: the suite's own number" if count == 1 else ""
        several = {THREADS: str(count), "OMP_NUM_THREADS": str(count)}
        yield Setting(f"threads={count}", several, missing)


def _lowest(found: Sequence[Setting]) -> Setting:
    """The oldest processor that can be played: the first setting of each kind at once."""
    environment: dict[str, str] = {}
    for setting in found:
        if not setting.missing:
            environment = {**setting.environment, **environment}
    environment |= {THREADS: "4", "OMP_NUM_THREADS": "4"}
    environment.pop(ONEDNN, None)
    return Setting("the lowest of each, 4 threads", environment)
