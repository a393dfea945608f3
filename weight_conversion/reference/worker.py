"""Runs in the reference's interpreter; sent there whole by execnet.

Self-contained: it imports NumPy, TensorFlow, h5py and leaf_audio only. A job says, as data, which
model to build, how to train it and in which forms to save it, or which checkpoint to read.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import logging
import os
import sys
import traceback
import types
import warnings


def pack(array):
    """An array as what execnet carries; strings as a list of bytes."""
    import numpy as np

    array = np.asarray(array, order="C")
    if array.dtype.kind == "O":
        return ["O", list(array.shape), [bytes(each) for each in array.reshape(-1)]]
    return [array.dtype.str, list(array.shape), array.tobytes()]


def unpack(packed):
    """The inverse of :func:`pack`."""
    import numpy as np

    dtype, shape, data = packed
    if dtype == "O":
        made = np.empty(len(data), object)
        made[:] = data
        return made.reshape(shape)
    return np.frombuffer(data, dtype=dtype).reshape(shape)


def sha256(array):
    """Of an array's bytes in C order, little-endian; of strings, each with its length before it."""
    import numpy as np

    array = np.asarray(array, order="C")
    if array.dtype.kind == "O":
        texts = [bytes(each) for each in array.reshape(-1)]
        data = b"".join(len(text).to_bytes(8, "little") + text for text in texts)
    else:
        data = array.astype(array.dtype.newbyteorder("<")).tobytes()
    return hashlib.sha256(data).hexdigest()


def stand_in_for_missing():
    """Puts empty modules where lingvo or TensorFlow Addons are not installed; says which."""
    missing = []
    for name in ("lingvo.core.spectrum_augmenter", "tensorflow_addons"):
        try:
            importlib.import_module(name)
        except ImportError:
            missing.append(name.partition(".")[0])
            parts = name.split(".")
            for end in range(1, len(parts) + 1):
                sys.modules[".".join(parts[:end])] = types.ModuleType(parts[end - 1])
            for end in range(1, len(parts)):
                owner = sys.modules[".".join(parts[:end])]
                setattr(owner, parts[end], sys.modules[".".join(parts[: end + 1])])
    return missing


