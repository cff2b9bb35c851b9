import socket

import pytest

from bsr_plugin.errors import InputError
from bsr_plugin.serve import address
from bsr_plugin.serve.address import is_loopback, listen, url_of


def test_it_listens_where_it_says():
    with listen('127.0.0.1', 0) as server:
        port = server.getsockname()[1]
        assert url_of(server) == f'http://127.0.0.1:{port}'
        assert is_loopback(server)
        socket.create_connection(('127.0.0.1', port), timeout=5).close()


def test_all_addresses_of_this_machine():
    with listen('0.0.0.0', 0) as server:
        assert not is_loopback(server)
        assert url_of(server) == f'http://127.0.0.1:{server.getsockname()[1]}'


def test_the_first_port_that_is_free(monkeypatch):
    with listen('127.0.0.1', 0) as first, listen('127.0.0.1', 0) as second:
        taken = first.getsockname()[1]
        free = second.getsockname()[1]
        second.close()
        monkeypatch.setattr(address, 'PORTS', [taken, free])
        with listen('127.0.0.1') as server:
            assert server.getsockname()[1] == free
            with pytest.raises(InputError, match=f'The ports {taken} to {free} are all taken: name one that is free'):
                listen('127.0.0.1')
        with pytest.raises(InputError, match=f'Port {taken} is taken: name another with --port, or leave it out'):
            listen('127.0.0.1', taken)


@pytest.mark.parametrize(
    ('host', 'port', 'sentence'),
    [
        ('127.0.0.1', 65536, '--port is 65536: use 1 to 65535, or 0 for any that is free.'),
        ('127.0.0.1', -1, '--port is -1: use 1 to 65535'),
        ('192.0.2.1', 0, '--host is 192.0.2.1, which is not an address of this machine'),
        ('a' * 300, 0, f'--host is {"a" * 300}, which is not known: use 127.0.0.1'),
    ],
)
def test_what_cannot_be_listened_at(host, port, sentence):
    with pytest.raises(InputError) as error:
        listen(host, port)
    assert str(error.value).startswith(sentence)
