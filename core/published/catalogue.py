"""The catalogue of published weights: their use, sources, sizes, hashes and licences.

Sizes, hashes and addresses are those published by the authors or by the maintainers of a mirror; unknown ones are left
out. Files on the hub are verified by the hash that the hub gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from ..clip import WEIGHTS
from ..errors import ChoiceError
from ..files.download import File, Hub
from .encoders import CLIPS
from .entry import Published


def published(kind: str) -> tuple[Published, ...]:
    """All entries of a kind, in the order of the table."""
    return tuple(entry for entry in TABLE if entry.kind == kind)


def find(name: str) -> Published:
    """The entry of a name, with or without the file's suffix.

    Raises:
        ChoiceError: there is none.
    """
    for entry in TABLE:
        if name in (entry.name, stem(entry)):
            return entry
    raise ChoiceError(f"No published weights are called {name!r}; known are {', '.join(map(stem, TABLE))}.")


def by_hash(sha256: str) -> Published | None:
    """The entry with a file of this SHA-256, among those whose hash is published; None without one."""
    return next((e for e in TABLE if any(file.sha256 and sha256.startswith(file.sha256) for file in e.files)), None)


def stem(entry: Published) -> str:
    """An entry's name without the file's suffix."""
    return entry.name if entry.clip else entry.name.rpartition(".")[0]


def names(kind: str) -> frozenset[str]:
    """All names of published weights of a kind: entries, with and without suffix, and files usable by themselves."""
    entries = published(kind)
    files = (file.name for entry in entries for file in entry.files)
    return frozenset((*(entry.name for entry in entries), *map(stem, entries), *files)).difference(WEIGHTS)


def archive(kind: str, name: str) -> File | None:
    """A published file that is usable by itself, such as OpenAI's archive of a CLIP, by its file name; or None."""
    files = (file for entry in published(kind) for file in entry.files)
    return next((file for file in files if file.name == name not in WEIGHTS), None)


# --- generators ------------------------------------------------------------------------------------------------------

_TFHUB = "Apache-2.0 (as others report of DeepMind's TensorFlow Hub models)"
_TAMING = "MIT (the code; the weights carry no licence of their own)"
_SOMNAI = "debc22c8f285c7734980c464ff992d335dde6e9a"
_IVCLAB = "https://github.com/ivclab/BigGAN-Generator-Pretrained-Pytorch/releases/download/v0.0.0"
_LATENTSHIFT = "https://github.com/ieee8023/latentshift/releases/download/weights"
_FEED_FORWARD = "https://github.com/mehdidc/feed_forward_vqgan_clip/releases/download/0.1"
_FUSEDREAM = "https://drive.google.com/drive/folders/1nJ3HmgYgeA9NZr-oU-enqbYeO7zBaANs"


def _deep(
    side: int, good_for: str, size: int | None = None, sha256: str = "", mirrors: Sequence[Hub] = ()
) -> Published:
    name = f"biggan-deep-{side}"
    source = f"https://s3.amazonaws.com/models.huggingface.co/biggan/{name}-pytorch_model.bin"
    file = File(f"{name}.bin", (*mirrors, source), size, sha256)
    return Published(file.name, "gan", (file,), _TFHUB, good_for)


def _biggan(side: int, good_for: str, about: int) -> Published:
    """GANalyze's port, which can be downloaded by a program; FuseDream's file, of the same weights, only by hand."""
    name = f"biggan-{side}.pth"
    address = f"ganalyze.csail.mit.edu/models/{name}"
    page = _FUSEDREAM if side > 128 else ""
    file = File(name, (f"https://{address}", f"http://{address}"), page=page)  # the latter is what is published
    return Published(name, "gan", (file,), _TFHUB, good_for, about=about)


def _ivclab(side: int, good_for: str, about: int) -> Published:
    file = File(f"biggan-ivclab-{side}.pt", (f"{_IVCLAB}/biggan{side}-release.pt",))
    return Published(file.name, "gan", (file,), f"{_TFHUB}; the port has none", good_for, about=about)


