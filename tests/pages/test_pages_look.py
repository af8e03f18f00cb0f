"""An installation's own name, colour and logo."""

import base64

import pytest
import requests

from tests.support.stack import running

# One transparent pixel.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><script>alert(1)</script><path d="M0 0h9v9z"/></svg>'


@pytest.mark.parametrize(("suffix", "content"), [("png", PNG), ("svg", SVG)])
def test_a_branded_page(tmp_path, contexts, suffix, content):
    logo = tmp_path / f"logo.{suffix}"
    logo.write_bytes(content)
    with running(OTP_BRAND_COLOR="#FFD400", OTP_BRAND_LOGO=str(logo), OTP_ISSUER="Bäckerei") as stack:
        page = contexts().new_page()
        page.goto(stack.api("POST", "/v1/enrollments", {"user_id": "zoe"}).json()["enrollment_url"])
        assert page.locator("header").inner_text() == "Bäckerei"
        assert page.locator(".logo").evaluate("img => img.complete && img.naturalWidth > 0")
        # Yellow can't be read on white: it is darkened for text, and the ink on it is chosen to fit.
        assert (
            page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--brand')")
            != "#ffd400"
        )
        source = page.locator(".logo").get_attribute("src")
        alone = requests.get(stack.url + source, timeout=5)
        assert alone.content == content
        assert "sandbox" in alone.headers["Content-Security-Policy"]
