#!/bin/sh
# outside.sh PREFIX SOURCE WORK: builds examples/plugin-layer against an installed strix and runs it, as a user would.
set -eux
prefix=$1 source=$2 work=$3
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig" LD_LIBRARY_PATH="$prefix/lib" PATH="$prefix/bin:$PATH"
unset STRIX_PLUGIN_PATH || true
rm -rf "$work" && cp -r "$source/examples/plugin-layer" "$work" && cd "$work"
[ "$(grep -c '' leaky.c)" -lt 40 ]
pkg-config --modversion strix
make
strix conform ./layers/leaky.so
strix plugins list --plugin-path "$work" | grep leaky
strix --plugin-path "$work" check "$source/examples/convstrix28.cfg" --set 'vars.activation="leaky"'
