"""CLIPs in folders: the shipped one, one with a text tower of transformers, and what open_clip makes of a folder."""

import json
import logging
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from guided_gan.core import clip
from guided_gan.core.clip import CONFIG, VOCABULARY

SHIPPED = Path(__file__).resolve().parent.parent / "picturebook" / "models" / "clip"
WEIGHTS = clip.WEIGHTS[0]


@pytest.fixture(scope="module", name="encoder")
def shipped_encoder():
    return clip.load(SHIPPED)


@pytest.fixture(name="folder")
def shipped_folder(tmp_path):
    """A copy of the shipped folder, to be broken."""
    return Path(shutil.copytree(SHIPPED, tmp_path / "clip"))


def edit(folder, change):
    config = json.loads((folder / CONFIG).read_text())
    change(config)
    (folder / CONFIG).write_text(json.dumps(config))


def of_their_own(folder, images, text):
    """What open_clip makes of a folder by itself: unit vectors of pictures and of a text."""
    import open_clip

    log = logging.getLogger()
    level = log.level
    log.setLevel(logging.ERROR)
    model: Any = open_clip.create_model(f"local-dir:{folder}", pretrained_text=False).eval()
    options: Any = {"bpe_path": str(folder / VOCABULARY)} if (folder / VOCABULARY).is_file() else {}
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}", **options)
    log.setLevel(level)
    x = (images / 2 + 0.5 - 0.5) / 0.5
    with torch.no_grad():
        return model.encode_image(x, normalize=True), model.encode_text(tokenizer([text]), normalize=True)


WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "house", "boat"]


@pytest.fixture(scope="module", name="bert")
def bert_folder(tmp_path_factory):
    """An open_clip folder with a text tower and a tokenizer of transformers, all of it within the folder."""
    import open_clip

    transformers: Any = import_module("transformers")

    folder = tmp_path_factory.mktemp("bert") / "clip"
    folder.mkdir()
    sizes: Any = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    transformers.BertConfig(vocab_size=len(WORDS), max_position_embeddings=24, **sizes).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    text = {
        "hf_model_name": str(folder),
        "hf_tokenizer_name": "bert",
        "hf_proj_type": "mlp",
        "hf_pooler_type": "mean_pooler",
    }
    vision = {"image_size": 32, "layers": 1, "width": 64, "head_width": 64, "patch_size": 16}
    model = {
        "embed_dim": 32,
        "vision_cfg": vision,
        "text_cfg": {**text, "context_length": 16, "hf_model_pretrained": False},
    }
    preprocess = {"mean": [0.5] * 3, "std": [0.5] * 3}
    (folder / CONFIG).write_text(json.dumps({"model_cfg": model, "preprocess_cfg": preprocess}))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made: Any = open_clip.create_model(f"local-dir:{folder}", load_weights=False, pretrained_text=False)
    tensors = {name: value * 8 if ".attention." in name else value for name, value in made.state_dict().items()}
    tensors = {**tensors, "text.transformer.embeddings.position_ids": torch.arange(24)[None]}
    torch.save(tensors, folder / "open_clip_pytorch_model.bin")
    return folder
