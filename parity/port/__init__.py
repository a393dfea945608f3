"""Step 3: how the port is run, on which backend, in which arithmetic."""
