"""A foreign port as the audit sees it, and the imports and calls of its code, contained."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import io
import logging
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from leaf_port.errors import LeafError
from parity.commands.audit.rules import FILTERS, WEIGHTS, Weights

# Of 1600 samples the official Leaf makes 10 frames; unpadded convolution and pooling make 5.
_FRAMES = (5, 12)

Slots = Mapping[str, Sequence[str]]


@contextlib.contextmanager
def contained() -> Iterator[None]:
    """Keeps what foreign code prints, logs and warns of to itself."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def does_not_fit(adapter: str, expected: str, got: object, fix: str) -> LeafError:
    """The one-line error of a target that the adapter cannot audit."""
    return LeafError("audit", adapter, expected, got, fix)


def _without_native_code() -> None:
    """Lets torchaudio be imported where its native library needs a CUDA that torch lacks.

    Its functions in Python, the mel filters among them, need no native code; it imports without
    where it finds no library.
    """
    try:
        import torchaudio  # noqa: F401
    except OSError:
        loader: Any = sys.modules.get("torchaudio._extension.utils")
        if loader is not None:
            loader._load_lib = lambda _library: False
    except ImportError:
        pass  # told by whoever needs it


def import_module(adapter: str, name: str, folder: Path | None = None) -> ModuleType:
    """Imports a module of the target, from a folder first where one is given.

    Raises:
        LeafError: it, or something that it imports, cannot be imported.
    """
    if folder is not None:
        _forget(name.partition(".")[0], folder)
        sys.path.insert(0, str(folder))
    try:
        with contained():
            _without_native_code()
            return importlib.import_module(name)
    except Exception as error:  # foreign code may raise anything
        where = f" in {folder}" if folder is not None else ""
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        fix = f"install {missing}" if missing else "see whether it imports by itself"
        got = f"{type(error).__name__}: {_first_line(error)}"
        raise does_not_fit(adapter, f"a module {name}{where}", got, fix) from error
    finally:
        if folder is not None:
            sys.path.remove(str(folder))


def _forget(package: str, folder: Path) -> None:
    """Drops a package of the same name that came from elsewhere (``model`` is no rare name)."""
    held = sys.modules.get(package)
    origin = getattr(held, "__file__", None) or next(iter(getattr(held, "__path__", ())), None)
    if held is not None and (origin is None or folder.resolve() not in Path(origin).parents):
        for name in [n for n in sys.modules if n == package or n.startswith(package + ".")]:
            del sys.modules[name]


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [""])[0]


@dataclasses.dataclass
class Foreign:
    """A foreign Leaf, built.

    Attributes:
        adapter: which adapter built it.
        source: what was audited, with its version.
        module: the Leaf itself, with 40 filters at 16 kHz.
        slots: paths of its parameters by the names of :data:`parity.commands.audit.rules.WEIGHTS`;
            two paths for ``gabor`` are centres and deviations.
        notes: what a reader of the verdict should know.
    """

    adapter: str
    source: str
    module: nn.Module
    slots: Slots
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        self.module.eval()
        missing = [name for name in WEIGHTS if name not in self.slots]
        if missing:
            fix = "name them: --weight gabor=PATH, …"
            raise does_not_fit(self.adapter, f"parameters for {', '.join(missing)}", "none", fix)
        for name in WEIGHTS:
            size = sum(parameter.numel() for parameter in self._parameters(name))
            wanted = 2 * FILTERS if name == "gabor" else FILTERS
            if size != wanted:
                expected = f"{wanted} values of {name} in {', '.join(self.slots[name])}"
                fix = f"build it with {FILTERS} filters and PCEN for each, as the official default"
                raise does_not_fit(self.adapter, expected, size, fix)
        self._shape = self._input_shape()

    def _parameters(self, name: str) -> list[Tensor]:
        held = dict(self.module.named_parameters()) | dict(self.module.named_buffers())
        for path in self.slots[name]:
            if path not in held:
                known = ", ".join(held) or "none"
                expected = f"a parameter {path} for {name}"
                raise does_not_fit(self.adapter, expected, f"parameters {known}", "name another")
        return [held[path] for path in self.slots[name]]

    def weights(self) -> Weights:
        """What its parameters hold now."""
        values = {}
        for name in WEIGHTS:
            parameters = [each.detach().clone() for each in self._parameters(name)]
            if name == "gabor" and len(parameters) == 2:
                values[name] = torch.stack([each.reshape(-1) for each in parameters], dim=1)
            else:
                values[name] = parameters[0].reshape((FILTERS, 2) if name == "gabor" else -1)
        return values

    @torch.no_grad()
    def load(self, weights: Weights) -> None:
        """Sets its parameters."""
        for name, value in weights.items():
            parameters = self._parameters(name)
            parts = value.unbind(1) if len(parameters) == 2 else [value]
            for parameter, part in zip(parameters, parts, strict=True):
                parameter.copy_(part.reshape(parameter.shape))

    def _input_shape(self) -> str:
        """Which layout of a mono waveform it takes: tried on two short clips."""
        failed = ""
        for shape in ("(batch, time)", "(batch, 1, time)", "(batch, time, 1)"):
            self._shape = shape
            try:
                batch, frames, _ = self.run(torch.zeros(2, 1600)).shape
                if batch == 2 and _FRAMES[0] <= frames <= _FRAMES[1]:
                    return shape
                failed = failed or "another output shape"
            except LeafError as error:
                failed = failed or str(error.got)
        expected = f"2 clips of 1600 samples to give 10 frames of {FILTERS} features each"
        fix = "build it with 40 filters, 16 kHz, 25 ms windows every 10 ms"
        raise does_not_fit(self.adapter, expected, failed, fix)

    @torch.no_grad()
    def run(self, wave: Tensor) -> Tensor:
        """``(batch, time)`` to ``(batch, frames, filters)``, whatever its own layouts are.

        Raises:
            LeafError: it fails, or gives something else.
        """
        layouts = {"(batch, 1, time)": wave[:, None], "(batch, time, 1)": wave[:, :, None]}
        try:
            with contained():
                made = self.module(layouts.get(self._shape, wave).clone())
        except Exception as error:  # foreign code may raise anything
            got = f"{type(error).__name__}: {_first_line(error)}"
            fix = "see whether it takes one-channel clips"
            expected = f"a forward of {self._shape}"
            raise does_not_fit(self.adapter, expected, got, fix) from error
        made = made[0] if isinstance(made, (tuple, list)) else made
        if made.ndim == 4:
            made = made.squeeze(1)
        if made.ndim != 3 or FILTERS not in made.shape[1:]:
            expected = f"features with an axis of {FILTERS} filters"
            fix = f"build it with {FILTERS} filters"
            raise does_not_fit(self.adapter, expected, tuple(made.shape), fix)
        return made.float() if made.shape[2] == FILTERS else made.transpose(1, 2).float()
