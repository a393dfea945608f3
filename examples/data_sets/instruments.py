"""Notes of a soundfont: which instrument, or which pitch.

    apt install fluidsynth timgm6mb-soundfont
    python examples/data_sets/instruments.py --out instruments
    python examples/data_sets/instruments.py --out pitches --label pitch

Each of the 112 melodic programs of General MIDI plays notes from C3 to B5, each for half a second.
The label is the family of eight programs (piano, organ, strings, ...), or the pitch class (C, C#,
...). The last two programs of each family are for the test: no program is in both. The soundfont is
under the GPL, version 2.
"""

import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import _folder
from _folder import Clip, Samples

FONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")
FAMILIES = (
    *("piano", "chromatic_percussion", "organ", "guitar", "bass", "strings", "ensemble"),
    *("brass", "reed", "pipe", "synth_lead", "synth_pad", "synth_effects", "ethnic"),
)
PITCHES = ("C", "C_sharp", "D", "D_sharp", "E", "F", "F_sharp", "G", "G_sharp", "A", "A_sharp", "B")
NOTES = range(48, 84)  # C3 to B5
STEP = 3  # a program plays every third note, the next program the notes beside them
RATE, LENGTH, GAP = 44100, 0.5, 0.25  # Hz, seconds, seconds
TICKS = 500  # a quarter note, which takes half a second


def notes(program: int) -> range:
    """Those that a program plays."""
    return NOTES[program % STEP :: STEP]


def midi(program: int) -> bytes:
    """A MIDI file of one track: the program's notes, one after the other."""
    length, gap = round(2 * TICKS * LENGTH), round(2 * TICKS * GAP)
    track = bytes([0, 0xC0, program])
    for note in notes(program):
        track += bytes([0, 0x90, note, 100]) + _ticks(length) + bytes([0x80, note, 0])
        track += _ticks(gap) + bytes([0x80, note, 0])  # so that time passes
    track += bytes([0, 0xFF, 0x2F, 0])
    head = struct.pack(">4sIHHH", b"MThd", 6, 0, 1, TICKS)
    return head + struct.pack(">4sI", b"MTrk", len(track)) + track


def _ticks(number: int) -> bytes:
    """A time as MIDI writes it: seven bits a byte."""
    return bytes([0x80 | number >> 7, number & 0x7F]) if number > 0x7F else bytes([number])


def played(program: int, font: Path) -> Samples:
    """What fluidsynth makes of it, without reverb and chorus."""
    with tempfile.TemporaryDirectory() as folder:
        score, sound = Path(folder, "score.mid"), Path(folder, "sound.wav")
        score.write_bytes(midi(program))
        options = ["-ni", "-R", "0", "-C", "0", "-g", "0.5", "-r", str(RATE), "-F", str(sound)]
        command = ["fluidsynth", *options, str(font), str(score)]
        subprocess.run(command, check=True, capture_output=True)
        return _folder.read(sound)[0]


def clips(font: Path, by_pitch: bool) -> Iterator[Clip]:
    """A clip a note; silent ones, which a soundfont may have, are left out."""
    for program in range(8 * len(FAMILIES)):
        samples = played(program, font)
        for number, note in enumerate(notes(program)):
            begin = round(number * (LENGTH + GAP) * RATE)
            cut = samples[begin : begin + round(LENGTH * RATE)]
            if abs(cut).max(initial=0.0) < 1e-3:
                continue
            label = PITCHES[note % 12] if by_pitch else FAMILIES[program // 8]
            yield Clip(label, f"{program:03}_{note}", cut, RATE, program % 8 >= 6)


def main() -> None:
    """Builds it."""
    parser = _folder.parser(str(__doc__))
    parser.add_argument("--label", choices=("instrument", "pitch"), default="instrument")
    parser.add_argument("--font", type=Path, default=FONT)
    given = parser.parse_args()
    if shutil.which("fluidsynth") is None:
        raise SystemExit("fluidsynth: not there; install the Debian package fluidsynth")
    if not given.font.is_file():
        raise SystemExit(f"{given.font}: not there; install timgm6mb-soundfont, or give --font")
    found = clips(given.font, given.label == "pitch")
    _folder.write(given.out, f"# Instruments\n\n{__doc__}", found, given.rate)


if __name__ == "__main__":
    main()
