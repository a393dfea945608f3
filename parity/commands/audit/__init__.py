"""Audits of foreign ports: at which stage another PyTorch LEAF leaves the official one, and why."""
