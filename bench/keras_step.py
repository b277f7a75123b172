"""One process, one figure: the training or inference step of a ConvStrix in Keras 3 on TensorFlow's CPU, as JSON. For vs-torch.

Arguments and keys are those of torch_step.py. The net is the functional model that the original study built, with Keras'
defaults; Adam with epsilon 1e-7, which is Keras' own. --way function (the default) is one compiled graph function of gather,
division by 255, forward, backward and update, the same work as in torch_step.py; --way fit is `train_on_batch` (for inference
`predict_on_batch`) of a compiled model, which pays for metrics and for the way in and out of the graph. XLA is off, as by
default; --xla turns it on. bf16 is the policy mixed_bfloat16.
"""
import time

began = time.perf_counter()
import argparse
import json
import os
import resource
import statistics

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
import keras
import numpy as np
import tensorflow as tf
from keras import layers

p = argparse.ArgumentParser()
p.add_argument("--size", type=int, default=28)
p.add_argument("--blocks", type=int, default=4)
p.add_argument("--units", type=int, default=512)
p.add_argument("--layers", type=int, default=1)
p.add_argument("--dropout", type=float, default=0.2)
p.add_argument("--batch", type=int, default=64)
p.add_argument("--steps", type=int, default=20)
p.add_argument("--threads", type=int, default=2)
p.add_argument("--mode", choices=["train", "infer"], default="train")
p.add_argument("--precision", choices=["f32", "bf16"], default="f32")
p.add_argument("--way", choices=["function", "fit"], default="function")
p.add_argument("--xla", action="store_true")
a = p.parse_args()

tf.config.threading.set_intra_op_parallelism_threads(a.threads)
tf.config.threading.set_inter_op_parallelism_threads(a.threads)
keras.utils.set_random_seed(1777)
if a.precision == "bf16":
    keras.mixed_precision.set_global_policy("mixed_bfloat16")


def convstrix():
    x = first = keras.Input((a.size, a.size, 1))
    for b in range(a.blocks):
        x = layers.Conv2D(32 * (b + 1), 3, padding="same", activation="relu")(x)
        if b + 1 < a.blocks:
            x = layers.MaxPooling2D(2)(layers.BatchNormalization()(x))
    x = layers.Flatten()(x)
    for _ in range(a.layers):
        x = layers.Dropout(a.dropout)(layers.Dense(a.units, activation="relu")(x))
    return keras.Model(first, layers.Dense(10, dtype="float32")(x))


model = convstrix()
loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
optimizer = keras.optimizers.Adam(5e-4)
rows = 8 * a.batch
bytes_in = np.random.randint(0, 256, (rows, a.size, a.size, 1), np.uint8)
labels_in = np.random.randint(0, 10, rows)


def way_fit():
    model.compile(optimizer=optimizer, loss=loss_of, jit_compile=a.xla)

    def step():
        pick = np.random.randint(0, rows, a.batch)
        x = bytes_in[pick].astype(np.float32) / 255
        return model.predict_on_batch(x) if a.mode == "infer" else model.train_on_batch(x, labels_in[pick])
    return step


def way_function():
    images, labels = tf.constant(bytes_in), tf.constant(labels_in)
    optimizer.build(model.trainable_variables)

    @tf.function(jit_compile=a.xla)
    def step():
        pick = tf.random.uniform((a.batch,), 0, rows, tf.int32)
        x = tf.cast(tf.gather(images, pick), tf.float32) / 255
        if a.mode == "infer":
            return model(x, training=False)
        with tf.GradientTape() as tape:
            loss = loss_of(tf.gather(labels, pick), model(x, training=True))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss
    return lambda: step().numpy()                # waits for the result, as everybody does who looks at a loss


step = way_fit() if a.way == "fit" else way_function()
times, faults = [], 0
for i in range(-3, a.steps):
    start = time.perf_counter()
    step()
    if i == -3:
        first = time.perf_counter() - began
    elif i == -1:
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    elif i >= 0:
        times.append(1e3 * (time.perf_counter() - start))
use = resource.getrusage(resource.RUSAGE_SELF)
ms = statistics.median(times)
print(json.dumps({"ms_per_step": ms, "images_per_s": 1e3 * a.batch / ms, "first_step_s": first,
                  "page_faults_per_step": (use.ru_minflt - faults) / a.steps, "peak_bytes": use.ru_maxrss * 1024,
                  "parameters": sum(int(np.prod(w.shape)) for w in model.trainable_weights), "keras": keras.__version__,
                  "tensorflow": tf.__version__}))
