"""Resumable downloads, checked against their MD5 sums."""

import time
from pathlib import Path

import pooch
import requests
from tqdm import tqdm

from bsr_plugin.atomic import locked
from bsr_plugin.errors import InputError
from bsr_plugin.progress import progress

#: Seconds until a connection, and between two pieces of an answer.
_TIMEOUTS = 15, 60
#: What a broken connection loses at most.
_CHUNK = 1 << 16
#: Attempts in a row that bring nothing, and seconds of rest after the first of them; the rest doubles each time.
_ATTEMPTS, _REST = 5, 1.0


def download(url: str, md5: str, folder: Path) -> Path:
    """Downloads a file unless it is there, whole and right.

    What has arrived lies in ``<name>.part`` and is resumed, in this call or a later one. The file gets its name
    when its MD5 sum has been checked; one with a wrong sum is removed. Of several processes one downloads, and the
    others wait.

    Args:
        url: Its address.
        md5: MD5 sum, in hexadecimal.
        folder: Where the file goes; made if it is missing.

    Raises:
        InputError: The server does not have it or cannot be reached, the transfer breaks off again and again, or the
            sum is wrong, also of a file that is there already.
        OSError: The file cannot be written.
    """
    name = url.rpartition('/')[2]
    file, part = folder / name, folder / f'{name}.part'
    if file.exists():
        return _checked(file, md5)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(file):
        return _checked(file, md5) if file.exists() else _downloaded(url, md5, part, file)


def _checked(file: Path, md5: str) -> Path:
    found = pooch.file_hash(file, 'md5')
    if found != md5:
        raise InputError(f'{file} is not the file it should be: its MD5 sum is {found}, not {md5}; remove it.')
    return file


def _downloaded(url: str, md5: str, part: Path, file: Path) -> Path:
    _fetch(url, part)
    if pooch.file_hash(part, 'md5') != md5:
        part.unlink()
        raise InputError(
            f'{url} is not the file it should be (its MD5 sum is not {md5}); it was removed: try again, or fetch '
            f'{file.name} yourself and put it into {file.parent}.'
        )
    return part.replace(file)


def _fetch(url: str, part: Path) -> None:
    """Brings ``part`` to its full length."""
    failures = 0
    while True:
        before = _length(part)
        try:
            if _transfer(url, part):
                return
            reason = 'the server closed the connection'
        except requests.Timeout:
            reason = 'the server does not answer'
        except requests.HTTPError as error:
            reason = f'the server answers {error.response.status_code}'
        except requests.exceptions.ChunkedEncodingError:
            reason = 'the connection was lost'
        except requests.ConnectionError:
            reason = 'the connection failed or stalled'
        except requests.RequestException:
            reason = 'the server cannot be reached'
        failures = 0 if _length(part) > before else failures + 1
        if failures == _ATTEMPTS:
            raise InputError(
                f'{url} broke off after {_length(part) / 1e6:.1f} MB ({reason}): the same command resumes there.'
            )
        time.sleep(_REST * 2 ** max(0, failures - 1))


def _transfer(url: str, part: Path) -> bool:
    """Asks for what is missing, once; returns whether the file is complete."""
    have = _length(part)
    headers = {'Accept-Encoding': 'identity'} | ({'Range': f'bytes={have}-'} if have else {})
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUTS) as answer:
        if answer.status_code == requests.codes.requested_range_not_satisfiable:
            # What is there is all there is, or more than that: then it is worth nothing.
            if answer.headers.get('Content-Range', '').rpartition('/')[2] == str(have):
                return True
            part.unlink()
            return False
        if answer.status_code >= 500:
            answer.raise_for_status()
        if answer.status_code not in (requests.codes.ok, requests.codes.partial_content):
            raise InputError(f'{url} cannot be downloaded: the server answers {answer.status_code} {answer.reason}.')
        # A server that cannot begin in the middle sends everything.
        begin = have if answer.status_code == requests.codes.partial_content else 0
        length = answer.headers.get('Content-Length')
        total = None if length is None else begin + int(length)
        bar: tqdm[bytes] = progress(total=total, label=part.stem, unit='B')
        bar.unit_scale, bar.initial, bar.n = True, begin, begin
        with part.open('ab' if begin else 'wb') as file, bar:
            for chunk in answer.iter_content(_CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
    return total is None or _length(part) == total


def _length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