def versions():
    """What answers: versions of everything that takes part."""
    from importlib import metadata

    found = {"python": sys.version.split()[0]}
    for name in ("numpy", "tensorflow", "tensorflow-cpu", "keras", "tf-keras", "h5py"):
        try:
            found[name.replace("-cpu", "")] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def evaluate(tree):
    """What a recipe stands for: ``{"call": "module:name", "with": {...}}`` is a call.

    With ``"partial"`` for ``"call"`` it is the function with some arguments given.
    """
    if isinstance(tree, list):
        return [evaluate(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    kwargs = {key: evaluate(value) for key, value in tree["with"].items()}
    module, _, rest = tree.get("call", tree.get("partial")).partition(":")
    target = importlib.import_module(module)
    for name in rest.split("."):
        target = getattr(target, name)
    return target(**kwargs) if "call" in tree else functools.partial(target, **kwargs)


def readable(value, dtype):
    """bfloat16 as float32, without loss."""
    import tensorflow as tf

    return tf.cast(tf.constant(value), tf.float32).numpy() if dtype == tf.bfloat16 else value


def read_checkpoint(prefix):
    """Shapes, types and values of a checkpoint, as TensorFlow reads it."""
    import numpy as np
    import tensorflow as tf

    reader = tf.train.load_checkpoint(prefix)
    dtypes = reader.get_variable_to_dtype_map()
    found = {}
    for key, shape in reader.get_variable_to_shape_map().items():
        value = readable(reader.get_tensor(key), dtypes[key])
        if isinstance(value, bytes):  # a scalar; NumPy's own bytes lose zeros at their end
            value, text = np.empty((), object), value
            value[()] = text
        value = np.asarray(value)
        found[key] = {"dtype": dtypes[key].name, "shape": list(shape), "value": value}
    return found


def read_h5(path):
    """The same of an HDF5 file, as h5py reads it."""
    import h5py

    found = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            shape = list(item.shape)
            found[name] = {"dtype": item.dtype.name, "shape": shape, "value": item[()]}

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return found


def read(path):
    """A file of either kind."""
    return read_h5(path) if path.endswith(".h5") else read_checkpoint(path)


def described(path):
    """Type, shape and hash of each tensor."""
    return {
        key: {"dtype": one["dtype"], "shape": one["shape"], "sha256": sha256(one["value"])}
        for key, one in sorted(read(path).items())
    }


def train(model, job):
    """Some steps of the official training; then what has not moved is moved."""
    import numpy as np
    import tensorflow as tf

    inputs, labels = unpack(job["clips"]), np.asarray(job["labels"])
    model(inputs[:1], training=False)
    initial = [weight.numpy().copy() for weight in model.weights]
    optimizer = evaluate(job["optimizer"])
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(loss=loss, optimizer=optimizer, metrics=["sparse_categorical_accuracy"])
    model.fit(inputs, labels, batch_size=4, epochs=job["epochs"], shuffle=False, verbose=0)
    random = np.random.RandomState(job["seed"])
    for weight, before in zip(model.weights, initial):
        now = weight.numpy()
        noise = (random.uniform(0.01, 0.03, now.shape) * (1 + np.abs(now))).astype(now.dtype)
        weight.assign(np.where(now == before, now + noise, now))


def save(model, kind, folder):
    """Saves in one form; returns what to read, below the folder."""
    import shutil

    import tensorflow as tf

    if kind == "weights":  # what the ModelCheckpoint of the official training calls
        model.save_weights(os.path.join(folder, "checkpoint"))
        return "checkpoint"
    if kind in ("weights.h5", "named.weights.h5"):
        name = "by_layer.h5" if kind == "weights.h5" else "by_attribute.weights.h5"
        model.save_weights(os.path.join(folder, name))
        return name
    if kind == "train.Checkpoint":
        checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer)
        checkpoint.save(os.path.join(folder, "train", "ckpt"))
        return "train/ckpt-1"
    if kind == "frontend":
        model._frontend.save_weights(os.path.join(folder, "frontend", "frontend"))
        return "frontend/frontend"
    model.save(os.path.join(folder, "saved_model"))
    # The graph is the official code in another form, and no weight is in it.
    for name in os.listdir(os.path.join(folder, "saved_model")):
        path = os.path.join(folder, "saved_model", name)
        if name != "variables":
            shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
    return "saved_model/variables/variables"


def make(job):
    """Builds, trains and saves a model; features and logits of the probe, as in evaluation."""
    import tensorflow as tf

    tf.keras.backend.clear_session()
    tf.keras.utils.set_random_seed(job["seed"])
    model = evaluate(job["model"])
    train(model, job)
    probe = tf.constant(unpack(job["probe"]))
    answers = {"logits": pack(model(probe, training=False).numpy())}
    if model._frontend is not None:
        answers["features"] = pack(model._frontend(probe).numpy())
    saved = [save(model, kind, job["folder"]) for kind in job["forms"]]
    keys = {name: described(os.path.join(job["folder"], name)) for name in saved}
    more = {"next_step": step(model, job["seed"])} if job["next_step"] else {}
    return dict(more, answers=answers, checkpoints=keys)


def step(model, seed):
    """One step with gradients of all sizes, so that epsilon counts in some; what came of it."""
    import numpy as np
    import tensorflow as tf

    random, made, pairs = np.random.RandomState(seed), {}, []
    for i, weight in enumerate(model.trainable_variables):
        shape = tuple(weight.shape)
        size = 10.0 ** random.uniform(-9.0, 0.0, shape)
        gradient = (random.choice([-1.0, 1.0], shape) * size).astype(np.float32)
        made["gradient.%d" % i] = pack(gradient)
        pairs.append((tf.constant(gradient), weight))
    model.optimizer.apply_gradients(pairs)
    for i, weight in enumerate(model.trainable_variables):
        made["weight.%d" % i] = pack(weight.numpy())
    return made


def write(job):
    """Writes tensors with TensorFlow's own writer: slices by their spec, shards by their number."""
    import tensorflow as tf

    shards = {}
    for item in job["tensors"]:
        shards.setdefault(item["shard"], []).append(item)
    parts = []
    for number, items in sorted(shards.items()):
        part = "%s.part%d" % (job["prefix"], number)
        values = [tf.constant(unpack(item["value"])) for item in items]
        values = [
            tf.cast(value, tf.bfloat16) if item["bfloat16"] else value
            for value, item in zip(values, items)
        ]
        names, slices = [item["key"] for item in items], [item["slice"] for item in items]
        tf.raw_ops.SaveV2(prefix=part, tensor_names=names, shape_and_slices=slices, tensors=values)
        parts.append(part)
    tf.raw_ops.MergeV2Checkpoints(
        checkpoint_prefixes=parts, destination_prefix=job["prefix"], delete_old_dirs=False
    )
    return {"checkpoints": {os.path.basename(job["prefix"]): described(job["prefix"])}}


def values(job):
    """All tensors of a file."""
    return {key: [one["dtype"], pack(one["value"])] for key, one in read(job["path"]).items()}


def variable(model, path):
    """The variable at a path of the object graph."""
    for name in path.split("/"):
        model = model._trackable_children()[name]
    return model


def fill(job):
    """A model with given weights, or those of a checkpoint; answers clips, and saves it if asked.

    All weights of the model must be given, and no others.
    """
    import tensorflow as tf

    tf.keras.backend.clear_session()
    model = evaluate(job["model"])
    clips = [tf.constant(unpack(each)) for each in job["clips"]]
    model(clips[0], training=False)
    if "load" in job:
        model.load_weights(job["load"]).assert_consumed()
    else:
        given = {path: variable(model, path) for path in job["weights"]}
        left = {id(each) for each in model.weights} ^ {id(each) for each in given.values()}
        assert not left, "%d weights of the model are not given" % len(left)
        for path, each in given.items():
            each.assign(unpack(job["weights"][path]))
    for layer in model.submodules:
        if isinstance(layer, tf.keras.layers.Layer):
            layer.finalize_state()  # Normalization keeps what it computes with apart
    if "save" in job:
        model.save_weights(job["save"])
    return {"answers": [answered(model, clip) for clip in clips]}


def answered(model, clip):
    """Features and logits, as in evaluation."""
    if not hasattr(model, "_head"):
        return {"features": pack(model(clip, training=False).numpy())}
    made = {"logits": pack(model(clip, training=False).numpy())}
    if model._frontend is not None:
        made["features"] = pack(model._frontend(clip).numpy())
    return made


TRAINED = {}


def begin(job):
    """Builds a model that the next tasks train, with some weights given; all its weights."""
    import tensorflow as tf

    tf.keras.backend.clear_session()
    tf.keras.utils.set_random_seed(job["seed"])
    model, optimizer = evaluate(job["model"]), evaluate(job["optimizer"])
    model(tf.constant(unpack(job["clips"])), training=False)
    for path, each in job["weights"].items():
        variable(model, path).assign(unpack(each))
    optimizer.build(model.trainable_variables)
    loss_of = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function
    def step(clips, labels):  # what `fit` makes of `compile`, but that it gives the gradients too
        with tf.GradientTape() as tape:
            logits = model(clips, training=True)
            loss = loss_of(labels, logits)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        return loss, logits, gradients

    TRAINED.update(model=model, optimizer=optimizer, step=step, paths=list(job["paths"]))
    left = {id(each) for each in model.weights} ^ {
        id(variable(model, path)) for path in TRAINED["paths"]
    }
    assert not left, "%d weights of the model are not named" % len(left)
    return state({})


def state(_job):
    """All weights by path, and both moments of those that are trained."""
    model, optimizer = TRAINED["model"], TRAINED["optimizer"]
    made = {"weights": {}, "first": {}, "second": {}}
    trained = {id(each) for each in model.trainable_variables}
    for path in TRAINED["paths"]:
        held = variable(model, path)
        made["weights"][path] = pack(held.numpy())
        if id(held) in trained:
            at = optimizer._index_dict[optimizer._var_key(held)]
            made["first"][path] = pack(optimizer._momentums[at].numpy())
            made["second"][path] = pack(optimizer._velocities[at].numpy())
    return made


def advance(job):
    """Trains a step for each batch; loss, logits and gradients of the last one."""
    import tensorflow as tf

    model = TRAINED["model"]
    for clips, labels in job["batches"]:
        inputs = tf.constant(unpack(clips)), tf.constant(unpack(labels))
        loss, logits, gradients = TRAINED["step"](*inputs)
    by_id = {id(v): pack(g.numpy()) for v, g in zip(model.trainable_variables, gradients)}
    named = {path: id(variable(model, path)) for path in TRAINED["paths"]}
    found = {path: by_id[each] for path, each in named.items() if each in by_id}
    return {"loss": pack(loss.numpy()), "logits": pack(logits.numpy()), "gradients": found}


TASKS = {
    "make": make,
    "write": write,
    "values": values,
    "fill": fill,
    "begin": begin,
    "state": state,
    "advance": advance,
}


def wrong_with_onednn(version):
    """Whether this TensorFlow computes wrong convolutions by oneDNN.

    See parity/oracles/official_worker.py, which explains it.
    """
    numbers = [int(part) for part in version.split(".")[:2] if part.isdigit()]
    return numbers > [2, 13]


def serve(channel):
    """Does jobs until told to stop; a failing job sends its error and the loop goes on."""
    try:
        sys.path.insert(0, channel.receive())
        os.environ.update(
            TF_CPP_MIN_LOG_LEVEL="3", TF_USE_LEGACY_KERAS="1", CUDA_VISIBLE_DEVICES=""
        )
        if wrong_with_onednn(versions().get("tensorflow", "")):
            os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        missing = stand_in_for_missing()
        importlib.import_module("leaf_audio.models")
        importlib.import_module("tensorflow").config.experimental.enable_op_determinism()
        channel.send({"versions": versions(), "missing": missing})
    except BaseException:
        channel.send({"error": traceback.format_exc()})
        return
    for job in channel:
        try:
            channel.send({"answer": TASKS[job["task"]](job)})
        except Exception:
            channel.send({"error": traceback.format_exc()})


if __name__ == "__channelexec__":
    serve(channel)  # noqa: F821
