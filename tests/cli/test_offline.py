"""Every command of a first run works without a network, attempts no connection and writes no file elsewhere."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from pipeline.telemetry import OFF
from tests.serving.runtime.test_apply_files import make
from tests.stages.conftest import PARAMS, PROMOTE

ROOT = Path(__file__).parents[2]
COMMANDS = {
    **dict.fromkeys(
        ("dvc repro --quiet", "ganline promote", "ganline lineage", "ganline doctor", "ganline summary"), 0
    ),
    **dict.fromkeys(
        ("ganline sample -n 4 -o samples.png", "ganline quantize fp16", "ganline features", "ganline human"), 0
    ),
    **dict.fromkeys(("ganline drift", "ganline pack photos -o photos.zip", "ganline preset list"), 0),
    "ganline apply photos -o larger --model enlarge.onnx": 0,
    "ganline rollback": 2,  # there is no previous champion
    "ganline etags": 2,  # the source is not remote
    "ganline preset use digits": 0,
    "python serve_once.py": 0,
}
"""Command lines and their exit codes."""
SERVE_ONCE = """
import fcntl, socket, struct, subprocess, sys, time, urllib.request

with socket.socket() as any_socket:
    up = struct.pack("16sh14x", b"lo", 1)  # IFF_UP
    fcntl.ioctl(any_socket, 0x8914, up)  # SIOCSIFFLAGS
server = subprocess.Popen(["ganline", "serve", "--port", "8765"])
while server.poll() is None:
    try:
        urllib.request.urlopen("http://127.0.0.1:8765/image.png?seed=1").read()
        break
    except OSError:
        time.sleep(0.1)
server.terminate()
sys.exit(server.wait())
"""

# In a network namespace without any interface, each attempt to connect and each name look-up finds no route.
COUNT = """
import subprocess, sys

def count():
    attempts = 0
    rows = [line.split() for line in open("/proc/net/snmp")]
    for names, values in zip(rows[::2], rows[1::2]):
        if names[0] == "Ip:":
            attempts += int(values[names.index("OutNoRoutes")])
    return attempts + sum(int(line.split()[1]) for line in open("/proc/net/snmp6") if line.startswith("Ip6OutNoRoutes"))

for command in sys.argv[1:]:
    before = count()
    code = subprocess.call(command, shell=True)
    print("RESULT", code, count() - before, command, flush=True)
"""


def may_unshare() -> bool:
    """Return whether this user may create a network namespace."""
    program = shutil.which("unshare")
    return program is not None and subprocess.run([program, "-rn", "true"], check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not may_unshare(), reason="`unshare -rn` (Linux, user namespaces) is not permitted here")
def test_no_command_attempts_a_connection_or_writes_elsewhere(tmp_path: Path) -> None:
    root, home, scratch = (tmp_path / name for name in ("project", "home", "scratch"))
    for folder in (root / "data" / "raw", home, scratch):
        folder.mkdir(parents=True)
    for name in ("pipeline", "presets", ".dvc/config", "dvc.yaml", "requirements.lock", ".gitignore", ".dvcignore"):
        target = root / name
        target.parent.mkdir(exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, target)
    params = PARAMS.format(samples=300, gate="{}", promote=PROMOTE).replace(
        "opset: 20", "opset: 20, allow_failed: true"
    )
    (root / "params.yaml").write_text(params)
    make(root, "srgan", 1).rename(root / "enlarge.onnx")
    (root / "photos").mkdir()
    Image.new("L", (20, 20)).save(root / "photos" / "black.png")
    (root / "serve_once.py").write_text(SERVE_ONCE)
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    inherited = {name: value for name, value in os.environ.items() if name not in {*OFF, "MLFLOW_TRACKING_URI"}}
    own = {"HOME": str(home), "TMPDIR": str(scratch), "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    own |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["unshare", "-rn", sys.executable, "-c", COUNT, *COMMANDS],
        cwd=root,
        env={name: value for name, value in inherited.items() if not name.startswith("XDG_")} | own,
        capture_output=True,
        text=True,
        check=False,
    )
    results = [line.split(maxsplit=3)[1:] for line in done.stdout.splitlines() if line.startswith("RESULT")]
    assert results == [[str(code), "0", command] for command, code in COMMANDS.items()], done.stdout + done.stderr
    # matplotlib, which draws the charts of the reports, keeps its list of fonts.
    written = [path for path in home.rglob("*") if path.is_file() and "matplotlib" not in path.parts]
    assert written == []
    assert [path for path in scratch.rglob("*") if path.is_file()] == []
