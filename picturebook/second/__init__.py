"""Picturebook's second edition in the making: models of the shaded world (`scenes`) and its language.

It takes the first edition's place once it is better on every figure. Until then nothing but its own recipes uses it.
"""

from pathlib import Path

MODELS = Path(__file__).parent / "models"
