"""Bytes from addresses: https by the standard library, s3 and gs by Polars."""

from __future__ import annotations

import urllib.error
import urllib.request
from urllib.parse import urlsplit

import polars as pl

from kgrec.data.sources.limits import exceeded_download, limit
from kgrec.errors import DataError

_BLOCK = 1 << 20
_SECONDS = 60


def fetch(url: str) -> bytes:
    """Return what an address leads to; the user agreed to it before (:mod:`kgrec.consent`).

    Raises:
        DataError: nothing answers, or it is too large.
    """
    url = url.partition("#")[0]
    if url.startswith(("s3://", "gs://")):
        return _from_bucket(url)
    bound, content = limit("download") << 20, bytearray()
    try:
        with urllib.request.build_opener(_SameHost).open(url, timeout=_SECONDS) as answer:
            while block := answer.read(_BLOCK):
                content += block
                if len(content) > bound:
                    raise exceeded_download(url)
    except (urllib.error.URLError, TimeoutError, ValueError) as error:
        raise DataError(f"{url} cannot be read: {error}", hint="check the address, or download the file") from None
    return bytes(content)


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follows redirections only where they stay on the host that the user agreed to."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        """Return the next request, or refuse."""
        if urlsplit(newurl)[:2] != urlsplit(req.full_url)[:2]:
            raise urllib.error.URLError(f"it leads on to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _from_bucket(url: str) -> bytes:
    """Return the lines of an object as they stand; Polars finds the credentials in the environment."""
    try:
        if url.endswith((".parquet", ".pq")):
            table = pl.scan_parquet(url).collect()
            return _as_parquet(table)
        lines = pl.scan_lines(url).collect().to_series()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(
            f"{url} cannot be read: {str(error)[:300]}",
            hint="credentials come from the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, or "
            "GOOGLE_SERVICE_ACCOUNT",
        ) from None
    return "\n".join(lines.to_list()).encode()


def _as_parquet(table: pl.DataFrame) -> bytes:
    import io

    stream = io.BytesIO()
    table.write_parquet(stream, compression="uncompressed")
    return stream.getvalue()
