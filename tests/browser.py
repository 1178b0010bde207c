"""A headless Chromium, driven over the pipe of its DevTools protocol; needs no package."""

import base64
import io
import json
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (apt-get install chromium)")
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--remote-debugging-pipe",
]


@contextmanager
def chromium():
    """Start a browser; yields it, and ends it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        commands, to_browser = os.pipe()
        from_browser, answers = os.pipe()

        def connect():  # the protocol's file descriptors are 3 and 4
            read, written = os.dup(commands), os.dup(answers)
            os.dup2(read, 3)
            os.dup2(written, 4)

        process = subprocess.Popen(
            [CHROMIUM, *FLAGS, f"--user-data-dir={profile}"],
            preexec_fn=connect,
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        with open(to_browser, "wb", buffering=0) as sent, open(from_browser, "rb") as received:
            try:
                yield Browser(sent, received)
            finally:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


class Browser:
    """A browser with one page at a time."""

    def __init__(self, sent, received):
        self.sent, self.received = sent, received
        self.count = 0
        self.session = None
        self.events = []

    def send(self, method, **parameters):
        """Send a command and return its result."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.sent.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self.count:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def _next(self):
        found = bytearray()
        while (byte := self.received.read(1)) not in (b"\0", b""):
            found += byte
        assert found, "the browser has ended"
        return json.loads(found)

    def open(self, path, *, width=1200, height=900, scheme="light"):
        """Open a file in a new page and wait until it is loaded."""
        self.session = None
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.events = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.send("Page.navigate", url=path.resolve().as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())
        self.run("Promise.all([...document.images].map((image) => image.decode().catch(() => 0))).then(() => 0)")

    def run(self, expression):
        """Return the value of a JavaScript expression; of a promise, the value it is kept with."""
        result = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def press(self, key, *, code="", shift=False, text=None):
        """Press and release a key."""
        text = key if text is None and len(key) == 1 else text
        options = {"key": key, "code": code, "modifiers": 8 if shift else 0}
        self.send("Input.dispatchKeyEvent", type="keyDown", **options, **({"text": text} if text else {}))
        self.send("Input.dispatchKeyEvent", type="keyUp", **options)

    def drag(self, start, stop):
        """Drag the mouse from one place (x, y) to another."""
        for kind, (x, y) in (("mousePressed", start), ("mouseMoved", stop), ("mouseReleased", stop)):
            count = {} if kind == "mouseMoved" else {"clickCount": 1}
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, **count)

    def screenshot(self):
        """Return the visible part of the page, (H, W, 3), uint8."""
        data = base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    def complaints(self):
        """Return errors, warnings and refusals on the console, and exceptions."""
        self.run("0")
        told = []
        for event in self.events:
            method, parameters = event.get("method"), event.get("params", {})
            if method == "Runtime.exceptionThrown":
                told.append(parameters["exceptionDetails"])
            elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
                told.append(parameters["args"])
            elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
                told.append(parameters["entry"])
        return told

    def requests(self):
        """Return the addresses that the page asked for, the data in itself left out."""
        self.run("0")
        asked = [e["params"]["request"]["url"] for e in self.events if e.get("method") == "Network.requestWillBeSent"]
        return [url for url in asked if not url.startswith(("data:", "blob:"))]
