"""PALO: multilingual vision-language models, from instructions to a served model, on Ray."""
