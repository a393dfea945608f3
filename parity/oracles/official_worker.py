"""Runs the official implementation, in its own interpreter; sent there whole by execnet.

Self-contained: it imports NumPy, TensorFlow and leaf_audio only, and names no layer. A job says,
as data, what to build and what to feed it (see ``parity.spec.Ref``).
"""

from __future__ import annotations

import enum
import importlib
import inspect
import logging
import os
import sys
import traceback
import types
import warnings


def pack(array):
    """An array as what execnet carries."""
    import numpy as np

    array = np.asarray(array, order="C")
    return [array.dtype.str, list(array.shape), array.tobytes()]


def unpack(packed):
    """The inverse of :func:`pack`."""
    import numpy as np

    dtype, shape, data = packed
    return np.frombuffer(data, dtype=dtype).reshape(shape)


NOT_INSTALLED = "%s is not installed here"


# What TensorFlow itself refuses without oneDNN, which is off where it is wrong.
UNSUPPORTED = {
    "Gradients for grouped convolutions are not supported on CPU": (
        "gradients of grouped convolutions (TensorFlow has them on a CPU with oneDNN alone)"
    )
}


class Missing(types.ModuleType):
    """Stands for a module that is not installed: whatever is taken from it says so."""

    def __getattr__(self, name):
        if name.startswith("__"):  # the import system's own questions
            raise AttributeError(name)
        raise AttributeError(NOT_INSTALLED % self.__name__.partition(".")[0])


def stand_in_for_missing(names):
    """Puts such modules where one of ``names`` cannot be imported; says which packages."""
    missing = []
    for name in names:
        try:
            importlib.import_module(name)
        except Exception:  # a package that is installed and fails on an import is of no use either
            missing.append(name.partition(".")[0])
            stand_in(name.split("."))
    return missing


def stand_in(parts):
    """Puts a module and its packages into ``sys.modules``."""
    made = [Missing(".".join(parts[:end])) for end in range(1, len(parts) + 1)]
    sys.modules.update((module.__name__, module) for module in made)
    for package, module, part in zip(made, made[1:], parts[1:]):
        setattr(package, part, module)


def versions():
    """What answers: versions of everything that takes part."""
    from importlib import metadata

    found = {"python": sys.version.split()[0]}
    names = (
        "numpy",
        "tensorflow",
        "tensorflow-cpu",
        "keras",
        "tf-keras",
        "tensorflow-addons",
        "lingvo",
    )
    for name in names:
        try:
            found[name.replace("-cpu", "")] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    if os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0":
        found["oneDNN"] = "off"
    return found


def with_losses(layer):
    """A Keras layer that also gives the sum of its losses."""
    import tensorflow as tf

    class WithLosses(tf.Module):
        def __init__(self):
            self.layer = layer

        def __call__(self, inputs):
            outputs = layer(inputs)
            return [outputs, tf.reshape(tf.add_n(layer.losses), [1])]

    return WithLosses()


def through(**_):
    """A convolution or pooling that hands its input on, whatever it is told to do."""
    import tensorflow as tf

    return tf.keras.layers.Lambda(tf.identity)


def as_floats(samples):
    """The official preparation of int16 audio, with no transformation after it."""
    from example import data

    return data.preprocess({"audio": samples, "label": 0}, ())[0]


def amplitude_of_gabor_filters(taps, index):
    """``amplitude`` of one Gabor filter of a kernel."""
    import tensorflow as tf
    from leaf_audio import impulse_responses

    def call(kernel):
        filters = impulse_responses.gabor_filters(kernel, taps)
        return impulse_responses.amplitude(tf.transpose(filters), index)

    return call


def scanned_average(inputs, smooth, state):
    """``m[t] = w x[t] + (1 - w) m[t - 1]`` over axis 1 by tf.scan, ``w = clip(smooth, 0, 1)``."""
    import tensorflow as tf

    share = tf.clip_by_value(smooth, 0.0, 1.0)
    rest = 1.0 - share
    frames = tf.scan(lambda m, x: share * x + rest * m, tf.transpose(inputs, [1, 0, 2]), state)
    return tf.transpose(frames, [1, 0, 2])


