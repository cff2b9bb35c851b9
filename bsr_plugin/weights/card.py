"""The model card: what a file of weights says about itself, as Markdown. The same file gives the same card."""

from collections.abc import Iterator, Mapping, Sequence

from bsr_plugin.markdown import markdown_table
from bsr_plugin.models.shipped import NAMES
from bsr_plugin.weights.about import Score, WeightsMetadata

_METRICS = {'psnr_y': ('PSNR-Y (dB)', '.2f'), 'ssim_y': ('SSIM-Y', '.4f'), 'psnr_rgb': ('PSNR (dB)', '.2f')}
_DEGRADATIONS = {
    'bicubic': "MATLAB's antialiased bicubic down-sampling of clean images",
    'blur-down': 'a Gaussian blur (7x7, sigma 1.6), of which every pixel in the middle of a block is kept',
}


def card(about: WeightsMetadata, file: str) -> str:
    """The card of the weights in a file of this name."""
    sections = [
        _heading(about, file),
        _use(about, file),
        _training(about),
        _scores(about),
        _limits(about),
        _recipe(about),
    ]
    return '\n\n'.join(section for section in sections if section) + '\n'


def _heading(about: WeightsMetadata, file: str) -> str:
    arguments = ', '.join(f'`{name}` {value}' for name, value in about.network_g.items() if name != 'type')
    degradation = '' if about.degradation in (None, 'bicubic') else f', {about.degradation}'
    return (
        f'# BSR x{about.scale}{degradation}\n\n'
        f'`{file}`: {about.parameters:,} parameters in {about.precision}. Made by `bsr card` from the header of '
        f'that file.\n\n{about.network_g["type"]}: {arguments}.'
    )


def _use(about: WeightsMetadata, file: str) -> str:
    name = file.removeprefix('bsr_').removesuffix('.safetensors')
    argument = name if name in NAMES else file
    return (
        '## Use\n\n'
        '    from bsr_plugin import load_model\n\n'
        f"    network = load_model('{argument}')  # (N, 3, H, W) RGB in [0, {about.network_g['img_range']:g}] "
        f'to (N, 3, {about.scale} H, {about.scale} W)'
    )


def _training(about: WeightsMetadata) -> str:
    lines = []
    if about.training_set is not None:
        trained = about.training_set
        lines.append(f'- Training set: {trained.name}, {trained.images:,} images, digest `{trained.digest}`.')
    if about.degradation is not None:
        lines.append(f'- LR images: {_DEGRADATIONS[about.degradation]}.')
    if about.recipe is not None:
        lines.append(f'- Recipe: `{about.recipe.file}`, below.')
    if about.versions:
        lines.append(f'- Trained with {", ".join(f"{name} {version}" for name, version in about.versions.items())}.')
    return '\n'.join(['## Training', '', *lines]) if lines else ''


def _scores(about: WeightsMetadata) -> str:
    if not about.scores:
        return ''
    kinds = [kind for kind in _METRICS if any(kind in scores for scores in about.scores.values())]
    means = _table(
        'set', kinds, [(f'{name} ({_images(scores)})', scores, None) for name, scores in about.scores.items()]
    )
    images = [
        f'### {name}\n\n{_table("image", kinds, [(each, scores, each) for each in next(iter(scores.values())).images])}'
        for name, scores in about.scores.items()
    ]
    title = f'## Scores\n\nUint8 RGB output, {about.scale} pixels cut from the border, no self-ensemble.'
    return '\n\n'.join([title, means, *images])


def _images(scores: Mapping[str, Score]) -> int:
    return len(next(iter(scores.values())).images)


def _table(first: str, kinds: Sequence[str], rows: Sequence[tuple[str, Mapping[str, Score], str | None]]) -> str:
    """Rows of means, or of the values of an image."""

    def cells(scores: Mapping[str, Score], image: str | None) -> Iterator[str]:
        for kind in kinds:
            score = scores.get(kind)
            yield (
                '' if score is None else format(score.mean if image is None else score.images[image], _METRICS[kind][1])
            )

    heads = [first, *(_METRICS[kind][0] for kind in kinds)]
    return '\n'.join(markdown_table(heads, [[name, *cells(scores, image)] for name, scores, image in rows]))


def _limits(about: WeightsMetadata) -> str:
    known = _DEGRADATIONS.get(about.degradation or '', 'those it was trained with')
    return (
        '## Limits\n\n'
        f'It undoes one degradation, {known}, and expects images without noise, compression (JPEG) or other blur: on '
        'those it enhances what disturbs. It is trained for PSNR: textures that the LR image does not show come out '
        'smooth, not invented.'
    )


def _recipe(about: WeightsMetadata) -> str:
    if about.recipe is None:
        return ''
    return f'## Recipe: `{about.recipe.file}`\n\n```yaml\n{about.recipe.text.rstrip()}\n```'
