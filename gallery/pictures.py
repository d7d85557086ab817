"""Pages made pictures by a headless Chromium, no taller than what they show."""

from __future__ import annotations

import io
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops

TALLEST = 2_400
COLOURS = 96
"""Enough for flat surfaces and text; it makes files a third as large."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A page and how it is looked at; ``width`` in pixels."""

    name: str
    page: str
    width: int
    dark: bool = False


def photographed(picture: Picture, folder: Path, browser: str) -> None:
    """Write a picture of a page."""
    with tempfile.TemporaryDirectory(prefix="gallery-") as place:
        page, shot = Path(place, "page.html"), Path(place, "shot.png")
        page.write_text(_framed(picture), encoding="utf-8")
        command = [
            browser,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={place}/profile",
            "--force-device-scale-factor=1",
            # Narrower windows than this the browser does not open; the page is in a frame of its own width.
            f"--window-size=640,{TALLEST}",
            f"--blink-settings=preferredColorScheme={0 if picture.dark else 1}",
            f"--screenshot={shot}",
            page.as_uri(),
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        image = Image.open(io.BytesIO(shot.read_bytes())).convert("RGB")
    image = image.crop((0, 0, picture.width, _height(image.crop((0, 0, picture.width, TALLEST)))))
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(folder / f"{picture.name}.png", optimize=True)


def _framed(picture: Picture) -> str:
    """Return a page with the picture's page in a frame, whose width is what media queries see."""
    inner = picture.page.replace("&", "&amp;").replace('"', "&quot;")
    scheme = "dark" if picture.dark else "light"
    return (
        f'<!DOCTYPE html><html style="color-scheme:{scheme}"><body style="margin:0">'
        f'<iframe srcdoc="{inner}" width="{picture.width}" height="{TALLEST}" style="border:0;display:block">'
        "</iframe></body></html>"
    )


def _height(image: Image.Image) -> int:
    """Return where the page ends: below it is nothing but its ground."""
    ground = Image.new("RGB", image.size, image.getpixel((1, image.height - 1)))
    box = ImageChops.difference(image, ground).getbbox()
    return min(image.height, (box[3] if box else 0) + 20)
