"""What a search lowers: losses of pictures and of latents."""
