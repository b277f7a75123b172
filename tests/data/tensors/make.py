"""Makes train.safetensors and test.safetensors: two inputs and two labels that both need both inputs.

image u8 [rows, 6, 6, 1] has one bright row, facts f32 [rows, 3] one large number; fine (6 classes) is the bright row,
coarse (2 classes) whether its number is below that of the largest fact. Run: python make.py (numpy, safetensors)
"""
import numpy as np
from safetensors.numpy import save_file

for part, rows, seed in (("train", 96, 1), ("test", 24, 2)):
    rng = np.random.default_rng(seed)
    fine, fact = rng.integers(0, 6, rows), rng.integers(0, 3, rows)
    image = rng.integers(0, 60, (rows, 6, 6, 1))
    image[np.arange(rows), fine] += 180
    facts = rng.normal(0, 0.1, (rows, 3))
    facts[np.arange(rows), fact] += 1
    save_file({"image": image.astype(np.uint8), "facts": facts.astype(np.float32), "fine": fine.astype(np.int64),
               "coarse": (fine < 2 * fact).astype(np.int64)}, part + ".safetensors")
