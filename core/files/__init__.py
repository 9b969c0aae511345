"""Weights and latents on disk: reading what others published, downloading, and keeping what the pack makes."""
