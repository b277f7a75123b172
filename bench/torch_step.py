"""One process, one figure: the training or inference step of a ConvStrix in PyTorch on the CPU, as JSON.

Keras' semantics as in strix: 3x3 'same' convolutions with bias, activation, BatchNorm (eps 1e-3), max-pooling 2x2 after each
block but the last, flatten in NHWC order, dense layers, cross-entropy, Adam with epsilon 1e-7; channels_last memory.
Images lie in memory as bytes; a step gathers a random batch, divides by 255 and trains. Used by vs-torch.
"""
import argparse
import json
import resource
import statistics
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


class Flatten(nn.Module):
    def forward(self, x):
        return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1)


def convstrix(size, blocks, units, layers, dropout):
    parts, cin = [], 1
    for b in range(blocks):
        cout = 32 * (b + 1)
        parts += [nn.Conv2d(cin, cout, 3, padding=1), nn.ReLU()]
        cin = cout
        if b + 1 < blocks:
            parts += [nn.BatchNorm2d(cout, eps=1e-3, momentum=0.01), nn.MaxPool2d(2)]
            size //= 2
    parts.append(Flatten())
    width = cin * size * size
    for _ in range(layers):
        parts += [nn.Linear(width, units), nn.ReLU(), nn.Dropout(dropout)]
        width = units
    return nn.Sequential(*parts, nn.Linear(width, 10))


p = argparse.ArgumentParser()
p.add_argument("--size", type=int, default=28)
p.add_argument("--blocks", type=int, default=4)
p.add_argument("--units", type=int, default=1024)
p.add_argument("--layers", type=int, default=1)
p.add_argument("--dropout", type=float, default=0.3)
p.add_argument("--batch", type=int, default=64)
p.add_argument("--steps", type=int, default=20)
p.add_argument("--threads", type=int, default=2)
p.add_argument("--mode", choices=["train", "infer"], default="train")
a = p.parse_args()

torch.manual_seed(1777)
torch.set_num_threads(a.threads)
model = convstrix(a.size, a.blocks, a.units, a.layers, a.dropout).to(memory_format=torch.channels_last)
model.train(a.mode == "train")
images = torch.randint(0, 256, (2048, 1, a.size, a.size), dtype=torch.uint8)
labels = torch.randint(0, 10, (2048,))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-4, eps=1e-7)


def step():
    rows = torch.randint(0, 2048, (a.batch,))
    x = (images[rows].float() / 255).contiguous(memory_format=torch.channels_last)
    if a.mode == "infer":
        with torch.no_grad():
            return model(x)
    loss = F.cross_entropy(model(x), labels[rows])
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return loss


times = []
for i in range(a.steps + 3):
    began = time.perf_counter()
    step()
    if i >= 3:
        times.append(1e3 * (time.perf_counter() - began))
ms = statistics.median(times)
print(json.dumps({"ms_per_step": ms, "images_per_s": 1e3 * a.batch / ms,
                  "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, "torch": torch.__version__,
                  "parameters": sum(q.numel() for q in model.parameters())}))
