"""The tables of the benchmarks, by figures as ``--json`` writes them."""

import json

from bsr_plugin.bench import tables


def test_rates_are_divided_by_that_of_the_toolbox():
    figures = {'patches_per_s': {'stock': 200.0, 'uniform': 9000.0, 'rejection': 50.0}}
    table = tables.sampling_rates(figures, ['stock', 'rejection'])
    assert table.rows == [
        ('BasicSR PairedImageDataset, PNG LMDB', '200', '1.0'),
        ('RFSPairedImageDataset, rejection, full PIC range', '50', '0.2'),
    ]
    assert [row[1:] for row in tables.sampling_rates(figures).rows] == [
        ('200', '1.0'),
        ('9,000', '45.0'),
        ('50', '0.2'),
    ]


def test_counts_of_images_are_numbers_also_when_read_from_a_file():
    index = {'build_s_per_lr_megapixel': 0.125, 'bytes_per_window': 1.5, 'open_s': 0.002, 'worker_mb': 0.04}
    figures = {
        'index': index,
        'by_count': {100: 5000.0, 10000: 4000.0},
        'count_ratio': 0.8,
        'ratios': {'rfs/stock': 40.0},
    }
    rows = dict(tables.sampling_costs(figures).rows)
    assert rows == dict(tables.sampling_costs(json.loads(json.dumps(figures))).rows)
    assert rows == {
        'ratio of rates, rfs / stock': '40.00',
        'rfs on a store of 100 images': '5,000 /s',
        'rfs on a store of 10,000 images': '4,000 /s',
        'ratio of rates, largest store / smallest': '0.80',
        'PIC index, build time per LR megapixel': '0.12 s',
        'PIC index, bytes per LR window': '1.50',
        'PIC index of 10,000 images, opening': '2 ms',
        'PIC index of 10,000 images, memory of a worker that cannot be shared': '0.0 MB',
    }


TRAINING = {
    'setting': 'cpu: BSRNet 2 x 2',
    'steps': 200,
    'titles': {'stock': 'SRModel, float32', 'bsr': '  bf16, uint8'},
    'iterations_per_s': {'stock': 2.0, 'bsr': 5.0},
    'times_stock': {'stock': 1.0, 'bsr': 2.4},
    'final_loss': {'stock': 0.0125, 'bsr': 0.01},
    'loss_difference': {'stock': 0.25, 'bsr': -0.001},
    'peak_memory_mb': {'stock': 1250.4, 'bsr': 150.0},
    'of_matrix': {'stock': 0.5, 'bsr': 0.25},
    'gmacs_per_iteration': 30.0,
    'networks': {'RCAN': {'gmacs_per_iteration': 440.0, 'stock': 0.1, 'bsr': 0.2}},
}


def test_engines():
    heads, rows = tables.engines(TRAINING)
    assert (heads[0], heads[3]) == ('cpu: BSRNet 2 x 2', 'loss after 200')
    assert rows == [
        ('SRModel, float32', '2.00', '1.00', '0.01250', '+25.00%', '1,250', '60', '50%'),
        ('  bf16, uint8', '5.00', '2.40', '0.01000', '-0.10%', '150', '150', '25%'),
    ]


def test_networks_are_compared_in_the_two_engines():
    assert tables.networks(TRAINING).rows == [
        ('BSRNet', '30', '2', '5', '2.40', '150'),
        ('RCAN', '440', '0.1', '0.2', '2.00', '88'),
    ]
    without = TRAINING | {'iterations_per_s': {'stock': 2.0, 'float32': 2.0}}
    assert [row[0] for row in tables.networks(without).rows] == ['RCAN']


def test_quality_per_second_is_what_is_above_bicubic():
    figures = {
        'device': 'cpu',
        'scale': 2,
        'network': 'x2',
        'psnr_y': {'opencv_bicubic': 30.0, 'bsr_float32': 33.5, 'pillow_bicubic': 29.9},
        'megapixels_per_s': {'bsr_float32': 0.5, 'RCAN': 0.1, 'opencv_bicubic': 200.0, 'pillow_bicubic': 50.0},
        'megapixels': {'bsr_float32': 1.0, 'RCAN': 0.25, 'opencv_bicubic': 1.0, 'pillow_bicubic': 1.0},
        'gmacs_per_megapixel': {'bsr_float32': 88.0, 'RCAN': 3827.0},
        'gmacs_per_s': {'bsr_float32': 44.0, 'RCAN': 382.7},
        'of_matrix': {'bsr_float32': 0.44, 'RCAN': 0.9},
    }
    assert tables.upscalers(figures).rows == [
        ('BSRNet, float32', '0.5', '1.00', '33.50', '1.75', '88', '44', '44%'),
        ("BasicSR's RCAN, float32", '0.1', '0.25', '', '', '3,827', '383', '90%'),
        ('OpenCV, bicubic', '200', '1.00', '30.00', '', '', '', ''),
        ('Pillow, bicubic', '50', '1.00', '29.90', '', '', '', ''),
    ]
