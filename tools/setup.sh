# setup.sh: sourced by ./run and ./check. Installs what is missing and builds strix.
# Sets: jobs; functions: need PACKAGE..., built DIR, build DIR CONFIGURE-ARGUMENT...

jobs=$(nproc 2>/dev/null || echo 2)

say() { printf '== %s\n' "$*" >&2; }

# Installs the Debian packages that are not there. Without root it names the one command and stops.
need() {
    missing=""
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "strix: this machine has no apt-get; install the equivalents of:$missing" >&2
        exit 1
    fi
    if [ "$(id -u)" != 0 ]; then
        echo "strix: some packages are missing. Run this line, then start again:" >&2
        echo "  sudo apt-get update && sudo apt-get install -y$missing" >&2
        exit 1
    fi
    say "installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >/dev/null || say "apt-get update failed; trying with the lists at hand"
    # shellcheck disable=SC2086
    apt-get install -y -qq --no-install-recommends $missing >/dev/null || {
        echo "strix: apt-get could not install:$missing" >&2
        exit 1
    }
}

run_packages="gcc libc6-dev make autoconf automake libtool pkg-config libconfig-dev libjansson-dev libsqlite3-dev
    libopenblas-dev libdnnl-dev zlib1g-dev dataset-fashion-mnist"
check_packages="clang libcriterion-dev libpq-dev postgresql python3 xz-utils"

# built DIR: has nothing changed since build DIR?
built() {
    [ -e "$1/.built" ] && [ -z "$(cd "$root" && find core cli plugins conform include configure.ac Makefile.am tools \
        -newer "$1/.built" ! -type d | head -n 1)" ]
}

# build DIR ARGUMENT...: configures (once) and makes in DIR; what is chattered goes to DIR.log, shown when it fails.
build() {
    dir=$1; shift
    mkdir -p "$dir"
    {
        [ -x "$root/configure" ] && [ "$root/configure" -nt "$root/configure.ac" ] || (cd "$root" && ./bootstrap)
        [ -f "$dir/Makefile" ] || (cd "$dir" && "$root/configure" "$@")
        make -C "$dir" -j"$jobs" && : >"$dir/.built"
    } >"$dir.log" 2>&1 || { tail -n 40 "$dir.log" >&2; echo "strix: the build failed; all of it is in $dir.log" >&2; return 1; }
}
