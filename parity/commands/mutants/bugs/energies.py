"""Energies at once: how clips are cut, filters narrowed, gradients put together.

Bugs in the kernel itself are planted by tests/leaf_port/test_energies.py, which compiles it.
"""

from parity.commands.mutants.mutant import Mutant

_BLOCKS, _FILTERS = "_ops/energies/blocks.py", "_ops/energies/filters.py"
_FUSED, _OPERATION = "_ops/energies/fused.py", "_ops/energies/operation.py"

MUTANTS = [
    Mutant(
        "blocks padded on the wrong side",
        "SAME read as symmetric",
        "leaf",
        _BLOCKS,
        "same_padding(each, taps, hop)[0]",
        "same_padding(each, taps, hop)[1] - 1",
    ),
    Mutant(
        "energies heard a sample beyond the clip",
        "slip",
        "leaf",
        _BLOCKS,
        'used["last"] = np.clip(length - before, 0, step)',
        'used["last"] = np.clip(length - before + 1, 0, step)',
    ),
    Mutant(
        "bands cut at a hundredth",
        "EfficientLEAF's idea, read as exact",
        "leaf",
        _FILTERS,
        "NEGLIGIBLE = 1e-8",
        "NEGLIGIBLE = 1e-2",
    ),
    Mutant(
        "pieces of the windows in reverse at the lower rate",
        "slip",
        "leaf",
        _FILTERS,
        "n=points, dim=1).flip(2)\n    made",
        "n=points, dim=1)\n    made",
    ),
    Mutant(
        "widths of the pooling not clipped at once",
        "leaf-pytorch",
        "leaf",
        _OPERATION,
        "clip_by_value(pool.kernel[0, 0, :, 0], 2.0 / shape.taps, 0.5)",
        "pool.kernel[0, 0, :, 0]",
    ),
    Mutant(
        "derivative of the windows with a ratio not squared",
        "slip",
        "leaf",
        _FUSED,
        "window * ratio**2 / width.unsqueeze(1)",
        "window * ratio / width.unsqueeze(1)",
    ),
    Mutant(
        "half of the filters' gradient",
        "slip",
        "leaf",
        _FUSED,
        "by_spectrum * (2.0 / shape.size)",
        "by_spectrum * (1.0 / shape.size)",
    ),
]
