"""Features of chunks against those of the whole waveform."""

from __future__ import annotations

import functools
import random
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]
import torch
from _features_command import refused, succeeds
from torch import Tensor, nn

import leaf_port as lp
from leaf_port._cli import long_clips
from leaf_port._ops.energies import library
from leaf_port.streaming import Stream

Frontend = lp.Leaf | lp.MelFilterbanks
FRONTENDS: dict[str, Callable[[], Frontend]] = {
    "Leaf": lp.Leaf,
    "Leaf, layer by layer": functools.partial(lp.Leaf, energies="direct"),
    "Leaf, VALID": functools.partial(lp.Leaf, pooling_padding="VALID"),
    "Leaf, symmetric": functools.partial(lp.Leaf, pooling_padding="SYMMETRIC"),
    "Leaf, pre-emphasis": functools.partial(lp.Leaf, preemp=True),
    "Leaf, even window": functools.partial(lp.Leaf, sample_rate=8000, window_len=29.9),
    "Leaf, hop beside the window": functools.partial(lp.Leaf, window_len=2.0, window_stride=3.0),
    "TimeDomainFilterbanks": lp.TimeDomainFilterbanks,
    "SincNet": lp.SincNet,
    "SincNet+": lp.SincNetPlus,
    "MelFilterbanks": lp.MelFilterbanks,
}


def noise(batch: int, samples: int, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(batch, samples, generator=torch.Generator().manual_seed(seed))


def chunks(x: Tensor, seed: int) -> list[Tensor]:
    """Of random sizes: none, a few samples, many."""
    draw, at, made = random.Random(seed), 0, []
    while at < x.shape[1]:
        size = draw.choice([0, 1, 50, 160, 1000, 5000, 20000])
        made.append(x[:, at : at + size])
        at += size
    return made


def streamed(stream: Stream, pieces: list[Tensor]) -> Tensor:
    made = [stream(piece) for piece in pieces]
    return torch.cat([*made, stream.finish()], dim=1)


def whole(frontend: Frontend, x: Tensor, stream: Stream) -> Tensor:
    """What the stream must equal."""
    with torch.no_grad():
        return frontend(x[:, : x.shape[1] - stream.dropped])


def assert_near(found: Tensor, wanted: Tensor) -> None:
    """To 1e-5 of the greatest: a shift by one sample is 1e-2 off."""
    assert found.shape == wanted.shape
    assert float((found - wanted).abs().max()) <= 1e-5 * float(wanted.abs().max())


@pytest.mark.parametrize("samples", [401, 1600, 9999, 50001])
@pytest.mark.parametrize("name", FRONTENDS)
def test_chunks_give_the_frames_of_the_whole_clip(name: str, samples: int) -> None:
    frontend = FRONTENDS[name]().eval()
    x = noise(2, samples)
    for seed, known in enumerate((None, samples)):
        stream = frontend.stream(known)
        found = streamed(stream, chunks(x, seed))
        assert_near(found, whole(frontend, x, stream))
        assert stream.frames == found.shape[1]
        assert known is None or stream.dropped == 0


@pytest.mark.skipif(library.opened()[0] is None, reason=f"no kernel: {library.opened()[1]}")
@pytest.mark.parametrize("padding", ["SAME", "SYMMETRIC", "VALID"])
@pytest.mark.parametrize("hop", [10.0, 7.0])
def test_energies_at_once_are_the_same_bits(padding: str, hop: float) -> None:
    frontend = lp.Leaf(compression_fn=None, pooling_padding=padding, window_stride=hop)
    for samples in (3000, 16077, 60000):
        x = noise(2, samples)
        stream = frontend.stream(samples)
        found = streamed(stream, chunks(x, samples))
        assert torch.equal(found, whole(frontend, x, stream))


def test_frames_come_as_soon_as_they_are_known() -> None:
    frontend = lp.Leaf(energies="direct")
    stream, x = frontend.stream(), noise(1, 16000)
    # A frame hears half a pooling window and half a filter behind its middle: 20 + 400 samples.
    for at in range(0, 16000, 160):
        stream(x[:, at : at + 160])
        assert stream.frames >= (at + 160 - 480) // 160


def test_what_is_dropped_is_told() -> None:
    stream = lp.Leaf(n_filters=4).stream()
    streamed(stream, [noise(1, 1699)])
    assert (stream.dropped, stream.frames, stream.taken) == (99, 10, 1699)


def test_a_waveform_below_one_hop_makes_no_frame() -> None:
    stream = lp.Leaf(n_filters=4).stream()
    assert streamed(stream, [noise(3, 100)]).shape == (3, 0, 4)


def test_float64_and_dimensions() -> None:
    frontend = lp.Leaf(n_filters=4).double()
    x = noise(1, 4000).double()
    stream = frontend.stream(4000)
    found = streamed(stream, [x[:, :1999, None], x[:, 1999:, None]])
    torch.testing.assert_close(found, whole(frontend, x, stream), rtol=1e-12, atol=0.0)


class Shifted(nn.Module):
    """A compression that hears the next frame."""

    def forward(self, x: Tensor) -> Tensor:
        return x.roll(-1, 1)


@pytest.mark.parametrize(
    ("argument", "leaf"),
    [
        ("mean_var_norm", functools.partial(lp.Leaf, mean_var_norm=True)),
        ("spec_augment", functools.partial(lp.Leaf, spec_augment=True)),
        ("compression_fn", lambda: lp.Leaf(compression_fn=Shifted())),
        ("activation", lambda: lp.TimeDomainFilterbanks().requires_grad_(False)),
        ("pooling_cls", lambda: lp.Leaf(pooling_cls=lp.ChannelWiseLearnablePooling1d)),
        ("conv1d_cls", lambda: lp.Leaf(conv1d_cls=lp.NormalizedConv1d)),
    ],
)
def test_what_needs_the_whole_clip_is_refused(argument: str, leaf: Callable[[], lp.Leaf]) -> None:
    frontend = leaf()
    if argument == "activation":
        frontend.activation = nn.Sequential(frontend.activation)
    with pytest.raises(lp.LeafError) as error:
        frontend.stream()
    assert error.value.argument == argument


def test_misuse_is_refused() -> None:
    leaf = lp.Leaf(n_filters=4)
    with pytest.raises(lp.LeafError, match="at least one chunk"):
        leaf.stream().finish()
    stream = leaf.stream(1000)
    stream(noise(2, 500))
    with pytest.raises(lp.LeafError, match="rows: 2"):
        stream(noise(1, 100))
    with pytest.raises(lp.LeafError, match="dtype"):
        stream(noise(2, 100).double())
    with pytest.raises(lp.LeafError, match="at most 1000 samples"):
        stream(noise(2, 501))
    with pytest.raises(lp.LeafError, match="1000 samples"):
        stream.finish()
    stream(noise(2, 500))
    stream.finish()
    with pytest.raises(lp.LeafError, match="has finished"):
        stream(noise(2, 1))
    with pytest.raises(lp.LeafError, match="has finished"):
        stream.finish()
    with pytest.raises(lp.LeafError, match="samples"):
        leaf.stream(0)


HOUR = textwrap.dedent("""
    import torch
    from leaf_port import Leaf, _peak_memory

    torch.set_num_threads(1)
    stream = Leaf(n_filters=4).stream()
    x = 0.1 * torch.randn(1, 16000 * 10, generator=torch.Generator().manual_seed(0))
    def seconds(count):
        return sum(stream(x).shape[1] for _ in range(0, count, 10))

    frames = seconds(60)
    later, grown = _peak_memory.peak(lambda: seconds(3540) + stream.finish().shape[1])
    print(frames + later, grown)
""")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells the peak")
def test_an_hour_takes_the_memory_of_a_minute() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HOUR], capture_output=True, text=True, check=True, timeout=600
    )
    frames, grown = map(int, done.stdout.split())
    assert frames == 360_000
    # A stretch of 2^17 samples and its blocks, in a few copies: without a kernel 8 MB each. What an
    # hour would hold is 230 MB of samples.
    assert 0 < grown < 50_000_000


