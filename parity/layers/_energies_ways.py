"""Laws of Leaf's energies: where they are computed at once, and what opens the kernel."""

from __future__ import annotations

import contextlib
import copy
import itertools
import os
import pickle
import shutil
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module
from torch.overrides import TorchFunctionMode

from leaf_port import GaborConv1d, GaussianLowpass, Leaf, SquaredModulus
from leaf_port import padding as pads
from leaf_port._ops.energies import by_kernel, by_rows, fused, library, operation
from leaf_port._ops.energies.by_kernel import ByKernel, Pool
from leaf_port._ops.energies.by_torch import ByTorch
from leaf_port._ops.energies.library import Job, Kernel
from leaf_port._ops.energies.operation import FusedEnergies
from leaf_port.constraints import UnitNorm
from leaf_port.errors import LeafError
from parity.layers._energies import ASKED, GIVEN, Some, engines, gradients_of, kernel_below, noise
from parity.port.dispatch_mode import DispatchMode

SAMPLES, TAPS, HOP = 300, 51, 20

# Windows and hops, and whether blocks serve: up to 65536 samples and 64 frames each.
_WINDOWS = {
    (401, 50): True,
    (51, 20): True,
    (51, 2): True,
    (51, 1): False,  # 51 pieces of 64
    (384, 12): True,  # 32 pieces
    (396, 12): False,  # 33
    (51, 300): True,
    (51, 32742): True,  # two hops and a window of 65536 samples
    (51, 32743): False,
    (16384, 8192): True,
    (16385, 8192): False,
}


def windows() -> str:
    """Whether the windows and hops that blocks serve are computed at once, and no others."""
    for (taps, hop), serves in _WINDOWS.items():
        told = Some(taps, hop, 5).leaf().why_layer_by_layer(noise(1, 5, 1))
        if told != ("" if serves else "the window or its hop is too long, or the hop too short"):
            return f"{taps} taps, a hop of {hop}: {told!r}"
    return ""


def _convolution(**changed: Any) -> Callable[[Leaf], None]:
    arguments: dict[str, Any] = {"filters": 10, "kernel_size": TAPS, **changed}

    def change(leaf: Leaf) -> None:
        kernel = leaf.get_parameter("complex_conv.kernel").detach()
        leaf.complex_conv = GaborConv1d(
            **arguments, kernel_initializer=lambda _shape, dtype: kernel.to(dtype)
        )

    return change


def _pooling(**changed: Any) -> Callable[[Leaf], None]:
    def change(leaf: Leaf) -> None:
        arguments = {"num_channels": 5, "kernel_size": TAPS, "strides": HOP, **changed}
        leaf.pooling = GaussianLowpass(
            **arguments, kernel_initializer=lambda shape, dtype: torch.full(shape, 0.4, dtype=dtype)
        )

    return change


class _Convolution(GaborConv1d):
    pass


class _Activation(SquaredModulus):
    pass


class _Pooling(GaussianLowpass):
    pass


class _Subclass(Tensor):
    pass


def _of_class(part: str, mine: type[nn.Module]) -> Callable[[Leaf], None]:
    def change(leaf: Leaf) -> None:
        getattr(leaf, part).__class__ = mine

    return change


def _hooked(part: str, method: str) -> Callable[[Leaf], None]:
    def change(leaf: Leaf) -> None:
        getattr(getattr(leaf, part), method)(lambda *_: None)

    return change


def _method(part: str, name: str) -> Callable[[Leaf], None]:
    def change(leaf: Leaf) -> None:
        layer = getattr(leaf, part)
        setattr(layer, name, getattr(layer, name, None))

    return change


def _constrained(leaf: Leaf) -> None:
    vars(leaf.complex_conv)["constraints"] = {"kernel": UnitNorm()}


def _unconstrained(leaf: Leaf) -> None:
    vars(leaf.complex_conv)["constraints"] = {}


def _bias_in_double(leaf: Leaf) -> None:
    _pooling(additive_bias=True)(leaf)
    bias = leaf.get_parameter("pooling.bias")
    bias.data = bias.data.double()


