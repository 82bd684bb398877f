"""Names of corpora in a folder that recipes share: by what they are made of.

Equal settings give one corpus, however many recipes use it; others never collide. Paths count as
they are written, so that a checkout can be moved with its corpora.
"""

from palo.config import fingerprint, to_dict
from palo.corpus.config import CorpusConfig
from palo.corpus.filter.mixture import written

# How a corpus is built, and where, is not what it holds.
_DECIDING = (
    "sources",
    "tokenizer",
    "tower",
    "template",
    "limits",
    "image_size",
    "aspect",
    "feature_layer",
    "store",
    "feature_dtype",
    "image_limits",
    "cleaning",
    "mixture",
)
_DIGITS = 12


def corpus_name(config: CorpusConfig) -> str:
    """Returns 12 hexadecimal digits that name what a corpus is made of.

    Args:
        config: Its settings.
    """
    values = to_dict(config)
    deciding = {name: values[name] for name in _DECIDING}
    deciding["mixture"] = written(config.mixture)
    deciding["encoded in"] = config.encoders.dtype
    return fingerprint(deciding)[:_DIGITS]
