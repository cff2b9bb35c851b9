"""The page itself, in Gradio: an upload, the networks by name, a slider and a download.

Gradio runs one job at a time and shows the others their places in the queue.
"""

from collections.abc import Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from bsr_plugin.errors import InputError
from bsr_plugin.serve.choices import Choice
from bsr_plugin.serve.jobs import KEPT_FOR, JobCancelledError, Jobs, Result

TITLE = 'BSR: balanced super resolution'
CSS = (Path(__file__).parent / 'page.css').read_text(encoding='utf-8')

#: Status, slider and download: new values of these three.
Outputs = tuple[Any, Any, Any]


def build_page(choices: Sequence[Choice], jobs: Jobs) -> gr.Blocks:
    """Builds the page.

    Args:
        choices: What can be chosen; the first is.
        jobs: What upscales.
    """
    networks = {choice.name: choice for choice in choices}
    with gr.Blocks(title=TITLE) as page:
        gr.Markdown(_introduction(jobs))
        with gr.Row(equal_height=True):
            upload = gr.File(label='Image', height=180, elem_id='upload')
            with gr.Column():
                labels = [(f'{choice.name}: {choice.line}', choice.name) for choice in choices]
                network = gr.Radio(labels, value=choices[0].name, label='Network', elem_id='network')
                again = gr.Button('Upscale', variant='primary', elem_id='upscale')
        status = gr.HTML(elem_id='status', padding=False)
        slider = gr.ImageSlider(
            label='Bicubic | BSR', interactive=False, max_height=720, buttons=['fullscreen'], elem_id='slider'
        )
        download = gr.DownloadButton(visible=False, variant='primary', elem_id='download')
        outputs = [status, slider, download]
        for given in (upload, network):
            _take_uploads_alone(given, jobs)

        def upscale(
            file: str | None,
            name: str,
            request: gr.Request,
            progress: gr.Progress = gr.Progress(),  # noqa: B008 - where Gradio looks for it
        ) -> Outputs:
            """What the page shows for a file."""
            return _upscaled(jobs, networks[name], file, request, progress)

        gr.on(
            [upload.upload, again.click],
            upscale,
            [upload, network],
            outputs,
            show_progress_on=slider,
            concurrency_limit=1,
            api_visibility='private',
        )
        upload.clear(partial(_nothing), None, outputs, queue=False, api_visibility='private')

        def leave(request: gr.Request) -> None:
            jobs.end(str(request.session_hash))

        page.unload(leave)
    return page.queue(max_size=jobs.limits.waiting)


def _take_uploads_alone(given: Component, jobs: Jobs) -> None:
    """Has an input refuse the paths and addresses that a request may name; Gradio's would read or fetch them.

    Not by a subclass, because Gradio writes a type stub beside the module of each.
    """
    move = given.async_move_resource_to_block_cache

    async def move_upload(path: str | Path | None) -> str | None:
        if path is not None and not jobs.is_upload(Path(path)):
            raise gr.Error('This is not an upload: choose a file.', print_exception=False)
        return await move(path)

    given.async_move_resource_to_block_cache = move_upload  # type: ignore[assignment, method-assign]


def _introduction(jobs: Jobs) -> str:
    limits = jobs.limits
    return (
        f'# {TITLE}\n\n'
        'Drop an image to have it upscaled by the computer that serves this page, compare it with bicubic '
        'interpolation, and download it. PNG, JPEG, WebP, TIFF, AVIF and others, up to '
        f'{limits.megabytes:g} MB and {limits.megapixels:g} megapixels; files are removed when this page is closed, '
        f'and after {KEPT_FOR / 60:.0f} minutes.'
    )


def _upscaled(jobs: Jobs, choice: Choice, file: str | None, request: gr.Request, progress: gr.Progress) -> Outputs:
    if file is None:
        return _problem('There is no image yet: drop one above.')
    upload = Path(file)

    def report(share: float) -> None:
        progress(share, desc=f'Upscaling {upload.name}')

    report(0)
    try:
        result = jobs.run(str(request.session_hash), upload, choice.network, report)
    except InputError as error:
        return _problem(str(error))
    except JobCancelledError:
        return _problem('This job was cancelled.')
    except OSError as error:
        return _problem(f'The result cannot be written on the server ({error.strerror}): try again later.')
    label = f'Download {result.file.name} ({_size(result.file.stat().st_size)})'
    previews = tuple(map(str, result.previews))
    return _told(result, upload, choice), previews, gr.DownloadButton(label, value=str(result.file), visible=True)


def _told(result: Result, upload: Path, choice: Choice) -> str:
    sizes = [f'{width:,} x {height:,}' for width, height in (result.input_size, result.output_size)]
    rate = result.output_size[0] * result.output_size[1] / 1e6 / result.seconds
    return escape(
        f'{upload.name}: {sizes[0]} to {sizes[1]} pixels by {choice.name}, {rate:.2f} megapixels per second '
        f'({choice.network.precision.partition(" ")[0]})'
    )


def _problem(sentence: str) -> Outputs:
    return f'<p role="alert">{escape(sentence)}</p>', None, gr.DownloadButton(visible=False)


def _nothing() -> Outputs:
    return '', None, gr.DownloadButton(visible=False)


def _size(number: float) -> str:
    return f'{number / (1 << 20):.1f} MB' if number >= 100_000 else f'{number / 1024:.1f} kB'
