"""Pages in a browser: no complaints, no requests, a slider that moves, keys that work, and names that stay names."""

import json
import re

import numpy as np
import pytest

from npfuse.cli import main
from npfuse.pages.comparison_page import NamedPicture, comparison_page
from npfuse.pages.evaluation_page import long_side_for
from npfuse.pages.page import page
from npfuse.pages.viewed_scene import Layer, shrunk, viewed_scene
from npfuse.pictures.reading import Picture, read_picture, write_picture
from tests.arrays import assert_close
from tests.browser import chromium, needs_chromium
from tests.networks import random_pair

HOSTILE = '"><img src=x onerror=alert(1)><script>alert(2)<!--&amp;'


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    """A page of a scene with three exposures, two methods, a label, and names that would be HTML."""
    folder = tmp_path_factory.mktemp("comparison")
    dark, bright = (np.kron(x, np.ones((4, 4, 1), np.uint8)) for x in sorted(random_pair((24, 36, 3)), key=np.mean))
    pictures = {f"dark {HOSTILE}".replace("/", "∕"): dark, "middle": dark // 2 + bright // 2, "bright": bright}
    for name, pixels in pictures.items():
        write_picture(folder / f"{name}.png", Picture(pixels=pixels))
    paths = [str(folder / f"{name}.png") for name in pictures]
    out = folder / "page.html"
    options = [
        "--methods",
        "mertens",
        "lightfuse",
        "--label",
        paths[1],
        "--result",
        f"other={paths[2]}",
        "--html",
        str(out),
    ]
    assert main(["compare", *paths, *options]) == 0
    return out


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory):
    """A page of an evaluation of two scenes by two methods."""
    folder = tmp_path_factory.mktemp("evaluation")
    for number, scene in enumerate(["first", HOSTILE.replace("/", "∕")]):
        (folder / "scenes" / scene).mkdir(parents=True)
        for name, pixels in zip("ab", random_pair((48, 64, 3), seed=number), strict=True):
            write_picture(folder / "scenes" / scene / f"{name}.png", Picture(pixels=pixels))
    out = folder / "page.html"
    options = ["--methods", "mertens", "lightfuse", "-o", str(folder / "results"), "--html", str(out)]
    assert main(["evaluate", str(folder / "scenes"), *options]) == 0
    return out


def assert_clean(browser, path):
    """Assert that a page neither complains nor asks for anything but itself."""
    assert browser.complaints() == []
    assert browser.requests() == [path.resolve().as_uri()]


@needs_chromium
def test_the_comparison_loads_without_complaint_and_shows_pictures(browser, comparison):
    browser.open(comparison)
    assert_clean(browser, comparison)
    assert browser.run("[...document.images].every((image) => image.naturalWidth === 144)")
    titles = browser.run("viewer.scene.layers.map((layer) => layer.title)")
    assert titles[1:3] == ["middle.png", "bright.png"]
    assert titles[4:] == ["LightFuse", "Mertens 2009", "other", "map of LightFuse", "map of Mertens 2009"]
    assert browser.screenshot().std() > 20  # not blank


@needs_chromium
def test_names_of_files_are_shown_as_they_are(browser, comparison):
    browser.open(comparison)
    name = browser.run("viewer.scene.layers[0].title")
    assert name.startswith(f"dark {HOSTILE}".replace("/", "∕"))
    assert name in browser.run("document.querySelector('h1').textContent")
    assert browser.run("[...document.querySelectorAll('option')].map((option) => option.textContent)").count(name) == 2
    assert browser.run("document.querySelectorAll('[onerror]').length") == 0
    assert_clean(browser, comparison)


@needs_chromium
def test_the_slider_moves_by_mouse_and_by_key(browser, comparison):
    browser.open(comparison)
    box = browser.run(
        "(({ left, top, width, height }) => [left, top, width, height])(viewer.stage.getBoundingClientRect())"
    )
    left, middle, right = (box[0] + box[2] * share for share in (0.1, 0.5, 0.9))
    row = box[1] + box[3] / 2
    browser.press("2", code="Digit2", shift=True)  # on the left: the middle exposure
    browser.press("3", code="Digit3")
    before = browser.screenshot()
    browser.drag((middle, row), (right, row))
    assert abs(browser.run("viewer.position") - 90) < 1
    after = browser.screenshot()
    part = slice(int(row) - 50, int(row) - 20), slice(int(middle) + 40, int(right) - 40)
    assert np.abs(after[part].astype(int) - before[part]).mean() > 5
    browser.drag((right, row), (left, row))
    assert abs(browser.run("viewer.position") - 10) < 1
    browser.press("ArrowRight")
    assert abs(browser.run("viewer.position") - 12) < 1
    assert abs(browser.run("Number(viewer.slider.value)") - 12) < 1
    assert_clean(browser, comparison)


