#!/bin/sh
# An environment with the Autobahn WebSocket test suite, which needs CPython 2.7: $PYTHON27, or the
# newest that pyenv has, or python2.7. Prints the path of its command.
set -eu
cd "$(dirname "$0")/.."
env=$PWD/.venv-autobahn
if [ ! -x "$env/bin/wstest" ]; then
  python=${PYTHON27:-$(ls -d "${PYENV_ROOT:-$HOME/.pyenv}"/versions/2.7.*/bin/python2.7 2>/dev/null | tail -n 1)}
  python=${python:-$(command -v python2.7 || true)}
  if [ -z "$python" ]; then
    echo "The Autobahn suite needs CPython 2.7: set PYTHON27 to one (pyenv install 2.7.18)" >&2
    exit 1
  fi
  "$python" -m pip install --quiet --target "$env-tools" 'virtualenv<20.22' >&2
  PYTHONPATH="$env-tools" "$python" -m virtualenv --quiet "$env" >&2
  "$env/bin/pip" install --quiet autobahntestsuite==25.10.1 >&2
  rm -rf "$env-tools"
fi
echo "$env/bin/wstest"
