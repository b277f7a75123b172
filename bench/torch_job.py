"""The study of `job` on PyTorch and Optuna, as JSON: the twin of `strix tune examples/convstrix28.cfg`. Used by job.

Same space, rows, split, epochs, early stop, schedule, first weights (Glorot), optimizers with Keras' settings, constraints
(checked on the built net before it trains; such a point costs no trial) and settings of TPE. All else is as one writes it who
wants it fast: data as tensors in memory, no loaders, channels_last, the fastest implementation of each optimizer, validation
by a thousand rows, best weights and the study in memory, no checkpoints (strix writes its own and the study to disk).
With --points FILE, a JSON list of {"values": .., "epochs": n}, there is no search: these points train for that many epochs.
"""
import time

began = time.perf_counter()
import argparse
import gzip
import json
import math
import pathlib
import sys
import types

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from torch_nets import convstrix

CHOICES = {"batch": [32, 64, 128], "fcl_size": [256, 512, 768, 1024], "activation": ["relu", "selu", "tanh"],
           "optimizer": ["adam", "adamax", "nadam", "rmsprop"]}
FIRST = {"batch": 64, "lr": 0.002, "num_blocks": 4, "block_size": 1, "fcl_layers": 1, "fcl_size": 512, "drop_rate": 0.3,
         "activation": "relu", "optimizer": "adamax"}
MOST_MACS, MOST_PARAMETERS = 16e6, 4e6

p = argparse.ArgumentParser()
p.add_argument("--data", required=True)
p.add_argument("--limit", type=int, default=0)
p.add_argument("--trials", type=int, default=20)
p.add_argument("--epochs", type=int, default=15)
p.add_argument("--patience", type=int, default=5)
p.add_argument("--threads", type=int, default=2)
p.add_argument("--seed", type=int, default=1777)
p.add_argument("--startup", type=int, default=3)
p.add_argument("--points")
a = p.parse_args()


# --- Rows: Fashion-MNIST and strix' split, which is a Fisher-Yates shuffle by Philox4x32-10 (core/base/rng.c) ---
def philox(c0, c1, c2, c3, key):
    low, (k0, k1) = 0xFFFFFFFF, key
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & low, (p0 >> 32) ^ c3 ^ k1, p0 & low
        k0, k1 = (k0 + 0x9E3779B9) & low, (k1 + 0xBB67AE85) & low
    return c0, c1


def permutation(n, seed):
    h = 0xCBF29CE484222325
    for byte in b"split":
        h = (h ^ byte) * 0x100000001B3 & (1 << 64) - 1
    key = philox(0, 0, h & 0xFFFFFFFF, h >> 32, (seed & 0xFFFFFFFF, seed >> 32))
    order = list(range(n))
    for i in range(n - 1, 0, -1):
        j = philox(i, 0, 0, 0, key)[0] * (i + 1) >> 32
        order[i], order[j] = order[j], order[i]
    return order


def read(part):
    def ubytes(kind, skip):
        with gzip.open(pathlib.Path(a.data) / f"{part}-{kind}-ubyte.gz") as f:
            return np.frombuffer(f.read(), np.uint8, offset=skip)
    y = ubytes("labels-idx1", 8)
    x = ubytes("images-idx3", 16).reshape(len(y), 1, 28, 28)
    n = min(a.limit or len(y), len(y))
    return torch.from_numpy(x[:n].astype(np.float32) / 255), torch.from_numpy(y[:n].astype(np.int64))


images, labels = read("train")
order = permutation(len(labels), 1777)
n_val = int(len(labels) * 0.2 + 0.5)
val_rows, fit_rows = torch.tensor(sorted(order[:n_val])), torch.tensor(sorted(order[n_val:]))
val = images[val_rows], labels[val_rows]
fit = images[fit_rows], labels[fit_rows]
test = read("t10k")


# --- Nets ---
def build(v):
    model = convstrix(types.SimpleNamespace(
        size=28, blocks=v["num_blocks"], block_size=v["block_size"], layers=v["fcl_layers"], units=v["fcl_size"],
        dropout=v["drop_rate"], activation=v["activation"])).to(memory_format=torch.channels_last)
    for m in model.modules():
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(m.weight)
            nn.init.zeros_(m.bias)
    return model


def cost(model):
    """Parameters, and multiplications for an image."""
    macs, hooks = [], []
    for m in model.modules():
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            hooks.append(m.register_forward_hook(lambda m, x, y: macs.append(y[0, 0].numel() * m.weight.numel())))
    with torch.inference_mode():
        model.eval()(images[:1])
    for h in hooks:
        h.remove()
    return sum(q.numel() for q in model.parameters()), sum(macs)


