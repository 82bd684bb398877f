"""Images that can't be decoded, remembered so that a build that goes on leaves them alone."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from palo import storage
from palo.config import fingerprint
from palo.images.preprocessing import ImageLimits
from palo.reasons import Reason

# What may be gone at the next try: the file was missing, or it was not the one that was identified.
_PASSING = (
    Reason.IMAGE_MISSING,
    Reason.IMAGE_UNREADABLE,
    Reason.IMAGE_HOST,
    Reason.IMAGE_SERVER_SILENT,
)


def faults_folder(corpus: Path, limits: ImageLimits) -> Path:
    """Returns where the faults of a corpus' images lie, as judged by some limits."""
    return corpus / "done" / "images" / fingerprint(limits)


def write_faults(folder: Path, faults: Mapping[str, tuple[str, str]]) -> None:
    """Remembers faults that stay.

    Args:
        folder: From `faults_folder`.
        faults: Reason and detail by image id.
    """
    lasting = {key: fault for key, fault in faults.items() if fault[0] not in _PASSING}
    if lasting:
        name = hashlib.sha256("".join(sorted(lasting)).encode()).hexdigest()[:24]
        storage.write_json(folder / f"{name}.json", lasting)


def read_faults(corpus: Path, limits: ImageLimits) -> dict[str, tuple[str, str]]:
    """Returns reason and detail by image id of what is remembered."""
    found: dict[str, tuple[str, str]] = {}
    for path in sorted(faults_folder(corpus, limits).glob("*.json")):
        faults = storage.read_json(path)
        found |= {image_id: (reason, detail) for image_id, (reason, detail) in faults.items()}
    return found
