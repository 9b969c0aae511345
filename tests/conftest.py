"""Makes this folder importable as `guided_gan`, whatever it is called, without running its `__init__`."""

import sys
import types
from pathlib import Path

package = types.ModuleType("guided_gan")
package.__path__ = [str(Path(__file__).resolve().parent.parent)]
sys.modules["guided_gan"] = package
