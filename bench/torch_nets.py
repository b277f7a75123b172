"""The nets of examples/{convstrix,fcnn,vggstrix,resnet20}.cfg in PyTorch, for torch_step.py and torch_job.py.

Keras' semantics as in strix: 'same' convolutions, BatchNorm with eps 1e-3, flatten in NHWC order. What a net is built from is
an object with size, blocks, block_size, layers, units, dropout, activation; the last layer gives logits.
"""
import torch.nn as nn
import torch.nn.functional as F

ACTIVATIONS = {"relu": nn.ReLU, "selu": nn.SELU, "tanh": nn.Tanh}


class Flatten(nn.Module):
    def forward(self, x):
        return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1)


def norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def dense(width, a):
    parts = [Flatten()]
    for _ in range(a.layers):
        parts += [nn.Linear(width, a.units), ACTIVATIONS[a.activation](), nn.Dropout(a.dropout)]
        width = a.units
    return parts + [nn.Linear(width, 10)]


def convstrix(a):
    parts, cin, size = [], 1, a.size
    for b in range(a.blocks):
        cout = 32 * (b + 1)
        for _ in range(a.block_size):
            parts += [nn.Conv2d(cin, cout, 3, padding=1), ACTIVATIONS[a.activation]()]
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


def fcnn(a):
    return nn.Sequential(*dense(a.size * a.size, a))


NETS = {"convstrix": convstrix, "vgg19": vgg19, "fcnn": fcnn, "resnet20": resnet20}
