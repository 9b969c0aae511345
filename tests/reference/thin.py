"""Writes the recordings of this folder anew from the whole ones: `PYTHONPATH=tests python tests/reference/thin.py`."""

import lzma
import re
import shutil

import conftest  # noqa: F401 (makes `guided_gan` importable)
import open_clip
import torch
from safetensors.torch import save_file
from vectors import CARRIED, IO, WHOLE, Recording, read

from guided_gan.core.files import checkpoints

STEPS = {512: 7, 64: 3}  # of rows and columns, by the picture's side: odd, and both borders are among those kept
FIRST_ALONE = {"biggan_512"}  # of its samples, the first is enough
SEEDS = {"vqgan_f16": 11, "vqgan_gumbel_f8": 12}
LAST_DRAWN = "decoder.conv_out.weight"


def thin_outputs(name):
    tensors, metadata = read(WHOLE / f"{name}{IO}")
    if name in FIRST_ALONE:
        tensors = {key: value[:1] for key, value in tensors.items()}
    for key, value in tensors.items():
        if key.startswith(("image", "reconstruction")):
            step = STEPS[value.shape[-1]]
            tensors[key] = value[..., ::step, ::step].contiguous()
    save_file(tensors, CARRIED / f"{name}{IO}", metadata)


def compress(name):
    """A file as it is, compressed."""
    path = WHOLE / name
    (CARRIED / f"{path.name}.xz").write_bytes(lzma.compress(path.read_bytes(), preset=9 | lzma.PRESET_EXTREME))


def thin_recorded(name):
    """Of pictures that were recorded at every k-th row and column, every third of those; none of other pictures."""
    tensors, metadata = read(WHOLE / "layouts" / f"{name}{IO}")
    for key in [key for key in tensors if "image_every" in key]:
        thinned = re.sub(r"(?<=image_every)\d+", lambda step: str(3 * int(step[0])), key)
        tensors[thinned] = tensors.pop(key)[..., ::3, ::3].contiguous()
    tensors.pop("image_crop")
    save_file(tensors, CARRIED / f"{name}{IO}", metadata)


def thin_augmented(name):
    """Of results every 7th row and column, or 3rd of those that were recorded at half of them."""
    tensors, metadata = read(WHOLE / "layouts" / f"{name}{IO}")
    for key, value in tensors.items():
        if value.ndim == 4 and key != "x":
            step = 3 if key.endswith("every2") else 7
            tensors[key] = value[..., ::step, ::step].contiguous()
    save_file(tensors, CARRIED / f"{name}{IO}", metadata)


def leave_out_what_a_seed_draws(name):
    state = checkpoints.read(WHOLE / f"{name}.ckpt").tensors
    drawn = ("encoder.", "decoder.", "loss.")
    kept = {key: value for key, value in state.items() if key == LAST_DRAWN or not key.startswith(drawn)}
    save_file(kept, CARRIED / f"{name}.undrawn.safetensors", {"seed": str(SEEDS[name])})
    shutil.copy(WHOLE / f"{name}.yaml", CARRIED)


def leave_out_unread_words(name):
    """Zero the embeddings of all tokens that no recorded prompt has, in place, so that the file compresses."""
    path = WHOLE / f"{name}.pkl"
    embedding = checkpoints.read(path).tensors["mapping.clip.model.token_embedding.weight"]
    tokens = open_clip.get_tokenizer("ViT-B-32")(Recording(WHOLE, name).prompts).unique()
    kept = torch.zeros_like(embedding)
    kept[tokens] = embedding[tokens]
    content = path.read_bytes()
    assert content.count(embedding.numpy().tobytes()) == 1
    content = content.replace(embedding.numpy().tobytes(), kept.numpy().tobytes())
    (CARRIED / f"{name}.pkl.xz").write_bytes(lzma.compress(content, preset=9))


if __name__ == "__main__":
    for name in ("biggan_512.safetensors", "stylegan_t.safetensors", "layouts/biggan_v1_256.pth"):
        compress(name)
    thin_recorded("biggan_v1_256")
    thin_augmented("fusedream_augment_01")
    shutil.copy(WHOLE / "layouts" / f"fusedream_steps{IO}", CARRIED)
    shutil.copytree(WHOLE / "layouts" / "diffusers_vqmodel_ldm", CARRIED / "diffusers_vqmodel_ldm", dirs_exist_ok=True)
    shutil.copy(WHOLE / "layouts" / f"diffusers_vqmodel_ldm{IO}", CARRIED)
    for name in SEEDS:
        leave_out_what_a_seed_draws(name)
    leave_out_unread_words("stylegan_t_snapshot")
    for name in ("biggan_512", "stylegan_t", "stylegan_t_snapshot", *SEEDS):
        thin_outputs(name)
