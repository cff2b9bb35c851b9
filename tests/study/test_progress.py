"""What is said of a study's progress where there is no terminal."""

from bsr_plugin.study.folder import CellFolder
from bsr_plugin.study.progress import Progress


def test_the_time_left_follows_from_the_iterations_of_all_runs(plan, tmp_path, capsys):
    folders = [CellFolder(tmp_path, cell) for cell in plan.cells]
    progress = Progress(folders)
    assert progress.line(10) == '0 of 120 iterations, 0 of 4 runs done'
    progress.reached(folders[0], 20)
    progress.reached(folders[1], 10)
    assert progress.line(60) == '30 of 120 iterations, 0 of 4 runs done, about 03:00 left'
    progress.reached(folders[0], 5)  # resumed from an earlier checkpoint
    assert progress.line(60) == '30 of 120 iterations, 0 of 4 runs done, about 03:00 left'
    progress.done(folders[0])
    progress.failed(folders[1], 'uniform, seed 1 failed.')
    assert progress.line(80) == '40 of 100 iterations, 1 of 4 runs done, about 02:00 left'
    progress.close()
    assert capsys.readouterr().err == 'rfs, seed 1: done\nuniform, seed 1 failed.\n'
