#!/bin/sh
# test_ctypes.sh: a host that opens libstrix locally (Python's ctypes does) can load plugins, which do not link it themselves.
: "${STRIX_BUILD:?run by make check}"
command -v python3 >/dev/null || { echo "1..0 # SKIP no python3"; exit 0; }
grep -q 'define STRIX_SANITIZED' "$STRIX_BUILD/build-config.h" && { echo "1..0 # SKIP sanitizers need a host of their own"; exit 0; }
exec python3 - <<'PY'
import ctypes, os

build = os.environ["STRIX_BUILD"]
plugin = build + "/plugins/layers/.libs/dense.so"

class Where(ctypes.Structure):
    _fields_ = [("file", ctypes.c_char_p), ("line", ctypes.c_int), ("path", ctypes.c_char_p)]
class Item(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_uint32), ("size", ctypes.c_uint32), ("name", ctypes.c_char_p), ("doc", ctypes.c_char_p)]
class Entry(ctypes.Structure):
    _fields_ = [("item", ctypes.POINTER(Item))]

def check(number, ok, what):
    print(("ok" if ok else "not ok"), number, "-", what, flush=True)

print("1..4", flush=True)
strix = ctypes.CDLL(build + "/.libs/libstrix.so", mode=ctypes.RTLD_LOCAL)
for name, result, args in (("sx_arena_open", ctypes.c_void_p, [ctypes.c_void_p]),
                           ("sx_arena_close", None, [ctypes.c_void_p]),
                           ("sx_registry_open", ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_char_p]),
                           ("sx_find", ctypes.POINTER(Entry), [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, Where, ctypes.c_void_p])):
    function = getattr(strix, name)
    function.restype, function.argtypes = result, args
try:
    ctypes.CDLL(plugin, mode=os.RTLD_NOW | os.RTLD_LOCAL)
    check(1, False, "a locally opened libstrix hides its symbols")
except OSError as error:
    check(1, "undefined symbol" in str(error), "a locally opened libstrix hides its symbols")
arena = strix.sx_arena_open(None)
registry = strix.sx_registry_open(arena, (build + "/plugins").encode())
dense = strix.sx_find(registry, 1, b"dense", Where(), None)
check(2, bool(dense) and dense.contents.item.contents.name == b"dense", "the loader resolves a layer all the same")
sampler = strix.sx_find(registry, 7, b"random", Where(), None)
check(3, bool(sampler) and sampler.contents.item.contents.kind == 7, "and a sampler")
check(4, not strix.sx_find(registry, 1, b"no_such_layer", Where(), None), "a missing one is NULL, not a crash")
strix.sx_arena_close(arena)
PY