def _vqgan(
    name: str, sources: Sequence[Hub | str], size: int | None, good_for: str, sha256: str = "", licence: str = _TAMING
) -> Published:
    name = f"vqgan-{name}.ckpt"
    return Published(name, "gan", (File(name, tuple(sources), size, sha256),), licence, good_for)


def _llamagen(name: str, path: str, about: int, good_for: str) -> Published:
    file = File(f"llamagen-{name}.pt", (Hub("FoundationVision/LlamaGen", path),))
    return Published(file.name, "gan", (file,), "MIT", good_for, about=about)


def _vqmodel(name: str, repo: str, weights: str, about: int, licence: str, good_for: str) -> Published:
    """A `VQModel` of diffusers; its configuration is saved under the name of the weights."""
    file = File(f"{name}{PurePosixPath(weights).suffix}", (Hub(repo, f"vqvae/{weights}"),))
    config = File(f"{name}.json", (Hub(repo, "vqvae/config.json"),))
    return Published(file.name, "gan", (file,), licence, good_for, beside=(config,), about=about)


def _mirrors(somnai: str, pytti: str) -> tuple[Hub, Hub]:
    """The two repositories on the hub that mirror the VQGANs."""
    return _somnai(somnai), Hub("pxlpshr/pytti-models", f"vqgan/{pytti}.ckpt")


def _somnai(name: str) -> Hub:
    return Hub("Somnai/pytti-vqgan-checkpoints", f"{name}/{name}.ckpt", _SOMNAI)


def _heibox(folder: str, path: str = "ckpts") -> str:
    return f"https://heibox.uni-heidelberg.de/d/{folder}/files/?p=%2F{path}%2Flast.ckpt&dl=1"


_GENERATORS = (
    _deep(
        128,
        "ImageNet at 128 pixels: quick trials on a processor",
        mirrors=[Hub("osanseviero/BigGAN-deep-128", "pytorch_model.bin")],
    ),
    _deep(
        256,
        "ImageNet at 256 pixels: a good first choice",
        234_411_737,
        "5900ef4065047e3aa0d1b66197b7f2664dceb59b27080e414ad57e203c485bc5",
    ),
    _deep(512, "ImageNet at 512 pixels: the largest pictures, slow without a GPU"),
    _biggan(128, "ImageNet at 128 pixels: quick trials on a processor", 282_000_000),
    _biggan(256, "ImageNet at 256 pixels: FuseDream's model", 330_000_000),
    _biggan(512, "ImageNet at 512 pixels: the model of FuseDream's pictures", 330_000_000),
    _ivclab(128, "BigGAN-128 with statistics for each truncation, used at 1", 286_000_000),
    _ivclab(256, "BigGAN-256 with statistics for each truncation, used at 1", 334_000_000),
    _ivclab(512, "BigGAN-512 with statistics for each truncation, used at 1", 334_000_000),
    _vqgan(
        "imagenet-1024",
        [_heibox("8088892a516d4e3baf92"), f"{_LATENTSHIFT}/vqgan_imagenet_f16_1024.ckpt"],
        957_954_257,
        "anything, in broader strokes than with 16384 codes",
    ),
    _vqgan(
        "imagenet-16384",
        [
            *_mirrors("imagenet", "imagenet"),
            f"{_FEED_FORWARD}/vqgan_imagenet_f16_16384.ckpt",
            _heibox("a7530b09fed84f80a887"),
        ],
        980_092_370,
        "anything: the usual choice for VQGAN-CLIP",
        "845a68805098cb666420d5db93df53f3a3b6dd443e6dd85c05759c5b998cd663",
    ),
    _vqgan(
        "coco",
        _mirrors("coco", "coco_first_stage"),
        296_030_214,
        "everyday scenes with several things in them; the smallest download of the f16 models",
        "106cc20fde571df14afc4349d62218d8213cf47177c682ecaa78a8c28b12f9de",
    ),
    _vqgan(
        "sflckr",
        [*_mirrors("sflickr", "sflckr"), _heibox("73487ab6e5314cb5adba", "checkpoints")],
        4_263_525_412,
        "landscapes; most of the file is a transformer, which `run.py models convert` leaves out",
        "8a8adea3da8dab412675772831370dd948e0aa97bb11a9488a2f328b58dbc929",
    ),
    _vqgan(
        "faceshq",
        [_somnai("faceshq")],
        None,
        "faces, of CelebA-HQ and FFHQ",
        "3274bba51bd565c90990bbcf7bb5dad0b9b95a6a77011980afc4c3cfc4d1cad1",
    ),
    _vqgan(
        "wikiart-16384",
        [
            *_mirrors("wikiart", "wikiart"),
            "https://github.com/pixray/pixray/releases/download/v1.7.1/vqgan_wikiart_16384.ckpt",
        ],
        1_005_327_541,
        "paintings",
        "bd08bb46301f98be1712bb2be9f8868cea30b53137cd985d4d6e8da8b3e02c36",
    ),
    _vqgan(
        "openimages-gumbel-f8",
        [*_mirrors("openimages", "openimages"), _heibox("2e5662443a6b4307b470")],
        376_581_823,
        "fine detail: a code for each 8 pixels",
        "5cd6c74810ab97e00e942c25403f73afc081e8b19987b31ec0d9ff5b68e7ab14",
    ),
    _llamagen("vq-16", "vq_ds16_c2i.pt", 288_000_000, "anything, much nearer to the picture than the VQGANs above"),
    _llamagen("vq-8", "vq_ds8_c2i.pt", 280_000_000, "the finest detail: a code for each 8 pixels"),
    _vqmodel(
        *("amused-512-vq", "amused/amused-512", "diffusion_pytorch_model.safetensors", 585_000_000),
        "openrail++ (a citation file there says Apache-2.0)",
        "anything: the tokeniser of aMUSEd",
    ),
    _vqmodel(
        *("ldm-celebahq-256-vq", "CompVis/ldm-celebahq-256", "diffusion_pytorch_model.bin", 221_000_000),
        "Apache-2.0",
        "faces: the first stage of latent diffusion on CelebA-HQ, a code for each 4 pixels",
    ),
)

