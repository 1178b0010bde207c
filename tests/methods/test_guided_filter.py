"""The guided filter's coefficients against least squares in every window."""

import numpy as np
import pytest

from npfuse.methods.guided_filter import guided_coefficients
from tests.arrays import assert_close


def by_least_squares(guide, target, radius, epsilon):
    """Solve min |a x + b - y|^2 + n epsilon a^2 over each window's n pixels."""
    height, width = guide.shape
    result = np.empty((2, height, width))
    for h in range(height):
        for w in range(width):
            rows = slice(max(h - radius, 0), h + radius + 1)
            columns = slice(max(w - radius, 0), w + radius + 1)
            x, y = guide[rows, columns].ravel(), target[rows, columns].ravel()
            penalty = [np.sqrt(len(x) * epsilon), 0.0]
            matrix = np.vstack([np.stack([x, np.ones_like(x)], axis=1), penalty])
            result[:, h, w] = np.linalg.lstsq(matrix, np.append(y, 0.0), rcond=None)[0]
    return result


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (4, 1), (6, 9)])
@pytest.mark.parametrize(("radius", "epsilon"), [(1, 1e-4), (2, 0.1)])
def test_guided_coefficients_are_those_of_least_squares(shape, radius, epsilon):
    rng = np.random.default_rng(0)
    guide, target = rng.random(shape), rng.normal(size=shape)
    expected = by_least_squares(guide, target, radius, epsilon)
    # Least squares of numbers near 1 with a penalty of 1e-4: conditioned by at most 1e4.
    assert_close(np.array(guided_coefficients(guide, target, radius=radius, epsilon=epsilon)), expected, 1e-10)


def test_guided_coefficients_of_a_flat_guide_are_the_mean_of_the_target():
    target = np.arange(9.0).reshape(3, 3)
    a, b = guided_coefficients(np.full((3, 3), 0.3), target, radius=1, epsilon=1e-4)
    assert_close(a, np.zeros((3, 3)), 1e-11)
    assert_close(b[1, 1], 4.0, 1e-11)
    assert_close(b[0, 0], (0 + 1 + 3 + 4) / 4, 1e-11)
