"""Preparation of the clips."""

from parity.commands.mutants.mutant import Mutant

MUTANTS = [
    Mutant(
        "loudness by the unbiased deviation",
        "torch.std's default",
        "audio_preparation",
        "data.py",
        "torch.std(samples, correction=0) + 1e-9",
        "torch.std(samples) + 1e-9",
    ),
    Mutant(
        "loudness by the root mean square",
        "slip",
        "audio_preparation",
        "data.py",
        "torch.std(samples, correction=0) + 1e-9",
        "torch.sqrt(torch.mean(samples**2)) + 1e-9",
    ),
    Mutant(
        "gain without its greatest value",
        "slip",
        "audio_preparation",
        "data.py",
        "return torch.where(gain >= bound, bound, gain) * samples",
        "return gain * samples",
    ),
    Mutant(
        "decibels of power",
        "slip",
        "audio_preparation",
        "data.py",
        "10.0 ** (samples / 20.0)",
        "10.0 ** (samples / 10.0)",
    ),
    Mutant(
        "short clips padded in front",
        "slip",
        "audio_preparation",
        "data.py",
        "F.pad(samples, (0, max(length - samples.shape[0], 0)))",
        "F.pad(samples, (max(length - samples.shape[0], 0), 0))",
    ),
    Mutant(
        "long clips cut one sample late",
        "slip",
        "audio_preparation",
        "data.py",
        "return padded[start : start + length]",
        "return padded[start + 1 : start + 1 + length]",
    ),
    Mutant(
        "16 bits divided by 32768",
        "soundfile, torchaudio; trap 15",
        "audio_preparation",
        "data.py",
        "floats.new_full((), _INT16.max)",
        "floats.new_full((), -_INT16.min)",
    ),
]
