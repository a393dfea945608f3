"""Which complex operations an XLA device computes rightly, forward and backward.

The worker (``worker.py``) runs each operation in an interpreter with torch_xla. The rest runs here:
what is asked (``probes.py``), how far float32 may be off (``bounds.py``), what the answer amounts
to (``judge.py``), and what follows for the port (``verdict.py``).
"""
