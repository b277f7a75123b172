"""What bench's Python programs share: running a side, PyTorch's tuned malloc, the machine in words, tables."""
import json
import os
import pathlib
import re
import subprocess

# A malloc that keeps memory and uses huge pages: half of PyTorch's step on large nets is page faults without.
TUNED = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "20000000000", "MALLOC_TOP_PAD_": "1000000000",
         "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


def run(command, more={}):
    """The JSON that a command prints."""
    done = subprocess.run([str(c) for c in command], env=os.environ | more, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stderr or done.stdout}")
    return json.loads(done.stdout[done.stdout.index("{"):])


def beside(strix):
    """The plugins of a strix that was built and not installed."""
    plugins = pathlib.Path(strix).resolve().parent / "plugins"
    return {"STRIX_PLUGIN_PATH": str(plugins)} if plugins.is_dir() else {}


def step_of_strix(strix, config, options, sets, more={}):
    """strix bench step."""
    edits = [s for v in sets for s in ("--set", v)]
    return run([strix, "bench", "step", config, "--json", *options, *edits], beside(strix) | more)


def describe():
    """Model of the processor, the widest vectors it has (as STRIX_CPU_ISA names them), cores, load."""
    try:
        text = open("/proc/cpuinfo").read()
    except OSError:
        text = ""
    field = lambda name: (re.search(rf"^{name}\s*: (.*)", text, re.M) or ["", ""])[1]
    flags = field("flags").split()
    isa = [name for name, flag in (("amx", "amx_bf16"), ("avx512", "avx512f"), ("avx2", "avx2")) if flag in flags]
    model = field("model name") + f", family {field('cpu family')} model {field('model')}"
    return {"cpu": model, "isa": isa[0] if isa else "plain", "cap": os.environ.get("STRIX_CPU_ISA"), "cores": os.cpu_count(),
            "load_before": os.getloadavg()[0]}


def table(heads, rows):
    """Markdown; a head that begins with > is of a column of numbers."""
    print("| " + " | ".join(h.lstrip(">") for h in heads) + " |")
    print("|" + "".join(" ---: |" if h.startswith(">") else " --- |" for h in heads))
    for r in rows:
        print("| " + " | ".join(map(str, r)) + " |")
