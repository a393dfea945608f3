"""``python -m parity blame``: which operation a difference comes from."""