# --- backbones -------------------------------------------------------------------------------------------------------

_BACKBONES = (
    Published(
        "alexnet.pth",
        "lpips",
        (File("alexnet.pth", ("https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",), sha256="7be5be79"),),
        "BSD (as its keepers hold)",
        "Perceptual Loss: LPIPS on AlexNet, the quickest",
    ),
    Published(
        "vgg16.pth",
        "lpips",
        (File("vgg16.pth", ("https://download.pytorch.org/models/vgg16-397923af.pth",), sha256="397923af"),),
        "BSD (as its keepers hold)",
        "Perceptual Loss: LPIPS on VGG16, nearer to the classic perceptual loss",
    ),
    Published(
        "dino-vit-s-16.safetensors",
        "dino",
        (
            File("dino-vit-s-16.safetensors", (Hub("timm/vit_small_patch16_224.dino", "model.safetensors"),)),
            File(
                "dino-vit-s-16.pth",
                ("https://dl.fbaipublicfiles.com/dino/dino_deitsmall16_pretrain/dino_deitsmall16_pretrain.pth",),
            ),
        ),
        "Apache-2.0",
        "the frozen features of StyleGAN-T's discriminator, for training",
        about=86_700_000,
    ),
)

_FIDELITY = "weights-inception-2015-12-05-6726825d.pth"
_JUDGES = (
    Published(
        "inception-fid.pth",
        "inception",
        (
            File(
                "inception-fid.pth",
                (f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{_FIDELITY}",),
                sha256="6726825d",
            ),
        ),
        "Apache-2.0 (torch-fidelity's port of TensorFlow's weights)",
        "FID as it is published, for trainings and `run.py evaluate`",
        about=95_600_000,
    ),
)

TABLE = (*_GENERATORS, *CLIPS, *_BACKBONES, *_JUDGES)
