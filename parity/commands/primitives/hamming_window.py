"""The Hamming window of even size.

Of an odd size TensorFlow's periodic form is the symmetric one, which neither leaf_audio nor the
port uses: both have a formula of their own.
"""

from leaf_port.utils import WindowType, window
from parity import spec
from parity.commands.primitives._common import Constant, Primitive
from parity.commands.primitives.hann_window import rounding
from parity.oracles.exact import windows

PRIMITIVE = Primitive(
    spec.LayerSpec(
        name="hamming_window",
        mirrors="tf.signal.hamming_window, even sizes",
        port=lambda config: Constant(
            lambda dtype: window(WindowType.HAMMING, 2 * config["pairs"]).astype(dtype)
        ),
        official=lambda config: spec.Ref("tensorflow.signal.hamming_window")(2 * config["pairs"]),
        configs=spec.grid(pairs=[1, 2, 200, 400]),
        sampling=spec.Sampling(
            sizes=("pairs",),
        ),
        exceptions=spec.Exceptions(
            constants=lambda config: {"value": rounding(2 * config["pairs"], 0.46)},
        ),
        exact=lambda given: spec.exactly(windows.hamming(2 * given.config["pairs"])),
        budget=spec.Budget(
            port=spec.Bound(1.9, 0.989),
            reference=spec.Bound(8, 4.04),
            measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
        ),
        errors=(spec.ErrorCase("tmax", lambda: window(WindowType.HAMMING, 0)),),
    ),
)
