"""The fork server of the tests survives what tests do to programs."""

import socket
from multiprocessing import forkserver

import pytest


@pytest.mark.slow
def test_a_client_that_dies_between_connection_and_request_does_not_end_the_tests(programs, tmp_path):
    script = tmp_path / 'script.py'
    script.write_text('import sys; print(*sys.argv[1:])')
    assert programs.finish(programs.fork([script, 'first']))[0] == 'first\n'

    with socket.socket(socket.AF_UNIX) as client:
        client.connect(forkserver._forkserver._forkserver_address)
    second = programs.fork([script, 'second'])
    assert (programs.finish(second)[0], second.returncode) == ('second\n', 0)
