"""What the rows of a configured source have in common, for their parser."""

from palo import languages
from palo.corpus.config import SourceConfig
from palo.corpus.images_step.image_files import image_root
from palo.data.records import Origin


def origin_of(source: SourceConfig) -> Origin:
    """Returns the properties that the rows of a source share.

    Args:
        source: The source.
    """
    return Origin(
        source=source.name,
        licence=source.licence,
        language=source.language,
        image_folder=None if source.images is None else image_root(source.images),
        allowed_hosts=source.allowed_hosts,
        languages=languages.codes(),
        known=tuple(languages.every()),
        image_place=source.image_place,
    )
