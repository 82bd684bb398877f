"""Signs in Russian."""

from palo.scenes.signs.sign_texts import SignTexts

TEXTS = SignTexts(
    language="ru",
    words=(
        "открыто",
        "закрыто",
        "выход",
        "вход",
        "вода",
        "чай",
        "хлеб",
        "школа",
        "больница",
        "рынок",
        "аптека",
        "вокзал",
        "библиотека",
        "гостиница",
        "фрукты",
        "опасно",
    ),
    questions=(
        "что написано на вывеске",
        "какое слово на вывеске",
    ),
    answer="на вывеске написано {word}",
)
