"""What lmms-eval reads of this package whenever it starts, whatever model it is asked for.

It imports nothing else: lmms-eval would hide what goes wrong with it, and wait for it.
"""

NAME = "palo"
_CLASS = "palo.evaluate.lmms_model.Palo"


def model_manifest() -> object:
    """Returns the entry for lmms-eval's registry."""
    from lmms_eval.models.registry_v2 import ModelManifest

    return ModelManifest(model_id=NAME, simple_class_path=_CLASS)
