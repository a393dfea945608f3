"""Step 5: units of rounding, and the checks of a case."""
