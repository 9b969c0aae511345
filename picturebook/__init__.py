"""Picturebook: a procedural world of captioned scenes and the small models trained on it."""

from pathlib import Path

MODELS = Path(__file__).parent / "models"
