"""Runs complex operations on the XLA device: in another interpreter, asked over a pipe by execnet.

It judges nothing; it returns what came out. Its interpreter has torch and torch_xla, of any version
from 2.1, on Python 3.8 or newer; so this module imports nothing else of the project.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
import warnings

import torch


def _without_denormals(taps):
    tiny = taps.abs() < {torch.float32: 1e-30, torch.float64: 1e-300}[taps.dtype]
    return torch.where(tiny, taps - taps.detach(), taps)


def gabor_filters(kernel):
    """What ``GaborConv1d`` convolves with: ``leaf_port.impulse_responses.gabor_filters``, 9 taps.

    That module needs a newer torch than the oldest one here; a test compares operations and bits.
    """
    t = torch.arange(-4, 5, dtype=kernel.dtype, device=kernel.device)
    center, fwhm = kernel[:, 0], kernel[:, 1]
    complex_dtype = torch.complex64 if t.dtype == torch.float32 else torch.complex128
    phase = center.to(complex_dtype)[:, None] * t.to(complex_dtype)
    two_pi = torch.full((), 2.0 * math.pi, dtype=fwhm.dtype, device=fwhm.device)
    scale = (1.0 / (torch.sqrt(two_pi) * fwhm))[:, None]
    gaussian = torch.exp((1.0 / (2.0 * fwhm**2))[:, None] * -(t**2))
    taps = scale * torch.exp(1j * phase) * gaussian
    taps = torch.view_as_complex(_without_denormals(torch.view_as_real(taps)))
    return torch.stack([taps.real, taps.imag], dim=-1)


def mel_energies(frames):
    """What ``MelFilterbanks`` weighs by its mel filters."""
    stft = torch.fft.rfft(frames, n=16)
    return stft.real**2 + stft.imag**2


def fft_conv1d(inputs, filters):
    """``leaf_port.convolution.fft_conv1d`` of 16 samples: outputs and L1 norm."""
    spectrum = torch.fft.rfft(inputs.transpose(1, 2), n=16)
    response = torch.fft.rfft(filters.permute(1, 2, 0), n=16)
    result = torch.fft.irfft(spectrum * response.conj()).transpose(1, 2)
    rolled = torch.roll(result, filters.shape[0] // 2 - 1, dims=1)[:, :16]
    return rolled, response.abs().sum()


def amplitude(filters):
    """``leaf_port.impulse_responses.amplitude`` of the first filter."""
    return torch.fft.fftshift(torch.fft.fft(filters[:, 0])).abs()


def _complex_dtype(x):
    return torch.complex64 if x.dtype == torch.float32 else torch.complex128


OPERATIONS = {
    "transfer": lambda z: z,
    "to complex": lambda x: x.to(_complex_dtype(x)),
    "view_as_real": torch.view_as_real,
    "view_as_complex": torch.view_as_complex,
    "real": torch.real,
    "imag": torch.imag,
    "abs": torch.abs,
    "angle": torch.angle,
    "conj": lambda z: torch.conj(z).resolve_conj(),
    "exp": torch.exp,
    "polar": torch.polar,
    "complex": torch.complex,
    "mul": lambda a, b: a * b,
    "mul by real": lambda z, x: z * x,
    "mul by 1j": lambda z: 1j * z,
    "mul by conj": lambda a, b: a * b.conj(),
    "div by complex": lambda a, b: a / b,
    "div by real": lambda z, x: z / x,
    "real by complex": lambda x, z: x / z,
    "add": lambda a, b: a + b,
    "sum": lambda z: z.sum(0),
    "mean": lambda z: z.mean(0),
    "matmul": torch.matmul,
    "conv1d": lambda x, h: torch.nn.functional.conv1d(x, h),
    "pow 2": lambda z: z**2,
    "pow 1.5": lambda z: z**1.5,
    "cat": lambda a, b: torch.cat([a, b], 0),
    "select": lambda z: z[:, 0],
    "roll": lambda z: torch.roll(z, 1, 0),
    "fft": lambda z: torch.fft.fft(z),
    "rfft": lambda x: torch.fft.rfft(x),
    "irfft": lambda z: torch.fft.irfft(z),
    "stft": lambda x, w: torch.stft(x, 8, 4, window=w, center=False, return_complex=True),
    "Gabor filters": gabor_filters,
    "mel spectrum": mel_energies,
    "FFT convolution": fft_conv1d,
    "amplitude": amplitude,
}


def results(name, inputs):
    """The operation's results, as a tuple."""
    out = OPERATIONS[name](*inputs)
    return out if isinstance(out, tuple) else (out,)


def tensor(sent):
    """The float32 or complex64 tensor on the CPU that ``pack`` or the asking side wrote."""
    shape, values = sent["shape"], torch.tensor(sent["values"], dtype=torch.float32)
    if sent["complex"]:
        return torch.view_as_complex(values.reshape([*shape, 2]))
    return values.reshape(shape)


def pack(result):
    """A tensor as execnet carries it."""
    here = result.detach().cpu().resolve_conj().resolve_neg()
    plain = torch.view_as_real(here) if here.is_complex() else here
    return {
        "dtype": str(here.dtype),
        "shape": list(here.shape),
        "complex": here.is_complex(),
        "values": plain.double().flatten().tolist(),
    }


