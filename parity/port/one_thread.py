"""Makes torch compute in one thread, when it is imported: before a server that forks imports more.

OpenMP's threads end at a fork, but the child's runtime does not know: its next parallel loop waits
for them for ever. So no such loop may have run in the parent.
"""

import torch

torch.set_num_threads(1)
