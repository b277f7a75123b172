"""Makes layers.safetensors: every layer of strix against PyTorch in double, forward and gradients.

A case is a config text (metadata CASE) and tensors CASE/x, CASE/w/NAME (weights and states), CASE/dy, and what must come out:
CASE/y, CASE/dx, CASE/dw/NAME, CASE/s/NAME (states after a training step). "!infer" at the start of the text: evaluation mode.
Semantics are Keras': padding "same" puts the odd pixel at the end, batchnorm has eps 1e-3, momentum 0.99, biased variance.
Run: python layers.py   (torch, numpy, safetensors, opencv-python-headless)
"""
import cv2
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

rng = np.random.default_rng(7)
tensors, texts = {}, {}


def nchw(t):
    return t.permute(0, 3, 1, 2)


def nhwc(t):
    return t.permute(0, 2, 3, 1)


def case(name, text, shape, fn, weights=None, infer=False, check_grad=True, image=False):
    weights = {k: v.astype(np.float32) for k, v in (weights or {}).items()}
    x = (rng.integers(0, 256, shape) if image else rng.normal(0, 1, shape)).astype(np.float32)
    xt = torch.tensor(x).double().requires_grad_(True)
    wt = {k: torch.tensor(v).double() for k, v in weights.items()}
    for k, v in wt.items():
        if k.split("/")[-1] not in ("mean", "variance", "seen"):
            v.requires_grad_(True)
    states = {}
    y = fn(xt, wt, states)
    texts[name] = ("!infer " if infer else "") + text
    tensors[name + "/x"] = x
    for k, v in weights.items():
        tensors[f"{name}/w/{k}"] = v
    tensors[name + "/y"] = y.detach().numpy().copy()
    for k, v in states.items():
        tensors[f"{name}/s/{k}"] = v.detach().numpy().copy()
    if check_grad:
        dy = rng.normal(0, 1, tuple(y.shape)).astype(np.float32)
        y.backward(torch.tensor(dy).double())
        tensors[name + "/dy"] = dy
        tensors[name + "/dx"] = xt.grad.numpy().copy()
        for k, v in wt.items():
            if v.grad is not None:
                tensors[f"{name}/dw/{k}"] = v.grad.numpy().copy()


