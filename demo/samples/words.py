# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: RUF001 -- names in several scripts are what this module is about
"""Of what sample names are made: countries with their clocks, words for institutions, syllables of places.

Every name begins with the word for "sample" in its language. Offices stand where a person might be named.
"""

from collections.abc import Mapping
from dataclasses import dataclass

WEEK = ("mon", "tue", "wed", "thu", "fri")
SUNDAY_WEEK = ("sun", "mon", "tue", "wed", "thu")


@dataclass(frozen=True, slots=True)
class Country:
    """A country in which sample authorities are placed; nothing here is true of a real authority there.

    Attributes:
        native: language of the official name; the others that are spoken follow.
        week: its working days.
    """

    code: str
    languages: tuple[str, ...]
    zone: str
    week: tuple[str, ...] = WEEK

    @property
    def native(self) -> str:
        """Language of the official name."""
        return self.languages[0]


COUNTRIES = (
    Country("AE", ("ar", "en"), "Asia/Dubai"),
    Country("AO", ("pt",), "Africa/Luanda"),
    Country("AR", ("es",), "America/Argentina/Buenos_Aires"),
    Country("AU", ("en",), "Australia/Sydney"),
    Country("BO", ("es",), "America/La_Paz"),
    Country("BR", ("pt", "es"), "America/Sao_Paulo"),
    Country("BW", ("en",), "Africa/Gaborone"),
    Country("CA", ("en", "fr"), "America/Toronto"),
    Country("CH", ("fr", "en"), "Europe/Zurich"),
    Country("CI", ("fr",), "Africa/Abidjan"),
    Country("CL", ("es", "en"), "America/Santiago"),
    Country("CM", ("fr", "en"), "Africa/Douala"),
    Country("CN", ("zh", "en"), "Asia/Shanghai"),
    Country("CO", ("es",), "America/Bogota"),
    Country("CR", ("es", "en"), "America/Costa_Rica"),
    Country("DZ", ("ar", "fr"), "Africa/Algiers", SUNDAY_WEEK),
    Country("EC", ("es",), "America/Guayaquil"),
    Country("EG", ("ar", "en"), "Africa/Cairo", SUNDAY_WEEK),
    Country("ES", ("es", "en"), "Europe/Madrid"),
    Country("FR", ("fr", "en"), "Europe/Paris"),
    Country("GB", ("en",), "Europe/London"),
    Country("GH", ("en",), "Africa/Accra"),
    Country("IN", ("hi", "en"), "Asia/Kolkata"),
    Country("JM", ("en",), "America/Jamaica"),
    Country("JO", ("ar", "en"), "Asia/Amman", SUNDAY_WEEK),
    Country("KE", ("en",), "Africa/Nairobi"),
    Country("KZ", ("ru", "en"), "Asia/Almaty"),
    Country("MA", ("ar", "fr"), "Africa/Casablanca"),
    Country("MX", ("es", "en"), "America/Mexico_City"),
    Country("MZ", ("pt", "en"), "Africa/Maputo"),
    Country("NA", ("en",), "Africa/Windhoek"),
    Country("NG", ("en",), "Africa/Lagos"),
    Country("NZ", ("en",), "Pacific/Auckland"),
    Country("PA", ("es", "en"), "America/Panama"),
    Country("PE", ("es",), "America/Lima"),
    Country("PH", ("en",), "Asia/Manila"),
    Country("PT", ("pt", "en"), "Europe/Lisbon"),
    Country("SA", ("ar", "en"), "Asia/Riyadh", SUNDAY_WEEK),
    Country("SG", ("en", "zh"), "Asia/Singapore"),
    Country("SN", ("fr",), "Africa/Dakar"),
    Country("TN", ("ar", "fr"), "Africa/Tunis"),
    Country("TZ", ("en",), "Africa/Dar_es_Salaam"),
    Country("UG", ("en",), "Africa/Kampala"),
    Country("US", ("en", "es"), "America/New_York"),
    Country("UY", ("es",), "America/Montevideo"),
    Country("UZ", ("ru",), "Asia/Tashkent"),
    Country("ZA", ("en",), "Africa/Johannesburg"),
    Country("ZM", ("en",), "Africa/Lusaka"),
)

SAMPLE: Mapping[str, str] = {
    "en": "Sample",
    "fr": "Exemple de",
    "es": "Muestra de",
    "pt": "Exemplo de",
    "ru": "Образец:",
    "ar": "نموذج",
    "zh": "样本",
    "hi": "नमूना",
}
"""How a name begins in each language."""

