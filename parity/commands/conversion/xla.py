"""XLA as a backend of conversions: started and set as for the layers (``parity/port/xla.py``)."""

from __future__ import annotations

from parity.port import xla
from weight_conversion.verification.backends import Backend

BACKEND = Backend("XLA", "xla", missing=xla.missing, start=xla.start, settings=xla.full_float32)
