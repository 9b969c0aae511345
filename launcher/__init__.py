"""What run.py does: make the environment, get ComfyUI, start it with this pack, and run workflows on it.

`cli`, `environment` and `comfyui` run before the environment exists, so they use the standard library only.
`host`, `workflow`, `client`, `demo` and `models` run inside it.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class LauncherError(Exception):
    """Something the user can put right; the message is the whole help and is shown without a traceback."""
