"""What the official models look like in a checkpoint."""
