"""The base of all modes that watch or change a run's operations."""

from torch.utils._python_dispatch import TorchDispatchMode


class DispatchMode(TorchDispatchMode):
    """A mode that torch's compiler never sees: it would be imported only to be kept away from it.

    That takes 1.4 s a process, and a check an operation.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False
