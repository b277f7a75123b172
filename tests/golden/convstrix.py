"""Makes the golden files of the whole-net test: a small ConvStrix in PyTorch, double and float32, and in Keras, float32.

For each case CASE: CASE.weights.safetensors (f32 weights and states under strix' names), CASE.batch.safetensors (x, y),
CASE.expect.safetensors: loss, logits, infer (logits of inference mode), grad/NAME, state/NAME in f64, and error/NAME: the
relative L2 error of the float32 gradients of PyTorch (two memory formats) and of Keras, the largest. Gammas are partly
negative.
Run: KERAS_BACKEND=torch python convstrix.py   (torch, keras, numpy, safetensors)
"""
import os

os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

CASES = {  # name: activation, blocks, convs in a block
    "relu": ("relu", 3, 1),
    "tanh2": ("tanh", 3, 2),
    "selu": ("selu", 2, 1),
}
WIDTH, SIZE, BATCH = 6, 14, 8


def make_weights(rng, blocks, convs):
    w, cin, size = {}, 1, SIZE
    for b in range(blocks):
        cout = WIDTH * (b + 1)
        for c in range(convs):
            p = f"blocks.{b}.convs.{c}.conv"
            w[p + "/kernel"] = rng.normal(0, (2 / (9 * cin)) ** 0.5, (cout, 3, 3, cin))
            w[p + "/bias"] = rng.normal(0, 0.1, cout)
            cin = cout
        if b + 1 < blocks:
            p = f"blocks.{b}.norm"
            w[p + "/gamma"] = rng.normal(0.3, 1, cout)
            w[p + "/beta"] = rng.normal(0, 0.3, cout)
            w[p + "/mean"] = rng.normal(0.2, 0.2, cout)
            w[p + "/variance"] = rng.uniform(0.5, 2, cout)
            size //= 2
    n = size * size * cin
    w["fc.dense/kernel"] = rng.normal(0, (1 / n) ** 0.5, (16, n))
    w["fc.dense/bias"] = rng.normal(0, 0.1, 16)
    w["out/kernel"] = rng.normal(0, 0.25, (10, 16))
    w["out/bias"] = rng.normal(0, 0.1, 10)
    return {k: v.astype(np.float32) for k, v in w.items()}


def forward(w, x, act, blocks, convs, training, states):
    f = {"relu": F.relu, "tanh": torch.tanh, "selu": F.selu}[act]
    h = x.permute(0, 3, 1, 2)
    for b in range(blocks):
        for c in range(convs):
            p = f"blocks.{b}.convs.{c}.conv"
            h = f(F.conv2d(h, w[p + "/kernel"].permute(0, 3, 1, 2), w[p + "/bias"], padding=1))
        if b + 1 < blocks:
            p = f"blocks.{b}.norm"
            if training:
                m, v = h.mean((0, 2, 3)), h.var((0, 2, 3), unbiased=False)
                states[p + "/mean"] = 0.99 * w[p + "/mean"] + 0.01 * m
                states[p + "/variance"] = 0.99 * w[p + "/variance"] + 0.01 * v
            else:
                m, v = w[p + "/mean"], w[p + "/variance"]
            s = (1, -1, 1, 1)
            h = (h - m.view(s)) / torch.sqrt(v.view(s) + 1e-3) * w[p + "/gamma"].view(s) + w[p + "/beta"].view(s)
            h = F.max_pool2d(h, 2)
    h = h.permute(0, 2, 3, 1).reshape(x.shape[0], -1)
    h = f(h @ w["fc.dense/kernel"].T + w["fc.dense/bias"])
    return h @ w["out/kernel"].T + w["out/bias"]


def run(weights, x, y, case, dtype, channels_last=False):
    w = {k: torch.tensor(v).to(dtype) for k, v in weights.items()}
    for k, v in w.items():
        if not k.endswith(("/mean", "/variance")):
            v.requires_grad_(True)
    xt = torch.tensor(x).to(dtype)
    if channels_last:
        xt = xt.contiguous()
    states = {}
    logits = forward(w, xt, *case, True, states)
    loss = F.cross_entropy(logits, torch.tensor(y))
    loss.backward()
    with torch.no_grad():
        infer = forward(w, xt, *case, False, {})
    out = {"loss": loss.detach(), "logits": logits.detach(), "infer": infer}
    out |= {"grad/" + k: v.grad for k, v in w.items() if v.grad is not None}
    out |= {"state/" + k: v.detach() for k, v in states.items()}
    return {k: np.ascontiguousarray(v.double().numpy()) for k, v in out.items()}


def keras_model(act, blocks, convs):
    x = h = keras.Input((SIZE, SIZE, 1))
    for b in range(blocks):
        for c in range(convs):
            h = keras.layers.Conv2D(WIDTH * (b + 1), 3, padding="same", activation=act, name=f"blocks-{b}-convs-{c}-conv")(h)
        if b + 1 < blocks:
            h = keras.layers.MaxPooling2D(2)(keras.layers.BatchNormalization(name=f"blocks-{b}-norm")(h))
    h = keras.layers.Dense(16, activation=act, name="fc-dense")(keras.layers.Flatten()(h))
    return keras.Model(x, keras.layers.Dense(10, name="out")(h))


def flip(v, back=False):
    """Kernels: output channels first here, last in Keras."""
    return np.moveaxis(v, -1, 0) if back else np.moveaxis(v, 0, -1)


def run_keras(weights, x, y, case):
    """The gradients of Keras' own layers in float32."""
    model = keras_model(*case)
    variables = {v.path.replace("-", ".").replace("moving_", ""): v for v in model.variables}     # torch takes no dots
    assert variables.keys() == weights.keys(), variables.keys() ^ weights.keys()
    for k, v in weights.items():
        variables[k].assign(flip(v) if k.endswith("/kernel") else v)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(y, model(x, training=True))
    loss.backward()
    grads = {k: v.value.grad.numpy() for k, v in variables.items() if v.trainable}
    return {"grad/" + k: (flip(v, True) if k.endswith("/kernel") else v).astype(np.float64) for k, v in grads.items()}


for name, case in CASES.items():
    rng = np.random.default_rng(1777)
    weights = make_weights(rng, *case[1:])
    x = rng.random((BATCH, SIZE, SIZE, 1), dtype=np.float32)
    y = rng.integers(0, 10, BATCH)
    expect = run(weights, x, y, case, torch.float64)
    for single in (run(weights, x, y, case, torch.float32), run(weights, x, y, case, torch.float32, True),
                   run_keras(weights, x, y, case)):
        for k, ref in expect.copy().items():
            if k.startswith("grad/"):
                e = np.linalg.norm(single[k] - ref) / np.linalg.norm(ref)
                key = "error/" + k[5:]
                expect[key] = np.maximum(expect.get(key, 0.0), e) * np.ones(1)
    save_file(weights, name + ".weights.safetensors")
    save_file({"x": x, "y": y.astype(np.int64)}, name + ".batch.safetensors")
    save_file(expect, name + ".expect.safetensors")
    print(name, "loss", expect["loss"], "largest float32 error", max(v.item() for k, v in expect.items() if k[:6] == "error/"))
