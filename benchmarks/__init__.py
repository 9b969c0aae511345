"""Benchmarks: `python3 run.py bench NAME`; what they measured is in picturebook/README.md."""
