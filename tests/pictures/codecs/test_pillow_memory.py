"""Images in NumPy's memory hold what Pillow's own hold."""

import io

import numpy as np
import pytest
from PIL import Image, _imaging

from npfuse.pictures.codecs.pillow_memory import LARGE_BYTES, image_of, load_large, samples_of
from npfuse.pictures.reading import read_picture

MODES = ["L", "RGB"]


def drawn(height: int, width: int, mode: str) -> np.ndarray:
    shape = (height, width, 3)[: 3 if mode == "RGB" else 2]
    return np.random.default_rng(1).integers(0, 256, shape, np.uint8)


def jpeg(samples: np.ndarray) -> io.BytesIO:
    stream = io.BytesIO()
    Image.fromarray(samples).save(stream, "JPEG")
    return stream


@pytest.mark.parametrize("mode", MODES)
def test_a_large_jpeg_is_decoded_into_numpys_memory_and_equals_pillows(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    map_buffer = _imaging.map_buffer
    monkeypatch.setattr(_imaging, "map_buffer", lambda *given: made.append(map_buffer(*given)) or made[-1])
    stream = jpeg(drawn(2083, 2051, mode))
    with Image.open(stream) as own, Image.open(stream) as pillows:
        load_large(own)
        assert own.height * own.width >= LARGE_BYTES
        assert own.im is made[-1]
        np.testing.assert_array_equal(np.asarray(own), np.asarray(pillows))
        assert own.mode == pillows.mode == mode


def test_a_pillow_without_the_function_takes_its_own_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = jpeg(drawn(1031, 1037, "RGB"))
    with Image.open(stream) as pillows:
        expected = np.asarray(pillows)
    monkeypatch.delattr(_imaging, "map_buffer")
    with Image.open(stream) as image:
        load_large(image)
        np.testing.assert_array_equal(np.asarray(image), expected)


def test_a_large_jpeg_that_ends_early_is_an_error(tmp_path) -> None:
    path = tmp_path / "short.jpg"
    path.write_bytes(jpeg(drawn(1031, 1037, "RGB")).getvalue()[:-5000])
    with pytest.raises(ValueError, match="damaged or unusual JPEG"):
        read_picture(path)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (301, 203)])
def test_samples_of_an_image_are_numpys(mode: str, size: tuple[int, int]) -> None:
    samples = drawn(*size, mode)
    np.testing.assert_array_equal(samples_of(Image.fromarray(samples)), samples)


@pytest.mark.parametrize("mode", MODES)
def test_an_image_of_samples_makes_the_same_jpeg_as_pillows(mode: str) -> None:
    samples = drawn(47, 31, mode)
    stream = io.BytesIO()
    image_of(samples[:, ::-1]).save(stream, "JPEG")
    assert stream.getvalue() == jpeg(samples[:, ::-1]).getvalue()
