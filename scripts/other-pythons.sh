#!/bin/sh
# Import, native tests and the demo on every CPython from 3.12 on that is found, with one abi3 wheel.
set -eu
cd "$(dirname "$0")/.."
.venv/bin/maturin build --profile dev --out target/wheels-dev >/dev/null
wheel=$(ls -t target/wheels-dev/voxloop-*.whl | head -n 1)
own=$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
found=0
for minor in 11 12 13 14; do
  [ "3.$minor" != "$own" ] || continue
  python=
  # A shim of a version manager may be on the path and still not run: take the first that does.
  for candidate in "python3.$minor" "$HOME"/.pyenv/versions/3."$minor".*/bin/python3; do
    if "$candidate" -c 'import venv, ensurepip' 2>/dev/null; then
      python=$candidate
      break
    fi
  done
  [ -n "$python" ] || continue
  found=$((found + 1))
  venv=.venv-3.$minor
  printf '\n== CPython 3.%s\n' "$minor"
  [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps "$wheel"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$wheel[local,testing]" --group test
  "$venv/bin/python" -c 'import sys, voxloop; assert "numpy" not in sys.modules; print(voxloop.__version__)'
  "$venv/bin/python" -m pytest -q tests/native
  "$venv/bin/voxloop" demo --out "target/demo-3.$minor"
done
[ "$found" -gt 0 ] || echo 'No other CPython from 3.11 to 3.14 was found: nothing to do.'