def dtypes(result):
    """What an unevaluated result says of itself, and what the runtime takes it for.

    The latter shows in the next operation of the same graph: abs has its dtype from the runtime.
    """
    following = result if result.is_complex() else torch.abs(result)
    return {"as claimed": str(result.dtype), "in the next operation": str(following.dtype)}


def seed_like(seed, out):
    """The gradient that is handed in, in the dtype the result came out with."""
    seed = seed.to(out.device)
    if out.is_complex() == seed.is_complex():
        return seed
    return seed.real.contiguous() if seed.is_complex() else torch.complex(seed, seed * 0)


class Device:
    """The XLA device and its counters, by whichever names this version has for them."""

    def __init__(self, name):
        os.environ["PJRT_DEVICE"] = name
        import torch_xla
        import torch_xla.core.xla_model as xm
        import torch_xla.debug.metrics as metrics

        self._metrics = metrics
        self.sync = getattr(torch_xla, "sync", None) or xm.mark_step
        self.device = torch_xla.device() if hasattr(torch_xla, "device") else xm.xla_device()
        self.precision = _full_precision(torch_xla)
        started = (torch.ones(2).to(self.device) + 1).cpu()
        assert started.tolist() == [2.0, 2.0], "1 + 1 gave %s" % started.tolist()
        self.versions = {
            "python": "%d.%d.%d" % sys.version_info[:3],
            "torch": str(torch.__version__),
            "torch_xla": str(torch_xla.__version__),
            "device": str(xm.xla_device_hw(self.device)),
            "matmul_precision": self.precision,
        }

    def counters(self):
        """How often each operation has fallen back to the CPU so far."""
        names = [name for name in self._metrics.counter_names() if name.startswith("aten::")]
        return {name: self._metrics.counter_value(name) or 0 for name in names}


def _full_precision(torch_xla):
    """float32 products: a TPU's default of bfloat16 would pass for wrong values."""
    setters = (
        ("_xla_set_mat_mul_precision", "highest"),
        ("_xla_set_use_full_mat_mul_precision", True),
    )
    for setter, value in setters:
        if hasattr(torch_xla._XLAC, setter):
            getattr(torch_xla._XLAC, setter)(value)
            return "highest"
    return "default"


def compute(device, name, backward, inputs, seeds):
    """Results or gradients, unevaluated, and the counters before them; None without a gradient."""
    before = device.counters()
    out = results(name, inputs)
    if not backward:
        return out, before
    device.sync()
    if not any(each.requires_grad for each in out):
        return None, before
    pairs = [(o, s) for o, s in zip(out, seeds) if o.requires_grad]
    seeds = [seed_like(seed, each) for each, seed in pairs]
    device.sync()
    before = device.counters()
    return torch.autograd.grad([each for each, _ in pairs], inputs, seeds), before


def run(device, name, backward, inputs, seeds):
    """One probe: what came out, also once it is used again, and what fell back meanwhile."""
    inputs = [each.to(device.device).requires_grad_(backward) for each in inputs]
    device.sync()
    out, before = compute(device, name, backward, inputs, seeds)
    if out is None:
        return {"no_autograd": "the result has no grad_fn"}
    claimed = [dtypes(each) for each in out]
    device.sync()
    after = device.counters()
    return {
        "results": [{**pack(o), "dtypes": d} for o, d in zip(out, claimed)],
        "fell_back": sorted(each for each in after if after[each] > before.get(each, 0)),
        **used_again(device, out),
    }


def used_again(device, out):
    """The evaluated results as the next computation takes them."""
    try:
        again = [each * 1 for each in out]
        device.sync()
        return {"used_again": [{**pack(each), "dtypes": {}} for each in again]}
    except Exception as error:
        return {"used_again": [], "unusable": described(error)}


def answer(device, question):
    """One probe, with what it raised or warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            inputs = [tensor(each) for each in question["inputs"]]
            seeds = [tensor(each) for each in question["seeds"]]
            reply = run(device, question["probe"], question["backward"], inputs, seeds)
        except Exception as error:
            reply = {"raised": described(error)}
    kept = [each for each in caught if not issubclass(each.category, DeprecationWarning)]
    return {**reply, "warnings": sorted({first_line(each.message) for each in kept})}


def first_line(message):
    """The first line that says something."""
    lines = [line.strip() for line in str(message).splitlines()]
    return next((line for line in lines if line), "")[:300]


def described(error):
    """The exception's type and first line."""
    return "%s: %s" % (type(error).__name__, first_line(error))


def start(name):
    """The device, or why there is none."""
    if "tensorflow" in sys.modules:
        return None, {"refused": "tensorflow", "said": "tensorflow is imported in this process"}
    try:
        import torch_xla  # noqa: F401
    except ImportError as error:
        absent = isinstance(error, ModuleNotFoundError) and error.name == "torch_xla"
        return None, {
            "refused": "missing" if absent else "import",
            "said": described(error),
            "torch": str(torch.__version__),
        }
    try:
        device = Device(name)
    except Exception as error:
        return None, {"refused": "device", "said": described(error)}
    return device, {"started": device.versions}


def serve(channel):
    """Answers probes until the channel is closed."""
    hello = channel.receive()
    log = os.open(hello["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 2)  # what the runtime says before it aborts
    torch.set_warn_always(True)
    with contextlib.redirect_stdout(sys.stderr):
        device, reply = start(hello["device"])
        channel.send(reply)
        if device is not None:
            for question in channel:
                channel.send(answer(device, question))


if __name__ == "__channelexec__":
    serve(channel)  # noqa: F821
