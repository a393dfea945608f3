"""File formats: bytes to arrays. Nothing in here knows LEAF."""
