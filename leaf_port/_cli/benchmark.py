"""Times and memory of frontends, interleaved in one process, as ratios to a mel spectrogram."""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

import leaf_port
from leaf_port import _peak_memory
from leaf_port._cli import benchmark_peers
from leaf_port._ops.energies import library
from leaf_port._ops.energies.operation import FusedEnergies
from leaf_port.errors import LeafError

MEL = "mel spectrogram"
Make = Callable[[], nn.Module]


class Mel(nn.Module):
    """As torchaudio's MelSpectrogram: a transform of 512 samples, 40 triangles."""

    def __init__(self) -> None:
        super().__init__()
        self.window = torch.hann_window(400)
        self.filters = leaf_port.MelFilterbanks().mel_filters

    def forward(self, waveforms: Tensor) -> Tensor:
        """``(batch, samples)`` to ``(batch, frames, 40)``."""
        spectrum = torch.stft(waveforms, 512, 160, 400, self.window, return_complex=True)
        return spectrum.abs().square().mT @ self.filters


def _without_kernel() -> nn.Module:
    leaf = leaf_port.Leaf()
    leaf._fused_energies = FusedEnergies(takes_kernel=False)
    return leaf


FRONTENDS: dict[str, Make] = {
    MEL: Mel,
    "Leaf": leaf_port.Leaf,
    "Leaf, no kernel": _without_kernel,
    "Leaf, layer by layer": lambda: leaf_port.Leaf(energies="direct"),
    "TimeDomainFilterbanks": leaf_port.TimeDomainFilterbanks,
    "SincNetPlus": leaf_port.SincNetPlus,
    "MelFilterbanks": leaf_port.MelFilterbanks,
}


def make(name: str) -> nn.Module:
    """A frontend by its name, or a peer as ``--peer`` gives it."""
    if name in FRONTENDS:
        return FRONTENDS[name]()
    return benchmark_peers.build(benchmark_peers.parse(name))


def shown(name: str) -> str:
    """What tables call it."""
    return name if name in FRONTENDS else benchmark_peers.parse(name).name


@dataclass(frozen=True)
class Timing:
    """One frontend, one shape, one direction.

    Attributes:
        frontend: its name.
        shape: of the waveforms, ``"8x16000"``.
        training: whether the gradient is computed too.
        cpu_ms: median of the processor's time, in milliseconds.
        wall_ms: median of the clock's.
        to_mel: processor's time by that of the mel spectrogram's forward pass.
    """

    frontend: str
    shape: str
    training: bool
    cpu_ms: float
    wall_ms: float
    to_mel: float


def shape_of(text: str) -> tuple[int, int]:
    """``"8x16000"`` as batch and samples.

    Raises:
        LeafError: it is none.
    """
    batch, _, samples = text.partition("x")
    if not (batch.isdecimal() and samples.isdecimal() and int(batch) and int(samples) >= 2048):
        expected = "BATCHxSAMPLES, of 2048 samples at least"
        raise LeafError("benchmark", "--shape", expected, repr(text), "give 8x16000 or the like")
    return int(batch), int(samples)


def run(shape: str, names: Sequence[str], rounds: int) -> Iterator[Timing]:
    """Times of all frontends, in turns, so that what else the machine does meets all of them."""
    batch, samples = shape_of(shape)
    clips = 0.1 * torch.randn(batch, samples, generator=torch.Generator().manual_seed(0))
    models = {shown(name): make(name) for name in [MEL, *names]}
    ways = [(name, training) for name in models for training in (False, True)]
    ways = [way for way in ways if way != (MEL, True)]
    seen: dict[tuple[str, bool], list[tuple[float, float]]] = {way: [] for way in ways}
    for number in range(rounds + 1):
        for name, training in ways:
            took = _timed(models[name], clips, training)
            if number:  # the first warms up
                seen[name, training].append(took)
    mel = statistics.median(cpu for cpu, _ in seen[MEL, False])
    for (name, training), times in seen.items():
        cpu = statistics.median([row[0] for row in times])
        wall = statistics.median([row[1] for row in times])
        yield Timing(name, shape, training, cpu, wall, cpu / mel)


def _timed(model: nn.Module, clips: Tensor, training: bool) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    with torch.set_grad_enabled(training):
        outputs = model(clips)
        if training and outputs.requires_grad:
            outputs.sum().backward()
    return 1e3 * (time.process_time() - cpu), 1e3 * (time.perf_counter() - wall)


_MEMORY = """
import sys
from leaf_port._cli.benchmark import peak
print(peak(*sys.argv[1:]))
"""


def peak(name: str, shape: str, training: str) -> int | None:
    """Bytes that a process's first call takes beside the model and the waveforms, if told."""
    batch, samples = shape_of(shape)
    torch.set_num_threads(1)
    model, clips = make(name), torch.zeros(batch, samples)
    _timed(model, clips[:1, :2048], training == "True")  # what is loaded once
    return _peak_memory.peak(lambda: _timed(model, clips, training == "True"))[1]


def memory(name: str, shape: str, training: bool) -> int | None:
    """:func:`peak` in a fresh process; None where the system does not tell."""
    command = [sys.executable, "-c", _MEMORY, name, shape, str(training)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    told = done.stdout.strip()
    return int(told) if done.returncode == 0 and told.isdecimal() else None


def processor() -> str:
    """The processor's name and the level of the kernel."""
    name = platform.processor() or platform.machine()
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            models = [line.partition(":")[2].strip() for line in file if "model name" in line]
    except OSError:
        models = []
    return f"{models[0] if models else name}; kernel: {library.opened()[1]}"


def as_json(timings: Sequence[Timing], peaks: Mapping[str, int | None]) -> str:
    """All of it, with where it was measured."""
    made = {
        "processor": processor(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "timings": [asdict(each) for each in timings],
        "peak_bytes": dict(peaks),
    }
    return json.dumps(made, indent=1) + "\n"
