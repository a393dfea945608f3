"""Whether a converted model computes what the official one does."""
