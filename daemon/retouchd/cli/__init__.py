"""The command line: one file for each group of commands, listed here."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import NoReturn

import click

from retouch_engine import __version__
from retouchd.cli.act import drain, pause, requeue, resume, retry, skip, undo
from retouchd.cli.doctor import doctor
from retouchd.cli.edit import edit
from retouchd.cli.edit_lora import edit_lora, pairs
from retouchd.cli.explain import explain
from retouchd.cli.ignores import show_ignores
from retouchd.cli.keep import keep
from retouchd.cli.learn import learn
from retouchd.cli.look import list_jobs, status, why
from retouchd.cli.models import models
from retouchd.cli.process import process
from retouchd.cli.review import review
from retouchd.cli.run import run
from retouchd.cli.setup import check_config, init_config, install_service
from retouchd.errors import RetouchdError
from retouchd.text import complaint

_EPILOG = (
    "Exit codes: 0 done; 1 a file failed or is not known; 2 wrong usage; 69 the engine, or what a model"
    " needs, is not there, or a port is taken; 73 a file exists already; 74 a file cannot be read or written;"
    " 75 try later: another retouchd is running or has the photo in hand, or a hub does not answer; 77"
    " another user's, no rights to a file, or a gated model; 78 mistakes in the configuration, or a state"
    " folder that cannot be used; 130 interrupted."
)


@click.group(epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="retouchd")
@click.pass_context
def cli(context: click.Context) -> None:
    """Heal skin blemishes in exported photos, and keep the pores."""
    if context.invoked_subcommand != run.name:
        _end_as_by_ctrl_c()


_COMMANDS = (
    *(run, process, edit, init_config, check_config, install_service),
    *(status, list_jobs, why),
    *(retry, requeue, skip, undo, pause, resume, drain),
    *(keep, learn, edit_lora, pairs),
    *(explain, models, review, show_ignores, doctor),
)
for _command in _COMMANDS:
    cli.add_command(_command)


def _interrupt(number: int, _frame: FrameType | None) -> NoReturn:
    # A window that is closed says so twice, by its shell and by the kernel: not into the clearing up.
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _end_as_by_ctrl_c() -> None:
    """A window that is closed or a ``timeout`` ends us as Ctrl-C does: what was staged is removed.

    Gigabytes of half-made results stayed in the temporary folder. Not the service: until it has begun it has
    nothing to remove, and systemd takes 130 for a failure, but not who is ended by the signal itself.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # not below nohup
            signal.signal(number, _interrupt)


def main() -> None:
    """Run the command line; failures are one line each on standard error, and an exit code."""
    # A name that is not UTF-8 must never end a command in the middle of its output.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = cli.main(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except RetouchdError as error:
        click.echo(f"retouchd: {error}".replace("\n", "\nretouchd: "), err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        click.echo(f"retouchd: {complaint(error)}", err=True)
        sys.exit(77 if isinstance(error, PermissionError) else 74)
    except click.exceptions.Abort:
        click.echo("retouchd: interrupted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