def _frozen(leaf: Leaf) -> None:
    leaf.requires_grad_(False)


_USUAL = "the convolution has a stride, a bias, sorted filters or no SAME padding"
_PARTS = {
    "complex_conv": "GaborConv1d",
    "activation": "SquaredModulus",
    "pooling": "GaussianLowpass",
}
_HOOKS = (
    "register_forward_hook",
    "register_forward_pre_hook",
    "register_full_backward_hook",
    "register_full_backward_pre_hook",
)
_METHODS = ("forward", "impulse_responses", "_convolve", "_depthwise", "_call_impl")


def _changes() -> Iterator[tuple[str, Callable[[Leaf], None]]]:
    """What is told of a frontend that is not the usual one, and how it comes to be."""
    mine = {"complex_conv": _Convolution, "activation": _Activation, "pooling": _Pooling}
    for part, name in _PARTS.items():
        yield f"{mine[part].__name__} is not {name}", _of_class(part, mine[part])
        for hook in _HOOKS:
            yield f"{name} has hooks", _hooked(part, hook)
        for method in _METHODS:
            yield f"{name} has a method of its own", _method(part, method)
    for changed in ({"strides": 2}, {"padding": "VALID"}, {"use_bias": True}):
        yield _USUAL, _convolution(**changed)
    yield _USUAL, _convolution(strides=2, use_bias=True)
    yield _USUAL, _convolution(sort_filters=True)
    yield _USUAL, _pooling(num_channels=6)
    yield _USUAL, _pooling(num_channels=3)
    yield "real arithmetic is asked for", _convolution(arithmetic="real")
    yield "the kernel has another constraint", _constrained
    yield "the kernel has another constraint", _unconstrained
    yield "convolution and pooling have different windows", _pooling(kernel_size=TAPS - 1)
    yield "convolution and pooling have different windows", _convolution(kernel_size=TAPS + 1)
    yield "the precision is float64", _bias_in_double


def _allowed() -> Iterator[Callable[[Leaf], None]]:
    """What is computed at once for all that."""
    yield lambda _: None
    yield _convolution(arithmetic="complex")
    yield _convolution(filters=11)  # an odd one is left out, as officially
    yield _pooling(additive_bias=True)
    yield _pooling(padding="VALID")
    yield _frozen


def _leaf(energies: str = "auto") -> Leaf:
    return Some(TAPS, HOP, SAMPLES).leaf(energies)


def frontends() -> str:
    """Whether what is not the usual frontend is left to its layers, and what is usual is not."""
    clips = noise(2, SAMPLES, 1)
    for told, change in _changes():
        leaf = _leaf()
        change(leaf)
        if (found := leaf.why_layer_by_layer(clips)) != told:
            return f"{found!r} is told, not {told!r}"
    for number, change in enumerate(_allowed()):
        leaf = _leaf()
        change(leaf)
        if found := leaf.why_layer_by_layer(clips):
            return f"the usual frontend {number}: {found!r}"
    return ""


def _moved(leaf: Leaf, clips: Tensor) -> Iterator[tuple[str, Leaf, Tensor]]:
    yield "the precision is float64", leaf, clips.double()
    yield "the precision is float64", copy.deepcopy(leaf).double(), clips
    half = copy.deepcopy(leaf)
    half.pooling.bfloat16()
    yield "the precision is bfloat16", half, clips
    yield "the device is meta", leaf, clips.to("meta")
    yield "the device is meta", copy.deepcopy(leaf).to("meta"), clips
    yield "a tensor is a _Subclass, or not strided", leaf, clips.as_subclass(_Subclass)
    yield "a tensor is a Tensor, or not strided", leaf, clips.to_sparse()
    yield "there is no sample", leaf, clips[:0]
    yield "there is no sample", leaf, clips[:, :0]
    yield "energies='direct' was given", _leaf("direct"), clips


