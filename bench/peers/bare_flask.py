"""Peer: a bare Flask route that returns a constant, under the gunicorn that we serve with.

python bench/peers/bare_flask.py PORT WORKERS THREADS
"""

from __future__ import annotations

import sys

from flask import Flask, Response
from gunicorn.app.wsgiapp import run

# What one prediction looks like.
_CONSTANT = b"-0.8472095131874084"


def make_app() -> Flask:
    """Return the application; the route does not look at the body."""
    app = Flask(__name__)

    @app.post("/invocations")
    def constant() -> Response:
        return Response(_CONSTANT, mimetype="text/csv")

    @app.get("/ping")
    def ping() -> Response:
        return Response(status=200)

    return app


def main(port: str, workers: str, threads: str) -> None:
    """Serve until the end."""
    options = {"bind": f"127.0.0.1:{port}", "worker-class": "gthread", "workers": workers}
    pairs = [text for name, value in options.items() for text in (f"--{name}", value)]
    # As long as ours keeps a connection; otherwise gunicorn as it comes.
    pairs += ["--threads", threads, "--keep-alive", "75"]
    sys.argv = ["gunicorn", *pairs, "--preload", "bare_flask:make_app()"]
    run()


if __name__ == "__main__":
    main(*sys.argv[1:])
