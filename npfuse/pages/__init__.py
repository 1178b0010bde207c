"""Pages to look at in a browser: one file each, without a network, of results beside their exposures.

`page.py` puts a page together, `viewed_scene.py` prepares the pictures of a scene, and `comparison_page.py` and
`evaluation_page.py` are the pages of `npfuse compare --html` and `npfuse evaluate --html`. The scripts and the style
beside them go into the page as they are.
"""