@needs_chromium
def test_keys_choose_toggle_swap_and_map(browser, comparison):
    browser.open(comparison)
    browser.press("1", code="Digit1")
    browser.press("%", code="Digit5", shift=True)
    assert browser.run("viewer.shown") == {"left": 4, "right": 0}
    browser.press("x")
    assert browser.run("viewer.shown") == {"left": 0, "right": 4}
    browser.press("m")
    assert browser.run("viewer.captions.right.textContent") == "map of LightFuse"
    assert not browser.run("viewer.legend.hidden")
    browser.press("m")
    assert browser.run("viewer.captions.right.textContent") == "LightFuse"
    browser.press("t")
    shown = browser.run("viewer.position")
    browser.press("t")
    assert {shown, browser.run("viewer.position")} == {0, 100}
    browser.press("?")
    assert browser.run("viewer.help.open")
    assert_clean(browser, comparison)


@needs_chromium
def test_both_pictures_are_zoomed_and_moved_together_and_stay_on_the_stage(browser, comparison):
    browser.open(comparison)
    browser.press("+")
    browser.press("ArrowRight", shift=True)
    transforms = browser.run("Object.values(viewer.images).map((image) => image.style.transform)")
    assert transforms[0] == transforms[1]
    scale = float(re.search(r"scale\((.*)\)", transforms[0])[1])
    assert abs(scale - 1.5) < 1e-6
    for _ in range(50):
        browser.press("ArrowRight", shift=True)
    assert browser.run("viewer.view.x >= viewer.stage.clientWidth * (1 - viewer.view.scale) - 1e-6")
    browser.press("0")
    assert browser.run("viewer.view") == {"scale": 1, "x": 0, "y": 0}


@needs_chromium
def test_reduced_copies_are_told_and_rows_and_columns_are_those_of_the_pictures(browser, tmp_path):
    dark, bright = (np.kron(x, np.ones((4, 4, 1), np.uint8)) for x in random_pair((24, 36, 3)))
    path = tmp_path / "page.html"
    exposures, results = [NamedPicture("a", dark), NamedPicture("b", bright)], [NamedPicture("result", bright)]
    path.write_text(comparison_page("reduced", exposures, results, long_side=36))
    browser.open(path)
    told = "reduced copies: 24x36 of 96x144 pixels (height x width)"
    assert browser.run("viewer.readout.textContent") == told
    browser.run("viewer.read({ x: viewer.stage.clientWidth / 2, y: viewer.stage.clientHeight / 4 })")
    assert browser.run("viewer.readout.textContent").startswith("row 24, column 72: left ")
    browser.run("viewer.stage.dispatchEvent(new PointerEvent('pointerleave'))")
    assert browser.run("viewer.readout.textContent") == told
    assert_clean(browser, path)


@needs_chromium
def test_the_wheel_zooms_in_and_scrolls_the_page_where_there_is_nothing_to_zoom_out(browser, comparison):
    browser.open(comparison)
    turned = (
        "((deltaY) => { const event = new WheelEvent('wheel', { deltaY, cancelable: true });"
        " viewer.stage.dispatchEvent(event); return event.defaultPrevented; })"
    )
    assert not browser.run(f"{turned}(100)")
    assert browser.run(f"{turned}(-100)")
    assert browser.run("viewer.view.scale") > 1
    assert browser.run(f"{turned}(100)")
    assert browser.run("viewer.view.scale") == 1


@needs_chromium
@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_a_phone_shows_the_page_without_scrolling_sideways_in_light_and_dark(browser, comparison, scheme, dark):
    browser.open(comparison, width=390, height=800, scheme=scheme)
    assert browser.run("document.documentElement.scrollWidth") <= 390
    corner = browser.screenshot()[2, 2]
    assert (corner.max() < 60) == dark
    browser.run("document.querySelector('.theme').click()")  # light
    assert browser.screenshot()[2, 2].min() > 200
    browser.run("document.querySelector('.theme').click()")  # dark
    assert browser.screenshot()[2, 2].max() < 60
    assert_clean(browser, comparison)


