"""Made-up scenes, small and smooth enough to train on in a blink."""

import imageio.v3 as iio
import numpy as np

from reference.scenes import Scene


def write_scene(folder, height=24, width=40, exposures=3, seed=0):
    """Write exposure_01.png … and label.png, PNG so that the bytes read are those written; return the label."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0.2, 0.8, (2, 2, 3))
    rows, columns = np.linspace(0, 1, height)[:, None, None], np.linspace(0, 1, width)[None, :, None]
    top, bottom = (corners[i, 0] * (1 - columns) + corners[i, 1] * columns for i in (0, 1))
    radiance = top * (1 - rows) + bottom * rows + rng.uniform(-0.02, 0.02, (height, width, 3))
    for n in range(exposures):
        gain = 0.3 * (2.5 / 0.3) ** (n / max(1, exposures - 1))
        write_picture(folder / f"exposure_{n + 1:02d}.png", radiance * gain)
    label = to_bytes(radiance)
    iio.imwrite(folder / "label.png", label)
    return label


def write_picture(path, values):
    iio.imwrite(path, to_bytes(values))


def to_bytes(values):
    return np.round(np.clip(values, 0, 1) * 255).astype(np.uint8)


def random_scene(height=24, width=32, exposures=7, seed=0):
    """A scene whose label is its darkest exposure."""
    rng = np.random.default_rng(seed)
    stack = [rng.integers(i * 30, i * 30 + 40, (height, width, 3), dtype=np.uint8) for i in range(exposures)]
    return Scene(name="s", exposures=tuple(stack), given_label=stack[0])