def tensors() -> str:
    """Whether tensors of another kind, device or precision are left to the layers."""
    clips = noise(2, SAMPLES, 1)
    for told, leaf, given in _moved(_leaf(), clips):
        if (found := leaf.why_layer_by_layer(given)) != told:
            return f"{found!r} is told, not {told!r}"
    valid = Some(TAPS, HOP, SAMPLES, padding=pads.VALID).leaf()
    shortest = {(SAMPLES, TAPS): "", (TAPS - 1, SAMPLES): "the clip is shorter than the window"}
    for lengths, told in shortest.items():
        if (found := valid.why_layer_by_layer(clips, list(lengths))) != told:
            return f"VALID, clips of {lengths} samples: {found!r}"
    if found := _leaf().why_layer_by_layer(clips, [1, 2]):
        return f"short clips: {found!r}"
    try:
        valid.energies(clips[:, : TAPS - 1])
    except LeafError as error:
        return "" if error.argument == "energies" else str(error)
    return "energies='fft' computes what it cannot"


class _Functions(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **kwargs or {})


class _Operations(DispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **kwargs or {})


@contextlib.contextmanager
def _all_hooked(register: str) -> Iterator[None]:
    handle = getattr(torch_module, register)(lambda *_: None)
    try:
        yield
    finally:
        handle.remove()


@contextlib.contextmanager
def _both() -> Iterator[None]:
    with torch.device("cpu"), _Functions():
        yield


def surroundings() -> str:
    """Whether what watches, transforms or captures the layers sees each of them."""
    leaf, clips = _leaf(), noise(2, SAMPLES, 1)
    surrounded: list[tuple[str, contextlib.AbstractContextManager[Any]]] = [
        ("", contextlib.nullcontext()),
        ("", torch.device("cpu")),
        ("", torch.no_grad()),
        ("a mode watches torch's functions", _Functions()),
        ("a mode watches torch's functions", _both()),
        ("a mode watches torch's operations", _Operations()),
        ("forward mode is on", torch.autograd.forward_ad.dual_level()),
        *(
            ("there are hooks of all modules", _all_hooked(f"register_module_{kind}_hook"))
            for kind in ("forward", "forward_pre", "full_backward", "full_backward_pre")
        ),
    ]
    for told, around in surrounded:
        with around:
            found = leaf.why_layer_by_layer(clips)
        if found != told:
            return f"{found!r} is told, not {told!r}"
    seen: list[str] = []

    def sum_of(given: Tensor) -> Tensor:
        seen.append(leaf.why_layer_by_layer(given.detach()))
        return given.sum()

    torch.func.vmap(sum_of)(clips.unsqueeze(1))
    if seen[0] != "functorch transforms the function":
        return f"under vmap {seen[0]!r} is told"
    torch.jit.trace(sum_of, (clips,), check_trace=False)
    return "" if seen[1] == "a graph is captured" else f"traced, {seen[1]!r} is told"


def engine() -> str:
    """Whether the kernel computes where there is one, and torch where it is to be left out."""
    clips, called = noise(2, SAMPLES, 1), []
    forward = ByKernel.forward

    def watched(engine: ByKernel, rows: Tensor) -> Tensor:
        called.append(engine.kernel.level)
        return forward(engine, rows)

    with mock.patch.object(ByKernel, "forward", watched):
        for level in engines():
            for takes_kernel in (True, False):
                leaf = _leaf("fft")
                leaf._fused_energies = FusedEnergies(*([] if takes_kernel else [False]))
                called.clear()
                leaf.energies(clips)
                expected = [library.LEVELS.index(level)] if level != "off" and takes_kernel else []
                if called != expected:
                    return f"{level}, takes_kernel={takes_kernel}: levels {called} computed"
    return ""


