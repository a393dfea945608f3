"""Step 7: ``commands/NAME`` is ``python -m parity NAME``."""
