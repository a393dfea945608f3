"""What shows in an object that is kept: trained twice, copied, one of two."""

from parity.commands.mutants.mutant import Mutant

MUTANTS = [
    Mutant(
        "moving statistics that keep the graph",
        "slip",
        "batch_normalization",
        "normalization.py",
        "    @torch.no_grad()\n    def _move(",
        "    def _move(",
    ),
    Mutant(
        "filters kept from the first call",
        "a cache that nobody empties",
        "gabor_conv1d",
        "convolution.py",
        "        filters = self.impulse_responses().transpose(1, 2)  # (n, 2, taps)\n",
        "        filters = self.impulse_responses().transpose(1, 2)\n"
        '        kept = self.__dict__.setdefault("_kept", filters.detach())\n'
        "        filters = kept + (filters - filters.detach())\n",
    ),
    Mutant(
        "the first constrained layer alone",
        "slip",
        "gabor_conv1d",
        "constraints.py",
        "            if id(weight) in held:\n                weight.copy_(constraint(weight))\n",
        "            if id(weight) in held:\n                weight.copy_(constraint(weight))\n"
        "                break\n",
    ),
]
