"""Runs in the reference's interpreter: trains the official model on the official data pipeline.

``example/train.py`` of leaf_audio does the same, but that its data come from tensorflow-datasets:
``data.prepare``, ``compile`` with Keras' Adam, ``fit``. Here the clips are given, and the order of
each epoch too, since the official example has one order for all epochs. What
``weight_conversion/reference/worker.py`` holds for the same interpreter is loaded by its path.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import logging
import os
import sys
import time
import traceback
import warnings

TRAINING = {}


def loaded(path):
    """The module of a file."""
    spec = importlib.util.spec_from_file_location("leaf_port_reference_worker", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def clips_of(split):
    """Clips of int16 samples, each of its length, and their labels."""
    import numpy as np

    samples = np.frombuffer(split["samples"], dtype="<i2")
    ends = np.cumsum(split["lengths"])
    return np.split(samples, ends[:-1]), list(split["labels"])


def dataset(split, order):
    """As tensorflow-datasets gives one: integer samples and a label."""
    import numpy as np
    import tensorflow as tf

    clips, labels = TRAINING["splits"][split]

    def each():
        for i in order:
            yield {"audio": clips[i].astype(np.int64), "label": labels[i]}

    spec = {
        "audio": tf.TensorSpec((None,), tf.int64),
        "label": tf.TensorSpec((), tf.int64),
    }
    return tf.data.Dataset.from_generator(each, output_signature=spec)


def prepared(train, test):
    """Both through the official pipeline: align, normalise the loudness, batch."""
    data = importlib.import_module("example.data")
    align = functools.partial(data.align, seq_len=TRAINING["job"]["seq_len"])
    steps = (align, data.loudness_normalization)
    batch = TRAINING["job"]["batch_size"]
    return data.prepare({"train": train, "test": test}, transform_fns=steps, batch_size=batch)


def begin(job):
    """Builds and compiles the model."""
    import tensorflow as tf

    tf.keras.utils.set_random_seed(job["seed"])
    model = TRAINING["base"].evaluate(job["model"])
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = tf.keras.optimizers.Adam(job["learning_rate"])
    model.compile(loss=loss, optimizer=optimizer, metrics=["sparse_categorical_accuracy"])
    model(tf.zeros((1, job["seq_len"])), training=False)
    optimizer.build(model.trainable_variables)
    splits = {name: clips_of(split) for name, split in job["splits"].items()}
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer)
    TRAINING.update(job=job, model=model, splits=splits, checkpoint=checkpoint)
    return {}


def train(job):
    """An epoch in a given order; sends a line of progress a step."""
    import tensorflow as tf

    order = job["order"]
    steps = -(-len(order) // TRAINING["job"]["batch_size"])

    class Told(tf.keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            TRAINING["channel"].send({"step": batch + 1, "steps": steps, "loss": logs["loss"]})

    tf.keras.utils.set_random_seed(job["seed"])
    ready = prepared(dataset("train", order), dataset("validation", [0]))["train"]
    epoch, model = job["epoch"], TRAINING["model"]
    found = model.fit(
        ready, batch_size=None, epochs=epoch + 1, initial_epoch=epoch, verbose=0, callbacks=[Told()]
    ).history
    return scored(found["loss"][0], found["sparse_categorical_accuracy"][0], len(order))


def evaluate(job):
    """Loss and accuracy of a split, in evaluation mode; the crops are the same each time."""
    import tensorflow as tf

    tf.keras.utils.set_random_seed(job["seed"])
    count = len(TRAINING["splits"][job["split"]][1])
    test = dataset(job["split"], range(count))
    ready = prepared(dataset("train", [0]), test)["eval"]
    found = TRAINING["model"].evaluate(ready, verbose=0, return_dict=True)
    return scored(found["loss"], found["sparse_categorical_accuracy"], count)


def scored(loss, accuracy, count):
    """For the channel."""
    return {"loss": float(loss), "right": round(float(accuracy) * count), "count": count}


def seconds(_job):
    """The processor's time so far."""
    return {"seconds": time.process_time()}


def save(job):
    """Model and optimiser, in TensorFlow's format."""
    TRAINING["checkpoint"].write(job["prefix"])
    return {}


def load(job):
    """What ``save`` wrote."""
    status = TRAINING["checkpoint"].read(job["prefix"])
    status.assert_existing_objects_matched()
    return {}


TASKS = {
    "begin": begin,
    "train": train,
    "evaluate": evaluate,
    "seconds": seconds,
    "save": save,
    "load": load,
}


def prepare(hello, channel):
    """Imports everything; versions of it, and whether oneDNN was asked for."""
    base = loaded(hello["base"])
    sys.path.insert(0, hello["root"])
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", TF_USE_LEGACY_KERAS="1", CUDA_VISIBLE_DEVICES="")
    if base.wrong_with_onednn(base.versions().get("tensorflow", "")):
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    base.stand_in_for_missing()
    threading = importlib.import_module("tensorflow").config.threading
    threading.set_intra_op_parallelism_threads(hello["threads"])
    threading.set_inter_op_parallelism_threads(1)
    importlib.import_module("leaf_audio.models")
    importlib.import_module("example.data")
    TRAINING.update(base=base, channel=channel)
    onednn = os.environ.get("TF_ENABLE_ONEDNN_OPTS", "by default")
    return {"versions": dict(base.versions(), TF_ENABLE_ONEDNN_OPTS=onednn)}


def serve(channel):
    """Does jobs until told to stop; a failing job sends its error and the loop goes on."""
    try:
        channel.send(prepare(channel.receive(), channel))
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
