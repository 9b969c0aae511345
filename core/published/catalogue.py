"""The published weights that the pack knows: what they are good for, where they are, and how to tell them from others.

Sizes, hashes and addresses are those that the publishers, or the keepers of a mirror, have published; what nobody has
is left out. The hub's own files are checked by the hash that the hub tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..clip import WEIGHTS as CLIP_WEIGHTS
from ..errors import ChoiceError
from ..files.download import File, Hub


@dataclass(frozen=True)
class Published:
    """Weights that somebody published.

    name: the file, or for a CLIP the folder, as the menus show it. kind: the folder of models that it belongs in.
    files: the weights in one form or several, best first. clip: what open_clip calls the model and its weights.
    """

    name: str
    kind: str
    files: tuple[File, ...]
    licence: str
    good_for: str
    clip: tuple[str, str] | None = None


def published(kind: str) -> tuple[Published, ...]:
    """Every entry of a kind, in the order of the table."""
    return tuple(entry for entry in TABLE if entry.kind == kind)


def find(name: str) -> Published:
    """The entry of that name, with or without its file's ending.

    Raises:
        ChoiceError: there is none.
    """
    for entry in TABLE:
        if name in (entry.name, _stem(entry)):
            return entry
    raise ChoiceError(
        f"No published weights are called {name!r}; known are {', '.join(entry.name for entry in TABLE)}."
    )


def by_hash(sha256: str) -> Published | None:
    """The entry with a file of this SHA-256, as far as that is published."""
    return next((e for e in TABLE if any(file.sha256 and sha256.startswith(file.sha256) for file in e.files)), None)


def _stem(entry: Published) -> str:
    return entry.name if entry.clip else entry.name.rpartition(".")[0]


# --- generators ------------------------------------------------------------------------------------------------------

_TFHUB = "Apache-2.0 (as others report of DeepMind's TensorFlow Hub models)"
_TAMING = "MIT (the code; the weights carry no licence of their own)"
_SOMNAI = "debc22c8f285c7734980c464ff992d335dde6e9a"
_FUSEDREAM = "https://drive.google.com/drive/folders/1nJ3HmgYgeA9NZr-oU-enqbYeO7zBaANs"


def _deep(side: int, good_for: str, size: int | None = None, sha256: str = "") -> Published:
    name = f"biggan-deep-{side}"
    source = f"https://s3.amazonaws.com/models.huggingface.co/biggan/{name}-pytorch_model.bin"
    return Published(f"{name}.bin", "gan", (File(f"{name}.bin", (source,), size, sha256),), _TFHUB, good_for)


def _fusedream(side: int, good_for: str) -> Published:
    name = f"biggan-{side}.pth"
    return Published(name, "gan", (File(name, (), page=_FUSEDREAM),), _TFHUB, good_for)


def _vqgan(
    name: str, sources: Sequence[Hub | str], size: int, good_for: str, sha256: str = "", licence: str = _TAMING
) -> Published:
    name = f"vqgan-{name}.ckpt"
    return Published(name, "gan", (File(name, tuple(sources), size, sha256),), licence, good_for)


def _mirrors(somnai: str, pytti: str) -> tuple[Hub, Hub]:
    """The two repositories of the hub that keep the VQGANs."""
    first = Hub("Somnai/pytti-vqgan-checkpoints", f"{somnai}/{somnai}.ckpt", _SOMNAI)
    return first, Hub("pxlpshr/pytti-models", f"vqgan/{pytti}.ckpt")


def _heibox(folder: str, path: str = "ckpts") -> str:
    return f"https://heibox.uni-heidelberg.de/d/{folder}/files/?p=%2F{path}%2Flast.ckpt&dl=1"


_GENERATORS = (
    _deep(128, "ImageNet at 128 pixels: quick trials on a processor"),
    _deep(
        256,
        "ImageNet at 256 pixels: a good first choice",
        234_411_737,
        "5900ef4065047e3aa0d1b66197b7f2664dceb59b27080e414ad57e203c485bc5",
    ),
    _deep(512, "ImageNet at 512 pixels: the largest pictures, slow without a GPU"),
    _fusedream(256, "ImageNet at 256 pixels as FuseDream used it"),
    _fusedream(512, "ImageNet at 512 pixels: the model of FuseDream's pictures"),
    _vqgan(
        "imagenet-1024",
        [_heibox("8088892a516d4e3baf92")],
        957_954_257,
        "anything, in broader strokes than with 16384 codes",
    ),
    _vqgan(
        "imagenet-16384",
        [*_mirrors("imagenet", "imagenet"), _heibox("a7530b09fed84f80a887")],
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
)

# --- CLIPs -----------------------------------------------------------------------------------------------------------


def _in_open_clips_form(repo: str) -> tuple[File, ...]:
    return tuple(File(name, (Hub(repo, name),)) for name in CLIP_WEIGHTS)


def _openai(model: str, repo: str, archive: str, size: int, sha256: str, good_for: str) -> Published:
    """OpenAI's, in open_clip's form if the hub can be reached, else the archive that OpenAI published."""
    sources = (
        f"https://openaipublic.azureedge.net/clip/models/{sha256}/{archive}",
        Hub("pxlpshr/pytti-models", f"clip/{sha256}/{archive}"),
    )
    files = (*_in_open_clips_form(f"timm/{repo}.openai"), File(archive, sources, size, sha256))
    return Published(f"openai-{model.lower()}", "clip_joint", files, "MIT", good_for, (f"{model}-quickgelu", "openai"))


def _laion(model: str, tag: str, repo: str, good_for: str) -> Published:
    files = _in_open_clips_form(f"laion/CLIP-{model}-{repo}")
    return Published(f"laion-{model.lower()}", "clip_joint", files, "MIT", good_for, (model, tag))


_CLIPS = (
    _openai(
        *("ViT-B-32", "vit_base_patch32_clip_224", "ViT-B-32.pt", 353_976_522),
        "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
        "the papers' usual choice, and the quickest",
    ),
    _openai(
        *("ViT-B-16", "vit_base_patch16_clip_224", "ViT-B-16.pt", 350_837_078),
        "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f",
        "finer patches than ViT-B-32, at four times the work",
    ),
    _openai(
        *("ViT-L-14", "vit_large_patch14_clip_224", "ViT-L-14.pt", 932_768_134),
        "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836",
        "knows more than the small ones; StyleGAN-T's text encoder",
    ),
    _openai(
        *("ViT-L-14-336", "vit_large_patch14_clip_336", "ViT-L-14-336px.pt", 934_088_680),
        "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02",
        "ViT-L-14 at 336 pixels; for a GPU",
    ),
    _openai(
        *("RN50", "resnet50_clip", "RN50.pt", 255_827_503),
        "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762",
        "a convolutional network: a second opinion beside a ViT",
    ),
    _openai(
        *("RN101", "resnet101_clip", "RN101.pt", 291_791_292),
        "8fa8567bab74a42d41c5915025a8e4538c3bdbe8804a470a72f30b0d94fab599",
        "a convolutional network, deeper than RN50",
    ),
    _openai(
        *("RN50x4", "resnet50x4_clip", "RN50x4.pt", 421_854_225),
        "7e526bd135e493cef0776de27d5f42653e6b4c8bf9e0f653bb11773263205fdd",
        "a convolutional network at 288 pixels",
    ),
    _openai(
        *("RN50x16", "resnet50x16_clip", "RN50x16.pt", 661_125_706),
        "52378b407f34354e150460fe41077663dd5b39c54cd0bfd2b27167a4a06ec9aa",
        "a convolutional network at 384 pixels; for a GPU",
    ),
    _openai(
        *("RN50x64", "resnet50x64_clip", "RN50x64.pt", 1_353_500_174),
        "be1cfb55d75a9666199fb2206c106743da0f6468c9d327f3e0d0a543a9919d9c",
        "a convolutional network at 448 pixels; for a large GPU",
    ),
    _laion(
        "ViT-B-32", "laion2b_s34b_b79k", "laion2B-s34B-b79K", "as quick as OpenAI's, of openly known training pictures"
    ),
    _laion("ViT-B-16", "laion2b_s34b_b88k", "laion2B-s34B-b88K", "finer patches than ViT-B-32, at four times the work"),
    _laion("ViT-L-14", "laion2b_s32b_b82k", "laion2B-s32B-b82K", "knows more than the small ones"),
    _laion("ViT-H-14", "laion2b_s32b_b79k", "laion2B-s32B-b79K", "large; for a GPU"),
    _laion("ViT-g-14", "laion2b_s34b_b88k", "laion2B-s34B-b88K", "very large; for a large GPU"),
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
        "dino-vit-s-16.pth",
        "dino",
        (
            File(
                "dino-vit-s-16.pth",
                ("https://dl.fbaipublicfiles.com/dino/dino_deitsmall16_pretrain/dino_deitsmall16_pretrain.pth",),
            ),
        ),
        "Apache-2.0 (of the code)",
        "the frozen features of StyleGAN-T's discriminator, for training",
    ),
)

TABLE = (*_GENERATORS, *_CLIPS, *_BACKBONES)
