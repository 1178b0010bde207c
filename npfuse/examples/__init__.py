"""Example pictures: pairs of one under- and one over-exposed picture of a scene, shipped with the package.

`example_pair` names the two files of a scene. The pictures were rendered from CC0 HDR panoramas by a stated camera
model; CREDITS.md, beside them, names author, licence and parameters. Nothing here reads a picture.
"""

from importlib.resources import files
from pathlib import Path

SCENES = ("interior", "courtyard", "forest", "sunrise", "sunset", "city")
NARROW_SCENE = "studio"  # whose pictures do not reach from black to white, which those of the others do; for checks


def example_pair(name: str) -> tuple[Path, Path]:
    """Find the two example pictures of a scene.

    Parameters
    ----------
    name : str
        One of `SCENES`, or `NARROW_SCENE`.

    Returns
    -------
    under, over : Path
        JPEG files of equal height and width.

    Raises
    ------
    ValueError
        The name is another.

    Examples
    --------
    >>> under, over = example_pair("courtyard")
    >>> under.name, over.name
    ('courtyard_under.jpg', 'courtyard_over.jpg')
    """
    if name not in (*SCENES, NARROW_SCENE):
        raise ValueError(f"example_pair: name is {name!r}, expected one of {', '.join((*SCENES, NARROW_SCENE))}")
    folder = Path(str(files(__name__)))
    return folder / f"{name}_under.jpg", folder / f"{name}_over.jpg"
