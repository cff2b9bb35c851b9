"""The project's copy of the paper's tables."""

from collections import Counter

from bsr_plugin.report.published import SET_SIZES, paper_name, published


def test_every_cell_of_the_tables_is_there_once():
    cells = published()
    assert len({(cell.table, cell.method, cell.scale, cell.dataset) for cell in cells}) == len(cells)
    assert Counter(cell.table for cell in cells) == {2: 12 * 3 * 5, 3: 11 * 5, 4: 5}
    for cell in cells:
        assert cell.degradation == ('blur-down' if cell.table == 3 else 'bicubic')
        assert cell.dataset in SET_SIZES
        assert 20 < cell.psnr < 40
        assert (cell.ssim is None) == (cell.table == 4)


def test_known_cells_and_the_misprints():
    cells = {(cell.table, cell.method, cell.scale, cell.dataset): cell for cell in published()}
    assert (cells[2, 'BSR', 4, 'Urban100'].psnr, cells[2, 'BSR', 4, 'Urban100'].ssim) == (26.79, 0.8088)
    assert (cells[3, 'Bicubic', 3, 'Set5'].psnr, cells[3, 'Bicubic', 3, 'Set5'].ssim) == (28.78, 0.8308)
    assert cells[4, 'BSR w/o SC', 4, 'Set5'].psnr == 32.10
    misprints = {key: cell.misprint for key, cell in cells.items() if cell.misprint}
    assert misprints == {(2, 'VDSR', 4, 'BSD100'): 'ssim', (2, 'LapSRN', 2, 'BSD100'): 'psnr'}


def test_no_other_figure_falls_out_of_its_column():
    """A method's figures on a set fall from x2 to x4, and SSIM with them; a misprint would show."""
    cells = {(c.method, c.scale, c.dataset): c for c in published() if c.table == 2}
    for (method, scale, dataset), cell in cells.items():
        if scale < 4:
            harder = cells[method, 4, dataset]
            assert cell.psnr > harder.psnr
            assert cell.ssim > harder.ssim


def test_other_names_of_the_sets():
    assert paper_name('B100') == paper_name('bsds100') == 'BSD100'
    assert paper_name('urban100') == 'Urban100'
    assert paper_name('DIV2K-valid') == 'DIV2K-valid'
