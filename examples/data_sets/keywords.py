"""Keywords that espeak-ng speaks, in planted noise.

    apt install espeak-ng
    python examples/data_sets/keywords.py --out keywords

The label is the word. Voices, speeds and pitches differ; two voices are for the test alone. Below
and above `--band` there is noise of `--noise` dB beside the word, within it there is none: what
tells the words apart lies in the band.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import _folder
import numpy as np
from _folder import Clip, Samples

WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
VOICES = ("m1", "m2", "m3", "m4", "f1", "f2", "f3", "f4")
TEST = ("m4", "f4")
ACCENTS = ("en-us", "en-gb", "en-gb-scotland")
SPEEDS, PITCHES = (140, 175), (40, 60)  # words a minute; espeak's 0 to 99


def spoken(word: str, voice: str, speed: int, pitch: int) -> tuple[Samples, int]:
    """By espeak-ng, without the silence around it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "word.wav")
        options = ["-v", voice, "-s", str(speed), "-p", str(pitch), "-w", str(file)]
        subprocess.run(["espeak-ng", *options, word], check=True, capture_output=True)
        samples, rate = _folder.read(file)
    heard = np.flatnonzero(abs(samples) > 1e-3)
    return samples[heard[0] : heard[-1] + 1], rate


def outside(samples: Samples, rate: int, band: tuple[float, float], decibel: float) -> Samples:
    """White noise outside of a band, so many dB beside the samples; its draw is the samples'."""
    generator = np.random.default_rng(round(1e6 * float(np.square(samples).sum())))
    spectrum = np.fft.rfft(generator.normal(size=len(samples)))
    hertz = np.fft.rfftfreq(len(samples), 1.0 / rate)
    spectrum[(hertz >= band[0]) & (hertz <= band[1])] = 0.0
    noise = np.fft.irfft(spectrum, len(samples))
    power = np.square(samples).mean() * 10.0 ** (decibel / 10.0)
    return np.asarray(noise * np.sqrt(power / np.square(noise).mean()))


def clips(rate: int, band: tuple[float, float], decibel: float) -> Iterator[Clip]:
    """Every word by every voice, speed and pitch."""
    for word, accent, voice, speed, pitch in product(WORDS, ACCENTS, VOICES, SPEEDS, PITCHES):
        samples, own = spoken(word, f"{accent}+{voice}", speed, pitch)
        samples = _folder.resampled(samples, own, rate)
        samples = samples + outside(samples, rate, band, decibel)
        name = f"{accent}_{voice}_{speed}_{pitch}"
        yield Clip(word, name, 0.9 * samples / abs(samples).max(), rate, voice in TEST)


def main() -> None:
    """Builds it."""
    parser = _folder.parser(str(__doc__))
    parser.add_argument("--band", type=float, nargs=2, default=(300.0, 1500.0), metavar="HZ")
    parser.add_argument("--noise", type=float, default=0.0, metavar="DB")
    given = parser.parse_args()
    if shutil.which("espeak-ng") is None:
        raise SystemExit("espeak-ng: not there; install the Debian package espeak-ng")
    low, high = given.band
    if not 0.0 <= low < high < given.rate / 2:
        raise SystemExit(f"--band {low:g} {high:g}: give 0 <= low < high < {given.rate / 2:g} Hz")
    about = f"# Keywords\n\n{__doc__}\nBand: {low:g} to {high:g} Hz; noise: {given.noise:g} dB.\n"
    _folder.write(given.out, about, clips(given.rate, (low, high), given.noise), given.rate)


if __name__ == "__main__":
    main()
