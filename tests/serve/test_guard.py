import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from bsr_plugin.serve.guard import LOOPBACK, guarded


async def length(request):
    return PlainTextResponse(str(len(await request.body())))


@pytest.fixture
def client():
    app = Starlette(routes=[Route('/', length, methods=['GET', 'POST'])])
    return TestClient(guarded(app, 1000, LOOPBACK), base_url='http://127.0.0.1:7860')


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


@pytest.mark.parametrize(
    ('host', 'status'), [('127.0.0.1:7860', 200), ('localhost:7860', 200), ('[::1]:7860', 200), ('evil.example', 400)]
)
def test_names_of_other_machines_are_refused(client, host, status):
    assert client.get('/', headers={'host': host}).status_code == status
