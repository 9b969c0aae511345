#!/usr/bin/env python3
"""The command-line program of this project: `python3 run.py demo "a blue tree at night"`, or `python3 run.py --help`.

Needs nothing but Python: it makes its own environment and gets ComfyUI on the first run, and reuses both from then on.
"""

import sys

if sys.version_info < (3, 10):
    sys.exit(f"run.py needs Python 3.10 or newer; this is {sys.version.split()[0]}. Start it with a newer one.")

from launcher.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
