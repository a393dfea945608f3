"""Bugs in the proof itself: what is asked, what is counted as rounding, what is allowed."""

from parity.commands.mutants.mutant import Mutant

_HEADER = r"\"%s\": {\"layer\": \"log_compression\", \"config\": {\"frames\": 13, \"channels\": 17"

MUTANTS = [
    Mutant(
        "a question that depends on the processor",
        "parity/layers/_common.py of an earlier version",
        "log_compression",
        "_common.py",
        "squared * squared",
        "squared**3",
        package="parity/layers",
    ),
    Mutant(
        "a bound of zero for a logarithm",
        "parity/layers/log_compression.py of an earlier version",
        "log_compression",
        "log_compression.py",
        "double=spec.Bound(5, 1.975, _LIBRARIES)",
        "double=spec.Bound(0, 0, _LIBRARIES)",
        package="parity/layers",
    ),
    Mutant(
        "an operation whose rounding nobody knows",
        "slip",
        "squared_modulus",
        "frontend.py",
        "return real**2 + imaginary**2",
        "return torch.stack([real**2, imaginary**2]).cumsum(0)[1]",
    ),
    Mutant(
        "a drawn case lost by a flipped bit in the header",
        "a damaged disk",
        "log_compression",
        "log_compression.safetensors",
        _HEADER % "case",
        _HEADER % "aase",
        package="parity/recordings",
    ),
]
