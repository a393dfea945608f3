"""Why arguments of the port differ from the official ones, where several classes share it."""

import inspect
from collections.abc import Mapping

from parity.spec import Own

REQUIRED = inspect.Parameter.empty

FRESH = Own(None, "one of its own where none is given: the official default is an object for all")
TOLD = Own(REQUIRED, "torch is told the number of channels, Keras finds it out")
TRAINABLE = Own(True, "Keras takes it by a keyword of every layer, with this default")
ARITHMETIC = Own("auto", "TensorFlow has complex numbers on all of its devices")

_OF_A_CONVOLUTION = "a frontend gives it; the default is that of the official poolings"
GLOROT = Own(None, "Glorot's rule, which Keras calls 'glorot_uniform'")
POOLING: Mapping[str, Own] = {
    "num_channels": TOLD,
    "padding": Own("SAME", "in capitals, as tf.nn takes it"),
    "kernel_initializer": GLOROT,
}
CONVOLUTION: Mapping[str, Own] = {
    "strides": Own(1, _OF_A_CONVOLUTION),
    "padding": Own("SAME", _OF_A_CONVOLUTION),
    "use_bias": Own(False, "as every official frontend asks for it"),
    "kernel_initializer": Own(None, _OF_A_CONVOLUTION),
    "kernel_regularizer": Own(None, _OF_A_CONVOLUTION),
    "trainable": Own(True, "as Keras has it"),
}
INPUT_SHAPE = {"input_shape": "an argument of Keras, where the layer is the first of a model"}
KERAS_CONVOLUTION: Mapping[str, Own] = {
    "padding": Own("VALID", "in capitals, as tf.nn takes it"),
    "kernel_initializer": GLOROT,
    "trainable": TRAINABLE,
}
_NO_SUCH = "no official frontend or model sets it"
KERAS_LACKS: Mapping[str, str] = dict.fromkeys(
    (
        "data_format",
        "dilation_rate",
        "groups",
        "bias_initializer",
        "bias_regularizer",
        "activity_regularizer",
        "kernel_constraint",
        "bias_constraint",
    ),
    _NO_SUCH,
)
AFFINE_LACKS: Mapping[str, str] = dict.fromkeys(
    (
        "center",
        "scale",
        "beta_initializer",
        "gamma_initializer",
        "beta_regularizer",
        "gamma_regularizer",
        "beta_constraint",
        "gamma_constraint",
    ),
    _NO_SUCH,
)
IN_CHANNELS = {"in_channels": TOLD}
FIRST = {"in_channels": Own(1, "of the frontend's map; torch is told it, Keras finds it out")}
