"""Makes optimizers.h: 30 steps of each optimizer of Keras on four weights, in float32, from given gradients.

Run: KERAS_BACKEND=torch python optimizers.py   (keras, torch, numpy)
"""
import os

os.environ.setdefault("KERAS_BACKEND", "torch")
import keras
import numpy as np

STEPS, N = 30, 4
rng = np.random.default_rng(11)
start = rng.normal(0, 1, N).astype(np.float32)
grads = (rng.normal(0, 1, (STEPS, N)) * np.array([1, 1e-3, 10, 0.1])).astype(np.float32)
cases = {
    "adam": ("adam", "", keras.optimizers.Adam(learning_rate=0.01)),
    "adam_slow": ("adam", "beta_1 = 0.5; beta_2 = 0.9; epsilon = 1e-3;",
                  keras.optimizers.Adam(learning_rate=0.01, beta_1=0.5, beta_2=0.9, epsilon=1e-3)),
    "adamax": ("adamax", "", keras.optimizers.Adamax(learning_rate=0.01)),
    "nadam": ("nadam", "", keras.optimizers.Nadam(learning_rate=0.01)),
    "rmsprop": ("rmsprop", "", keras.optimizers.RMSprop(learning_rate=0.01)),
    "rmsprop_momentum": ("rmsprop", "rho = 0.8; momentum = 0.7;",
                         keras.optimizers.RMSprop(learning_rate=0.01, rho=0.8, momentum=0.7)),
    "sgd": ("sgd", "", keras.optimizers.SGD(learning_rate=0.01)),
    "sgd_momentum": ("sgd", "momentum = 0.9;", keras.optimizers.SGD(learning_rate=0.01, momentum=0.9)),
    "sgd_nesterov": ("sgd", "momentum = 0.8; nesterov = true;",
                     keras.optimizers.SGD(learning_rate=0.01, momentum=0.8, nesterov=True)),
}


def row(values):
    return "{ " + ", ".join("%.9gf" % v if "." in "%.9g" % v or "e" in "%.9g" % v else "%.9g.0f" % v for v in values) + " }"


lines = ["/* optimizers.h: made by optimizers.py with Keras %s: weights after each of %d steps, learning rate 0.01. */"
         % (keras.__version__, STEPS),
         "enum { STEPS = %d, N = %d };" % (STEPS, N),
         "static const float start[N] = %s;" % row(start),
         "static const float grads[STEPS][N] = {"]
lines += ["    %s," % row(g) for g in grads] + ["};"]
lines += ["static const struct { const char *name, *type, *settings; float w[STEPS][N]; } cases[] = {"]
for name, (kind, settings, optimizer) in cases.items():
    w = keras.Variable(start.copy())
    optimizer.build([w])
    lines.append('    { "%s", "%s", "%s", {' % (name, kind, settings))
    for g in grads:
        optimizer.apply([keras.ops.convert_to_tensor(g)], [w])
        lines.append("        %s," % row(keras.ops.convert_to_numpy(w)))
    lines.append("    } },")
lines.append("};")
open("optimizers.h", "w").write("\n".join(lines) + "\n")
print(len(cases), "cases")
