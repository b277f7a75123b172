"""Makes the golden files of a net with two inputs and two outputs (ends.cfg): PyTorch, double and float32.

ends.weights.safetensors, ends.batch.safetensors (x/NAME, y/NAME), ends.expect.safetensors: loss, loss/NAME, logits/NAME,
grad/NAME in f64, and error/NAME: the relative L2 error of PyTorch's own float32 gradient.
Run: python ends.py   (torch, numpy, safetensors)
"""
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

BATCH = 8
SHAPES = {
    "trunk.conv": (4, 3, 3, 2),
    "side.out": (3, 144),
    "more": (5, 3),
    "fc": (8, 149),
    "main": (4, 8),
}


def run(weights, x, y, dtype):
    w = {k: torch.tensor(v).to(dtype).requires_grad_(True) for k, v in weights.items()}

    def dense(h, name):
        return h @ w[name + "/kernel"].T + w[name + "/bias"]

    image, facts = (torch.tensor(x[k]).to(dtype) for k in ("image", "facts"))
    h = F.conv2d(image.permute(0, 3, 1, 2), w["trunk.conv/kernel"].permute(0, 3, 1, 2), w["trunk.conv/bias"], padding=1)
    trunk = torch.tanh(h).permute(0, 2, 3, 1).reshape(BATCH, -1)
    more = torch.tanh(dense(facts, "more"))
    fc = torch.tanh(dense(torch.cat([trunk, more], 1), "fc"))
    logits = {"main": dense(fc, "main"), "side": dense(trunk, "side.out")}
    loss = {"main": F.cross_entropy(logits["main"], torch.tensor(y["fine"])),
            "side": F.cross_entropy(logits["side"], torch.tensor(y["coarse"]))}
    total = loss["main"] + 0.3 * loss["side"]
    total.backward()
    out = {"loss": total} | {"loss/" + k: v for k, v in loss.items()} | {"logits/" + k: v for k, v in logits.items()}
    out |= {"grad/" + k: v.grad for k, v in w.items()}
    return {k: np.ascontiguousarray(v.detach().double().numpy()) for k, v in out.items()}


rng = np.random.default_rng(1777)
weights = {}
for name, shape in SHAPES.items():
    weights[name + "/kernel"] = rng.normal(0, (1 / np.prod(shape[1:])) ** 0.5, shape).astype(np.float32)
    weights[name + "/bias"] = rng.normal(0, 0.1, shape[0]).astype(np.float32)
x = {"image": rng.random((BATCH, 6, 6, 2), dtype=np.float32), "facts": rng.normal(0, 1, (BATCH, 3)).astype(np.float32)}
y = {"fine": rng.integers(0, 4, BATCH), "coarse": rng.integers(0, 3, BATCH)}
expect, single = run(weights, x, y, torch.float64), run(weights, x, y, torch.float32)
for k in [k for k in expect if k.startswith("grad/")]:
    expect["error/" + k[5:]] = np.linalg.norm(single[k] - expect[k]) / np.linalg.norm(expect[k]) * np.ones(1)
save_file(weights, "ends.weights.safetensors")
save_file({"x/" + k: v for k, v in x.items()} | {"y/" + k: v.astype(np.int64) for k, v in y.items()}, "ends.batch.safetensors")
save_file(expect, "ends.expect.safetensors")
print("loss", expect["loss"], "largest float32 error", max(v.item() for k, v in expect.items() if k[:6] == "error/"))
