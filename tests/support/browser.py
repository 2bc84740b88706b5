"""A headless Chromium, driven through its DevTools pipe: no package, no port."""

import base64
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import time

NAMES = ("chromium", "google-chrome")


def find():
    """Returns the browser's path, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """One tab: what it logged, what it asked the network for.

    Attributes:
      errors: texts of console errors and of exceptions.
      requests: addresses asked for, data: and blob: left out.
    """

    def __init__(self, send, receive):
        self._send, self._receive, self._numbers = send, receive, itertools.count(1)
        self._session, self._loaded = None, False
        self.errors, self.requests = [], []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        """Sends one command and returns its result."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        self._send(message | ({"sessionId": self._session} if self._session else {}))
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]
            self._note(answer.get("method"), answer.get("params", {}))

    def _note(self, method, found):
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Runtime.exceptionThrown":
            self.errors.append(str(found["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and found["type"] == "error":
            self.errors.append(str(found["args"]))
        elif method == "Log.entryAdded" and found["entry"]["level"] == "error":
            self.errors.append(f"{found['entry']['text']} {found['entry'].get('url')}")
        elif method == "Network.requestWillBeSent":
            address = found["request"]["url"]
            if not address.startswith(("data:", "blob:")):
                self.requests.append(address)

    def open(self, address, width=1280, height=900, dark=False):
        """Loads a page in a window of that size."""
        media = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=media)
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        self._loaded = False
        self.call("Page.navigate", url=address)
        self.wait("document.readyState === 'complete'")
        assert self._loaded

    def value(self, expression):
        """Returns what JavaScript gives; promises are awaited."""
        found = self.call(
            "Runtime.evaluate",
            expression=expression, returnByValue=True, awaitPromise=True,
        )  # fmt: skip
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, expression, seconds=120):
        """Waits until an expression is true; returns its value."""
        end = time.monotonic() + seconds
        while not (found := self.value(expression)):
            assert time.monotonic() < end, f"never true: {expression}; {self.errors}"
            time.sleep(0.1)
        return found

    def picture(self, whole=True) -> bytes:
        """Returns a PNG file of the page."""
        found = self.call(
            "Page.captureScreenshot", format="png", captureBeyondViewport=whole
        )
        return base64.b64decode(found["data"])


@contextlib.contextmanager
def page(profile):
    """Yields a `Page` of a browser that ends with the block.

    Args:
      profile: a folder of its own.
    """
    read_commands, write_commands = os.pipe()
    read_answers, write_answers = os.pipe()
    # DevTools reads descriptor 3 and writes descriptor 4.
    script = f'exec 3<&{read_commands} 4>&{write_answers}; exec "$@"'
    process = subprocess.Popen(
        [
            "/bin/bash", "-c", script, "browser", find(), "--headless=new",
            "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            "--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank",
        ],
        pass_fds=(read_commands, write_answers), stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(read_commands)
    os.close(write_answers)
    left = bytearray()

    def send(message):
        os.write(write_commands, json.dumps(message).encode() + b"\0")

    def receive():
        while b"\0" not in left:
            part = os.read(read_answers, 1 << 16)
            assert part, "the browser ended"
            left.extend(part)
        line, _, rest = bytes(left).partition(b"\0")
        left[:] = rest
        return json.loads(line)

    try:
        yield Page(send, receive)
    finally:
        process.terminate()
        process.wait(timeout=30)
        os.close(write_commands)
        os.close(read_answers)
