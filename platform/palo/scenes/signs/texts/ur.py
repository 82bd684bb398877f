"""Signs in Urdu."""

from palo.scenes.signs.sign_texts import SignTexts

TEXTS = SignTexts(
    language="ur",
    words=(
        "کھلا",
        "بند",
        "اخراج",
        "داخلہ",
        "پانی",
        "چائے",
        "روٹی",
        "اسکول",
        "ہسپتال",
        "بازار",
        "دواخانہ",
        "اسٹیشن",
        "کتب خانہ",
        "ہوٹل",
        "پھل",
        "خطرہ",
    ),
    questions=(
        "بورڈ پر کیا لکھا ہے",
        "بورڈ پر کون سا لفظ ہے",
    ),
    answer="بورڈ پر {word} لکھا ہے",
    families=("NotoNastaliqUrdu",),
)
