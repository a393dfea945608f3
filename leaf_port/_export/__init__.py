"""Exported graphs: how they are captured, written and compared. Public: ``leaf_port.export``."""
