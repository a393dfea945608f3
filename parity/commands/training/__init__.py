"""``python -m parity training``: one step of the port's training is the official one."""
