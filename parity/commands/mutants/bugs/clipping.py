"""Clipping: gradients at ties, NaN."""

from parity.commands.mutants.mutant import Mutant

_MAXIMUM = "torch.where(x >= bound, x, _or_nan(x, bound))"
_MINIMUM = "torch.where(x <= bound, x, _or_nan(x, bound))"

MUTANTS = [
    Mutant(
        "gradient halved at a lower bound",
        "torch.maximum in leaf-pytorch, SpeechBrain, denfed; trap 5",
        "gabor_constraint",
        "_ops/clip.py",
        _MAXIMUM,
        "torch.maximum(x, torch.full_like(x, bound))",
    ),
    Mutant(
        "gradient halved at an upper bound",
        "torch.minimum; trap 5",
        "gabor_constraint",
        "_ops/clip.py",
        _MINIMUM,
        "torch.minimum(x, torch.full_like(x, bound))",
    ),
    Mutant(
        "no gradient at a lower bound",
        "torch.clamp from 2.14; trap 5",
        "gabor_constraint",
        "_ops/clip.py",
        _MAXIMUM,
        "torch.where(x > bound, x, _or_nan(x, bound))",
    ),
    Mutant(
        "no gradient at an upper bound",
        "torch.clamp from 2.14; trap 5",
        "gabor_constraint",
        "_ops/clip.py",
        _MINIMUM,
        "torch.where(x < bound, x, _or_nan(x, bound))",
    ),
    Mutant(
        "gradient beyond the bounds",
        "a straight-through clip",
        "gabor_constraint",
        "_ops/clip.py",
        "    return maximum(minimum(x, high), low)",
        "    return x + (maximum(minimum(x, high), low) - x).detach()",
    ),
    Mutant(
        "NaN swallowed by a clip",
        "torch.where without the NaN",
        "gabor_constraint",
        "_ops/clip.py",
        "torch.where(torch.isnan(x), x.detach(), bound)",
        "torch.full_like(x, bound)",
    ),
    Mutant(
        "gradient of the smoothing halved at its bound",
        "torch.maximum; trap 5",
        "exponential_moving_average",
        "_ops/clip.py",
        _MAXIMUM,
        "torch.maximum(x, torch.full_like(x, bound))",
    ),
    Mutant(
        "gradient of alpha halved at 1",
        "torch.min in leaf-pytorch, SpeechBrain, denfed; trap 5",
        "pcen",
        "postprocessing.py",
        "alpha = minimum(self.alpha, 1.0)",
        "alpha = torch.minimum(self.alpha, torch.ones_like(self.alpha))",
    ),
    Mutant(
        "gradient of the root halved at 1",
        "torch.max in leaf-pytorch, SpeechBrain, denfed; trap 5",
        "pcen",
        "postprocessing.py",
        "maximum(self.root, 1.0)",
        "torch.maximum(self.root, torch.ones_like(self.root))",
    ),
    Mutant(
        "gradient of the energies halved at their floor",
        "torch.maximum in leaf-pytorch, SpeechBrain, denfed; trap 5",
        "energy_floor",
        "frontend.py",
        "return maximum(energies, SMALLEST_ENERGY)",
        "return torch.maximum(energies, torch.full_like(energies, SMALLEST_ENERGY))",
    ),
    Mutant(
        "NaN energies taken for silence",
        "torch.fmax",
        "energy_floor",
        "frontend.py",
        "return maximum(energies, SMALLEST_ENERGY)",
        "return torch.fmax(energies, torch.full_like(energies, SMALLEST_ENERGY))",
    ),
    Mutant(
        "constraints applied to what the optimiser does not hold",
        "slip; trap 6",
        "constrain_after_step",
        "constraints.py",
        "if id(weight) in held:",
        "if id(weight) not in held:",
    ),
    Mutant(
        "constraints applied to frozen weights alone",
        "slip; trap 6",
        "constrain_after_step",
        "constraints.py",
        "if weight.requires_grad:",
        "if not weight.requires_grad:",
    ),
]
