"""What loading a model imports: nothing that the model does not need, since a library can take seconds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NEVER = {"boto3", "kornia", "lightning", "lpips", "matplotlib", "pytorch_lightning", "pytorch_pretrained_biggan"}
OF_CLIP = {"open_clip", "timm", "torchvision", "transformers"}  # open_clip imports the others
LOAD = """
import json, sys
from pathlib import Path
from types import ModuleType

package = ModuleType("guided_gan")
package.__path__ = [sys.argv[1]]
sys.modules["guided_gan"] = package
from guided_gan.core import clip, generators
from guided_gan.core.losses import perceptual

for name in sys.argv[2:]:
    load = {"perceptual": perceptual.load, "clip": clip.load}.get(name, generators.load)
    path = Path(sys.argv[1], "picturebook", "models", name)
    load(path / "model.safetensors" if name == "perceptual" else path)
print(json.dumps(list(sys.modules)))
"""


@pytest.mark.parametrize(
    ("models", "without"),
    [(["biggan", "vqgan", "stylegan_t", "perceptual"], NEVER | OF_CLIP), (["clip"], NEVER)],
    ids=["generators", "clip"],
)
def test_the_shipped_models_load_without_what_they_do_not_need(models, without):
    command = [sys.executable, "-c", LOAD, str(ROOT), *models]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not result.returncode, result.stderr
    assert not without & set(json.loads(result.stdout.splitlines()[-1]))
