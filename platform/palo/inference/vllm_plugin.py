"""What vLLM loads of this package where both are installed: entry point `vllm.general_plugins`.

    vllm serve FOLDER

then takes a folder that `palo.checkpoint.exporting.vllm_files` has made ready, MobilePALO's too.
Nothing else imports this module.
"""

ARCHITECTURE = "PaloForConditionalGeneration"
_MODEL = "palo.inference.vllm_model:PaloVllmModel"


def register() -> None:
    """Tells vLLM which class runs the architecture; the class is imported when it is needed."""
    from vllm import ModelRegistry

    if ARCHITECTURE not in ModelRegistry.get_supported_archs():
        ModelRegistry.register_model(ARCHITECTURE, _MODEL)
