"""What the short commands load: nobody waits for libraries that an answer does not need."""

from __future__ import annotations

import subprocess
import sys

from aisthesis.cli import standing
from aisthesis.cli.standing import Standing

#: Take seconds to load, and what they take a user waits for.
HEAVY = ("torch", "torchvision", "timm", "scipy", "pandas", "numpy", "matplotlib", "zarr")

KNOWN = Standing(
    ["stage", "of", "state", "done", "total", "why"], [["fit", "vgg16", "done", 1, 1, ""]]
)
PROBE = """
import contextlib, io, sys
import aisthesis
from aisthesis.cli.main import main
for arguments in {commands}:
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            code = main(arguments)
    except SystemExit as stopped:
        code = stopped.code
    print(code, len(said.getvalue()), *(name for name in {heavy} if name in sys.modules))
"""


#: What a study of one own or miniature network has no use for until its maps are made.
UNUSED = (
    "captum", "dask", "matplotlib", "pytorch_grad_cam", "skimage", "sympy", "timm",
    "torch._dynamo", "torch._inductor", "torchvision",
)  # fmt: skip
FIT = """
import sys
import numpy as np, torch
import aisthesis
from aisthesis.heads import evaluate, fit_mlp, fit_ridge
from aisthesis.miniature import miniature_backbone
aisthesis.Study, aisthesis.Alignment, aisthesis.explain, aisthesis.ablate
images = torch.rand(6, 3, 224, 224)
network = miniature_backbone("vgg16")
embeddings, ratings = network.module(images), torch.arange(6.0)
train, held = np.arange(4), np.arange(4, 6)
head = fit_mlp(embeddings, ratings, train, held).head
fit_ridge(embeddings.double().numpy(), ratings.numpy(), train, held)
evaluate(ratings.numpy(), head(embeddings).numpy(), n_boot=10)
print("done", *(name for name in {unused} if name in sys.modules))
"""


def test_a_head_is_fitted_without_libraries_that_it_does_not_use() -> None:
    script = FIT.format(unused=UNUSED)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == ["done"], done.stderr


def test_how_far_a_run_is_is_told_without_torch() -> None:
    """`cli/test_standing` has that status; this is all that it imports."""
    script = (
        "import sys, aisthesis.cli.main, aisthesis.cli.running, aisthesis.config\n"
        "import aisthesis.store.lock, aisthesis.studies.ratings.running\n"
        "print('done', *(name for name in ('torch', 'scipy', 'sklearn') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == ["done"], done.stderr


def test_short_commands_load_nothing_heavy(tmp_path, monkeypatch) -> None:
    # A status that is known is said again; that it is true is tested in `cli/test_standing`.
    study = tmp_path / "study"
    study.mkdir()
    monkeypatch.setattr(standing, "_folder", lambda: tmp_path / "aisthesis/status")
    source = standing._Source(str(study), str(study), (), ())
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    standing._write(study, source, source.digest(content=True), KNOWN)
    commands = [["--help"], ["--version"], ["run", "--help"], ["backbones"]]
    commands += [["status", str(study)], ["status", "--csv", str(study)]]
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(commands=commands, heavy=HEAVY)],
        capture_output=True,
        text=True,
        check=True,
    )
    for command, line in zip(commands, done.stdout.splitlines(), strict=True):
        code, said, *loaded = line.split()
        assert code == "0", command
        assert int(said) > 10, command
        assert loaded == [], command
