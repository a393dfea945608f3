"""The official code, running in an interpreter of its own."""
