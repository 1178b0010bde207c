"""How one picture lies against another: shifts, turns, zooms and perspective as 3 x 3 matrices, and their small steps.

A matrix takes (row, column, 1) of the first picture to the place of the second that shows the same, up to a factor.
Small steps are exponentials of generators, so that turns joined to turns stay turns, and shifts stay shifts. Distortion
by lenses, and things that move in the scene, are left out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

# Along rows, along columns, turning, zooming, two of shearing, two of perspective. The first 2, 3, 4 and 8 of them are
# the kinds of motion, each with those before it.
GENERATORS = np.zeros((8, 3, 3))
for _k, _places in enumerate(
    [
        {(0, 2): 1},
        {(1, 2): 1},
        {(0, 1): 1, (1, 0): -1},
        {(0, 0): 1, (1, 1): 1},
        {(0, 0): 1, (1, 1): -1},
        {(0, 1): 1, (1, 0): 1},
        {(2, 0): -1},
        {(2, 1): -1},
    ]
):
    for _place, _value in _places.items():
        GENERATORS[(_k, *_place)] = _value
KINDS = {"still": 0, "shifted": 2, "turned": 3, "zoomed": 4, "tilted": 8}  # parameters


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The coordinates that a picture's motions are counted in: from its middle, half of its longer side being 1."""

    height: int
    width: int

    @property
    def half(self) -> float:
        """Return half of the longer side, in pixels."""
        return max(self.height, self.width) / 2

    @property
    def matrix(self) -> Matrix:
        """Return the matrix from these coordinates to pixels."""
        return np.array([[self.half, 0, (self.height - 1) / 2], [0, self.half, (self.width - 1) / 2], [0, 0, 1]])

    @property
    def corners(self) -> Matrix:
        """Return the pixels at the corners, (4, 2)."""
        return np.array([[r, c] for r in (0, self.height - 1) for c in (0, self.width - 1)], np.float64)

    def jacobian(self, places: Matrix) -> Matrix:
        """Return by how many pixels each parameter moves each place.

        Parameters
        ----------
        places : (N, 2), pixels

        Returns
        -------
        (N, 2, 8)
        """
        r, c = (places - self.matrix[:2, 2]).T / self.half
        none, one = np.zeros_like(r), np.ones_like(r)
        rows = np.stack([one, none, c, r, r, c, r * r, r * c], 1)
        columns = np.stack([none, one, -r, c, -c, r, r * c, c * c], 1)
        return self.half * np.stack([rows, columns], 1)

    def step(self, parameters: Matrix) -> Matrix:
        """Return the matrix, in pixels, of a small motion, given the first of its parameters."""
        exponent = np.tensordot(parameters, GENERATORS[: len(parameters)], 1)
        made, power = np.eye(3), np.eye(3)
        for n in range(1, 12):
            power = power @ exponent / n
            made = made + power
        return self.matrix @ made @ np.linalg.inv(self.matrix)


def moved(matrix: Matrix, places: Matrix) -> Matrix:
    """Return where a matrix takes places, (N, 2).

    Examples
    --------
    >>> moved(np.array([[1, 0, 5.0], [0, 1, -2], [0, 0, 1]]), np.array([[10.0, 20.0]]))
    array([[15., 18.]])
    """
    there = places @ matrix[:, :2].T + matrix[:, 2]
    taken: Matrix = there[:, :2] / there[:, 2:]
    return taken


def enlarged(matrix: Matrix, k: int) -> Matrix:
    """Return the matrix of whole pictures, given the matrix of copies whose pixels are k x k of theirs.

    Examples
    --------
    >>> enlarged(np.array([[1, 0, 5.0], [0, 1, -2], [0, 0, 1]]), 4)[:2, 2]
    array([20., -8.])
    """
    up = np.array([[k, 0, (k - 1) / 2], [0, k, (k - 1) / 2], [0, 0, 1]])
    return scaled(up @ matrix @ np.linalg.inv(up))


def reduced(matrix: Matrix, k: int) -> Matrix:
    """Return the matrix of copies whose pixels are means over k x k, given the matrix of the whole pictures."""
    up = np.array([[k, 0, (k - 1) / 2], [0, k, (k - 1) / 2], [0, 0, 1]])
    return scaled(np.linalg.inv(up) @ matrix @ up)


def scaled(matrix: Matrix) -> Matrix:
    """Return a matrix divided by its last number, which becomes 1."""
    result: Matrix = matrix / matrix[2, 2]
    return result


def farthest(matrix: Matrix, other: Matrix, height: int, width: int) -> float:
    """Return by how many pixels two motions differ at most at the picture's corners."""
    corners = Frame(height=height, width=width).corners
    return float(np.hypot(*(moved(matrix, corners) - moved(other, corners)).T).max())


def described(matrix: Matrix, height: int, width: int) -> str:
    """Return a phrase for a motion of the second picture against the first, at the picture's middle.

    Examples
    --------
    >>> described(np.array([[1, 0, 5.0], [0, 1, -2], [0, 0, 1]]), 20, 30)
    'shifted by +5.0 rows and -2.0 columns'
    """
    frame = Frame(height=height, width=width)
    middle = frame.matrix[:2, 2][None]
    by = np.round((moved(matrix, middle) - middle)[0], 1) + 0.0  # without -0.0
    said = [f"shifted by {by[0]:+.1f} rows and {by[1]:+.1f} columns"]
    inner = scaled(np.linalg.inv(frame.matrix) @ matrix @ frame.matrix)
    angle = np.degrees(np.arctan2(inner[0, 1] - inner[1, 0], inner[0, 0] + inner[1, 1]))
    zoom = np.sqrt(max(np.linalg.det(inner[:2, :2]), 0.0)) - 1
    tilt = np.abs(inner[2, :2]).max()
    edge = 0.25 / frame.half  # what moves the edges by less than a quarter of a pixel is not told
    if abs(np.radians(angle)) > edge:
        said.append(f"turned by {angle:+.2f} degrees")
    if abs(zoom) > edge:
        said.append(f"zoomed by {zoom:+.2%}")
    if tilt > edge:
        said.append(f"tilted by {tilt:.2%}")
    return ", ".join(said)