def gradients_by() -> str:
    """Whether the engine and the layers compute the gradients that are theirs if asked, no others.

    The engine writes a gradient by the waveform to where the clips lie, so it may only be given
    clips that have one.
    """
    some = Some(TAPS, HOP, SAMPLES, bias=True)
    made: list[str] = []
    by_engine, by_layers = fused.backward, by_rows.by_rows

    def engine(engine: Any, change: Tensor, rows: Tensor, found: Tensor | None) -> Any:
        made.append("the engine" + ("" if found is None else ", the waveform's too"))
        return by_engine(engine, change, rows, found)

    def layers(*given: Any) -> Tensor:
        made.append("the layers")
        return by_layers(*given)

    with mock.patch.multiple(fused, backward=engine, layer_by_layer=layers):
        for energies in ("auto", "fft"):
            for asked in (*ASKED, GIVEN):
                made.clear()
                gradients_of(some, some.leaf(energies), asked)
                if made != (expected := _expected(energies, asked)):
                    return f"{energies}: asked {asked}: by {made}, not {expected}"
    return ""


def _expected(energies: str, asked: Collection[str]) -> list[str]:
    """What computes gradients."""
    waveform, weights = "waveform" in asked, not {"filters", "pooling"}.isdisjoint(asked)
    if energies == "fft":
        told = "the engine, the waveform's too" if waveform else "the engine"
        return [told] if waveform or weights else []
    return ["the engine"] * weights + ["the layers"] * waveform


def copies() -> str:
    """Whether a copy, and what is read from a file, computes the same, and keeps no filters."""
    leaf, clips = _leaf("fft"), noise(2, SAMPLES, 1)
    with torch.no_grad():
        right = leaf.energies(clips)
        for name, other in (
            ("a copy", copy.deepcopy(leaf)),
            ("pickled", pickle.loads(pickle.dumps(leaf))),  # noqa: S301
        ):
            if other._fused_energies._kept is not None:
                return f"{name}: keeps filters"
            if not torch.equal(other.energies(clips), right):
                return f"{name}: other energies"
    return ""


def levels() -> str:
    """Whether ``LEAF_PORT_KERNEL`` lowers the instruction set, and is refused if unknown."""
    place = library.path()
    if place is None:
        return ""
    with mock.patch.dict(os.environ):
        os.environ.pop(library.VARIABLE, None)
        told = library.opened.__wrapped__()[1]
    with kernel_below("") as best:
        if best not in library.LEVELS or told != best:
            return f"the kernel that is there is not opened: {best}, {told}"
    highest = library.LEVELS.index(best)
    wanted = {"off": "LEAF_PORT_KERNEL is 'off'"}
    for unknown in ("none", "AVX2", "0"):
        known = "'off', 'baseline', 'avx2', 'avx512'"
        wanted[unknown] = f"LEAF_PORT_KERNEL is {unknown!r}, not one of {known}"
    for variable, told in wanted.items():
        with kernel_below(variable) as found:
            if found != told or library.opened()[0] is not None:
                return f"{library.VARIABLE}={variable}: {found!r}"
    for number, level in enumerate(library.LEVELS):
        with kernel_below(level) as found:
            kernel, expected = library.opened()[0], min(number, highest)
            if kernel is None or (kernel.level, found) != (expected, library.LEVELS[expected]):
                return f"{library.VARIABLE}={level}: {found!r}"
            if kernel.lanes != 4 << expected:
                return f"{library.VARIABLE}={level}: groups of {kernel.lanes}"
    return ""


