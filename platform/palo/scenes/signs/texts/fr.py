"""Signs in French."""

from palo.scenes.signs.sign_texts import SignTexts

TEXTS = SignTexts(
    language="fr",
    words=(
        "ouvert",
        "fermé",
        "sortie",
        "entrée",
        "eau",
        "thé",
        "pain",
        "école",
        "hôpital",
        "marché",
        "pharmacie",
        "gare",
        "bibliothèque",
        "hôtel",
        "fruits",
        "danger",
    ),
    questions=(
        "qu'est-ce qui est écrit sur le panneau",
        "que dit le panneau",
    ),
    answer="le panneau dit {word}",
)
