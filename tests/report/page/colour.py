"""Colour as readers see it: contrast (WCAG 2.2), CIEDE2000, and vision without one kind of cone.

Machado, Oliveira & Fernandes 2009 (matrices of severity 1); Sharma, Wu & Dalal 2005 (CIEDE2000).
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

VISION = {
    "all cones": np.eye(3),
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])


def linear(colour):
    """(3,): `#rgb` or `#rrggbb` as linear light."""
    digits = colour.lstrip("#")
    digits = "".join(c * 2 for c in digits) if len(digits) == 3 else digits
    parts = np.array([int(digits[at : at + 2], 16) for at in (0, 2, 4)]) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    """WCAG's ratio, 1 to 21."""
    dark, light = sorted(float(_XYZ[1] @ linear(colour)) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def apart(one, other, vision):
    """CIEDE2000 between two colours under a kind of vision."""
    return _ciede2000(*(_lab(np.array(VISION[vision]) @ linear(colour)) for colour in (one, other)))


def _lab(light):
    xyz = _XYZ @ np.clip(light, 0, 1) / _WHITE
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def _ciede2000(one, other):
    mean = (np.hypot(*one[1:]) + np.hypot(*other[1:])) / 2
    stretch = 1.5 - 0.5 * np.sqrt(mean**7 / (mean**7 + 25**7))
    (l1, a1, b1), (l2, a2, b2) = one, other
    c1, c2 = np.hypot(a1 * stretch, b1), np.hypot(a2 * stretch, b2)
    h1, h2 = (np.degrees(np.arctan2(b, a * stretch)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = 0.0 if c1 * c2 == 0 else (h2 - h1 + 180) % 360 - 180
    hue = h1 + h2 if c1 * c2 == 0 else (h1 + turn / 2) % 360
    lightness, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    angles = (1, -30), (2, 0), (3, 6), (4, -63)
    parts = [np.cos(np.radians(n * hue + shift)) for n, shift in angles]
    t = 1 - 0.17 * parts[0] + 0.24 * parts[1] + 0.32 * parts[2] - 0.20 * parts[3]
    sl = 1 + 0.015 * (lightness - 50) ** 2 / np.sqrt(20 + (lightness - 50) ** 2)
    sc, sh = 1 + 0.045 * chroma, 1 + 0.015 * chroma * t
    swing = -np.sin(np.radians(60 * np.exp(-(((hue - 275) / 25) ** 2)))) * 2 * np.sqrt(chroma**7 / (chroma**7 + 25**7))
    dl, dc, dh = (l2 - l1) / sl, (c2 - c1) / sc, 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2)) / sh
    return float(np.sqrt(dl**2 + dc**2 + dh**2 + swing * dc * dh))


def style():
    """The page's style sheet."""
    from listeval.report.page.render import templates

    return (Path(templates()) / "page.css").read_text(encoding="utf-8")


def palette(scheme):
    """The style sheet's colour variables under `light` or `dark`."""
    roots = re.findall(r":root\{([^}]*)\}", style())
    found = dict(re.findall(r"--([\w-]+):(#[0-9a-f]{3,6})", roots[0]))
    return found | (dict(re.findall(r"--([\w-]+):(#[0-9a-f]{3,6})", roots[1])) if scheme == "dark" else {})
