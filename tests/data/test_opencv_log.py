import os
import threading

import cv2
import numpy as np
import pytest
from cv2.utils import logging as opencv

from bsr_plugin.data.opencv_log import silent_opencv


@pytest.fixture(autouse=True)
def _level():
    before = opencv.setLogLevel(opencv.LOG_LEVEL_ERROR)
    yield
    opencv.setLogLevel(before)


def test_silence_ends_with_the_last_thread_inside(capfd):
    def complain():
        cv2.imdecode(np.frombuffer(b'BM' + bytes(20), np.uint8), cv2.IMREAD_UNCHANGED)

    inside, leave = threading.Event(), threading.Event()

    def other():
        with silent_opencv():
            inside.set()
            leave.wait()
            complain()

    thread = threading.Thread(target=other)
    with silent_opencv():
        thread.start()
        inside.wait()
        complain()
    assert opencv.getLogLevel() == opencv.LOG_LEVEL_SILENT
    leave.set()
    thread.join()
    assert opencv.getLogLevel() == opencv.LOG_LEVEL_ERROR
    assert capfd.readouterr().err == ''
    complain()
    assert 'ERROR' in capfd.readouterr().err


def test_a_process_forked_meanwhile_is_as_before():
    with silent_opencv():
        child = os.fork()
        if not child:
            same = opencv.getLogLevel() == opencv.LOG_LEVEL_ERROR
            with silent_opencv():
                silent = opencv.getLogLevel() == opencv.LOG_LEVEL_SILENT
            os._exit(0 if same and silent and opencv.getLogLevel() == opencv.LOG_LEVEL_ERROR else 1)
        assert os.waitpid(child, 0)[1] == 0
