"""The servers that are measured, all with the same workers where they have any."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from processes import Command, run, script, tool
from serving.models import opt_ml
from serving.servers import Server, free_port
from workplace import Workplace

N_WORKERS = 2
N_THREADS = 4

_REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements" / "bench-mlserver.txt"
# Its uvloop has no wheel beyond, and it refuses 3.13.
_MLSERVER_PYTHONS = ((3, 11), (3, 12))
_RUNTIMES = {
    "xgboost": "mlserver_xgboost.XGBoostModel",
    "lightgbm": "mlserver_lightgbm.LightGBMModel",
}


def ours(workplace: Workplace, model: str, *, n_workers: int = N_WORKERS) -> Server:
    """Return our server with one of the models of `serving.models`."""
    port = free_port()
    environ = {
        "SAGEMAKER_BASE_DIR": str(opt_ml(workplace, model)),
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "SAGEMAKER_MODEL_SERVER_WORKERS": str(n_workers),
        "CROSSFOLD_SERVER_THREADS": str(N_THREADS),
    }
    name = f"crossfold {model}"
    return Server(name, tool("serve"), port, _log(workplace, name), environ)


def bare_flask(workplace: Workplace) -> Server:
    """Return the bare Flask route under the same gunicorn."""
    port, name = free_port(), "bare Flask route"
    argv = script("peers/bare_flask.py", port, N_WORKERS, N_THREADS)
    return Server(name, argv, port, _log(workplace, name))


def constant(workplace: Workplace) -> Server:
    """Return the server that shows what the load client can do."""
    port, name = free_port(), "constant"
    argv = script("peers/constant_server.py", port)
    # It answers everything with 200.
    return Server(name, argv, port, _log(workplace, name), ready_path="/")


def mlserver(workplace: Workplace) -> Server | None:
    """Return MLServer with both models and as many parallel workers; None where it cannot be had.

    It gets an environment of its own below the benchmark's folder, made once.
    """
    if sys.version_info[:2] not in _MLSERVER_PYTHONS:
        return None
    binary = _installed(workplace.root / "mlserver-venv")
    folder = workplace.root / "serving" / "mlserver"
    shutil.rmtree(folder, ignore_errors=True)
    port = free_port()
    _write_settings(folder, port)
    for name, runtime in _RUNTIMES.items():
        (file,) = (opt_ml(workplace, name) / "model").glob("model.*")
        settings = {"name": name, "implementation": runtime, "parameters": {"uri": str(file)}}
        (folder / name).mkdir()
        (folder / name / "model-settings.json").write_text(json.dumps(settings))
    # One thread for a prediction, as with ours; with more it answers a tenth as many requests.
    environ = {"OMP_NUM_THREADS": "1"}
    argv = (str(binary), "start", str(folder))
    log = _log(workplace, "mlserver")
    return Server("MLServer", argv, port, log, environ, ready_path="/v2/health/ready")


def _log(workplace: Workplace, name: str) -> Path:
    return workplace.root / "serving" / "logs" / f"{name.replace(' ', '-')}.log"


def _write_settings(folder: Path, port: int) -> None:
    folder.mkdir(parents=True)
    settings = {
        "host": "127.0.0.1",
        "http_port": port,
        "grpc_port": free_port(),
        "metrics_port": free_port(),
        "parallel_workers": N_WORKERS,
        # No line per request, and no debugging server.
        "debug": False,
    }
    (folder / "settings.json").write_text(json.dumps(settings))


def _installed(venv: Path) -> Path:
    """Install the pinned MLServer unless it is there."""
    binary, done = venv / "bin" / "mlserver", venv / ".requirements"
    wanted = _REQUIREMENTS.read_text(encoding="utf-8")
    if done.exists() and done.read_text(encoding="utf-8") == wanted:
        return binary
    shutil.rmtree(venv, ignore_errors=True)
    run(Command("MLServer's environment", (sys.executable, "-m", "venv", str(venv))))
    # The list is whole; the dependency on XGBoost with CUDA is met by the wheel without.
    install = ("install", "-qq", "--disable-pip-version-check", "--no-deps", "--require-hashes")
    pip = (str(venv / "bin" / "python"), "-m", "pip", *install, "-r", str(_REQUIREMENTS))
    run(Command("installing MLServer", pip))
    done.write_text(wanted, encoding="utf-8")
    return binary
