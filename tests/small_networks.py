"""What makes the networks of option files small; all the rest of a file stays."""

#: Type of a network -> its options that are replaced.
SMALL_NETWORKS = {
    'BSRNet': {'num_feat': 4, 'num_group': 1, 'num_block': 1},
    'EDSR': {'num_feat': 8, 'num_block': 1},
    'RCAN': {'num_feat': 8, 'num_group': 1, 'num_block': 1, 'squeeze_factor': 4},
    'RRDBNet': {'num_feat': 8, 'num_block': 1, 'num_grow_ch': 4},
    'MSRResNet': {'num_feat': 8, 'num_block': 1},
    'SwinIR': {'embed_dim': 8, 'depths': [2], 'num_heads': [2], 'img_size': 16},
}
