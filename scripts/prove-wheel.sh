#!/bin/sh
# Installs the newest wheel of dist/ into an empty environment without Rust and uses it.
set -eu
cd "$(dirname "$0")/.."
wheel=$(ls -t dist/voxloop-*.whl | head -n 1)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$(scripts/prerequisites.sh)" -m venv "$work/venv"
printf '== Installing %s where there is no Rust\n' "$wheel"
env -i PATH=/usr/bin:/bin HOME="$work" ${PIP_INDEX_URL:+PIP_INDEX_URL="$PIP_INDEX_URL"} \
  ${PIP_CONFIG_FILE:+PIP_CONFIG_FILE="$PIP_CONFIG_FILE"} \
  "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$wheel"
cat >"$work/use.py" <<'PY'
import sys, trio, voxloop
from voxloop import audio, net

tone = audio.AudioChunk(bytes(48_000), audio.Format(24_000))
assert audio.decode_wav(audio.encode_wav(tone)).frames == 24_000
assert audio.resample(tone, 16_000).frames == 16_000
assert "numpy" not in sys.modules and "onnxruntime" not in sys.modules

async def refused() -> None:
    try:
        async with net.open_websocket("ws://127.0.0.1:9/"):
            raise AssertionError("nothing listens there")
    except net.ConnectFailed as error:
        print("a refused connection is a typed error:", error.code)

trio.run(refused)
print("voxloop", voxloop.__version__, "works from its wheel on", sys.version.split()[0])
PY
(cd "$work" && env -i PATH=/usr/bin:/bin HOME="$work" "$work/venv/bin/python" use.py)
