"""The command line, in this process or, as a person starts it, in one of its own."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from gexviz import cli


def command(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run ``gexviz ARGUMENTS`` from `folder`, in this process: nothing has to be imported anew."""
    words = [str(argument) for argument in arguments]
    with contextlib.chdir(folder):
        done = CliRunner().invoke(cli.app, words)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception  # the command line itself turns what goes wrong into a message and a status
    return subprocess.CompletedProcess(words, done.exit_code, done.stdout, done.stderr)


def process(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run ``gexviz ARGUMENTS`` from `folder`, in a process of its own."""
    words = [sys.executable, "-m", "gexviz.cli", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, cwd=folder, timeout=120)
