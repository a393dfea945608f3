"""Mel filterbanks."""

import json
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from leaf_port import PCEN, MelFilterbanks, pretrained
from leaf_port.errors import FilterWarning, LeafError
from parity import spec
from parity.layers._common import asked_memory
from parity.layers._frontends import waveforms, wrong_sizes, wrong_waveforms
from parity.layers._reasons import TENSORFLOW_FFT
from parity.layers._signatures import ARITHMETIC
from parity.layers.melfilters import matrix_rounding
from parity.oracles.exact import frontends
from parity.spec.random_arrays import Source

_NAMES = (
    "n_filters",
    "sample_rate",
    "n_fft",
    "window_len",
    "window_stride",
    "min_freq",
    "max_freq",
)


def _arguments(config: spec.Config) -> dict[str, float]:
    return {name: config[name] for name in _NAMES}


def _port(config: spec.Config) -> MelFilterbanks:
    arithmetic = config.get("arithmetic", "complex")
    return MelFilterbanks(**_arguments(config), arithmetic=arithmetic)  # type: ignore[arg-type]


def _inputs(config: spec.Config, source: Source) -> dict[str, spec.Array]:
    """Clips; TensorFlow's own gradient of a transform shorter than its frames fails."""
    name = "inputs" if config.get("backward", True) else "forward_only"
    return {name: waveforms(config, source)["inputs"]}


