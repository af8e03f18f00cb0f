"""QR codes as SVG: crisp at any size, and nothing to load."""

from io import BytesIO


def qr_svg(text: str, *, inline: bool = False) -> str:
    """A QR code with its quiet zone, dark on white in every colour scheme, since scanners want that.

    Args:
        text: what it says.
        inline: for a page, whose style sheet gives it its size, instead of a document of its own.
    """
    import segno  # noqa: PLC0415 - few ask for one, and it takes long to import

    out = BytesIO()
    segno.make(text, error="m", micro=False).save(
        out,
        kind="svg",
        scale=4,
        border=4,
        xmldecl=False,
        light="#fff",
        svgns=not inline,
        omitsize=inline,
        svgclass="qr" if inline else "segno",
        lineclass=None if inline else "qrline",
    )
    return out.getvalue().decode()
