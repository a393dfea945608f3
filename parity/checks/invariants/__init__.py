"""Properties of every layer, which need no official answer."""
