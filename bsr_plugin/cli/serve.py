"""``bsr serve``: a local page to try networks on one's own images."""

import argparse
import sys
import threading
import webbrowser
from collections.abc import Sequence
from typing import TYPE_CHECKING, get_args

from bsr_plugin.allocator import keep_freed_memory
from bsr_plugin.cli.output import EXIT_DONE
from bsr_plugin.interruption import ended_by_ctrl_c
from bsr_plugin.serve.address import PORTS, checked_names, is_loopback, listen, url_of
from bsr_plugin.serve.folder import temporary_folder
from bsr_plugin.serve.gradio_library import check_installed, prepare_gradio
from bsr_plugin.serve.limits import Limits
from bsr_plugin.serve.termination import sigterm_as_exit
from bsr_plugin.upscaling.settings import Device

if TYPE_CHECKING:
    from bsr_plugin.serve.choices import Choice

EXAMPLE = 'bsr serve --weights x2 models/net_g_latest.pth --open'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    weights = 'names of pretrained weights, checkpoints, safetensors or ONNX files (default: all that ship)'
    parser.add_argument('--weights', nargs='+', default=[], metavar='NAME|FILE', help=weights)
    host = 'address to listen at (default 127.0.0.1, which only this machine reaches)'
    parser.add_argument('--host', default='127.0.0.1', help=host)
    port = f'port to listen at (default: the first free one from {PORTS[0]} on)'
    parser.add_argument('--port', type=int, help=port)
    proxy = 'name of a reverse proxy that the page is reached through, such as sr.example.org; may be repeated'
    parser.add_argument('--allowed-host', action='append', default=[], metavar='NAME', help=proxy)
    parser.add_argument('--open', action='store_true', help='open the page in the browser')
    parser.add_argument('--device', choices=get_args(Device), default='auto', help='default: the GPU if there is one')
    size = f'refuse larger files (default {Limits.megabytes:g})'
    parser.add_argument('--max-megabytes', type=float, default=Limits.megabytes, metavar='MB', help=size)
    pixels = f'refuse larger images (default {Limits.megapixels:g})'
    parser.add_argument('--max-megapixels', type=float, default=Limits.megapixels, metavar='MP', help=pixels)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command, until a signal ends it."""
    check_installed()
    outside = checked_names(arguments.allowed_host)
    limits = Limits(arguments.max_megabytes, arguments.max_megapixels)
    with ended_by_ctrl_c('bsr serve: interrupted'):
        from bsr_plugin.serve.choices import load_choices
        from bsr_plugin.serve.jobs import Jobs
    keep_freed_memory()
    with sigterm_as_exit(), listen(arguments.host, arguments.port) as server, temporary_folder() as folder:
        choices = load_choices(arguments.weights, arguments.device)
        prepare_gradio(folder)
        from bsr_plugin.serve.page import build_page
        from bsr_plugin.serve.server import build_app, serve

        jobs = Jobs(folder, limits)
        app = build_app(build_page(choices, jobs), jobs, server, arguments.host, outside)
        if not is_loopback(server):
            warning = f'{arguments.host} can be reached from other machines, and the page asks for no password.'
            print(f'bsr serve: warning: {warning}', file=sys.stderr)
        serve(app, jobs, server, lambda: _tell(choices, url_of(server), arguments.open))
    return EXIT_DONE


def _tell(choices: Sequence['Choice'], url: str, is_opened: bool) -> None:
    names = ', '.join(choice.name for choice in choices)
    print(f'Serving {names} at {url} (Ctrl-C ends it)', flush=True)
    if is_opened:
        # Some browsers return when they are closed.
        threading.Thread(target=webbrowser.open, args=[url], daemon=True).start()
