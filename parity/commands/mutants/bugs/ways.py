"""Bugs in which way is taken, where both ways give the same numbers."""

from parity.commands.mutants.mutant import Mutant

MUTANTS = [
    Mutant(
        "complex numbers on every device",
        "slip",
        "gabor_conv1d",
        "_ops/arithmetic.py",
        'return not lacks(device, "complex") and not torch.compiler.is_compiling()',
        'return lacks(device, "complex") in (True, False)',
    ),
    Mutant(
        "real arithmetic whatever is asked for",
        "slip",
        "gabor_conv1d",
        "_ops/arithmetic.py",
        'return arithmetic == "complex"\n',
        "return False\n",
    ),
]
