"""PCEN, its smoothers, the logarithm."""

from parity.mutants.mutant import Mutant

_POWER = "gained = inputs / (self.floor + smoother) ** alpha"
_RESULT = "return (gained + self.delta) ** one_over_root - self.delta**one_over_root"
_ROOT = "one_over_root = 1.0 / maximum(self.root, 1.0)"
_SMOOTHED = "smoother = self.ema(inputs, inputs[:, 0])"
_SCAN = "return _scan.diagonal_recurrence(w * inputs, 1.0 - w, initial_state)"
_MATRIX = "_scan.matrix_recurrence(inputs @ self.kernel, self.recurrent_kernel, initial_state)"
_LOG = "return torch.log(inputs + log_offset)"

MUTANTS = [
    Mutant(
        "root instead of one over root",
        "the paper's exponent r, EfficientLEAF's default",
        "pcen",
        "postprocessing.py",
        _ROOT,
        "one_over_root = maximum(self.root, 1.0)",
    ),
    Mutant(
        "root below 1 let through",
        "slip",
        "pcen",
        "postprocessing.py",
        _ROOT,
        "one_over_root = 1.0 / self.root",
    ),
    Mutant(
        "alpha above 1 let through",
        "slip",
        "pcen",
        "postprocessing.py",
        "alpha = minimum(self.alpha, 1.0)",
        "alpha = self.alpha",
    ),
    Mutant(
        "sign of alpha",
        "slip",
        "pcen",
        "postprocessing.py",
        _POWER,
        "gained = inputs / (self.floor + smoother) ** -alpha",
    ),
    Mutant(
        "floor outside the power",
        "slip",
        "pcen",
        "postprocessing.py",
        _POWER,
        "gained = inputs / (self.floor + smoother**alpha)",
    ),
    Mutant(
        "floor as a maximum",
        "slip",
        "pcen",
        "postprocessing.py",
        _POWER,
        "gained = inputs / maximum(smoother, self.floor) ** alpha",
    ),
    Mutant(
        "default floor of 1e-12",
        "SpeechBrain",
        "pcen",
        "postprocessing.py",
        "        floor: float = 1e-6,",
        "        floor: float = 1e-12,",
    ),
    Mutant(
        "default alpha of 0.98",
        "librosa.pcen",
        "pcen",
        "postprocessing.py",
        "        alpha: float = 0.96,",
        "        alpha: float = 0.98,",
    ),
    Mutant(
        "delta to the power left out",
        "slip",
        "pcen",
        "postprocessing.py",
        _RESULT,
        "return (gained + self.delta) ** one_over_root",
    ),
    Mutant(
        "delta itself subtracted",
        "slip",
        "pcen",
        "postprocessing.py",
        _RESULT,
        "return (gained + self.delta) ** one_over_root - self.delta",
    ),
    Mutant(
        "delta kept from going negative",
        "EfficientLEAF; trap 10",
        "pcen",
        "postprocessing.py",
        _RESULT,
        "delta = maximum(self.delta, 0.0)\n"
        "        return (gained + delta) ** one_over_root - delta**one_over_root",
    ),
    Mutant(
        "smoother started at zero",
        "trap 10",
        "pcen",
        "postprocessing.py",
        _SMOOTHED,
        "smoother = self.ema(inputs, torch.zeros_like(inputs[:, 0]))",
    ),
    Mutant(
        "smoother started at the mean",
        "slip",
        "pcen",
        "postprocessing.py",
        _SMOOTHED,
        "smoother = self.ema(inputs, inputs.mean(dim=1))",
    ),
    Mutant(
        "smoother without its gradient",
        "slip",
        "pcen",
        "postprocessing.py",
        _SMOOTHED,
        "smoother = self.ema(inputs, inputs[:, 0]).detach()",
    ),
    Mutant(
        "fixed smoother with the diagonal of its memory only",
        "leaf-pytorch, denfed have none; trap 10",
        "pcen",
        "postprocessing.py",
        _MATRIX,
        "_scan.diagonal_recurrence(\n"
        "            inputs @ self.kernel, self.recurrent_kernel.diagonal(), initial_state)",
    ),
    Mutant(
        "fixed smoother with the diagonal of its kernel only",
        "slip",
        "pcen",
        "postprocessing.py",
        _MATRIX,
        "_scan.matrix_recurrence(\n"
        "            inputs * self.kernel.diagonal(), self.recurrent_kernel, initial_state)",
    ),
    Mutant(
        "memory of the fixed smoother transposed",
        "torch.nn.RNN's layout",
        "pcen",
        "postprocessing.py",
        _MATRIX,
        "_scan.matrix_recurrence(inputs @ self.kernel, self.recurrent_kernel.T, initial_state)",
    ),
    Mutant(
        "coefficient swapped, w for 1 - w",
        "slip",
        "exponential_moving_average",
        "postprocessing.py",
        _SCAN,
        "return _scan.diagonal_recurrence((1.0 - w) * inputs, w, initial_state)",
    ),
    Mutant(
        "coefficient not clipped",
        "EfficientLEAF",
        "exponential_moving_average",
        "postprocessing.py",
        "w = clip_by_value(self.smooth, 0.0, 1.0)",
        "w = self.smooth",
    ),
    Mutant(
        "initial state not used",
        "denfed",
        "exponential_moving_average",
        "postprocessing.py",
        _SCAN,
        "return _scan.diagonal_recurrence(w * inputs, 1.0 - w, inputs[:, 0])",
    ),
    Mutant(
        "initial state given out as the first frame",
        "denfed",
        "exponential_moving_average",
        "_scan.py",
        "return torch.cat([(b[:, 0] + first).unsqueeze(1), b[:, 1:]], dim=1)",
        "return torch.cat([first.unsqueeze(1), b[:, 1:]], dim=1)",
    ),
    Mutant(
        "smoothing over the batch",
        "batch_first",
        "exponential_moving_average",
        "postprocessing.py",
        _SCAN,
        "swapped = (w * inputs).transpose(0, 1)\n"
        "        out = _scan.diagonal_recurrence(swapped, 1.0 - w, inputs[0])\n"
        "        return out.transpose(0, 1)",
    ),
    Mutant(
        "scan one step too short",
        "off by one in the loop over frames",
        "exponential_moving_average",
        "_scan.py",
        "    while shift < b.shape[1]:",
        "    while shift < b.shape[1] // 2:",
    ),
    Mutant(
        "default offset of 1e-6",
        "denfed",
        "log_compression",
        "postprocessing.py",
        "log_offset: float = 1e-5",
        "log_offset: float = 1e-6",
    ),
    Mutant(
        "offset as a floor",
        "librosa's amin",
        "log_compression",
        "postprocessing.py",
        _LOG,
        "return torch.log(maximum(inputs, log_offset))",
    ),
    Mutant(
        "logarithm of base 10",
        "librosa.power_to_db",
        "log_compression",
        "postprocessing.py",
        _LOG,
        "return torch.log10(inputs + log_offset)",
    ),
]
