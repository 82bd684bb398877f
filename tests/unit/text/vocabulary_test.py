"""New pieces for a tokenizer: no old id changes, texts of the chosen scripts get shorter."""

import json
import random
import shutil
from itertools import pairwise

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, trainers

from palo import languages
from palo.errors import ConfigError, DataError, MismatchError
from palo.text.encoding import EncodingLimits, encode_conversation
from palo.text.messages import Conversation, Turn
from palo.text.streaming import TextStream
from palo.text.templates import TEMPLATES
from palo.text.tokenizer import load_tokenizer
from palo.text.vocabulary.extend import VocabularySettings, extend_tokenizer
from palo.text.vocabulary.learning import PieceLearner, WordCount, merge_all
from palo.text.vocabulary.piece_model import PieceModel, ScoredMerges
from palo.text.vocabulary.runs import SPACE, ScriptRuns

LETTERS = {
    "hi": "कखगचजटडतदनपबमयरलवसहािीुेो्ं",
    "bn": "কখগচজটডতদনপবমযরলসহািীুেো্ং",
    "ar": "ابتثجحخدرزسشصطعفقكلمنهوي",
    "ur": "ابپتٹجچحدڈرزسشعغفقکگلمنںوہھیے",
}
SIGNS = {"hi": "।", "bn": "।", "ar": "؟", "ur": "۔"}
OTHERS = (
    "What is in the image?  Two  spaces,   three; tabs\tand\nlines.",
    "Ни одной новой буквы здесь нет. 图片里有什么？写真には何が見えますか。",
    "naïve café — e\u0301 d\u0323 ½ 👩\u200d🚀 \u200c \ufeff 한국어 ไทย தமிழ் עברית",
    "</s> <s> <unk> <|im_end|> <0x41> ▁ ▁▁a",
    "",
    " ",
)


def texts(code: str, count: int = 400) -> list[str]:
    """Returns sentences of words that repeat, as words do."""
    draw = random.Random(code)
    words = ["".join(draw.choices(LETTERS[code], k=draw.randint(2, 7))) for _ in range(120)]
    sentences = (" ".join(draw.choices(words, k=draw.randint(4, 9))) for _ in range(count))
    return [sentence + SIGNS[code] for sentence in sentences]


def extended(folder, output, codes=("hi", "bn", "ur", "ar"), pieces=150):
    settings = VocabularySettings(languages=codes, pieces_per_language=pieces)
    learned = [(code, text) for code in LETTERS for text in texts(code)[:200]]
    old = load_tokenizer(folder)
    output.mkdir(exist_ok=True)
    extension = extend_tokenizer(old, learned, settings, output)
    return old, load_tokenizer(output), extension


