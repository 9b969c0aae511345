"""How models compute on a device: precision, batches that fit into memory, and quick attention and norms."""