def _constants(config: spec.Config) -> Mapping[str, spec.Array]:
    bins, rate = config["n_fft"] // 2 + 1, config["sample_rate"]
    band = config["min_freq"], config["max_freq"] or rate / 2
    return {
        "mel_filters": matrix_rounding(bins, config["n_filters"], rate, *band),
        "window": _window_rounding(int(rate * config["window_len"] // 1000 + 1)),
    }


def _window_rounding(size: int) -> spec.Array:
    """``0.5 - 0.5 cos(x)`` in float32: both terms are rounded, and the phase by ``2^-24`` of
    itself.
    """
    phase = 2.0 * np.pi * np.arange(size) / (size - size % 2)
    rounding: spec.Array = 2.0**-24 * (0.5 + 0.5 * np.abs(phase * np.sin(phase)))
    return rounding


def _one_sample() -> str:
    """It is 1; of a flat spectrum a frame has the squared sample times the triangles' sums."""
    mel = MelFilterbanks(5, window_len=0.05, window_stride=1.0, compression_fn=None)
    clip = torch.zeros(1, 48)
    clip[0, ::16] = torch.tensor([1.0, -0.5, 4.0])  # powers of two: nothing is rounded
    sums = mel.mel_filters.sum(0)
    energies = mel(clip)[0]
    if mel.window.tolist() != [1.0]:
        return f"it is {mel.window.tolist()}"
    order = 257 * 2.0**-24  # 257 positive terms, added up in another one
    if not torch.allclose(energies[0], sums, rtol=order, atol=0):
        return f"a sample of 1 has {energies[0].tolist()}"
    scaled = torch.stack([energies[0], 0.25 * energies[0], 16 * energies[0]])
    return "" if torch.equal(energies, scaled) else "energies are no squares"


def _compressed() -> str:
    """A compression with weights is moved along."""
    mel = MelFilterbanks(5, compression_fn=PCEN(5, trainable=True)).double()
    others = [name for name, each in mel.named_parameters() if each.dtype != torch.float64]
    return f"{others} are left behind" if others else ""


def _warns() -> str:
    """Filters that are too narrow are warned of."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        MelFilterbanks(80, n_fft=128)
        MelFilterbanks(5)
    told = [(each.category, str(each.message).partition(":")[0]) for each in seen]
    return "" if told == [(FilterWarning, "MelFilterbanks")] else f"warnings {told}"


def _where() -> str:
    """The warning of narrow filters is about the line that builds the layer."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        _narrow()
    wanted = [(__file__, _narrow.__code__.co_firstlineno + 1)]
    at = [(each.filename, each.lineno) for each in seen]
    return "" if at == wanted else f"{at}, not {wanted}"


def _narrow() -> MelFilterbanks:
    return MelFilterbanks(80, n_fft=128)


def _views() -> str:
    """Frames that overlap are views of one padded clip, not copies, and they start hop by hop."""
    frames = MelFilterbanks(5).frames(torch.arange(900.0).reshape(1, 900))
    if frames.shape != (1, 6, 401) or frames[0, :, 0].tolist() != [160.0 * n for n in range(6)]:
        return f"{tuple(frames.shape)} from {frames[0, :, 0].tolist()}"
    return "" if frames.stride()[1:] == (160, 1) else "the frames are copied"


def _memory() -> str:
    """It asks whether its window and its matrix fit."""
    mel = MelFilterbanks(7, n_fft=441)
    asked = asked_memory(lambda: MelFilterbanks(7, n_fft=441))
    held = [("window_len", mel.window), ("n_fft", mel.mel_filters)]
    wanted = [("MelFilterbanks", name, tensor.numel()) for name, tensor in held]
    return "" if asked == wanted else f"{asked}, not {wanted}"


def _trained_afterwards() -> str:
    """What it makes for other weights in inference mode serves training too."""
    mel = MelFilterbanks(7, n_fft=441)
    mel.load_state_dict(mel.state_dict())
    clips = torch.ones(1, 900, dtype=torch.float64)
    with torch.inference_mode():
        mel(clips)
    mel(clips.requires_grad_()).sum().backward()
    return "" if mel.window.dtype == torch.float64 else f"its window is {mel.window.dtype}"


def _warned() -> str:
    """Of filters without a bin, which no weights mend, whoever loads a folder is warned."""
    poor = {"kind": "MelFilterbanks", "arguments": {"n_filters": 128, "n_fft": 256}}
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        pretrained.build(poor)
    categories = [each.category for each in found]
    return "" if categories == [FilterWarning] else f"the warnings are {categories}"


_MOST_CONSTANTS = 2**22


def _largest_constants() -> str:
    """A folder without weights makes no more numbers than these, though its file is small."""
    bins = 3
    with tempfile.TemporaryDirectory(prefix="parity-folder-") as name:
        for samples, told in (
            (_MOST_CONSTANTS - bins, ""),
            (_MOST_CONSTANTS - bins + 1, "at most"),
        ):
            window_len = (samples - 1) / 16  # ms of 16 kHz, rounded up to a sample more
            arguments = {"n_filters": 1, "n_fft": 2 * (bins - 1), "window_len": window_len}
            tree = {
                "format_version": 1,
                "kind": "MelFilterbanks",
                "arguments": arguments,
            }
            (Path(name) / pretrained.CONFIG).write_text(json.dumps(tree), encoding="utf-8")
            save_file({}, Path(name) / pretrained.WEIGHTS)
            try:
                mel = MelFilterbanks.from_pretrained(name)
            except LeafError as error:
                right = error.argument == "arguments" and f"{told} {_MOST_CONSTANTS}" in str(error)
                if not (told and right):
                    return str(error)
            else:
                if told or mel.window.shape != (samples,):
                    return f"{samples} samples are taken as {tuple(mel.window.shape)}"
    return ""


_REASON = (
    "TensorFlow's float32 Fourier transform (parity/checks/transforms.py) and mel matrix; the "
    "official differs from itself by 1.4e-6 to 1.8e-6 between TensorFlow 2.13 and 2.21"
)

SPEC = spec.LayerSpec(
    name="mel_filterbanks",
    mirrors="frontend.py, lines 315-364",
    port=_port,
    official=lambda config: spec.Ref("leaf_audio.frontend.MelFilterbanks")(**_arguments(config)),
    configs=[
        *spec.grid(
            samples=[16000, 1, 1600, 1760, 2222, 333],
            batch=[1, 2, 2, 2, 2, 2],
            n_filters=[40, 23, 80, 8],
            sample_rate=[16000, 8000, 22050],
            n_fft=[512, 256, 1024],
            window_len=[25.0, 24.9, 40.0],
            window_stride=[10.0, 8.0],
            min_freq=[60.0, 0.0, 20.0],
            max_freq=[7800.0, 4000.0, 0.0],
        ),
        {  # a window of 641 samples, cut to the transform
            "samples": 1234,
            "batch": 2,
            "n_filters": 20,
            "sample_rate": 16000,
            "n_fft": 512,
            "window_len": 40.0,
            "window_stride": 10.0,
            "min_freq": 60.0,
            "max_freq": 7800.0,
            "backward": False,
        },
        {  # an odd transform, of a waveform with its channel
            "samples": 333,
            "batch": 3,
            "n_filters": 7,
            "sample_rate": 16000,
            "n_fft": 441,
            "window_len": 25.0,
            "window_stride": 10.0,
            "min_freq": 60.0,
            "max_freq": 7800.0,
            "axis": 1,
        },
    ],
    inputs=_inputs,
    arithmetics=("complex", "real"),
    exceptions=spec.Exceptions(
        official_transform=True,
        constants=_constants,
        adverse=spec.Budget(
            port=spec.Bound(8, 3.965),
            reference=spec.Bound(30, 17.047, TENSORFLOW_FFT),
            port_gradient=spec.Bound(9.9, 8.709),
            reference_gradient=spec.Bound(12, 5.573),
            relative=1e-5,
            measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
            reason=_REASON,
        ),
    ),
    exact=lambda given: spec.exactly(
        frontends.mel_filterbanks(*given.inputs.values(), **_arguments(given.config))  # type: ignore[arg-type]
    ),
    budget=spec.Budget(
        port=spec.Bound(6.6, 4.091),
        reference=spec.Bound(31, 15.608, TENSORFLOW_FFT),
        port_gradient=spec.Bound(9.7, 7.431),
        reference_gradient=spec.Bound(10, 4.646),
        double=spec.Bound(14, 7.321),
        relative=1e-5,
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
        reason=_REASON,
    ),
    laws=(
        spec.Law("a window of one sample", _one_sample),
        spec.Law("a compression with weights", _compressed),
        spec.Law("the memory of window and matrix", _memory),
        spec.Law("training after inference", _trained_afterwards),
        spec.Law("a warning of narrow filters", _warns),
        spec.Law("frames without copies", _views),
        spec.Law("where it warns of narrow filters", _where),
        spec.Law("a warning of filters without a bin", _warned),
        spec.Law("how large its constants may be", _largest_constants),
    ),
    sampling=spec.Sampling(
        batched=("inputs", "forward_only"),
    ),
    autocast=True,
    folder=lambda config: {"kind": "MelFilterbanks", "arguments": _arguments(config)},
    signatures=(
        spec.Signature(
            MelFilterbanks, "leaf_audio.frontend.MelFilterbanks", own={"arithmetic": ARITHMETIC}
        ),
    ),
    errors=(
        spec.ErrorCase("arithmetic", lambda: MelFilterbanks(arithmetic="half")),  # type: ignore[arg-type]
        spec.ErrorCase("compression_fn", lambda: MelFilterbanks(compression_fn="logarithm")),
        spec.ErrorCase("compression_fn", lambda: MelFilterbanks(compression_fn=0.5)),  # type: ignore[arg-type]
        *wrong_sizes(MelFilterbanks),
        *wrong_waveforms(lambda: MelFilterbanks(n_filters=3)),
        spec.ErrorCase("max_freq", lambda: MelFilterbanks(sample_rate=8000)),
        spec.ErrorCase("min_freq", lambda: MelFilterbanks(min_freq=7800.0)),
    ),
)