@pytest.fixture(scope="session")
def character_folder(tmp_path_factory, sentences):
    """A tokenizer.json of characters with byte fallback, as LLaMA's has been converted."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
         decoders.Strip(" ", 1, 0)]
    )  # fmt: skip
    pieces = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=["<unk>", "<s>", "</s>", *pieces],
        limit_alphabet=60,
        show_progress=False,
    )
    tokenizer.train_from_iterator(sentences.values(), trainer)
    folder = tmp_path_factory.mktemp("characters")
    values = json.loads(tokenizer.to_str())
    values["added_tokens"] = values["added_tokens"][:3]  # bytes are pieces, not control tokens
    (folder / "tokenizer.json").write_text(json.dumps(values))
    return folder


@pytest.fixture(scope="session")
def control_behind_folder(tmp_path_factory, json_folder):
    """A tokenizer.json whose control tokens stand behind its pieces, as Qwen's and Llama 3's do."""
    tokenizer = Tokenizer.from_file(str(json_folder / "tokenizer.json"))
    values = json.loads(tokenizer.to_str())
    vocabulary = values["model"]["vocab"]
    names = [one["content"] for one in values["added_tokens"]]
    plain = sorted((i, piece) for piece, i in vocabulary.items() if piece not in names)
    values["model"]["vocab"] = {piece: number for number, (_, piece) in enumerate(plain)}
    for number, one in enumerate(values["added_tokens"]):
        one["id"] = len(plain) + number
    values["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "Split", "behavior": "Isolated", "invert": False,
             "pattern": {"Regex": r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
                                  r"|\s*[\r\n]+|\s+(?!\S)|\s+"}},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
             "use_regex": False},
        ],
    }  # fmt: skip
    folder = tmp_path_factory.mktemp("behind")
    (folder / "tokenizer.json").write_text(json.dumps(values))
    shutil.copy(json_folder / "tokenizer_config.json", folder)
    return folder


KINDS = ("piece_folder", "json_folder", "character_folder", "control_behind_folder")


@pytest.fixture(params=KINDS)
def both(request, tmp_path):
    """An old and a new tokenizer of each kind, and what was added."""
    return extended(request.getfixturevalue(request.param), tmp_path / "new")


def test_old_texts_keep_their_ids(both, sentences):
    old, new, _ = both
    unchanged = [sentences[code] for code in ("en", "zh", "fr", "es", "ru", "ja")]
    for text in (*unchanged, *OTHERS):
        assert new.encode(text) == old.encode(text), text


def test_old_ids_mean_what_they_meant(both):
    old, new, extension = both
    assert extension.first_id == old.vocab_size
    assert new.vocab_size == old.vocab_size + len(extension.old_ids)
    assert (new.bos_id, new.eos_id, new.pad_id) == (old.bos_id, old.eos_id, old.pad_id)
    for token_id in range(old.vocab_size):
        assert new.token_bytes(token_id) == old.token_bytes(token_id)
        assert new.is_special(token_id) == old.is_special(token_id)
    assert not any(map(new.is_special, range(old.vocab_size, new.vocab_size)))


def test_texts_of_the_scripts_get_shorter_and_come_back(both):
    old, new, _ = both
    for code in LETTERS:
        heldout = texts(code)[200:]
        before = sum(len(old.encode(text)) for text in heldout)
        after = sum(len(new.encode(text)) for text in heldout)
        assert after < 0.6 * before, code
        for text in heldout[:20]:
            ids = new.encode(text)
            assert new.decode(ids) == old.decode(old.encode(text))
            stream = TextStream(new)
            assert "".join(map(stream.add, ids)) + stream.end() == text


def test_mixed_text_changes_only_where_the_scripts_are(both):
    old, new, extension = both
    text = f"Look: {texts('hi')[250]} and {texts('ar')[250]}, 12 of 345 <|im_end|> boats"
    ids = new.encode(text)
    kept = [one for one in ids if one < extension.first_id]
    assert len(ids) < len(old.encode(text))
    assert b"".join(map(new.token_bytes, ids)) == b"".join(map(old.token_bytes, old.encode(text)))
    assert not any(map(new.is_special, kept))


def test_a_new_piece_was_its_old_pieces(both):
    old, new, extension = both
    for number, ids in enumerate(extension.old_ids):
        assert len(ids) > 1
        assert all(0 <= one < extension.first_id for one in ids)
        whole = b"".join(map(old.token_bytes, ids))
        assert whole == new.token_bytes(extension.first_id + number)


def test_the_same_texts_give_the_same_file(piece_folder, tmp_path):
    _, one, _ = extended(piece_folder, tmp_path / "one")
    _, two, _ = extended(piece_folder, tmp_path / "two")
    assert one.fingerprint == two.fingerprint


def test_words_are_split_as_sentencepiece_will(piece_folder, tmp_path):
    old = load_tokenizer(piece_folder)
    model = PieceModel(old)
    runs = ScriptRuns("Beng")
    words = [run for text in texts("bn") for run in runs.runs(text)]
    characters = sorted(set("".join(words)) - {SPACE})
    pieces = [one for sign in characters if (one := model.add_character(sign))]
    counts = {model.split(word): WordCount(1, 1) for word in words}
    pieces += PieceLearner(counts, model.merges, model.may_add, 1).learn(300)
    model.write(tmp_path, pieces)
    new = load_tokenizer(tmp_path)
    for word in words:
        parts = [part.replace(SPACE, " ").encode() for part in model.split(word)]
        assert [new.token_bytes(one) for one in new.encode(word.removeprefix(SPACE))] == parts


def test_samples_have_the_same_labels_in_fewer_ids(piece_folder, tmp_path):
    old, new, _ = extended(piece_folder, tmp_path / "new")
    question, answer = texts("bn")[300:302]
    conversation = Conversation(
        (Turn("user", question, num_images=1), Turn("assistant", answer)), None
    )
    limits = EncodingLimits(max_text_tokens=4096)
    samples = [
        encode_conversation(conversation, TEMPLATES["vicuna_v1"], one, limits).samples[0]
        for one in (old, new)
    ]
    assert len(samples[1].input_ids) < len(samples[0].input_ids)
    trained = [
        one.decode([i for start, end in sample.label_spans for i in sample.input_ids[start:end]])
        for one, sample in zip((old, new), samples, strict=True)
    ]
    assert trained[0] == trained[1]
    assert answer in trained[1]


def test_only_the_chosen_languages_change(piece_folder, tmp_path):
    old, new, extension = extended(piece_folder, tmp_path / "new", codes=("bn",))
    assert extension.scripts.keys() == {"Beng"}
    assert new.encode("हिंदी में") == old.encode("हिंदी में")
    assert new.encode("عربي؟") == old.encode("عربي؟")


def test_latin_letters_are_refused(piece_folder, tmp_path):
    with pytest.raises(ConfigError, match=r"Latin.*: es"):
        extended(piece_folder, tmp_path, codes=("hi", "es"))


def test_too_little_text_is_refused(piece_folder, tmp_path):
    old = load_tokenizer(piece_folder)
    settings = VocabularySettings(languages=("hi",))
    with pytest.raises(DataError, match="Hindi"):
        extend_tokenizer(old, [("hi", "नमस्ते")], settings, tmp_path)


@pytest.mark.parametrize(
    "change",
    [{"type": "WordPiece", "unk_token": "[UNK]"}, {"ignore_merges": True}],
    ids=["word pieces", "whole words"],
)
def test_other_models_are_refused(json_folder, tmp_path, change):
    values = json.loads((json_folder / "tokenizer.json").read_text())
    model = values["model"] | change
    if "unk_token" in change:
        model = {k: model[k] for k in ("type", "vocab", "unk_token")} | {
            "continuing_subword_prefix": "##", "max_input_chars_per_word": 100
        }  # fmt: skip
        model["vocab"] |= {"[UNK]": len(model["vocab"])}
    (tmp_path / "tokenizer.json").write_text(json.dumps(values | {"model": model}))
    with pytest.raises(MismatchError, match="new pieces"):
        extended(tmp_path, tmp_path / "new")


def test_settings_say_what_is_wrong():
    wrong = VocabularySettings(languages=("xx",), pieces_per_language=0, least_count=0)
    assert len(list(wrong.faults())) == 3
    assert len(list(VocabularySettings(languages=()).faults())) == 1


def test_the_most_frequent_pair_comes_first_and_old_merges_before_it():
    merges = ScoredMerges({"a": 0.0, "b": 0.0, "c": 0.0, "ab": -1.0})
    words = {("a", "b", "c"): WordCount(3, 3), ("c", "c"): WordCount(2, 2)}
    words = {tuple(merge_all(parts, merges)): count for parts, count in words.items()}
    learner = PieceLearner(words, merges, lambda _: True, 1)
    found = list(learner.learn(5))
    assert [piece.text for piece in found] == ["abc", "cc"]
    assert found[0].pairs == (("ab", "c"),)
    assert merges.scores["abc"] > merges.scores["cc"]


def test_what_is_learned_equals_a_slow_count():
    draw = random.Random(3)
    merges = ScoredMerges(dict.fromkeys("abcd", 0.0))
    words = {
        tuple(draw.choices("abcd", k=draw.randint(2, 8))): WordCount(count, count)
        for count in range(1, 60)
    }
    slow = ScoredMerges(dict.fromkeys("abcd", 0.0))
    expected = []
    for _ in range(20):
        counts: dict[str, int] = {}
        for parts, count in words.items():
            for pair in pairwise(merge_all(parts, slow)):
                counts["".join(pair)] = counts.get("".join(pair), 0) + count.weight
        best = min(counts, key=lambda piece: (-counts[piece], piece))
        expected.append(best)
        slow.add(best)
    learner = PieceLearner(words, merges, lambda _: True, 1)
    assert [piece.text for piece in learner.learn(20)] == expected


def test_real_vocabularies_on_news(data_folder, tmp_path):
    folder = data_folder / "tokenizer" / "llama2-32k"
    lines = (data_folder / "parallel" / "ntrex1000" / "sentences.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    learned, heldout = rows[:500], rows[500:700]
    codes = ("hi", "bn", "ur", "ar")
    old = load_tokenizer(folder)
    extend_tokenizer(
        old, ((code, row[code]) for row in learned for code in codes),
        VocabularySettings(pieces_per_language=1000), tmp_path,
    )  # fmt: skip
    new = load_tokenizer(tmp_path)
    english = sum(len(old.encode(row["en"])) for row in heldout)
    for code in languages.codes():
        if code not in codes:
            assert all(new.encode(row[code]) == old.encode(row[code]) for row in heldout)
            continue
        assert sum(len(new.encode(row[code])) for row in heldout) < 2 * english
        for row in heldout[:100]:
            assert new.decode(new.encode(row[code])) == old.decode(old.encode(row[code]))
