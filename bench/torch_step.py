"""One process, one figure: the training or inference step of a net in PyTorch on the CPU, as JSON. Used by vs-torch.

Keras' semantics as in strix: 'same' convolutions, BatchNorm with eps 1e-3, flatten in NHWC order, cross-entropy, Adam with
epsilon 1e-7; channels_last memory. Images lie in memory as bytes; a step gathers a random batch, divides by 255 and trains.
bf16 is autocast, PyTorch's own way. The nets are twins of examples/{convstrix,fcnn,vggstrix,resnet20}.cfg.
"""
import time

began = time.perf_counter()
import argparse
import contextlib
import json
import resource
import statistics

import torch
import torch.nn as nn
import torch.nn.functional as F


class Flatten(nn.Module):
    def forward(self, x):
        return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1)


def norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def dense(width, a):
    parts = [Flatten()]
    for _ in range(a.layers):
        parts += [nn.Linear(width, a.units), nn.ReLU(), nn.Dropout(a.dropout)]
        width = a.units
    return parts + [nn.Linear(width, 10)]


def convstrix(a):
    parts, cin, size = [], 1, a.size
    for b in range(a.blocks):
        cout = 32 * (b + 1)
        parts += [nn.Conv2d(cin, cout, 3, padding=1), nn.ReLU()]
        cin = cout
        if b + 1 < a.blocks:
            parts += [norm(cout), nn.MaxPool2d(2)]
            size //= 2
    return nn.Sequential(*parts, *dense(cin * size * size, a))


class Grey(nn.Module):
    def forward(self, x):
        return x.expand(-1, 3, -1, -1)


def vgg19(a):
    parts, cin = [Grey()], 3
    for stage, depth in enumerate((2, 2, 4, 4, 4)):
        for _ in range(depth):
            cout = min(64 << stage, 512)
            parts += [nn.Conv2d(cin, cout, 3, padding=1), nn.ReLU()]
            cin = cout
        parts.append(nn.MaxPool2d(2))
    return nn.Sequential(*parts, *dense(cin * (a.size // 32) ** 2, a))


class Unit(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.way = nn.Sequential(nn.Conv2d(cin, cout, 3, stride, 1, bias=False), norm(cout), nn.ReLU(),
                                 nn.Conv2d(cout, cout, 3, 1, 1, bias=False), norm(cout))
        self.short = nn.Conv2d(cin, cout, 1, stride, bias=False) if stride > 1 else nn.Identity()

    def forward(self, x):
        return F.relu(self.way(x) + self.short(x))


def resnet20(a):
    parts, cin = [nn.Conv2d(1, 16, 3, padding=1, bias=False), norm(16), nn.ReLU()], 16
    for stage in range(3):
        for unit in range(3):
            cout = 16 << stage
            parts.append(Unit(cin, cout, 2 if stage and not unit else 1))
            cin = cout
    return nn.Sequential(*parts, nn.AvgPool2d(7), Flatten(), nn.Linear(cin, 10))


nets = {"convstrix": convstrix, "vgg19": vgg19, "fcnn": lambda a: nn.Sequential(*dense(a.size * a.size, a)), "resnet20": resnet20}
p = argparse.ArgumentParser()
p.add_argument("--net", choices=list(nets), default="convstrix")
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
a = p.parse_args()

torch.manual_seed(1777)
torch.set_num_threads(a.threads)
model = nets[a.net](a).to(memory_format=torch.channels_last)
model.train(a.mode == "train")
rows = 8 * a.batch
images = torch.randint(0, 256, (rows, 1, a.size, a.size), dtype=torch.uint8)
labels = torch.randint(0, 10, (rows,))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-4, eps=1e-7) if a.mode == "train" else None
cast = torch.autocast("cpu", torch.bfloat16) if a.precision == "bf16" else contextlib.nullcontext()


def step():
    pick = torch.randint(0, rows, (a.batch,))
    x = (images[pick].float() / 255).contiguous(memory_format=torch.channels_last)
    if a.mode == "infer":
        with torch.inference_mode(), cast:
            return model(x)
    with cast:
        loss = F.cross_entropy(model(x), labels[pick])
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return loss


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
                  "parameters": sum(q.numel() for q in model.parameters()), "torch": torch.__version__}))