def efficientnet(**arguments):
    """Keras' EfficientNetB0 without its top and with initial weights, its layers by name."""
    import tensorflow as tf

    model = tf.keras.applications.EfficientNetB0(include_top=False, weights=None, **arguments)

    class ByName(tf.Module):
        def __init__(self):
            super().__init__()
            self.normalization = tf.Module()
            for layer in model.layers:
                if hasattr(layer, "adapt"):  # its third variable counts what it was adapted to
                    self.normalization.mean, self.normalization.variance = layer.weights[:2]
                elif layer.weights:
                    setattr(self, layer.name, layer)

        def __call__(self, inputs, training):
            for layer in model.layers:
                layer.finalize_state()  # the normalisation computes with copies of its variables
            return model(inputs, training=training)

    return ByName()


HELPERS = {
    "efficientnet": efficientnet,
    "scanned_average": scanned_average,
    "with_losses": with_losses,
    "amplitude_of_gabor_filters": amplitude_of_gabor_filters,
    "through": through,
    "as_floats": as_floats,
}


def resolve(name):
    """The object with a dotted name: a helper, or the longest importable module and attributes."""
    if name in HELPERS:
        return HELPERS[name]
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ImportError:
            continue
        for part in parts[end:]:
            found = getattr(found, part)
        return found
    raise ImportError("no module of %r can be imported" % name)