def same(size, k, s, d):
    eff = (k - 1) * d + 1
    total = max((-(-size // s) - 1) * s + eff - size, 0)
    return total // 2, total - total // 2


def conv(name, settings, shape, out, k=(3, 3), s=(1, 1), d=(1, 1), g=1, padding="same", pad=None, bias=True):
    if padding == "same":
        (t, b), (l, r) = same(shape[1], k[0], s[0], d[0]), same(shape[2], k[1], s[1], d[1])
    elif padding == "explicit":
        t, l, b, r = pad
    else:
        t = b = l = r = 0
    w = {"l/kernel": rng.normal(0, 0.3, (out, k[0], k[1], shape[3] // g))}
    if bias:
        w["l/bias"] = rng.normal(0, 0.3, out)

    def fn(x, wt, states):
        h = F.pad(nchw(x), (l, r, t, b))
        return nhwc(F.conv2d(h, nchw(wt["l/kernel"]), wt.get("l/bias"), stride=s, dilation=d, groups=g))

    case(name, f'l = {{ type = "conv2d"; filters = {out}; padding = "{padding}"; {settings} }};', shape, fn, w)


conv("conv_same", "kernel = 3;", (2, 6, 5, 3), 4)
conv("conv_valid", "kernel = 3;", (2, 6, 5, 3), 4, padding="valid")
conv("conv_one_channel", "kernel = 3;", (3, 7, 7, 1), 8)
conv("conv_stride_even", "kernel = 3; stride = 2;", (2, 8, 8, 2), 3, s=(2, 2))
conv("conv_stride_odd", "kernel = 3; stride = 2;", (2, 7, 9, 2), 3, s=(2, 2))
conv("conv_rectangle", "kernel = [ 3, 5 ]; stride = [ 1, 2 ];", (2, 7, 9, 2), 3, k=(3, 5), s=(1, 2))
conv("conv_dilated", "kernel = 3; dilation = 2;", (2, 8, 8, 2), 3, d=(2, 2))
conv("conv_groups", "kernel = 3; groups = 2;", (2, 6, 6, 4), 6, g=2)
conv("conv_depthwise", "kernel = 3; groups = 4;", (2, 6, 6, 4), 4, g=4)
conv("conv_explicit", "kernel = 2; pad = [ 1, 0, 0, 2 ];", (2, 5, 5, 2), 3, k=(2, 2), padding="explicit", pad=(1, 0, 0, 2))
conv("conv_no_bias", "kernel = 1; bias = false;", (2, 4, 4, 5), 3, k=(1, 1), bias=False)
conv("conv_wide", "kernel = 3;", (2, 9, 9, 32), 64)
conv("conv_33", "kernel = 3;", (1, 3, 3, 33), 17)

case("dense", 'l = { type = "dense"; units = 7; };', (5, 11), lambda x, w, s: x @ w["l/kernel"].T + w["l/bias"],
     {"l/kernel": rng.normal(0, 0.4, (7, 11)), "l/bias": rng.normal(0, 0.4, 7)})
case("dense_wide", 'l = { type = "dense"; units = 130; bias = false; };', (64, 257), lambda x, w, s: x @ w["l/kernel"].T,
     {"l/kernel": rng.normal(0, 0.1, (130, 257))})


def bn(training, before=None):
    """before: with debias, after so many steps; the averages are then the sums of Adam's moments over 1 - 0.99^t."""
    def fn(x, w, states):
        axes = tuple(range(x.dim() - 1))
        m, v = (x.mean(axes), x.var(axes, unbiased=False)) if training else (w["l/mean"], w["l/variance"])
        old = 1 if before is None else 1 - 0.99**before
        new = 1 if before is None else 1 - 0.99**(before + 1)
        if training:
            states["l/mean"] = (0.99 * w["l/mean"] * old + 0.01 * m) / new
            states["l/variance"] = (0.99 * w["l/variance"] * old + 0.01 * v) / new
        if training and before is not None:
            states["l/seen"] = torch.tensor([new]).double()
        return (x - m) / torch.sqrt(v + 1e-3) * w["l/gamma"] + w["l/beta"]
    return fn


for kind, shape in (("4d", (3, 5, 4, 6)), ("2d", (9, 6))):
    for training in (True, False):
        case(f"batchnorm_{kind}_{'train' if training else 'infer'}", 'l = { type = "batchnorm"; };', shape, bn(training),
             {"l/gamma": rng.normal(0.2, 1, 6), "l/beta": rng.normal(0, 1, 6), "l/mean": rng.normal(0, 1, 6),
              "l/variance": rng.uniform(0.5, 2, 6)}, infer=not training)

case("maxpool", 'l = { type = "maxpool2d"; size = 2; };', (2, 7, 6, 3), lambda x, w, s: nhwc(F.max_pool2d(nchw(x), 2)))
case("maxpool_overlap", 'l = { type = "maxpool2d"; size = 3; stride = 2; };', (2, 7, 9, 3),
     lambda x, w, s: nhwc(F.max_pool2d(nchw(x), 3, 2)))
case("maxpool_same", 'l = { type = "maxpool2d"; size = 3; stride = 2; padding = "same"; };', (2, 8, 7, 3),
     lambda x, w, s: nhwc(F.max_pool2d(F.pad(nchw(x), (1, 1, 0, 1), value=-1e30), 3, 2)))
case("flatten", 'l = { type = "flatten"; };', (3, 2, 4, 5), lambda x, w, s: x.reshape(3, -1))
case("relu", 'l = { type = "relu"; };', (4, 33), lambda x, w, s: F.relu(x))
case("selu", 'l = { type = "selu"; };', (4, 33), lambda x, w, s: F.selu(x))
case("tanh", 'l = { type = "tanh"; };', (4, 33), lambda x, w, s: torch.tanh(x))
case("softmax", 'l = { type = "softmax"; };', (4, 10), lambda x, w, s: F.softmax(x, -1))
case("tile_channels", 'l = { type = "tile_channels"; times = 3; };', (2, 4, 3, 1), lambda x, w, s: x.repeat(1, 1, 1, 3))
case("scale", 'l = { type = "scale"; factor = "1 / 255"; };', (2, 4, 3, 2), lambda x, w, s: x / 255)
case("dropout_infer", 'l = { type = "dropout"; rate = 0.5; };', (3, 7), lambda x, w, s: x * 1, infer=True)
case("add", 'a = { type = "scale"; factor = 2.0; }; b = { type = "tanh"; }; l = { type = "add"; inputs = [ "a", "b" ]; };',
     (2, 3, 4, 2), lambda x, w, s: 2 * x + torch.tanh(2 * x))
case("concat", 'a = { type = "scale"; factor = 2.0; }; b = { type = "tanh"; }; l = { type = "concat"; inputs = [ "a", "b" ]; };',
     (2, 3, 4, 2), lambda x, w, s: torch.cat([2 * x, torch.tanh(2 * x)], -1))
for name, shape, size in (("up", (2, 7, 7, 2), (16, 12)), ("down", (1, 9, 10, 1), (4, 5)), ("four", (1, 28, 28, 1), (128, 128))):
    case("resize_" + name, f'l = {{ type = "resize"; height = {size[0]}; width = {size[1]}; whole = false; }};', shape,
         lambda x, w, s, size=size: nhwc(F.interpolate(nchw(x), size=size, mode="bilinear", align_corners=False)),
         check_grad=name != "four")

for size in ((128, 128), (37, 61), (14, 20)):  # bytes, as OpenCV's INTER_LINEAR computes them, to the last bit

    def opencv(x, w, s, size=size):
        images = x.detach().numpy()[..., 0].astype(np.uint8)
        return torch.tensor(np.stack([cv2.resize(i, size[::-1], interpolation=cv2.INTER_LINEAR) for i in images])[..., None]).double()

    case(f"resize_bytes_{size[0]}", f'l = {{ type = "resize"; height = {size[0]}; width = {size[1]}; }};', (1, 28, 28, 1), opencv,
         check_grad=False, image=True)

case("avgpool", 'l = { type = "avgpool2d"; size = 2; };', (2, 7, 6, 3), lambda x, w, s: nhwc(F.avg_pool2d(nchw(x), 2)))
case("avgpool_same", 'l = { type = "avgpool2d"; size = 3; stride = 2; padding = "same"; };', (2, 8, 7, 3),
     lambda x, w, s: nhwc(F.avg_pool2d(F.pad(nchw(x), (1, 1, 0, 1)), 3, 2)
                          / F.avg_pool2d(F.pad(nchw(x) * 0 + 1, (1, 1, 0, 1)), 3, 2)))

for before in (0, 3, 500):
    case(f"batchnorm_debias_{before}", 'l = { type = "batchnorm"; debias = true; };', (3, 5, 4, 6), bn(True, before),
         {"l/gamma": rng.normal(0.2, 1, 6), "l/beta": rng.normal(0, 1, 6), "l/mean": rng.normal(0, 1, 6),
          "l/variance": rng.uniform(0.5, 2, 6), "l/seen": np.array([1 - 0.99**before])})

save_file(tensors, "layers.safetensors", metadata=texts)
print(len(texts), "cases")
