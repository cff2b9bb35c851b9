import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from bsr_plugin.errors import InputError
from bsr_plugin.serve.address import checked_names, listen
from bsr_plugin.serve.guard import LOOPBACK, guarded, hosts_at


async def length(request):
    return PlainTextResponse(str(len(await request.body())))


def client_of(hosts, outside=()):
    app = Starlette(routes=[Route('/', length, methods=['GET', 'POST'])])
    return TestClient(guarded(app, 1000, hosts, outside), base_url='http://127.0.0.1:7860')


@pytest.fixture
def client():
    return client_of(LOOPBACK)


def test_every_answer_forbids_the_page_to_load_from_elsewhere(client):
    for answer in (client.get('/'), client.get('/nowhere')):
        rules = dict(rule.split(' ', 1) for rule in answer.headers['content-security-policy'].split('; '))
        assert rules['default-src'] == "'self'"
        assert not [rule for rule in rules.values() if '*' in rule or 'http' in rule]
        assert answer.headers['x-content-type-options'] == 'nosniff'


def test_bodies_beyond_the_largest_upload_are_not_read(client):
    assert client.post('/', content=bytes(1000)).text == '1000'
    answer = client.post('/', content=bytes(2_000_000))
    assert (answer.status_code, answer.text) == (413, 'The file is too large.')
    assert client.post('/', content=iter([bytes(10)])).status_code == 411


@pytest.mark.parametrize('origin', ['http://evil.example', 'http://127.0.0.1:9999', 'https://127.0.0.1', 'null', ''])
def test_what_other_pages_send_is_refused(client, origin):
    answer = client.post('/', content=b'x', headers={'origin': origin})
    assert (answer.status_code, answer.text) == (403, 'The request comes from another page.')
    assert 'content-security-policy' in answer.headers


@pytest.mark.parametrize('host', ['127.0.0.1:7860', 'localhost:7860', '[::1]:7860'])
def test_what_the_page_itself_sends_is_taken(client, host):
    assert client.post('/', content=b'xyz', headers={'host': host, 'origin': f'http://{host}'}).text == '3'


@pytest.mark.parametrize(
    ('host', 'status'), [('127.0.0.1:7860', 200), ('localhost:7860', 200), ('[::1]:7860', 200), ('evil.example', 400)]
)
def test_names_of_other_machines_are_refused(client, host, status):
    assert client.get('/', headers={'host': host}).status_code == status


def test_the_address_and_the_name_that_were_asked_for_are_accepted():
    with listen('127.0.1.1', 0) as server:
        client = client_of(hosts_at(server, 'Workstation'))
    hosts = ['127.0.1.1:7860', 'workstation:7860', 'localhost:7860', '127.0.1.2:7860', 'evil.example']
    assert [client.get('/', headers={'host': host}).status_code for host in hosts] == [200, 200, 200, 400, 400]


@pytest.mark.parametrize(
    ('host', 'origin', 'status'),
    [
        ('sr.example.org', 'https://sr.example.org', 200),
        ('127.0.0.1:7860', 'https://sr.example.org:8443', 200),  # a proxy that passes its own Host on
        ('sr.example.org', 'https://evil.example', 403),
        ('sr.example.org', 'https://sr.example.org.evil.example', 403),
        ('evil.example', 'https://evil.example', 400),
    ],
)
def test_a_reverse_proxy_by_its_name(host, origin, status):
    client = client_of(LOOPBACK, checked_names(['SR.example.org']))
    assert client.post('/', content=b'x', headers={'host': host, 'origin': origin}).status_code == status


@pytest.mark.parametrize('name', ['https://sr.example.org', 'sr.example.org:443', '*', '*.example.org', ''])
def test_names_of_a_proxy_are_names_alone(name):
    with pytest.raises(InputError, match=r'--allowed-host is .*: give a name without scheme and port'):
        checked_names([name])


def test_a_server_for_other_machines_has_any_name():
    with listen('0.0.0.0', 0) as server:
        assert hosts_at(server, '0.0.0.0') == ['*']
