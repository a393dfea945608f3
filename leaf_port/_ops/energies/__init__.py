"""LEAF's energies (Gabor convolution, squared modulus, Gaussian pooling) as one operation.

Exact but for rounding: the three layers are its oracle, beside the recorded suite. ``choice`` says
where it is taken, ``operation`` is what the frontend calls, ``fused`` has the gradients. ``blocks``
cuts clips, ``filters`` narrows filters, and ``by_kernel`` (compiled) or ``by_torch`` computes.
``by_rows`` and ``reach`` are the gradient by the waveform.
"""
