"""Differentiable augmentations of pictures."""
