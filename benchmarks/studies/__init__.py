"""FuseDream's studies (Liu et al. 2021) at picturebook's scale: `python3 run.py bench studies/NAME`.

Each prints a table and draws a figure; its module says which claim of the paper it looks into, and what would bear that
out.
"""