# By the command


@pytest.fixture
def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clip that counts as long."""
    monkeypatch.setattr(long_clips, "LONG", 100_000)
    samples = (np.random.default_rng(0).normal(size=200_077) * 3000).astype(np.int16)
    soundfile.write(tmp_path / "long.wav", samples, 16000)
    return tmp_path / "long.wav"


@pytest.mark.parametrize("name", ["leaf", "mel", "tfbanks", "sincnet"])
def test_a_long_clip_has_the_same_features(
    name: str, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    succeeds(recording, "--frontend", name, "--out", tmp_path / "long.npy")
    told = succeeds(recording, "--frontend", name)
    monkeypatch.setattr(long_clips, "LONG", 1 << 30)
    succeeds(recording, "--frontend", name, "--out", tmp_path / "whole.npy")
    found, wanted = np.load(tmp_path / "long.npy"), np.load(tmp_path / "whole.npy")
    assert found.dtype == wanted.dtype
    assert_near(torch.from_numpy(found), torch.from_numpy(wanted))
    cells, expected = (
        text.splitlines()[1].split("\t") for text in (told, succeeds(recording, "--frontend", name))
    )
    assert cells[:5] == expected[:5]
    assert [float(cell) for cell in cells[5:]] == pytest.approx(
        [float(cell) for cell in expected[5:]], rel=1e-4, abs=1e-5
    )


def test_a_long_clip_that_is_bad_leaves_nothing(recording: Path, tmp_path: Path) -> None:
    samples = np.full(150_000, 0.1, np.float32)
    samples[-10] = np.nan
    soundfile.write(recording, samples, 16000, subtype="FLOAT")
    line = refused(tmp_path, recording, "--out", tmp_path / "long.npy")
    assert "NaN" in line
