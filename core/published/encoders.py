"""The part of the catalogue with joint encoders of texts and pictures."""

from __future__ import annotations

from dataclasses import replace

from ..clip import WEIGHTS
from ..files.download import File, Hub
from .entry import Published


def _in_open_clips_form(repo: str) -> tuple[File, ...]:
    return tuple(File(name, (Hub(repo, name),)) for name in WEIGHTS)


def _openai(model: str, repo: str, archive: str, size: int, sha256: str, good_for: str) -> Published:
    """OpenAI's models, in open_clip's format from the hub, or as the archive that OpenAI published."""
    sources = (
        f"https://openaipublic.azureedge.net/clip/models/{sha256}/{archive}",
        Hub("pxlpshr/pytti-models", f"clip/{sha256}/{archive}"),
    )
    files = (*_in_open_clips_form(f"timm/{repo}.openai"), File(archive, sources, size, sha256))
    return Published(f"openai-{model.lower()}", "clip_joint", files, "MIT", good_for, (f"{model}-quickgelu", "openai"))


def _laion(model: str, tag: str, repo: str, about: int, good_for: str) -> Published:
    files = _in_open_clips_form(f"laion/CLIP-{model}-{repo}")
    return Published(f"laion-{model.lower()}", "clip_joint", files, "MIT", good_for, (model, tag), about=about)


_SIGLIP = "ViT-B-16-SigLIP"  # the repository with the tokenizer of every English SigLIP
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json")
_APPLE_CODE = "Apple's sample code licence (apple-sample-code-license)"
_APPLE = "Apple's model licence for research (apple-amlr)"


def _timm(name: str, clip: tuple[str, str], repo: str, about: int, licence: str, good_for: str) -> Published:
    return Published(name, "clip_joint", _in_open_clips_form(repo), licence, good_for, clip, about=about)


def _siglip(model: str, tokenizer: str, about: int, good_for: str) -> Published:
    """SigLIP (Zhai et al. 2023) and SigLIP 2 (Tschannen et al. 2025), whose tokenizers are not open_clip's own."""
    entry = _timm(model.lower(), (model, "webli"), f"timm/{model}", about, "Apache-2.0", good_for)
    beside = tuple(File(name, (Hub(f"timm/{tokenizer or model}", name),)) for name in _TOKENIZER)
    return replace(entry, beside=beside)


def _eva(model: str, tag: str, tower: str, about: int, good_for: str) -> Published:
    """EVA02-CLIP (Sun et al. 2023)."""
    return _timm(model.lower(), (model, tag), f"timm/{tower}_clip_224.{tag}", about, "MIT", good_for)


def _metaclip(model: str, tower: str, about: int, good_for: str) -> Published:
    """MetaCLIP (Xu et al. 2023), trained on 2.5 billion pairs."""
    clip, repo = (f"{model}-quickgelu", "metaclip_fullcc"), f"timm/vit_{tower}_clip_224.metaclip_2pt5b"
    return _timm(f"metaclip-{model.lower()}", clip, repo, about, "CC-BY-NC-4.0: not for commercial use", good_for)


def _dfn(model: str, tag: str, repo: str, about: int, good_for: str) -> Published:
    """DFN (Fang et al. 2023): CLIPs of filtered pairs."""
    return _timm(f"dfn-{model.lower()}", (f"{model}-quickgelu", tag), f"apple/{repo}", about, _APPLE_CODE, good_for)


def _mobileclip(model: str, tag: str, owner: str, about: int, good_for: str) -> Published:
    """MobileCLIP (Vasu et al. 2024) and MobileCLIP2 (Faghri et al. 2025)."""
    return _timm(model.lower(), (model, tag), f"{owner}/{model}-OpenCLIP", about, _APPLE, good_for)


CLIPS = (
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
        *("ViT-B-32", "laion2b_s34b_b79k", "laion2B-s34B-b79K", 605_109_252),
        "as quick as OpenAI's, of openly known training pictures",
    ),
    _laion(
        *("ViT-B-16", "laion2b_s34b_b88k", "laion2B-s34B-b88K", 598_482_948),
        "finer patches than ViT-B-32, at four times the work",
    ),
    _laion("ViT-L-14", "laion2b_s32b_b82k", "laion2B-s32B-b82K", 1_710_466_052, "knows more than the small ones"),
    _laion("ViT-H-14", "laion2b_s32b_b79k", "laion2B-s32B-b79K", 3_944_437_764, "large; for a GPU"),
    _laion("ViT-g-14", "laion2b_s34b_b88k", "laion2B-s34B-b88K", 5_466_713_092, "very large; for a large GPU"),
    _siglip("ViT-B-16-SigLIP", _SIGLIP, 812_623_880, "SigLIP: nearer to the words than CLIPs of its size"),
    _siglip("ViT-L-16-SigLIP-256", _SIGLIP, 2_608_603_144, "large, at 256 pixels; for a GPU"),
    _siglip("ViT-SO400M-14-SigLIP-384", _SIGLIP, 3_511_841_992, "very large, at 384 pixels; for a large GPU"),
    _siglip("ViT-B-32-SigLIP2-256", "", 1_507_424_264, "SigLIP 2, many languages: quick, at 256 pixels"),
    _siglip("ViT-B-16-SigLIP2", "", 1_500_751_880, "SigLIP 2, many languages: finer patches"),
    _siglip("ViT-L-16-SigLIP2-256", "", 3_526_107_144, "SigLIP 2, many languages: large, at 256 pixels; for a GPU"),
    _siglip("ViT-SO400M-14-SigLIP2", "", 4_541_854_408, "SigLIP 2, many languages: very large; for a large GPU"),
    _eva("EVA02-B-16", "merged2b_s8b_b131k", "eva02_base_patch16", 598_764_548, "as large as ViT-B-16, a better judge"),
    _eva("EVA02-L-14", "merged2b_s4b_b131k", "eva02_large_patch14", 1_711_021_828, "as large as ViT-L-14; for a GPU"),
    _metaclip("ViT-B-32", "base_patch32", 605_109_252, "as quick as OpenAI's, of openly chosen training pictures"),
    _metaclip("ViT-B-16", "base_patch16", 598_482_948, "finer patches than ViT-B-32, at four times the work"),
    _metaclip("ViT-L-14", "large_patch14", 1_710_466_052, "knows more than the small ones"),
    _metaclip("ViT-H-14", "huge_patch14", 3_944_437_764, "large; for a GPU"),
    _dfn("ViT-B-16", "dfn2b", "DFN2B-CLIP-ViT-B-16", 598_482_948, "a better judge than OpenAI's of its size"),
    _dfn("ViT-L-14", "dfn2b", "DFN2B-CLIP-ViT-L-14", 1_710_466_052, "knows more than the small ones"),
    _dfn("ViT-H-14", "dfn5b", "DFN5B-CLIP-ViT-H-14", 3_944_437_764, "large, among the best judges; for a GPU"),
    _mobileclip("MobileCLIP-S1", "datacompdr", "apple", 340_237_124, "made for phones: quick on a processor"),
    _mobileclip("MobileCLIP-S2", "datacompdr", "apple", 397_472_148, "made for phones: as good as ViT-B-16, quicker"),
    _mobileclip("MobileCLIP-B", "datacompdr", "apple", 599_111_692, "as large as ViT-B-16, a better judge"),
    _mobileclip("MobileCLIP2-S0", "dfndr2b", "timm", 299_543_500, "made for phones: the smallest and quickest"),
    _mobileclip("MobileCLIP2-S2", "dfndr2b", "timm", 397_472_148, "made for phones: better than MobileCLIP-S2"),
)
