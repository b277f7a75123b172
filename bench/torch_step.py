"""One process, one figure: the training or inference step of a net in PyTorch on the CPU, as JSON. Used by vs-torch.

The nets are those of torch_nets.py in channels_last memory, with cross-entropy and Adam (epsilon 1e-7; with --fused its one-pass
implementation, which is not the default). Images lie in memory as bytes; a step gathers a random batch, divides by 255 and
trains. bf16 is autocast, PyTorch's own way.
"""
import time

began = time.perf_counter()
import argparse
import contextlib
import json
import resource
import statistics

import torch
import torch.nn.functional as F

from torch_nets import ACTIVATIONS, NETS

p = argparse.ArgumentParser()
p.add_argument("--net", choices=list(NETS), default="convstrix")
p.add_argument("--size", type=int, default=28)
p.add_argument("--blocks", type=int, default=4)
p.add_argument("--block-size", type=int, default=1)
p.add_argument("--activation", choices=list(ACTIVATIONS), default="relu")
p.add_argument("--units", type=int, default=512)
p.add_argument("--layers", type=int, default=1)
p.add_argument("--dropout", type=float, default=0.2)
p.add_argument("--batch", type=int, default=64)
p.add_argument("--steps", type=int, default=20)
p.add_argument("--threads", type=int, default=2)
p.add_argument("--mode", choices=["train", "infer"], default="train")
p.add_argument("--precision", choices=["f32", "bf16"], default="f32")
p.add_argument("--fused", action="store_true")
a = p.parse_args()

torch.manual_seed(1777)
torch.set_num_threads(a.threads)
model = NETS[a.net](a).to(memory_format=torch.channels_last)
model.train(a.mode == "train")
rows = 8 * a.batch
images = torch.randint(0, 256, (rows, 1, a.size, a.size), dtype=torch.uint8)
labels = torch.randint(0, 10, (rows,))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-4, eps=1e-7, fused=a.fused or None) if a.mode == "train" else None
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
