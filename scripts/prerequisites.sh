#!/bin/sh
# Finds what the build needs and prints it as make variables; names what is missing and how to get it.
set -eu

fail() {
  printf 'voxloop: %s\n' "$1" >&2
  exit 1
}

supported='import sys; sys.exit(not ((3, 11) <= sys.version_info[:2] <= (3, 14)))'
python=
for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.14 python3.11; do
  if command -v "$candidate" >/dev/null 2>&1 && "$candidate" -c "$supported" 2>/dev/null; then
    python=$(command -v "$candidate")
    break
  fi
done
[ -n "$python" ] || fail "CPython 3.11 to 3.14 is needed and none was found.
  Get it from your system (Debian: apt-get install python3 python3-venv), from python.org,
  or name one: make PYTHON=/path/to/python3.12"
"$python" -c 'import venv, ensurepip' 2>/dev/null || fail "$python has no venv module.
  Debian and Ubuntu keep it apart: apt-get install python3-venv"

PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
command -v cargo >/dev/null 2>&1 || fail "a Rust toolchain (cargo, rustc 1.89 or newer) is needed and was not found.
  Get it by the instructions on rustup.rs, then open a new shell."
rust=$(rustc --version | cut -d' ' -f2)
minor=$(printf '%s' "$rust" | cut -d. -f2)
[ "$minor" -ge 89 ] || fail "rustc 1.89 or newer is needed; this one is $rust. Update it: rustup update stable"
command -v "${CC:-cc}" >/dev/null 2>&1 || fail "a C compiler is needed (a dependency of the TLS library builds with it).
  Debian: apt-get install gcc libc6-dev; macOS: xcode-select --install"

printf '%s\n' "$python"
