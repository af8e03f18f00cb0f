"""The installation's colour, made legible: WCAG 2.2 contrast on light and dark grounds (1.4.3, 1.4.11)."""

LIGHT, DARK = "#ffffff", "#16181d"  # the grounds in `ui.css`
TEXT_CONTRAST = 4.5
_STEP = 0.04


def style_sheet(colour: str) -> str:
    """The custom properties that `ui.css` takes the colour from."""
    on_light, on_dark = legible(colour, LIGHT), legible(colour, DARK)
    return (
        f":root{{--brand:{on_light};--on-brand:{ink(on_light)}}}"
        f"@media (prefers-color-scheme:dark){{:root{{--brand:{on_dark};--on-brand:{ink(on_dark)}}}}}"
    )


def legible(colour: str, ground: str) -> str:
    """The nearest shade of a colour that can be read as text on a ground."""
    towards = "#000000" if luminance(ground) > 0.5 else "#ffffff"
    share = 0.0
    shade = colour.lower()
    while contrast(shade, ground) < TEXT_CONTRAST:
        share += _STEP
        shade = _mix(colour, towards, min(1.0, share))
    return shade


def ink(ground: str) -> str:
    """Black or white, whichever is easier to read on a ground."""
    return max("#ffffff", "#000000", key=lambda colour: contrast(colour, ground))


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours (`#rrggbb`), 1 to 21."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """Relative luminance, 0 to 1."""
    red, green, blue = (_linear(value / 255) for value in _channels(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _mix(colour: str, towards: str, share: float) -> str:
    parts = zip(_channels(colour), _channels(towards), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in parts)
