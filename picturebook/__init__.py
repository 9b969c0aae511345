"""Picturebook: a procedural world of captioned scenes and the small models trained on it."""

from pathlib import Path

MODELS = Path(__file__).parent / "models"

# How menus call the generators and the CLIPs that come with the pack, and their folders.
GENERATORS = {
    "picturebook": MODELS / "biggan",
    "picturebook VQGAN": MODELS / "vqgan",
    "picturebook StyleGAN-T": MODELS / "stylegan_t",
}
BACKBONE = MODELS / "perceptual" / "model.safetensors"  # of perceptual losses
UPSCALER = MODELS / "upscaler" / "picturebook x4.safetensors"
CLIPS = {
    "picturebook": MODELS / "clip",
    "picturebook robust": MODELS / "clip_robust",
    "picturebook hardened": MODELS / "clip_hardened",
}
KIN = {"picturebook robust", "picturebook hardened"}  # of one text tower: neither is a judge of what the other guides
ENSEMBLES = {"picturebook both": {"picturebook robust": 1.0, "picturebook": 0.5}}  # of these CLIPs, by their weights
