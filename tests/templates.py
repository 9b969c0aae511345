"""The shipped graphs by name, what makes them quick, and the prompts that they are tried with."""

import json
from pathlib import Path

from guided_gan.launcher.fields import Fields

FOLDER = Path(__file__).resolve().parent.parent / "workflows"
FILES = {Fields.of(json.loads(path.read_text(encoding="utf-8"))).name: path for path in sorted(FOLDER.glob("*.json"))}
GRAPHS = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in FILES.items()}
# Settings that make each node quick; those for nodes that a graph lacks are left out.
QUICK = {
    "GuidedGAN_BasisInit.settings": "by hand",
    "GuidedGAN_BasisInit.settings.candidates": 1000,  # of which a seed takes some 400
    "GuidedGAN_BasisInit.settings.k": 1,
    "GuidedGAN_BasisInit.settings.weighting": "softmax",
    "GuidedGAN_Optimize.settings": "by hand",
    "GuidedGAN_Optimize.settings.steps": 2,
    "GuidedGAN_ComposeOptimize.settings": "by hand",
    "GuidedGAN_ComposeOptimize.settings.steps": 2,
    "GuidedGAN_ComposeOptimize.places": "bottom left",
    "GuidedGAN_TextMask.crops": 100,
    "GuidedGAN_Interpolate.frames": 3,
    "GuidedGAN_Animate.frames": 3,
    "GuidedGAN_Animate.steps_per_frame": 2,
    "GuidedGAN_RestyleVideo.frames": 3,
    "GuidedGAN_RestyleVideo.first_steps": 2,
    "GuidedGAN_RestyleVideo.steps_per_frame": 1,
    "GuidedGAN_Invert.candidates": 50,
    "GuidedGAN_Invert.steps": 2,
    "GuidedGAN_AugCLIPLoss.settings": "by hand",
    "GuidedGAN_AugCLIPLoss.settings.copies": 2,
    "GuidedGAN_CutoutLoss.settings": "by hand",
    "GuidedGAN_CutoutLoss.settings.cutouts": 2,
}
# Fewer candidates where a generator has some of its own, which the other graphs do not score.
QUICKER = {"cut_out": {"GuidedGAN_BasisInit.settings.candidates": 200}}
# Prompts that no workflow ships with, as they are on the command line, and what each workflow makes of them.
FISH, BOAT, BIRD, CAR = "a yellow fish", "a yellow boat at night", "an orange bird", "a yellow car"
TOLD = {
    "composition": {"25:5.text": ["27", 0], "27.value": FISH, "28.value": BOAT},
    "cut_out": {"3.text": FISH},
    "edit_latent": {"3.prompts": BIRD, "18.value": f"{CAR}\n{BOAT}", "13.columns": 2},
    "edit_with_mask": {"11.text": FISH},
    "fusedream": {"3.text": FISH},
    "fusedream_batch": {"3.text": FISH},
    "interpolation": {"17:3.text": FISH, "18:3.text": CAR},
    "invert": {"3.prompts": BIRD, "11.text": CAR},
    "kaleidoscope": {"4.text": FISH},
    "large": {"3.text": FISH},
    "poisson_blend": {"2.prompts": BIRD, "5.prompts": f"{BOAT} on the right"},
    "prompt_morph": {"3.prompts": BIRD, "4.prompts": f"{CAR}\n{BOAT}"},
    "prompt_schedule": {"4.prompts": BIRD, "6.schedule": f"0: {BIRD}\n6: {CAR}\n24: {BOAT}"},
    "replace_by_text": {"7.text": "the tree", "10.text": FISH},
    "restyle_video": {"5.text": FISH},
    "seamless_tiles": {"3.text": FISH},
    "style_plus_content": {"7.text": f"{FISH} | outlined:0.5"},
    "stylegan_t": {"14.value": BIRD},
    "truncation_grid": {"39.value": BIRD},
    "vae_guided": {"12.text": FISH},
    "vqgan_clip": {"3.text": FISH},
}
GIVEN = {
    "composition": [FISH, BOAT],
    "edit_latent": [BIRD, CAR, BOAT],
    "interpolation": [FISH, CAR],
    "invert": [BIRD, CAR],
    "poisson_blend": [BIRD, BOAT],
    "prompt_morph": [BIRD, CAR, BOAT],
    "prompt_schedule": [BIRD, CAR, BOAT],
    "replace_by_text": ["the tree", FISH],
    "style_plus_content": [FISH, "outlined"],
    "stylegan_t": [BIRD],
    "truncation_grid": [BIRD],
}
# Templates of published models. These are as shipped ones, but for the models:
ALIKE = {"fusedream_biggan": "fusedream", "composition_biggan": "composition", "vqgan_clip_imagenet": "vqgan_clip"}
# These go on from another's search, or begin with a photo:
LONGER = {"super_resolution": "fusedream_biggan", "refine": "vqgan_clip_imagenet", "edit_photo": "edit_with_mask"}
PUBLISHED = (*ALIKE, *LONGER)
