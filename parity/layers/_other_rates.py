"""Frontends at other sample rates than 16 kHz: how they are laid out, and who is warned of what."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from safetensors.torch import save_file

from leaf_port import GaborInit, Leaf, MelFilterbanks, ScaleInit, TimeDomainFilterbanks, _rates
from leaf_port.errors import LeafError, SampleRateWarning
from leaf_port.initializers import Initializer

# Rate, where the highest filter ends, size of the transform.
_LAID_OUT = (
    (8000, 3900.0, 512),
    (16000, 7800.0, 512),
    (16001, 7800.0, 1024),
    (44100, 7800.0, 2048),
)
_FILTERS = 5


def laid_out() -> str:
    """Filters for a rate span the official band, or the same share of a lower Nyquist."""
    for rate, highest, size in _LAID_OUT:
        init = GaborInit(rate, 60.0, highest, size)
        pairs = (
            (
                Leaf.for_sample_rate(rate, n_filters=_FILTERS),
                Leaf(sample_rate=rate, complex_conv_init=init, n_filters=_FILTERS),
            ),
            (
                TimeDomainFilterbanks.for_sample_rate(rate, n_filters=_FILTERS),
                TimeDomainFilterbanks(rate, 60.0, highest, n_filters=_FILTERS, n_fft=size),
            ),
            (
                MelFilterbanks.for_sample_rate(rate, n_filters=_FILTERS),
                MelFilterbanks(
                    n_filters=_FILTERS,
                    sample_rate=rate,
                    n_fft=size,
                    min_freq=60.0,
                    max_freq=highest,
                ),
            ),
        )
        for made, wanted in pairs:
            if problem := _unlike(made, wanted):
                return f"for_sample_rate({rate}): {problem}"
    return ""


def of_a_band() -> str:
    """Filters for a rate span the band that is asked for, on the scale that is asked for."""
    band: dict[str, Any] = {"min_freq": 100.0, "max_freq": 3000.0}
    scaled = ScaleInit("bark", 8000, **band)
    pairs = (
        (
            Leaf.for_sample_rate(8000, **band, n_filters=_FILTERS),
            Leaf(
                sample_rate=8000,
                complex_conv_init=GaborInit(8000, **band, n_fft=512),
                n_filters=_FILTERS,
            ),
        ),
        (
            Leaf.for_sample_rate(8000, **band, scale="bark", n_filters=_FILTERS),
            Leaf(sample_rate=8000, complex_conv_init=scaled, n_filters=_FILTERS),
        ),
        (
            TimeDomainFilterbanks.for_sample_rate(8000, **band, n_filters=_FILTERS),
            TimeDomainFilterbanks(8000, **band, n_filters=_FILTERS, n_fft=512),
        ),
        (
            TimeDomainFilterbanks.for_sample_rate(8000, **band, scale="bark", n_filters=_FILTERS),
            _with_filters(TimeDomainFilterbanks(8000, **band, n_filters=_FILTERS), scaled),
        ),
        (
            MelFilterbanks.for_sample_rate(8000, **band, n_filters=_FILTERS),
            MelFilterbanks(n_filters=_FILTERS, sample_rate=8000, **band),
        ),
    )
    problems = (_unlike(made, wanted) for made, wanted in pairs)
    return next((problem for problem in problems if problem), "")


def _with_filters(leaf: Leaf, initial: Initializer) -> Leaf:
    """A frontend with other taps."""
    taps = leaf.get_parameter("complex_conv.kernel")
    with torch.no_grad():
        taps.copy_(initial(tuple(taps.shape), taps.dtype))
    return leaf


def _unlike(made: Any, wanted: Any) -> str:
    """What a frontend has otherwise than another one: a number, or a tensor."""
    for name in ("sample_rate", "_milliseconds"):
        got, asked = getattr(made, name, None), getattr(wanted, name, None)
        if got != asked:
            return f"{type(made).__name__} has {name} = {got}, not {asked}"
    tensors = zip([*_tensors(made)], [*_tensors(wanted)], strict=True)
    if not all(torch.equal(*pair) for pair in tensors):
        return f"{type(made).__name__} has other filters"
    if repr(made) != repr(wanted):
        return f"{made} is made, not {wanted}"
    return ""


def _tensors(layer: torch.nn.Module) -> list[torch.Tensor]:
    return [*layer.parameters(), *layer.buffers()]


def warned() -> str:
    """The first frontend of a process with the filters of 16 kHz at another rate tells its band."""
    with mock.patch.object(_rates, "_warned", set()), tempfile.TemporaryDirectory() as folder:
        for what, act in _silent(Path(folder)).items():
            if heard := _told(act):
                return f"{what}: {heard[0].message}"
        first, second = (_told(partial(_leaf, rate)) for rate in (8000, 44100))
    if len(first) != 1 or second:
        return f"{len(first)} warnings of the first frontend, {len(second)} of the second"
    (told,) = first
    at = (__file__, _leaf.__code__.co_firstlineno + 1)
    if told.category is not SampleRateWarning or (told.filename, told.lineno) != at:
        return f"a {told.category.__name__} at {told.filename}:{told.lineno}"
    parts = (
        "Leaf(sample_rate=8000)",
        "at 8000 Hz they span 30 to 3900 Hz",
        "for_sample_rate(8000)",
    )
    return "" if all(part in str(told.message) for part in parts) else str(told.message)


def refused() -> str:
    """A rate that is no number above 0 is refused by the name of the class."""
    for kind in (Leaf, TimeDomainFilterbanks, MelFilterbanks):
        for rate in (0, -1, float("nan"), float("inf"), "16000", None):
            try:
                kind.for_sample_rate(rate)  # type: ignore[arg-type]
            except LeafError as error:
                if (error.owner, error.argument) != (kind.__name__, "sample_rate"):
                    return f"{kind.__name__}.for_sample_rate({rate!r}): {error}"
            else:
                return f"{kind.__name__}.for_sample_rate({rate!r}) is accepted"
    return ""


def _leaf(rate: int) -> Leaf:
    return Leaf(n_filters=4, sample_rate=rate)


def _silent(folder: Path) -> dict[str, Callable[[], object]]:
    """What warns nobody, and leaves the warning to the next one."""
    arguments = {"n_filters": 4, "sample_rate": 8000}
    tree = {"format_version": 1, "kind": "Leaf", "arguments": arguments}
    (folder / "config.json").write_text(json.dumps(tree), encoding="utf-8")
    save_file(_leaf(16000).state_dict(), folder / "model.safetensors")

    def on_meta() -> None:
        with torch.device("meta"):
            _leaf(8000)

    return {
        "the official rate": lambda: _leaf(16000),
        "a layer without memory": on_meta,
        "a layer that is loaded": lambda: Leaf.from_pretrained(folder),
    }


def _told(act: Callable[[], object]) -> list[warnings.WarningMessage]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        act()
    return caught
