"""Bugs in what training with one gradient does not meet: forward mode, second order, vmap."""

from parity.commands.mutants.mutant import Mutant

MUTANTS = [
    Mutant(
        "forward derivative of the smoother with this frame for the one before",
        "off by one",
        "exponential_moving_average",
        "_ops/scan.py",
        "earlier = F.pad(m[:, :-1], (0, 0, 1, 0))",
        "earlier = m",
    ),
    Mutant(
        "forward derivative of the fixed smoother left out",
        "slip",
        "pcen",
        "_ops/scan.py",
        "return recurrence(change_of_b + moved, decay)",
        "return recurrence(change_of_b + moved, decay.diagonal()) if decay.ndim == 2 "
        "else recurrence(change_of_b + moved, decay)",
    ),
    Mutant(
        "second derivative of the smoother cut off by detach",
        "slip",
        "exponential_moving_average",
        "_ops/scan.py",
        "earlier, later = m[:, :-1], g[:, 1:]",
        "earlier, later = m.detach()[:, :-1], g[:, 1:]",
    ),
    Mutant(
        "second derivative of the smoother once only",
        "once_differentiable",
        "pcen",
        "_ops/scan.py",
        "        g = recurrence(of_m.flip(1), transposed).flip(1)",
        "        g = _doubling(of_m.flip(1), transposed).flip(1).detach()",
    ),
    Mutant(
        "vmap of the smoother with the first sample's decay for all",
        "slip",
        "exponential_moving_average",
        "_ops/scan.py",
        "    generate_vmap_rule = True\n",
        "    @staticmethod\n"
        "    def vmap(info: Any, dims: Any, b: Tensor, decay: Tensor) -> tuple[Tensor, int]:\n"
        "        size = info.batch_size\n"
        "        b = b.unsqueeze(0).expand(size, *b.shape) if dims[0] is None"
        " else b.movedim(dims[0], 0)\n"
        "        first = decay if dims[1] is None else decay.select(dims[1], 0)\n"
        "        return recurrence(b.flatten(0, 1), first).unflatten(0, (size, -1)), 0\n",
    ),
    Mutant(
        "silu whose gradient has no forward derivative",
        "torch's own; this port, once",
        "activations",
        "_model_layers.py",
        "return x * torch.sigmoid(x)",
        "return F.silu(x)",
    ),
]
