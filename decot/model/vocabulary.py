"""The nine questions a thought answers, and the small vocabulary of each. Knows nothing of tensors or of money.

Every answer is one short phrase of a trader's note, in English and in French; inside one question and one language
no phrase is a part of another, so a sentence can be read back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Lang = Literal["en", "fr"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One step of the chain: what is asked, of which columns, and what may be answered."""

    name: str
    columns: tuple[str, ...]
    """what an answer can be checked against"""
    en: tuple[str, ...]
    fr: tuple[str, ...]
    unasked: tuple[str, str]
    """what a note says (English, French) when this step is not part of the chain: answer −1"""
    neutral: int
    """the honest answer when the columns say nothing"""
    is_forecast: bool = False
    is_ordered: bool = True

    def answers(self, lang: Lang) -> tuple[str, ...]:
        """The phrases of one language, in the order of the answers."""
        return self.en if lang == "en" else self.fr

    def phrase(self, word: int, lang: Lang) -> str:
        """What the note says for one answer; −1 is a step that was not asked."""
        return self.unasked[lang == "fr"] if word < 0 else self.answers(lang)[word]

    def phrases(self, lang: Lang) -> dict[str, int]:
        """Every phrase, in lower case, with the answer it stands for."""
        return {self.phrase(word, lang).lower(): word for word in range(-1, len(self.en))}


QUESTIONS: Final[tuple[Question, ...]] = (
    Question(
        name="flow",
        unasked=("flow not read", "flux non lu"),
        columns=("flow_30", "imb_5"),
        en=(
            "sellers press hard",
            "sellers lean in",
            "flow is balanced",
            "buyers lean in",
            "buyers press hard",
        ),
        fr=("forte pression vendeuse", "légère pression vendeuse", "flux équilibré")
        + ("légère pression acheteuse", "forte pression acheteuse"),
        neutral=2,
    ),
    Question(
        name="volume",
        unasked=("volume not read", "volume non lu"),
        columns=("volume_z",),
        en=("thin volume", "ordinary volume", "busy volume", "heavy volume"),
        fr=("volume mince", "volume ordinaire", "volume soutenu", "volume massif"),
        neutral=1,
    ),
    Question(
        name="trend",
        unasked=("trend not read", "tendance non lue"),
        columns=("ret_60",),
        en=("a steep downtrend", "a mild downtrend", "no trend", "a mild uptrend", "a steep uptrend"),
        fr=("nette tendance baissière", "faible tendance baissière", "aucune tendance")
        + ("faible tendance haussière", "nette tendance haussière"),
        neutral=2,
    ),
    Question(
        name="momentum",
        unasked=("momentum not read", "élan non lu"),
        columns=("ret_5", "macd"),
        en=("momentum falling fast", "momentum fading", "momentum still", "momentum building")
        + ("momentum rising fast",),
        fr=("élan en chute", "élan faiblissant", "élan nul", "élan naissant", "élan en plein essor"),
        neutral=2,
    ),
    Question(
        name="pattern",
        unasked=("candles not read", "figures non lues"),
        columns=("pattern_match",),
        en=("no candle pattern", "a bearish candle", "an undecided candle", "a bullish candle"),
        fr=("aucune figure", "figure baissière", "figure indécise", "figure haussière"),
        neutral=0,
        is_ordered=False,
    ),
    Question(
        name="regime",
        unasked=("regime not read", "régime non lu"),
        columns=tuple(f"regime_{k}" for k in range(6)),
        en=("a sleepy regime", "a quiet regime", "a normal regime", "a lively regime", "a rough regime")
        + ("a wild regime",),
        fr=("régime endormi", "régime tranquille", "régime normal", "régime animé", "régime agité")
        + ("régime déchaîné",),
        neutral=0,
    ),
    Question(
        name="news",
        unasked=("news not read", "nouvelles non lues"),
        columns=("sentiment_bearish", "sentiment_neutral", "sentiment_bullish", "news_known"),
        en=("no news", "bad news", "plain news", "good news"),
        fr=("aucune nouvelle", "mauvaises nouvelles", "nouvelles neutres", "bonnes nouvelles"),
        neutral=0,
        is_ordered=False,
    ),
    Question(
        name="outlook",
        unasked=("nothing in particular", "rien de particulier"),
        columns=("future_return_10s",),
        en=("a strong fall", "a fall", "little change", "a rise", "a strong rise"),
        fr=("une forte baisse", "une baisse", "peu de mouvement", "une hausse", "une forte hausse"),
        neutral=2,
        is_forecast=True,
    ),
    Question(
        name="risk",
        unasked=("unmeasured", "non mesuré"),
        columns=("future_max_dd", "vol_60"),
        en=("calm", "normal", "elevated", "stretched"),
        fr=("faible", "normal", "élevé", "extrême"),
        neutral=1,
        is_forecast=True,
    ),
)
NAMES: Final = tuple(question.name for question in QUESTIONS)
SIZES: Final = tuple(len(question.en) for question in QUESTIONS)
N_QUESTIONS: Final = len(QUESTIONS)
OUTLOOK: Final = NAMES.index("outlook")
RISK: Final = NAMES.index("risk")

FORECASTS: Final = (
    "future_return_5s",
    "future_return_10s",
    "future_signal",
    "future_max_dd",
    "target_profit",
)

MOVES: Final[dict[Lang, dict[tuple[int, int], str]]] = {
    "en": {
        (-1, -1): "I am short and stay short",
        (-1, 0): "I am short and buy back to stand aside",
        (-1, 1): "I am short and turn long",
        (0, -1): "I am flat and sell short",
        (0, 0): "I am flat and stay out",
        (0, 1): "I am flat and go long",
        (1, -1): "I am long and turn short",
        (1, 0): "I am long and sell to stand aside",
        (1, 1): "I am long and stay long",
    },
    "fr": {
        (-1, -1): "je suis vendeur et le reste",
        (-1, 0): "je suis vendeur et rachète pour rester à l'écart",
        (-1, 1): "je suis vendeur et passe acheteur",
        (0, -1): "je suis à plat et vends à découvert",
        (0, 0): "je suis à plat et le reste",
        (0, 1): "je suis à plat et achète",
        (1, -1): "je suis acheteur et passe vendeur",
        (1, 0): "je suis acheteur et vends pour rester à l'écart",
        (1, 1): "je suis acheteur et le reste",
    },
}
TEMPLATES: Final[dict[Lang, str]] = {
    "en": "{flow} on {volume}; {trend}, {momentum}, {pattern}, {regime}, {news}. "
    "I expect {outlook} at {risk} risk: {move}.",
    "fr": "{flow}, {volume} ; {trend}, {momentum}, {pattern}, {regime}, {news}. "
    "J'attends {outlook}, risque {risk} : {move}.",
}
