"""Headless Chromium, driven by Selenium."""

import os
import shutil
from contextlib import contextmanager

import numpy as np
import pytest

_NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome')


@contextmanager
def open_browser():
    """Gives a browser that asks nothing of the network by itself, and logs its console and its requests."""
    from selenium import webdriver

    binary = next(filter(None, map(shutil.which, _NAMES)), None)
    driver = shutil.which('chromedriver')
    if binary is None or driver is None:
        pytest.fail(
            'This test needs Chromium and ChromeDriver: run "make browser", or leave it out with -m "not browser".'
        )
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    quiet = ('disable-background-networking', 'disable-component-update', 'disable-sync', 'no-first-run')
    for word in ('headless=new', 'disable-gpu', 'hide-scrollbars', 'force-device-scale-factor=1', *quiet):
        options.add_argument(f'--{word}')
    if os.geteuid() == 0:
        options.add_argument('--no-sandbox')
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL', 'performance': 'ALL'})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield browser
    finally:
        browser.quit()


def show_on(browser, width, height):
    """Makes the window as large as a screen, which below 600 pixels is a phone's."""
    browser.execute_cdp_cmd(
        'Emulation.setDeviceMetricsOverride',
        {'width': width, 'height': height, 'deviceScaleFactor': 1, 'mobile': width < 600},
    )


def prefer(browser, scheme):
    """Prefers the light or the dark scheme."""
    browser.execute_cdp_cmd(
        'Emulation.setEmulatedMedia', {'features': [{'name': 'prefers-color-scheme', 'value': scheme}]}
    )


def find(page, selector):
    return page.find_element('css selector', selector)


def find_all(page, selector):
    return page.find_elements('css selector', selector)


def luminance(colour):
    """Of a colour as browsers write it, between 0 and 1 (WCAG)."""
    channels = np.array([float(part) for part in colour.strip('rgba()').split(',')[:3]]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def contrast(one, other):
    """Ratio of contrast of two colours (WCAG)."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)
