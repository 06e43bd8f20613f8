"""``python -m voxloop``."""

from voxloop.cli import main

main()
