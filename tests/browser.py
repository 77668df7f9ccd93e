"""Headless Chromium, controlled over its DevTools protocol."""

import base64
import itertools
import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import connect
from websockets.sync.connection import Connection

from tests.waiting import WAIT_SECONDS, wait_until

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome", "chrome") if (found := shutil.which(name))),
    None,
)
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--remote-debugging-port=0",
    "--autoplay-policy=no-user-gesture-required",
)


class Page:
    """One tab. `problems` holds errors that the page logged, `requested` the URLs that it loaded."""

    def __init__(self, connection: Connection, folder: Path) -> None:
        self.connection, self.folder = connection, folder
        self.numbers = itertools.count(1)
        self.problems: list[str] = []
        self.requested: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> Any:
        """Send a command of the protocol and return its result."""
        number = next(self.numbers)
        self.connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (message := json.loads(self.connection.recv(timeout=WAIT_SECONDS))).get("id") != number:
            self.note(message.get("method"), message.get("params", {}))
        assert "error" not in message, message
        return message["result"]

    def note(self, method: str | None, event: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requested.append(event["request"]["url"])
        elif method == "Runtime.exceptionThrown" or (method == "Log.entryAdded" and event["entry"]["level"] == "error"):
            self.problems.append(json.dumps(event)[:500])

    def run(self, script: str) -> Any:
        """Evaluate an expression and await its value."""
        reply = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in reply, reply
        return reply["result"].get("value")

    def until(self, script: str) -> None:
        """Wait until an expression is true."""
        wait_until(lambda: self.run(script), lambda: (script, self.problems, self.run("document.body.innerText")))

    def size(self, width: int, height: int) -> None:
        """Set the size of the screen in CSS pixels."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 800
        )

    def open(self, url: str) -> None:
        """Open a page; the blank page in between cancels requests of the previous one."""
        self.send("Page.navigate", url="about:blank")
        self.until("location.href === 'about:blank'")
        self.problems.clear()
        self.requested.clear()
        self.send("Page.navigate", url=url)

    def picture(self, path: Path) -> None:
        """Save a screenshot of the whole page."""
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", captureBeyondViewport=True)["data"]))

    def wait_for_download(self, name: str) -> Path:
        """Return the path of a download, once it is complete: Chromium renames the file at the end."""
        path = self.folder / name
        wait_until(path.is_file, lambda: list(self.folder.iterdir()))
        return path


@contextmanager
def page(folder: Path) -> Iterator[Page]:
    """Start a browser with an empty profile in `folder`, which also receives its downloads."""
    profile = folder / "profile"
    started = subprocess.Popen(
        [str(BROWSER), *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        active = profile / "DevToolsActivePort"

        def is_up() -> bool:
            assert started.poll() is None, "the browser has ended"
            return active.is_file() and bool(active.read_text().strip())

        wait_until(is_up, "the browser does not start")
        port = active.read_text().splitlines()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=WAIT_SECONDS) as answer:
            address = next(one["webSocketDebuggerUrl"] for one in json.load(answer) if one["type"] == "page")
        # A busy machine may answer no ping for long.
        with connect(address, max_size=None, open_timeout=WAIT_SECONDS, ping_interval=None) as connection:
            tab = Page(connection, folder)
            tab.send("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
            yield tab
    finally:
        started.terminate()
        try:
            started.wait(20)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()