@needs_chromium
def test_the_evaluation_sorts_its_table_and_opens_a_scene(browser, evaluation):
    browser.open(evaluation)
    assert_clean(browser, evaluation)
    names = browser.run("[...document.querySelectorAll('#scenes button')].map((button) => button.textContent)")
    assert sorted(names) == sorted(["first", HOSTILE.replace("/", "∕")])
    column = browser.run("page.header.indexOf('MEF-SSIM')")
    values = f"[...document.querySelectorAll('#table tbody tr')].map((row) => Number(row.cells[{column}].textContent))"
    browser.run(f"document.querySelectorAll('#table thead button')[{column}].click()")
    rising = browser.run(values)
    browser.run(f"document.querySelectorAll('#table thead button')[{column}].click()")
    assert rising == sorted(rising)
    assert browser.run(values) == rising[::-1]
    assert len(rising) == 2
    browser.run("document.querySelector('#scenes button').click()")
    assert browser.run("document.querySelector('dialog').open")
    buttons = "[...document.querySelectorAll('dialog .bar button')]"
    assert browser.run(f"{buttons}.find((button) => button.textContent === 'map').disabled")  # there are no maps
    before = browser.run("viewer.position")
    browser.press("ArrowRight")
    assert browser.run("viewer.position") == before + 2
    assert browser.run("[...document.querySelectorAll('dialog .scores td')].length") >= 4
    assert browser.screenshot().std() > 20
    browser.run("document.querySelector('dialog button').click()")
    assert not browser.run("document.querySelector('dialog').open")
    assert_clean(browser, evaluation)


@needs_chromium
def test_a_page_that_asks_for_something_is_noticed(browser, tmp_path):
    """The checks above can fail: the policy refuses a picture from elsewhere, and says so."""
    path = tmp_path / "asking.html"
    path.write_text(page("", '<img src="http://127.0.0.1:9/x.png">', [], {}))
    browser.open(path)
    assert browser.complaints()


def test_data_of_a_page_hold_nothing_that_ends_them():
    html = page("title", "", [], {"scene": {"name": "</script><script>alert(1)</script>\u2028&"}})
    found = re.search(r'id="scene">(.*?)</script>', html)[1]
    assert "<" not in found
    assert json.loads(found)["name"] == "</script><script>alert(1)</script>\u2028&"


def test_the_policy_names_the_scripts_and_the_style_by_their_hashes_and_nothing_else():
    html = page("title", "", ["viewer.js"], {})
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)[1]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "http" not in policy


def test_large_pictures_are_shown_as_copies_and_the_page_says_so():
    wide = np.zeros((20, 60, 3), np.uint8)
    scene = viewed_scene("", [Layer(title="a", kind="exposure", pixels=wide)], long_side=30)
    assert (scene["height"], scene["width"]) == (10, 30)
    assert scene["notes"][0].startswith(
        "Reduced copies: the pictures have 20x60 pixels (height x width), and are shown with 10x30"
    )
    assert long_side_for(10_000) == 320


def test_copies_are_area_averages():
    picture = np.arange(96, dtype=np.uint8).reshape(4, 8, 3)
    assert_close(shrunk(picture, 2, 4), np.rint(picture.reshape(2, 2, 4, 2, 3).mean(axis=(1, 3))), 1)


def test_compare_writes_a_sheet_of_maps(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, pixels in zip("ab", random_pair((40, 50, 3)), strict=True):
        write_picture(f"{name}.png", Picture(pixels=pixels))
    assert main(["compare", "a.png", "b.png", "--methods", "mertens", "--weights-map", "maps.png"]) == 0
    assert read_picture("maps.png").pixels.std() > 10


def test_compare_rounds_pictures_of_16_bits_and_says_so_once_a_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, pixels in zip("ab", random_pair((40, 50, 3)), strict=True):
        write_picture(f"{name}.png", Picture(pixels=pixels.astype(np.uint16) * 257))
        write_picture(f"{name}8.png", Picture(pixels=pixels))
    options = ["--methods", "mertens", "--result", "other=b.png", "-o"]
    assert main(["compare", "a.png", "b8.png", *options, "wide.png"]) == 0
    told = capsys.readouterr().err
    assert told.count("a.png: uint16 rounded to 8 bits") == told.count("b.png: uint16 rounded to 8 bits") == 1
    assert main(["compare", "a8.png", "b8.png", *options, "narrow.png"]) == 0
    assert np.array_equal(read_picture("wide.png").pixels, read_picture("narrow.png").pixels)


def test_compare_needs_an_output(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["compare", "a.png", "b.png"]) == 2
    assert (
        "no output is named, expected -o SHEET, or of one scene --html PAGE or --weights-map FILE"
        in capsys.readouterr().err
    )


def test_a_page_that_exists_is_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "page.html").write_text("mine")
    assert main(["compare", "a.png", "b.png", "--html", "page.html"]) == 2
    assert "exists already" in capsys.readouterr().err
    assert (tmp_path / "page.html").read_text() == "mine"
