"""Weights of other PyTorch ports of LEAF."""
