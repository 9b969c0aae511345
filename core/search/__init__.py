"""Searching a generator's latents for the pictures with the lowest loss."""
