"""The published weights that the pack knows: the catalogue, fetching, conversion."""