def _damaged(whole: bytes) -> Iterator[tuple[str, bytes]]:
    """Files that are no such library; to open those that are cut off would end the process."""
    (start,) = struct.unpack_from("<Q", whole, 40)
    end = start + struct.unpack_from("<H", whole, 58)[0] * struct.unpack_from("<H", whole, 60)[0]
    for size in (10, 63, 64, len(whole) // 2, end - 1):
        yield f"it is cut off at {size}", whole[:size]
    yield "of 32 bits", whole[:4] + b"\x01" + whole[5:]
    yield "nothing", b""
    yield "a text", b"no library\n" * 100


_AGAIN = "install leaf_port again"


def files() -> str:
    """Whether a library that is cut off, no library or of another version is told, not opened."""
    place = library.path()
    if place is None or place.read_bytes()[:4] != b"\x7fELF":
        return ""
    whole = place.read_bytes()
    unset = mock.patch.dict(os.environ, {library.VARIABLE: ""})
    with tempfile.TemporaryDirectory() as folder, unset:
        for name, content in _damaged(whole):
            damaged = Path(folder) / "_kernel.so"
            damaged.write_bytes(content)
            cut = content[:4] == b"\x7fELF"
            if library._is_cut_off(damaged) != cut:
                return f"{name}: cut off is {not cut}"
            kernel, why = library.open_at(damaged)
            told = "_kernel.so cannot be used (" + ("it is cut off)" if cut else "")
            if kernel is not None or not why.startswith(told) or _AGAIN not in why:
                return f"{name}: {why!r}"
        big = bytearray(64)
        big[:7] = b"\x7fELF\x02\x02\x01"
        struct.pack_into(">Q", big, 40, 64)
        damaged.write_bytes(bytes(big))
        if library._is_cut_off(damaged):
            return "a library of another byte order is told to be cut off"
        struct.pack_into(">HH", big, 58, 1, 1)
        damaged.write_bytes(bytes(big))
        if not library._is_cut_off(damaged):
            return "a library of another byte order that is cut off is not told to be"
        return _versions(place)


def _versions(place: Path) -> str:
    """Whether the library that is there fits, and one of another version does not."""
    kernel, why = library.open_at(place)
    if (kernel is None) != (why not in library.LEVELS):
        return f"{why!r} is told of the library that is there"
    if why.endswith(f"is of another version: {_AGAIN}"):
        return f"the library that is there does not fit: {why}"
    with mock.patch.object(library, "_ABI", library._ABI + 1):
        kernel, why = library.open_at(place)
    if kernel is not None or why != f"{place.name} is of another version: {_AGAIN}":
        return f"{why!r} is told of another version"
    return ""


def places() -> str:
    """Whether the library is found beside its module under either name, and missed elsewhere."""
    with tempfile.TemporaryDirectory() as folder:
        module = Path(folder) / "library.py"
        with mock.patch.object(library, "__file__", str(module)):
            (module.with_name("_kernel.so")).mkdir()  # a folder is no library
            missed = library.path()
            module.with_name("_kernel.so").rmdir()
            missed = missed or library.path()
            told = library.opened.__wrapped__()
            shutil.copyfile(__file__, module.with_name("_kernel.so"))
            found = library.path()
    if missed is not None:
        return f"{missed.name} is taken for a library"
    if told != (None, "it was not built: a C compiler (GCC, Clang) was missing at installation"):
        return f"{told[1]!r} is told where there is none"
    return "" if found == module.with_name("_kernel.so") else f"{found} is found"


def failures() -> str:
    """Whether a kernel that lacks memory says so."""
    if (kernel := library.opened()[0]) is None:
        return ""
    with mock.patch.object(kernel, "_library") as out_of_memory:
        out_of_memory.kernel_prepare.return_value = -1
        try:
            kernel.prepare(256)
        except MemoryError:
            return ""
    return "no error where the kernel lacks memory"


def threads_used() -> str:
    """Whether the kernel takes as many threads as torch has, or as there are filters."""
    if library.opened()[0] is None:
        return ""
    leaf, clips = _leaf("fft"), noise(1, SAMPLES, 1)
    for count in (1, 3, 9):
        with (
            mock.patch.object(torch, "get_num_threads", return_value=count),
            mock.patch.object(by_kernel, "Pool", wraps=Pool) as pool,
        ):
            leaf.energies(clips)
        if pool.call_args_list != [mock.call(min(count, 5))]:
            return f"torch has {count} threads, 5 filters: {pool.call_args_list}"
    with mock.patch.object(by_kernel, "ThreadPoolExecutor") as begun, Pool(1):
        return "a thread of its own is begun for one" if begun.called else ""


def failing_threads() -> str:
    """Whether a thread of the kernel that fails is told, when the others have done their part."""
    begun = threading.Event()
    done: list[object] = []

    def part(first: int, _last: int) -> None:
        if first == 0:
            if not begun.wait(10.0):
                done.append("there is no second thread")
            raise MemoryError
        begun.set()
        time.sleep(0.02)
        done.append(first)

    try:
        with Pool(2) as pool:
            pool.share(part, 0, 2)
    except MemoryError:
        return "" if done == [1] else f"when the failure is told: {done or 'others go on'}"
    return "no error where a thread fails"


def no_threads() -> str:
    """Whether energies are the same where no thread begins any more, as when Python ends."""
    some = Some(51, 20, 3001)
    refused = RuntimeError("can't start new thread")
    for engine in engines():
        expected = some.leaf().energies(some.clips()).detach()
        with (
            mock.patch.object(torch, "get_num_threads", return_value=2),
            mock.patch.object(ThreadPoolExecutor, "submit", side_effect=refused),
        ):
            if not torch.equal(some.leaf().energies(some.clips()), expected):
                return f"{engine}: other numbers"
    return ""


def groups_at_once() -> str:
    """Whether the kernel keeps the spectra of so many groups at once, however long a clip is."""
    made: list[int] = []

    def run(kernel: Kernel, name: str, job: Job, *numbers: int, **places: int) -> None:
        if name == "forward":
            made.append(numbers[1] - numbers[0])
        call(kernel, name, job, *numbers, **places)

    call = Kernel.call
    for engine in engines():
        some, made[:] = Some(51, 20, 60_000), []
        with mock.patch.object(Kernel, "call", run):
            some.leaf().energies(some.clips())
        if engine != "off" and max(made) != by_kernel.GROUPS_AT_ONCE:
            return f"{engine}: {max(made)} at once"
    return ""


def full_rate() -> str:
    """Whether blocks are computed at full rate where frames are some 1e-9 of them, not 1e-7."""
    asked = ((0, 0.0, False), (3000, 1.0, False), (3000, 3e-4, False), (3000, 3e-5, True))
    for engine in engines():
        for hop, (first, quiet, wanted) in itertools.product((160, 163), asked):
            some = Some(401, hop, 6000)
            clips = some.clips()
            clips[:, first:] *= quiet
            leaf = some.leaf()
            leaf.get_parameter("pooling.kernel").data.fill_(0.4)  # which average what fades
            with _computed() as made:
                leaf.energies(clips)
            if _is_at_full_rate(made) is not wanted:
                return f"{engine}: a hop of {hop}: frames of {quiet**2:.0e}: {not wanted}"
    return ""


@contextlib.contextmanager
def _computed() -> Iterator[list[ByKernel | ByTorch]]:
    """What computes energies meanwhile."""
    made: list[ByKernel | ByTorch] = []

    def told(engine: ByKernel | ByTorch) -> ByKernel | ByTorch:
        made.append(engine)
        return engine

    with (
        mock.patch.object(operation, "ByKernel", lambda *given: told(ByKernel(*given))),
        mock.patch.object(operation, "ByTorch", lambda *given: told(ByTorch(*given))),
    ):
        yield made


def _is_at_full_rate(made: Sequence[ByKernel | ByTorch]) -> bool:
    (engine,) = made
    if isinstance(engine, ByTorch):
        return bool(engine.steep)
    return bool((engine.chosen >> 16).any())


LAWS = {
    "what is computed at full rate": full_rate,
    "energies where no thread begins": no_threads,
    "groups that the kernel keeps at once": groups_at_once,
    "windows whose energies are computed at once": windows,
    "frontends whose energies are computed at once": frontends,
    "tensors whose energies are computed at once": tensors,
    "surroundings where energies are computed at once": surroundings,
    "the engine that computes energies": engine,
    "what computes gradients of energies": gradients_by,
    "copies of what computes energies": copies,
    "levels of the kernel": levels,
    "a kernel that is damaged": files,
    "where the kernel is": places,
    "a kernel without memory": failures,
    "threads of the kernel": threads_used,
    "a thread of the kernel that fails": failing_threads,
}