def optimizer_of(v, weights):
    name, lr = v["optimizer"], v["lr"]
    if name == "adam":
        return torch.optim.Adam(weights, lr, eps=1e-7, fused=True)
    if name == "rmsprop":
        return torch.optim.RMSprop(weights, lr, alpha=0.9, eps=1e-7, foreach=True)
    return {"adamax": torch.optim.Adamax, "nadam": torch.optim.NAdam}[name](weights, lr, eps=1e-7, foreach=True)


def evaluate(model, part):
    model.eval()
    loss = right = 0.0
    with torch.inference_mode():
        for x, y in zip(part[0].split(1000), part[1].split(1000)):
            out = model(x.contiguous(memory_format=torch.channels_last))
            loss += F.cross_entropy(out, y, reduction="sum").item()
            right += (out.argmax(1) == y).sum().item()
    return loss / len(part[1]), right / len(part[1])


def train(model, v, epochs):
    """Up to `epochs` of a.epochs; None of patience in a repetition. Leaves the weights of the best epoch in the model."""
    batch = v["batch"]
    steps = len(fit[1]) // batch
    optimizer = optimizer_of(v, list(model.parameters()))
    best, done, kept, value, total = math.inf, 0, None, 0.0, steps * a.epochs
    for epoch in range(epochs):
        model.train()
        rows = torch.randperm(len(fit[1]))
        for s in range(steps):
            for g in optimizer.param_groups:
                g["lr"] = v["lr"] * 0.5 * (1 + math.cos(math.pi * (epoch * steps + s) / total))
            pick = rows[s * batch:(s + 1) * batch]
            loss = F.cross_entropy(model(fit[0][pick].contiguous(memory_format=torch.channels_last)), fit[1][pick])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        val_loss, accuracy = evaluate(model, val)
        if not math.isfinite(val_loss):
            return None, epoch + 1
        if val_loss < best:
            best, done, value = val_loss, epoch, accuracy
            kept = {k: t.clone() for k, t in model.state_dict().items()}
        elif not a.points and epoch - done >= a.patience:
            break
    model.load_state_dict(kept)
    return value, epoch + 1


# --- The study ---
trials, best, refused = [], (-1, None), 0


def run(v, model, parameters, macs, epochs):
    global best
    start = time.perf_counter()
    value, took = train(model, v, epochs)
    trials.append({"values": v, "value": value, "epochs": took, "rows": took * (len(fit[1]) // v["batch"]) * v["batch"],
                   "parameters": parameters, "macs": macs, "seconds": time.perf_counter() - start})
    print(f"trial {len(trials) - 1}: {value} after {took} epochs, {trials[-1]['seconds']:.1f} s", file=sys.stderr, flush=True)
    if value is not None and value > best[0]:
        best = value, model
    return value


def repeat():
    for point in json.loads(pathlib.Path(a.points).read_text()):
        model = build(point["values"])
        run(point["values"], model, *cost(model), point["epochs"])


def search():
    global refused
    import optuna
    from optuna.distributions import CategoricalDistribution as Choice, FloatDistribution as Real, IntDistribution as Int
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = {"batch": Choice(CHOICES["batch"]), "lr": Real(2e-4, 1e-2, log=True), "num_blocks": Int(2, 5),
             "block_size": Int(1, 2), "fcl_layers": Int(1, 2), "fcl_size": Choice(CHOICES["fcl_size"]),
             "drop_rate": Real(0.05, 0.5, step=0.05), "activation": Choice(CHOICES["activation"]),
             "optimizer": Choice(CHOICES["optimizer"])}
    sampler = optuna.samplers.TPESampler(n_startup_trials=a.startup, multivariate=True, seed=a.seed)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.enqueue_trial(FIRST)
    while len(trials) < a.trials:
        trial = study.ask(space)
        model = build(trial.params)
        parameters, macs = cost(model)
        if parameters > MOST_PARAMETERS or macs > MOST_MACS:
            refused += 1
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            continue
        value = run(trial.params, model, parameters, macs, a.epochs)
        study.tell(trial, value, state=None if value is not None else optuna.trial.TrialState.FAIL)
    return optuna.__version__


torch.manual_seed(a.seed)
torch.set_num_threads(a.threads)
version = repeat() if a.points else search()
tested = evaluate(best[1], test)[1] if best[1] else None
print(json.dumps({"torch": torch.__version__, "optuna": version, "trials": trials, "refused": refused, "best": best[0],
                  "test_accuracy": tested, "val_classes": torch.bincount(val[1], minlength=10).tolist(),
                  "seconds": time.perf_counter() - began}))
