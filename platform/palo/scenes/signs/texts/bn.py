"""Signs in Bengali."""

from palo.scenes.signs.sign_texts import SignTexts

TEXTS = SignTexts(
    language="bn",
    words=(
        "খোলা",
        "বন্ধ",
        "প্রস্থান",
        "প্রবেশ",
        "পানি",
        "চা",
        "রুটি",
        "বিদ্যালয়",
        "হাসপাতাল",
        "বাজার",
        "ফার্মেসি",
        "স্টেশন",
        "গ্রন্থাগার",
        "হোটেল",
        "ফল",
        "বিপদ",
    ),
    questions=(
        "সাইনবোর্ডে কী লেখা আছে",
        "সাইনবোর্ডে কোন শব্দ আছে",
    ),
    answer="সাইনবোর্ডে {word} লেখা আছে",
)
