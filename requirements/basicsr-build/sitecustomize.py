"""On the path of the one pip call that builds basicsr: its setup.py reads a variable that a bare ``exec`` set.

Since Python 3.13 (PEP 667) ``exec`` in a function no longer writes to what ``locals()`` returns there, unless it is
given the frame's own mapping.
"""

import builtins
import sys

_exec = builtins.exec


def exec(source, globals=None, locals=None, /, **keywords):  # noqa: D103
    frame = sys._getframe(1)
    bare = globals is None and locals is None
    return _exec(source, frame.f_globals if bare else globals, frame.f_locals if bare else locals, **keywords)


builtins.exec = exec
