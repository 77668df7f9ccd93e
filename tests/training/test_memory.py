"""Host memory stays flat in a long training, by a measurement that detects a leak."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

WARM_UP = 1000
BOUND = 300
"""Bytes per step: a training of a million steps may use 300 MB more."""

TRAINING = """
import json, os, sys
from pathlib import Path
import numpy as np
import torch
from pipeline.items import ItemSpec
from pipeline.data.views import Unlabelled
from pipeline.gans.registry import build
from pipeline.gans.variants.vanilla.settings import VanillaSettings
from pipeline.training.loop import Trainer
from pipeline.training.settings import TrainSettings

torch.set_num_threads(1)
folder, steps, leak = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])

class Data:
    item = ItemSpec(height=8, width=8, channels=1)
    labels = np.full(96, -1)
    pixels = np.random.default_rng(0).integers(0, 255, (96, 8, 8, 1), dtype=np.uint8)
    def __len__(self):
        return 96
    def images(self, indices=None):
        return self.pixels if indices is None else self.pixels[np.asarray(indices)]

class Watcher:
    resident, leaked, steps = [], [], 0
    def on_step(self, images_seen):
        self.steps += 1
        if leak:
            self.leaked.append(os.urandom(leak))
        if self.steps % 50 == 0:
            self.resident.append(int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
    def on_row(self, row): ...
    def on_snapshot(self, images_seen, images): ...
    def on_note(self, message): ...
    def on_warning(self, message): ...

stabilisers = dict(lecam=0.1, instance_noise=0.1)
model = VanillaSettings(latent=4, hidden=(16,), penalties=dict(r1=0.1, every=8), stabilisers=stabilisers)
train = TrainSettings(
    batch_size=4, micro_batch=2, total_images=4 * steps, log_images=200, snapshot_images=1000, checkpoint_images=1000
)
watcher = Watcher()
cpu = torch.device("cpu")
gan = build(model, Data.item)
batches = Unlabelled(Data(), cpu, 0)
Trainer(gan, batches, train, device=cpu, folder=folder, observer=watcher, preview_samples=4).run()
print(json.dumps(watcher.resident))
"""


def growth(folder: Path, steps: int, leak: int) -> float:
    """Return the slope of resident memory in bytes per step after the warm-up; every step leaks `leak` bytes."""
    command = [sys.executable, "-c", TRAINING, str(folder), str(steps), str(leak)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    resident = np.array(json.loads(done.stdout), dtype=np.float64)
    step = 50.0 * np.arange(1, len(resident) + 1)
    assert step[-1] == steps
    warm = step > WARM_UP
    return float(np.polyfit(step[warm], resident[warm], 1)[0])


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident memory is read from Linux's /proc")
def test_host_memory_is_flat(tmp_path: Path) -> None:
    """The training has rows, previews, checkpoints, lazy penalties and micro-batches."""
    leaking = growth(tmp_path, 1500, leak=2000)
    assert leaking > 4 * BOUND, f"a leak of 2,000 bytes per step is measured as {leaking:.0f}"
    flat = growth(tmp_path, 3000, leak=0)
    assert flat < BOUND, f"{flat:.0f} bytes per step"
