"""Files: reading weights that others published, downloading, and saving latents and states of searches."""
