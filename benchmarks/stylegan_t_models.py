"""StyleGAN-Ts side by side, in all that picturebook's should be good at, each figure over several seeds.

Named: captions of combinations that no model was shown, a picture each. Right when both judges see object and colour,
and the background too. FID from renders, CLIP score by the CLIP that guided and by one that did not, and edges: how
steep the steepest of a picture is, as a share of the renders'. Varied: several pictures of one caption; their mean
distance from one another, as a share of that of as many renders of the caption. Open: "a cat", and no more; right when
both judges see a cat. Free: captions that say at random what they can, as in training; right when all that they say of
object and background is seen.

Each seed draws captions and noise of its own. Intervals are Student's, of 95 %, over the seeds.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..core import clip, draws, generators, metrics
from ..core.generators.stylegan_t import Network, text_to_image
from ..core.losses import perceptual
from ..picturebook import MODELS, judging, language
from ..picturebook.captioned import Z_DIM, scene_of, stock
from ..picturebook.language import Captions, Meaning, Meanings
from ..picturebook.language.meaning import FIELDS, OPEN
from ..picturebook.scenes import render
from ..picturebook.scenes.kinds import KINDS
from ._common import save_sheet, table
from .stylegan_t import BACKBONE

FIELDS_SEEN = ("kind", "colour", "background")
COPIES = 8  # pictures of one caption, where they are to differ
SHOWN = ("a cat", "a red cat in the snow", "a boat", "a tree at night", "a blue house", "a mushroom in the forest")


class Examiner:
    """Gives one network its figures, with pictures truncated by psi."""

    def __init__(self, psi: float = 1.0) -> None:
        self._psi = psi
        self._reader, self._second = clip.load(MODELS / "clip"), clip.load(MODELS / "clip_robust")
        self._metric = perceptual.load(BACKBONE)
        self._network = metrics.backbone(self._metric)

    @torch.no_grad()
    def draw(self, network: Network, texts: Sequence[str], z: Tensor) -> Tensor:
        """A picture of each text with each noise."""
        c = self._reader.encode_text(texts)
        parts = zip(z.split(100), c.split(100), strict=True)
        return torch.cat([network(*part, self._psi).clamp(-1, 1) for part in parts])

    @torch.no_grad()
    def figures(self, network: Network, prompts: int, seed: int) -> dict[str, float]:
        """Of `prompts` captions of each sort (an eighth of them where each is drawn eight times)."""
        named = stock(prompts, draws.rng(seed, "named"), held_out=True)
        free = stock(prompts, draws.rng(seed, "free"))
        alone = [Meaning(KINDS[i % len(KINDS)]) for i in range(prompts)]
        openly = Captions([language.plain(meaning) for meaning in alone], Meanings.of(alone))
        return {
            **self._named(network, named, seed),
            "free right": self._share_right(network, free, seed),
            "open right": self._share_right(network, openly, seed),
            **self._variety(network, named, "named", seed),
            **self._variety(network, free, "free", seed),
            **self._variety(network, openly, "open", seed),
        }

    def _named(self, network: Network, said: Captions, seed: int) -> dict[str, float]:
        z, other = (noise(seed, name, len(said.texts)) for name in ("z", "render"))
        made, real = self.draw(network, said.texts, z), self._render(said, other)
        there, all_right = self._right(made, said)
        return {
            "object and colour": there.float().mean().item(),
            "and background": all_right.float().mean().item(),
            "CLIP": metrics.clip_score(self._reader, made, said.texts).mean().item(),
            "other CLIP": metrics.clip_score(self._second, made, said.texts).mean().item(),
            "FID": metrics.distances(self._network, real.split(100), made.split(100)).fid,
            "steepest edge": (metrics.steepest(made).mean() / metrics.steepest(real).mean()).item(),
            "edges": (metrics.steep(made).mean() / metrics.steep(real).mean()).item(),
        }

    def _share_right(self, network: Network, said: Captions, seed: int) -> float:
        made = self.draw(network, said.texts, noise(seed, "z", len(said.texts)))
        return self._right(made, said)[1].float().mean().item()

    def _right(self, made: Tensor, said: Captions) -> tuple[Tensor, Tensor]:
        """Whether both judges see each caption's object in its colour, and the background as well: [N] bool each."""
        kind, colour, background = (said.meanings.says[:, FIELDS.index(name)] for name in FIELDS_SEEN)
        found = judging.finds(made, torch.stack([kind, colour], 1)[:, None]).all(0)
        there = (judging.backgrounds(made) == background).all(0)
        return found, found & (there | (background == OPEN))

    def _variety(self, network: Network, said: Captions, name: str, seed: int) -> dict[str, float]:
        rows = torch.arange(max(1, len(said.texts) // COPIES)).repeat_interleave(COPIES)
        said = Captions([said.texts[i] for i in rows], said.meanings[rows])
        made = self.draw(network, said.texts, noise(seed, "copies", len(rows)))
        real = self._render(said, noise(seed, "copies rendered", len(rows)))
        made, real = (self._spread(each) for each in (made, real))
        pixels, perceptual_share = (made / real).tolist()
        return {f"{name} variety": pixels, f"{name} variety, perceptual": perceptual_share}

    def _spread(self, images: Tensor) -> Tensor:
        """Mean L1 and perceptual distance between two pictures of one caption, over all captions and pairs."""
        groups = images.unflatten(0, (-1, COPIES))
        pairs = [(groups[:, a], groups[:, b]) for a in range(COPIES) for b in range(a)]
        distances = [torch.stack([(a - b).abs().mean(), self._metric(a, b).mean()]) for a, b in pairs]
        return torch.stack(distances).mean(0)

    def _render(self, said: Captions, z: Tensor) -> Tensor:
        scenes = scene_of(z, said.meanings)
        return torch.cat([render.render(scenes[i : i + 500]) for i in range(0, len(z), 500)])


def noise(seed: int, name: str, count: int) -> Tensor:
    """[count, 96]."""
    return torch.randn(count, Z_DIM, generator=draws.rng(seed, name))


@dataclass(frozen=True)
class Interval:
    """A mean over seeds and what it may be off, at 95 %."""

    mean: float
    reach: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Interval:
        from scipy.stats import t

        found = torch.tensor(values, dtype=torch.float64)
        n = len(found)
        if n == 1:
            return cls(found.item(), float("nan"))
        return cls(found.mean().item(), float(t.ppf(0.975, n - 1)) * found.std().item() / n**0.5)

    def __str__(self) -> str:
        return f"{self.mean:.3f} ± {self.reach:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, nargs="+", default=[MODELS / "stylegan_t"])
    parser.add_argument("--prompts", type=int, default=200, help="captions of each sort for each seed (default: 200)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--psi", type=float, default=1.0, help="truncation (default: 1, none)")
    parser.add_argument("--output", type=Path, default=Path("output") / "stylegan_t_models")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    examiner = Examiner(options.psi)
    found = []
    for number, path in enumerate(options.models):
        network = text_to_image(generators.load(path)).network
        found.append([examiner.figures(network, options.prompts, seed) for seed in options.seeds])
        save_sheet(sheet(examiner, network), options.output / f"{number}-{path.stem}.png", COPIES)
    less_first = (f"{path.stem} less the first" for path in options.models[1:])
    head = ["figure", *(str(path) for path in options.models), *less_first]
    rows = []
    for name in found[0][0]:
        values = [[figures[name] for figures in each] for each in found]
        less = [[a - b for a, b in zip(each, values[0], strict=True)] for each in values[1:]]
        rows.append([name, *(str(Interval.of(each)) for each in [*values, *less])])
    seeds = ", ".join(map(str, options.seeds))
    print(f"{options.prompts} captions of each sort for each of the seeds {seeds}, psi {options.psi:g}\n")
    print(table(head, rows))


def sheet(examiner: Examiner, network: Network) -> Tensor:
    """Eight pictures of each of a few captions."""
    texts = [text for text in SHOWN for _ in range(COPIES)]
    return examiner.draw(network, texts, noise(0, "sheet", len(texts))).cpu()


if __name__ == "__main__":
    main()