INSTITUTIONS: Mapping[str, Mapping[str, str]] = {
    "ACA": {
        "en": "Anti-Corruption Commission",
        "fr": "Commission anticorruption",
        "es": "Comisión Anticorrupción",
        "pt": "Comissão Anticorrupção",
        "ru": "Комиссия по противодействию коррупции",
        "ar": "هيئة مكافحة الفساد",
        "zh": "反腐败委员会",
        "hi": "भ्रष्टाचार निरोधक आयोग",
    },
    "PROSECUTION": {
        "en": "Office of the Public Prosecutor",
        "fr": "Bureau du procureur",
        "es": "Fiscalía",
        "pt": "Ministério Público",
        "ru": "Прокуратура",
        "ar": "النيابة العامة",
        "zh": "检察院",
        "hi": "अभियोजन कार्यालय",
    },
    "POLICE": {
        "en": "Economic Crime Police",
        "fr": "Police économique",
        "es": "Policía Económica",
        "pt": "Polícia Económica",
        "ru": "Экономическая полиция",
        "ar": "شرطة الجرائم الاقتصادية",
        "zh": "经济犯罪警察局",
        "hi": "आर्थिक अपराध पुलिस",
    },
    "FIU": {
        "en": "Financial Intelligence Unit",
        "fr": "Cellule de renseignement financier",
        "es": "Unidad de Inteligencia Financiera",
        "pt": "Unidade de Informação Financeira",
        "ru": "Служба финансовой разведки",
        "ar": "وحدة المعلومات المالية",
        "zh": "金融情报中心",
        "hi": "वित्तीय आसूचना इकाई",
    },
    "ARO": {
        "en": "Asset Recovery Office",
        "fr": "Bureau de recouvrement des avoirs",
        "es": "Oficina de Recuperación de Activos",
        "pt": "Gabinete de Recuperação de Ativos",
        "ru": "Бюро по возвращению активов",
        "ar": "مكتب استرداد الموجودات",
        "zh": "资产追回办公室",
        "hi": "संपत्ति वसूली कार्यालय",
    },
    "CENTRAL_AUTHORITY": {
        "en": "Central Authority for Legal Assistance",
        "fr": "Autorité centrale d'entraide judiciaire",
        "es": "Autoridad Central de Asistencia Judicial",
        "pt": "Autoridade Central de Auxílio Judiciário",
        "ru": "Центральный орган правовой помощи",
        "ar": "السلطة المركزية للمساعدة القانونية",
        "zh": "司法协助中央机关",
        "hi": "विधिक सहायता केंद्रीय प्राधिकरण",
    },
    "PREVENTION": {
        "en": "Integrity and Prevention Agency",
        "fr": "Agence de prévention et d'intégrité",
        "es": "Agencia de Integridad y Prevención",
        "pt": "Agência de Integridade e Prevenção",
        "ru": "Агентство по профилактике",
        "ar": "وكالة النزاهة والوقاية",
        "zh": "廉政预防局",
        "hi": "सत्यनिष्ठा एवं रोकथाम एजेंसी",
    },
}
"""What kinds of authorities are called."""

OFFICES = (
    "Duty desk",
    "Asset recovery desk",
    "International cooperation unit",
    "Legal assistance section",
    "Financial investigations unit",
    "Company register liaison",
    "Case intake office",
    "Evidence and seizures desk",
    "Prevention liaison",
    "Technical desk",
)

_SYLLABLES = """
ba ба با 巴 बा|da да دا 达 दा|fa фа فا 法 फा|ga га غا 加 गा|ka ка كا 卡 का|ma ма ما 马 मा
na на نا 纳 ना|pa па پا 帕 पा|ra ра را 拉 रा|sa са سا 萨 सा|ta та تا 塔 ता|va ва فا 瓦 वा
be бе بي 贝 बे|de де دي 德 दे|ke ке كي 克 के|me ме مي 梅 मे|ne не ني 内 ने|re ре ري 雷 रे
se се سي 塞 से|te те تي 特 ते|bo бо بو 博 बो|do до دو 多 दो|go го غو 戈 गो|ko ко كو 科 को
mo мо مو 莫 मो|no но نو 诺 नो|ro ро رو 罗 रो|so со سو 索 सो|to то تو 托 तो|bu бу بو 布 बु
du ду دو 杜 दु|gu гу غو 古 गु|ku ку كو 库 कु|mu му مو 穆 मु|nu ну نو 努 नु|ru ру رو 鲁 रु
su су سو 苏 सु|tu ту تو 图 तु|an ан ان 安 अन|en ен ين 恩 एन
"""
SYLLABLES = tuple(
    dict(zip(("latin", "ru", "ar", "zh", "hi"), line.split(), strict=True))
    for line in _SYLLABLES.strip().replace("\n", "|").split("|")
)
"""The same syllable in the scripts that sample names use."""


def place_name(numbers: tuple[int, ...], language: str) -> str:
    """Write the name of an invented place in the script of a language."""
    script = language if language in ("ru", "ar", "zh", "hi") else "latin"
    text = "".join(SYLLABLES[number][script] for number in numbers)
    return text[0].upper() + text[1:]


def authority_name(kind: str, numbers: tuple[int, ...], language: str, *, number: int) -> str:
    """Write the name of a sample authority in a language; the number tells it from all others."""
    place, institution = place_name(numbers, language), INSTITUTIONS[kind][language]
    if language == "zh":
        return f"{SAMPLE[language]}{place}{institution}{number:05d}"
    return f"{SAMPLE[language]} {institution} {place} {number:05d}"
