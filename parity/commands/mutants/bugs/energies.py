"""Energies at once: how clips are cut, filters narrowed, gradients put together.

Bugs in the kernel itself are planted by tests/leaf_port/test_energies_kernel.py, which compiles it.
"""

from parity.commands.mutants.mutant import WITHOUT_KERNEL, Mutant

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
        "first = shape.pieces - 1 - piece",
        "first = piece",
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
    Mutant(
        "gradient by the waveform of one square",
        "slip",
        "leaf",
        "_ops/energies/by_rows.py",
        "2.0 * change[..., start:end]",
        "change[..., start:end]",
    ),
    Mutant(
        "gradient by the waveform a sample late",
        "slip",
        "leaf",
        "_ops/energies/by_rows.py",
        "begins = start * hop - left",
        "begins = start * hop - left + 1",
    ),
    Mutant(
        "gradient of a filter by the spectrum itself",
        "conjugate forgotten",
        "leaf",
        WITHOUT_KERNEL,
        "conjugate = some.spectrum.conj().resolve_conj()",
        "conjugate = some.spectrum",
    ),
    Mutant(
        "energies by torch heard a sample beyond the clip",
        "slip",
        "leaf",
        WITHOUT_KERNEL,
        '(time >= _column(lane["last"]))',
        '(time > _column(lane["last"]))',
    ),
    Mutant(
        "pieces of the windows in reverse at full rate",
        "slip",
        "leaf",
        WITHOUT_KERNEL,
        "= pieces.flip(2)",
        "= pieces",
    ),
    Mutant(
        "energies of the real part alone",
        "slip",
        "leaf",
        WITHOUT_KERNEL,
        "(real * real).addcmul_(imaginary, imaginary)",
        "(real * real)",
    ),
]