def evaluate(tree):
    """What a Ref stands for."""
    if isinstance(tree, (list, tuple)):
        return [evaluate(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    if "$name" in tree:
        return resolve(tree["$name"])
    if "$attribute" in tree:
        return getattr(evaluate(tree["$attribute"]), tree["name"])
    if "$call" in tree:
        args = [evaluate(item) for item in tree["args"]]
        kwargs = {key: evaluate(item) for key, item in tree["kwargs"].items()}
        return evaluate(tree["$call"])(*args, **kwargs)
    return {key: evaluate(item) for key, item in tree.items()}


def variables(root):
    """The variables below an object by their path in its graph, as a checkpoint names them."""
    import tensorflow as tf

    found, seen, queue = {}, {id(root)}, [("", root)]
    while queue:
        path, node = queue.pop(0)
        if isinstance(node, tf.Variable):
            found[path] = node
            continue
        for name, child in tf.train.TrackableView(node).children(node).items():
            if id(child) not in seen:
                seen.add(id(child))
                queue.append((path + "/" + name if path else name, child))
    return found


# What tells layers without weights of one class apart, and those with weights beyond the weights.
SETTINGS = {
    "Dropout": ("rate",),
    "ReLU": (),
    "BatchNormalization": ("epsilon", "momentum"),
    "AveragePooling2D": ("pool_size",),
    "MaxPooling1D": ("pool_size",),
    "MaxPooling2D": ("pool_size",),
    "Conv1D": ("kernel_size", "strides", "dilation_rate", "use_bias"),
    "Conv2D": ("kernel_size", "strides", "dilation_rate", "use_bias"),
}


def numbered(root):
    """The objects below a model, by paths that count all members of a Sequential."""
    import tensorflow as tf

    found, seen, queue = {}, {id(root)}, [("", root)]
    while queue:
        path, node = queue.pop(0)
        found[path] = node
        for name, child in tf.train.TrackableView(node).children(node).items():
            if id(child) not in seen and not name.startswith("layer_with_weights-"):
                seen.add(id(child))
                queue.append((path + "/" + name if path else name, child))
    return found


def initial_value(variable):
    """The one value that a variable starts with; else least, greatest, mean and mean square."""
    import numpy as np

    value = variable.numpy().astype(np.float64)
    if np.ptp(value) == 0:
        return float(value.flat[0])
    return [float(each) for each in (value.min(), value.max(), value.mean(), (value**2).mean())]


def made_of(job):
    """What a layer is made of, before anything is set: its variables, and the layers in it."""
    import tensorflow as tf

    tf.keras.utils.set_random_seed(0)
    target, held = build(job)
    trained = {id(each) for each in getattr(target, "trainable_variables", ())}
    objects = numbered(target) if held else {}
    at = {id(node): path for path, node in objects.items()}
    weights = {
        path: {
            "at": at[id(variable)],
            "shape": list(variable.shape),
            "trained": id(variable) in trained,
            "starts": initial_value(variable),
        }
        for path, variable in held.items()
    }
    layers = {}
    for path, node in objects.items():
        kind = type(node).__name__
        if kind in SETTINGS and "layer-" in path:
            settings = {name: plain_default(getattr(node, name)) for name in SETTINGS[kind]}
            layers[path] = {"kind": kind, **settings}
    return {"weights": weights, "layers": layers}


def tensors(value):
    """A result as a list of real tensors: complex ones get a last axis of real and imaginary
    part.
    """
    import tensorflow as tf

    if isinstance(value, (list, tuple)):
        return [item for each in value for item in tensors(each)]
    value = tf.convert_to_tensor(value)
    if value.dtype.is_complex:
        value = tf.stack([tf.math.real(value), tf.math.imag(value)], axis=-1)
    return [value]


class Patched:
    """Random functions that give the arrays of a case, in order, instead of drawing."""

    def __init__(self, names, draws):
        self.targets = [(resolve(n.rpartition(".")[0]), n.rpartition(".")[2]) for n in names]
        self.draws = list(draws)

    def __enter__(self):
        import tensorflow as tf

        self.saved = [getattr(owner, name) for owner, name in self.targets]

        def draw(*args, **kwargs):
            value = tf.convert_to_tensor(self.draws.pop(0))
            return tf.cast(value, kwargs.get("dtype", value.dtype))

        for owner, name in self.targets:
            setattr(owner, name, draw)
        return self

    def __exit__(self, kind, *_):
        for (owner, name), original in zip(self.targets, self.saved):
            setattr(owner, name, original)
        if kind is None and self.draws:
            raise RuntimeError("%d injected draws were not used" % len(self.draws))


def build(job):
    """What a job is about, built: a callable, its variables by path, or a value."""
    import tensorflow as tf

    target = evaluate(job["official"])
    if not isinstance(target, tf.Module):
        return target, {}
    with Patched(job["patches"], map(unpack, job["draws"])):  # Keras makes weights at a first call
        inputs = [tf.constant(unpack(packed)) for packed in job["inputs"].values()]
        target(*inputs, **({"training": False} if job["training_argument"] else {}))
    return target, variables(target)


def set_weights(held, weights):
    """Assigns weights by path; refuses other paths than there are."""
    if weights and set(weights) != set(held):
        raise KeyError("declared weights %s, found %s" % (sorted(weights), sorted(held)))
    for path, packed in weights.items():
        held[path].assign(unpack(packed))


def call(job, target, inputs):
    """The outputs, as real tensors."""
    if not callable(target):
        return tensors(target)
    kwargs = {"training": job["training"]} if job["training_argument"] else {}
    with Patched(job["patches"], map(unpack, job["draws"])):
        return tensors(target(*inputs.values(), **kwargs))


def answer(job, ask_cotangents):
    """Builds, sets the weights, calls once, differentiates ``sum(output * cotangent)``."""
    import tensorflow as tf

    target, held = build(job)
    initial = {path: pack(variable.numpy()) for path, variable in held.items()}
    set_weights(held, job["weights"])
    inputs = {name: tf.constant(unpack(packed)) for name, packed in job["inputs"].items()}
    watched = {"input/" + name: inputs[name] for name in job["differentiable"]}
    watched.update({"weight/" + path: held[path] for path in job["differentiable_weights"]})
    with tf.GradientTape() as tape:
        for tensor in watched.values():
            tape.watch(tensor)
        outputs = call(job, target, inputs)
        cotangents = [unpack(packed) for packed in ask_cotangents([list(o.shape) for o in outputs])]
        total = sum(
            tf.reduce_sum(output * tf.constant(cotangent, output.dtype))
            for output, cotangent in zip(outputs, cotangents)
            if output.dtype.is_floating
        )
    gradients = tape.gradient(total, watched) if watched else {}
    return {
        "outputs": [pack(output.numpy()) for output in outputs],
        "gradients": {
            name: pack(tf.convert_to_tensor(gradient).numpy())
            for name, gradient in gradients.items()
            if gradient is not None
        },
        "initial": initial,
        "state": {path: pack(held[path].numpy()) for path in held if path in job["state"]},
    }


def plain_default(value):
    """A default as data: numbers, strings and None as they are, else what it is called.

    An object is told by its class and the numbers, strings and None that it holds.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [plain_default(item) for item in value]
    if inspect.isclass(value) or inspect.isroutine(value):
        return {"named": value.__name__}
    if isinstance(value, enum.Enum):
        return {"named": value.name}
    own = set(getattr(value, "__dict__", {})) - keras_keeps()
    held = {key: getattr(value, key) for key in sorted(own)}
    held = {key: item for key, item in held.items() if isinstance(item, (int, float, str))}
    return {"instance": type(value).__name__, "holds": held}


def keras_keeps():
    """What every Keras layer holds, whatever it computes; nothing where there is no Keras."""
    if "tensorflow" not in sys.modules:
        return set()
    plain = sys.modules["tensorflow"].keras.layers.Layer()
    return set(vars(plain)) | {"__doc__"}


def arguments(function):
    """The arguments of a class or function by name: ``[]`` where required, else ``[default]``."""
    required = [inspect.Parameter.empty]
    if "gin" in sys.modules:
        required.append(sys.modules["gin"].REQUIRED)
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {
        name: [] if any(each.default is one for one in required) else [plain_default(each.default)]
        for name, each in inspect.signature(function).parameters.items()
        if each.kind not in kinds
    }


def wrong_with_onednn(version):
    """Whether this TensorFlow computes wrong convolutions by oneDNN.

    2.21.0: tf.nn.conv2d of (2, 2, 400, 1) with a kernel (1, 352, 1, 1), strides (1, 55) and VALID,
    which is LearnablePooling1D where it gives one frame, has zeros in its second row. 2.13.1 is
    right.
    """
    numbers = [int(part) for part in version.split(".")[:2] if part.isdigit()]
    return numbers > [2, 13]


def prepare(checkout):
    """Imports TensorFlow, and leaf_audio where there is a checkout; says what answers."""
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", TF_USE_LEGACY_KERAS="1", CUDA_VISIBLE_DEVICES="")
    if wrong_with_onednn(versions().get("tensorflow", "")):
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    importlib.import_module("tensorflow")
    optional = ["tensorflow_addons"]
    if checkout:
        sys.path.insert(0, checkout)
        optional.append("lingvo.core.spectrum_augmenter")
    missing = stand_in_for_missing(optional)
    if checkout:
        importlib.import_module("leaf_audio.frontend")
    return {"versions": versions(), "missing": missing}


def serve(channel):
    """Answers jobs until told to stop; a failing job sends its error and the loop goes on."""
    try:
        hello = prepare(channel.receive())
    except BaseException:
        channel.send({"failed": traceback.format_exc()})
        return
    channel.send(hello)

    def ask_cotangents(shapes):
        channel.send({"shapes": shapes})
        return channel.receive()

    for job in channel:
        try:
            if "signature" in job:
                channel.send({"answer": arguments(resolve(job["signature"]))})
            elif job.get("made_of"):
                channel.send({"answer": made_of(job)})
            else:
                channel.send({"answer": answer(job, ask_cotangents)})
        except (Exception, SystemExit):
            text = traceback.format_exc()
            lacks = [name for name in hello["missing"] if NOT_INSTALLED % name in text]
            lacks += [lack for sign, lack in UNSUPPORTED.items() if sign in text]
            channel.send({"error": text, "lacks": lacks})


if __name__ == "__channelexec__":
    serve(channel)  # noqa: F821
