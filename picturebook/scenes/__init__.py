"""The world of the picture book: shaded scenes, what is in them, and how they are drawn.

`kinds` says what there is and draws scenes by chance; `render` turns them into pictures.
"""
