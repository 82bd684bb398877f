"""Signs in Spanish."""

from palo.scenes.signs.sign_texts import SignTexts

TEXTS = SignTexts(
    language="es",
    words=(
        "abierto",
        "cerrado",
        "salida",
        "entrada",
        "agua",
        "té",
        "pan",
        "escuela",
        "hospital",
        "mercado",
        "farmacia",
        "estación",
        "biblioteca",
        "hotel",
        "fruta",
        "peligro",
    ),
    questions=(
        "¿qué dice el cartel",
        "¿qué pone en el cartel",
    ),
    answer="el cartel dice {word}",
)
