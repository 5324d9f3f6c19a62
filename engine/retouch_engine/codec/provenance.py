"""Content Credentials (C2PA): the result signed with the studio's certificate, as the very last step.

Whatever writes to a signed file afterwards breaks the signature, so nothing does: it is signed after
exiftool, read back, and only then proved and published. Off unless a certificate is named. Nothing leaves the
machine: no manifest is fetched that a photo's XMP points to, no certificate is looked up, and a time-stamp
server is asked only when one was named. c2pa-python is loaded at the first photo that is signed.
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from retouch_engine.codec.xmp import ALGORITHMIC
from retouch_engine.errors import NotSigned
from retouch_engine.recipe import Signing
from retouch_engine.version import __version__

_TIFF = "image/tiff"
_JPEG, _HEIF = "image/jpeg", "image/heif"
_FORMATS = {".tif": _TIFF, ".tiff": _TIFF, ".jpg": _JPEG, ".jpeg": _JPEG, ".png": "image/png"}
_FORMATS |= dict.fromkeys((".heic", ".heif", ".hif"), _HEIF)
"""What the library looks for a photo's own credentials in."""
_OTHER = "application/octet-stream"
_ALONE: Mapping[str, Any] = {
    # A thumbnail costs a second decoding of the photo, and shows the face to whoever reads only manifests.
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
}
_UNTRUSTED = "signingCredential.untrusted"
"""A certificate that no public list knows: a studio's own. Whether to trust it is for the reader to say."""
_MOST_KEY_BYTES = 1 << 20
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def sign(result: Path, source: Path, signing: Signing, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Sign the staged file in place, and read its manifest back.

    Args:
        result: the finished TIFF; replaced by the signed one.
        source: the photo, by a name of ours; named in the manifest as what the result was made from.
        signing: certificate, key, algorithm.
        facts: ``title``, ``source_title``, ``source_type`` (IPTC), ``healed``.

    Returns:
        For the record: ``label`` of the manifest, ``state`` (Valid or Trusted), ``issuer``, ``notes``; and
        ``source``, the label of the photo's own manifest, which is kept inside, empty without one.

    Raises:
        NotSigned: there is no valid signature, and why. The file is then not to be published.
    """
    c2pa = _library()
    signed = result.with_name(f"{result.name}.signed")
    try:
        context = c2pa.Context.from_dict(_ALONE)
        with (
            c2pa.Signer.from_info(_info(c2pa, signing)) as signer,
            c2pa.Builder(_manifest(facts), context) as builder,
            source.open("rb") as before,
            result.open("rb") as plain,
            signed.open("w+b") as out,
        ):
            builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
            told = json.dumps({"title": facts["source_title"], "relationship": "parentOf"})
            builder.add_ingredient(told, _FORMATS.get(source.suffix.lower(), _OTHER), before)
            builder.sign(signer, _TIFF, plain, out)
        found = _verified(signed, c2pa, context)
        signed.replace(result)
    except (c2pa.C2paError, OSError, ValueError) as error:
        raise NotSigned(f"{type(error).__name__}: {str(error).splitlines()[0][:300]}") from error
    finally:
        signed.unlink(missing_ok=True)
    return found


def key_trouble(path: Path) -> str:
    """Why a private key's file must not be used; empty when it may."""
    try:
        status = path.stat()
    except OSError as error:
        return error.strerror or str(error)
    if not stat.S_ISREG(status.st_mode):
        return "it is no file"
    if status.st_mode & _OTHERS:
        return f"others may read it (mode {stat.S_IMODE(status.st_mode):o}); chmod 600 it"
    return "" if os.access(path, os.R_OK) else "it may not be read"


def signing_trouble(signing: Signing) -> str:
    """What keeps results from being signed; empty when nothing does. A picture of some bytes is signed."""
    facts = {"title": "probe.tif", "source_title": "probe.tif", "source_type": ALGORITHMIC, "healed": 0}
    with tempfile.TemporaryDirectory(prefix="retouchd-") as folder:
        source, result = Path(folder, "source.tif"), Path(folder, "result.tif")
        for path in (source, result):
            tifffile.imwrite(path, np.zeros((16, 16, 3), np.uint16), photometric="rgb", metadata=None)
        try:
            sign(result, source, signing, facts)
        except NotSigned as error:
            return str(error)
    return ""


def _library() -> Any:
    try:
        import c2pa
    except ImportError as error:
        raise NotSigned('c2pa-python is not installed; pip install "retouchd[c2pa]"') from error
    return c2pa


def _info(c2pa: Any, signing: Signing) -> Any:
    return c2pa.C2paSignerInfo(
        alg=signing.algorithm.encode("ascii"),
        sign_cert=_read(signing.certificate, "certificate"),
        private_key=_read(signing.key, "key"),
        # An empty address is an address to the library: it would ask it.
        ta_url=signing.timestamp_url.encode("ascii") or None,
    )


def _read(path: str, what: str) -> bytes:
    file = Path(path)
    trouble = key_trouble(file) if what == "key" else ""
    if trouble:
        raise NotSigned(f"the {what} {file}: {trouble}")
    try:
        with file.open("rb") as handle:
            return handle.read(_MOST_KEY_BYTES)
    except OSError as error:
        raise NotSigned(f"the {what} {file}: {error.strerror}") from error


def _manifest(facts: Mapping[str, Any]) -> dict[str, Any]:
    ours = {"name": "retouchd", "version": __version__}
    edited = {
        "action": "c2pa.edited",
        "softwareAgent": ours,
        "digitalSourceType": facts["source_type"],
        "description": f"skin blemishes healed: {facts['healed']}",
    }
    return {
        "claim_generator_info": [ours],
        "title": facts["title"],
        "format": _TIFF,
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [edited]}}],
    }


def _verified(path: Path, c2pa: Any, context: Any) -> dict[str, Any]:
    """What the manifest of a signed file says, read back from the file.

    Raises:
        NotSigned: it does not hold.
    """
    with path.open("rb") as handle, c2pa.Reader(_TIFF, handle, context=context) as reader:
        told = json.loads(reader.json())
    notes = sorted({str(entry["code"]) for entry in told.get("validation_status") or ()})
    if told.get("validation_state") not in {"Valid", "Trusted"} or set(notes) - {_UNTRUSTED}:
        raise NotSigned(f"the signature does not hold: {', '.join(notes) or told.get('validation_state')}")
    manifest = told["manifests"][told["active_manifest"]]
    return {
        "label": told["active_manifest"],
        "state": told["validation_state"],
        "issuer": manifest.get("signature_info", {}).get("issuer", ""),
        "notes": notes,
        "source": next((i["active_manifest"] for i in manifest["ingredients"] if "active_manifest" in i), ""),
    }
